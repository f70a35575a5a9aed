/* n factorisations of a 48 x 48 f64 matrix with partial pivoting: triangular loops, row swaps. */
#include "kernel.h"

enum { SIZE = 48 };

static f64 source[SIZE][SIZE], m[SIZE][SIZE];

static u32 pivot_row(u32 column) {
    u32 best = column;
    for (u32 row = column + 1; row < SIZE; row++)
        if (__builtin_fabs(m[row][column]) > __builtin_fabs(m[best][column]))
            best = row;
    return best;
}

static void swap_rows(u32 one, u32 two) {
    for (u32 i = 0; i < SIZE; i++) {
        f64 item = m[one][i];
        m[one][i] = m[two][i];
        m[two][i] = item;
    }
}

static f64 factor(void) {
    f64 determinant = 1;
    for (u32 k = 0; k < SIZE; k++) {
        u32 pivot = pivot_row(k);
        if (pivot != k) {
            swap_rows(pivot, k);
            determinant = -determinant;
        }
        determinant *= m[k][k];
        for (u32 i = k + 1; i < SIZE; i++) {
            f64 scale = m[i][k] /= m[k][k];
            for (u32 j = k + 1; j < SIZE; j++)
                m[i][j] -= scale * m[k][j];
        }
    }
    return determinant;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 89, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            source[i][j] = 2 * random_f64(&random) - 1;
    for (u32 round = 0; round < n; round++) {
        source[round % SIZE][round * 7 % SIZE] = random_f64(&random);
        copy_bytes(m, source, sizeof m);
        sum = fold_f64(sum, factor());
    }
    return sum;
}
