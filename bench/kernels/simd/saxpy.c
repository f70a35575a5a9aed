/* n times y = a * x + y and a dot product over 2048 f32: plain C that the compiler vectorises. */
#include "../kernel.h"

enum { SIZE = 2048 };

static f32 x[SIZE], y[SIZE];
static i32 counts[SIZE];

u64 EXPORT(run)(u32 n) {
    u64 random = 89, sum = 0;
    for (u32 i = 0; i < SIZE; i++) {
        x[i] = (f32)random_f64(&random) - 0.5f;
        y[i] = (f32)random_f64(&random) - 0.5f;
    }
    for (u32 round = 0; round < n; round++) {
        f32 a = 0.25f + (f32)(round & 7) * 0.03125f;
        for (u32 i = 0; i < SIZE; i++)
            y[i] = a * x[i] + 0.5f * y[i];
        for (u32 i = 0; i < SIZE; i++)
            counts[i] += (i32)(y[i] > 0.0f) * (i32)(round | 1);
        x[round % SIZE] += y[(round * 3) % SIZE];
    }
    for (u32 i = 0; i < SIZE; i++)
        sum = fold(fold_f32(sum, y[i]), (u32)counts[i]);
    return sum;
}
