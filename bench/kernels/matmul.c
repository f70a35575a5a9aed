/* n products of 64 x 64 f64 matrices, rows in the inner loop: what a vectoriser does best. */
#include "kernel.h"

enum { SIZE = 64 };

static f64 a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

static void multiply(void) {
    for (u32 i = 0; i < SIZE; i++) {
        for (u32 j = 0; j < SIZE; j++)
            c[i][j] = 0;
        for (u32 k = 0; k < SIZE; k++)
            for (u32 j = 0; j < SIZE; j++)
                c[i][j] += a[i][k] * b[k][j];
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 83, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            a[i][j] = random_f64(&random) - 0.5;
            b[i][j] = random_f64(&random) - 0.5;
        }
    for (u32 round = 0; round < n; round++) {
        multiply();
        for (u32 i = 0; i < SIZE; i++)
            a[i][(i + round) % SIZE] = 0.375 * c[i][i];
    }
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            sum = fold_f64(sum, c[i][j]);
    return sum;
}
