/* n times 4096 f32 to i8 and back: scaled, rounded, clamped, converted. */
#include "simd.h"

enum { SIZE = 4096 };

static f32 from[SIZE], back[SIZE];
static int8_t bytes[SIZE];

static v128_t rounded(const f32 *at, v128_t scale) {
    v128_t value = wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(at), scale));
    return wasm_i32x4_trunc_sat_f32x4(value);
}

u64 EXPORT(run)(u32 n) {
    u64 random = 73, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        from[i] = (f32)random_f64(&random) * 300.0f - 150.0f;
    for (u32 round = 0; round < n; round++) {
        v128_t scale = wasm_f32x4_splat(1.0f + (f32)(round & 15) * 0.0625f), inverse = wasm_f32x4_splat(0.9f);
        for (u32 at = 0; at < SIZE; at += 16)
            wasm_v128_store(bytes + at,
                            wasm_i8x16_narrow_i16x8(
                                wasm_i16x8_narrow_i32x4(rounded(from + at, scale), rounded(from + at + 4, scale)),
                                wasm_i16x8_narrow_i32x4(rounded(from + at + 8, scale), rounded(from + at + 12, scale))));
        for (u32 at = 0; at < SIZE; at += 8) {
            v128_t wide = wasm_i16x8_load8x8(bytes + at);
            v128_t low = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(wide));
            v128_t high = wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(wide));
            wasm_v128_store(back + at, wasm_f32x4_mul(low, inverse));
            wasm_v128_store(back + at + 4, wasm_f32x4_mul(high, inverse));
        }
        from[round % SIZE] = back[(round * 5) % SIZE] + 1.0f;
    }
    for (u32 i = 0; i < SIZE; i++)
        sum = fold_f32(sum, back[i]);
    return sum;
}
