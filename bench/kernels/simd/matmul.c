/* n products of 64 x 64 f32 matrices, four columns of four rows at a time. */
#include "simd.h"

enum { SIZE = 64 };

static f32 a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

static void multiply(void) {
    for (u32 i = 0; i < SIZE; i += 4)
        for (u32 j = 0; j < SIZE; j += 4) {
            v128_t r0 = wasm_f32x4_splat(0), r1 = r0, r2 = r0, r3 = r0;
            for (u32 k = 0; k < SIZE; k++) {
                v128_t row = wasm_v128_load(&b[k][j]);
                r0 = wasm_f32x4_add(r0, wasm_f32x4_mul(wasm_v128_load32_splat(&a[i][k]), row));
                r1 = wasm_f32x4_add(r1, wasm_f32x4_mul(wasm_v128_load32_splat(&a[i + 1][k]), row));
                r2 = wasm_f32x4_add(r2, wasm_f32x4_mul(wasm_v128_load32_splat(&a[i + 2][k]), row));
                r3 = wasm_f32x4_add(r3, wasm_f32x4_mul(wasm_v128_load32_splat(&a[i + 3][k]), row));
            }
            wasm_v128_store(&c[i][j], r0);
            wasm_v128_store(&c[i + 1][j], r1);
            wasm_v128_store(&c[i + 2][j], r2);
            wasm_v128_store(&c[i + 3][j], r3);
        }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 83, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++) {
            a[i][j] = (f32)random_f64(&random) - 0.5f;
            b[i][j] = (f32)random_f64(&random) - 0.5f;
        }
    for (u32 round = 0; round < n; round++) {
        multiply();
        for (u32 i = 0; i < SIZE; i++)
            a[i][(i + round) % SIZE] = 0.375f * c[i][i];
    }
    for (u32 i = 0; i < SIZE; i++)
        for (u32 j = 0; j < SIZE; j++)
            sum = fold_f32(sum, c[i][j]);
    return sum;
}
