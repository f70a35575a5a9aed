/* n times sum, minimum and maximum of 4096 f32, and of as many i16. */
#include "simd.h"

enum { SIZE = 4096 };

static f32 floats[SIZE];
static int16_t shorts[SIZE];

u64 EXPORT(run)(u32 n) {
    u64 random = 59, sum = 0;
    for (u32 i = 0; i < SIZE; i++) {
        floats[i] = (f32)random_f64(&random) - 0.5f;
        shorts[i] = (int16_t)random_u32(&random);
    }
    for (u32 round = 0; round < n; round++) {
        v128_t total = wasm_f32x4_splat(0), low = wasm_v128_load(floats), high = low;
        for (u32 at = 0; at < SIZE; at += 4) {
            v128_t now = wasm_v128_load(floats + at);
            total = wasm_f32x4_add(total, now);
            low = wasm_f32x4_min(low, now);
            high = wasm_f32x4_max(high, now);
        }
        v128_t least = wasm_v128_load(shorts), most = least, count = wasm_i32x4_splat(0);
        for (u32 at = 0; at < SIZE; at += 8) {
            v128_t now = wasm_v128_load(shorts + at);
            least = wasm_i16x8_min(least, now);
            most = wasm_i16x8_max(most, now);
            count = wasm_i32x4_add(count, wasm_i32x4_extadd_pairwise_i16x8(now));
        }
        sum = fold_vector(fold_vector(sum, wasm_v128_xor(low, high)), wasm_v128_xor(total, count));
        sum = fold_vector(sum, wasm_v128_xor(least, most));
        floats[round % SIZE] = (f32)(i32)(sum >> 40) * 0x1p-24f;
        shorts[round % SIZE] = (int16_t)sum;
    }
    return sum;
}
