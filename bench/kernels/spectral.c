/* n steps of the power method on a 100 x 100 matrix never stored: i32 to f64, f64 division. */
#include "kernel.h"

enum { SIZE = 100 };

static f64 entry(u32 row, u32 column) {
    u32 diagonal = row + column;
    return 1.0 / (f64)(diagonal * (diagonal + 1) / 2 + row + 1);
}

static void multiply(const f64 *from, f64 *to) {
    for (u32 row = 0; row < SIZE; row++) {
        f64 sum = 0;
        for (u32 column = 0; column < SIZE; column++)
            sum += entry(row, column) * from[column];
        to[row] = sum;
    }
}

static void multiply_transposed(const f64 *from, f64 *to) {
    for (u32 row = 0; row < SIZE; row++) {
        f64 sum = 0;
        for (u32 column = 0; column < SIZE; column++)
            sum += entry(column, row) * from[column];
        to[row] = sum;
    }
}

u64 EXPORT(run)(u32 n) {
    static f64 vector[SIZE], product[SIZE];
    u64 sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        vector[i] = 1;
    for (u32 step = 0; step < n; step++) {
        multiply(vector, product);
        multiply_transposed(product, vector);
        f64 square = 0;
        for (u32 i = 0; i < SIZE; i++)
            square += vector[i] * vector[i];
        f64 scale = 1 / __builtin_sqrt(square);
        for (u32 i = 0; i < SIZE; i++)
            vector[i] *= scale;
        vector[step % SIZE] += 0.0625;
    }
    for (u32 i = 0; i < SIZE; i++)
        sum = fold_f64(sum, vector[i]);
    return sum;
}
