/* n sweeps of a five-point stencil over a 96 x 96 f64 grid: loads from three neighbouring rows. */
#include "kernel.h"

enum { SIZE = 96 };

static f64 grids[2][SIZE][SIZE];

static void sweep(f64 (*restrict from)[SIZE], f64 (*restrict to)[SIZE]) {
    for (u32 i = 1; i < SIZE - 1; i++)
        for (u32 j = 1; j < SIZE - 1; j++)
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j] +
                              from[i + 1][j]);
}

u64 EXPORT(run)(u32 n) {
    u64 random = 97, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            grids[0][i][j] = grids[1][i][j] = random_f64(&random);
    for (u32 step = 0; step < n; step++)
        sweep(grids[step & 1], grids[~step & 1]);
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            sum = fold_f64(sum, grids[n & 1][i][j]);
    return sum;
}
