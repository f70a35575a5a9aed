/* n steps of heat flow through a 24 x 24 x 24 f64 block: a seven-point stencil. */
#include "kernel.h"

enum { SIZE = 24 };

static f64 blocks[2][SIZE][SIZE][SIZE];

static void step(f64 (*restrict a)[SIZE][SIZE], f64 (*restrict b)[SIZE][SIZE]) {
    for (u32 i = 1; i < SIZE - 1; i++)
        for (u32 j = 1; j < SIZE - 1; j++)
            for (u32 k = 1; k < SIZE - 1; k++)
                b[i][j][k] = 0.125 * (a[i + 1][j][k] - 2.0 * a[i][j][k] + a[i - 1][j][k]) +
                             0.125 * (a[i][j + 1][k] - 2.0 * a[i][j][k] + a[i][j - 1][k]) +
                             0.125 * (a[i][j][k + 1] - 2.0 * a[i][j][k] + a[i][j][k - 1]) +
                             a[i][j][k];
}

u64 EXPORT(run)(u32 n) {
    u64 random = 101, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            for (u32 k = 0; k < SIZE; k++)
                blocks[0][i][j][k] = blocks[1][i][j][k] = 100 * random_f64(&random);
    for (u32 t = 0; t < n; t++)
        step(blocks[t & 1], blocks[~t & 1]);
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            for (u32 k = 0; k < SIZE; k++)
                sum = fold_f64(sum, blocks[n & 1][i][j][k]);
    return sum;
}
