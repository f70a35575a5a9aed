/* n times 256 bytes of ChaCha20: four blocks at once, a word of each in a vector. */
#include "simd.h"

static v128_t rotate(v128_t value, u32 by) {
    return wasm_v128_or(wasm_i32x4_shl(value, by), wasm_u32x4_shr(value, 32 - by));
}

static v128_t rotate16(v128_t v) {
    return wasm_i8x16_shuffle(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

static v128_t rotate8(v128_t v) {
    return wasm_i8x16_shuffle(v, v, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

#define QUARTER(a, b, c, d)                                                                        \
    a = wasm_i32x4_add(a, b), d = rotate16(wasm_v128_xor(d, a));                                   \
    c = wasm_i32x4_add(c, d), b = rotate(wasm_v128_xor(b, c), 12);                                 \
    a = wasm_i32x4_add(a, b), d = rotate8(wasm_v128_xor(d, a));                                    \
    c = wasm_i32x4_add(c, d), b = rotate(wasm_v128_xor(b, c), 7)

u64 EXPORT(run)(u32 n) {
    u64 random = 7;
    v128_t start[16], x[16], sum = wasm_i32x4_splat(0);
    for (u32 i = 0; i < 16; i++)
        start[i] = wasm_i32x4_splat((i32)random_u32(&random));
    for (u32 round = 0; round < n; round++) {
        start[12] = wasm_i32x4_add(wasm_i32x4_splat((i32)(4 * round)), wasm_i32x4_make(0, 1, 2, 3));
        for (u32 i = 0; i < 16; i++)
            x[i] = start[i];
        for (u32 i = 0; i < 10; i++) {
            QUARTER(x[0], x[4], x[8], x[12]);
            QUARTER(x[1], x[5], x[9], x[13]);
            QUARTER(x[2], x[6], x[10], x[14]);
            QUARTER(x[3], x[7], x[11], x[15]);
            QUARTER(x[0], x[5], x[10], x[15]);
            QUARTER(x[1], x[6], x[11], x[12]);
            QUARTER(x[2], x[7], x[8], x[13]);
            QUARTER(x[3], x[4], x[9], x[14]);
        }
        for (u32 i = 0; i < 16; i++)
            sum = wasm_v128_xor(wasm_i32x4_add(sum, x[i]), start[i]);
    }
    return fold_vector(1, sum);
}
