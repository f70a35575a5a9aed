/* n times a layer of 64 outputs from 1024 inputs of i8, as quantised networks have them. */
#include "simd.h"

enum { INPUTS = 1024, OUTPUTS = 64 };

static int8_t weights[OUTPUTS][INPUTS], inputs[INPUTS];
static i32 outputs[OUTPUTS];

u64 EXPORT(run)(u32 n) {
    u64 random = 23, sum = 0;
    random_bytes(&random, (u8 *)weights, sizeof weights);
    random_bytes(&random, (u8 *)inputs, sizeof inputs);
    for (u32 round = 0; round < n; round++) {
        for (u32 row = 0; row < OUTPUTS; row++) {
            v128_t total = wasm_i32x4_splat(0);
            for (u32 at = 0; at < INPUTS; at += 16) {
                v128_t a = wasm_v128_load(&weights[row][at]), b = wasm_v128_load(&inputs[at]);
                v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(a), wasm_i16x8_extend_low_i8x16(b));
                v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(a), wasm_i16x8_extend_high_i8x16(b));
                total = wasm_i32x4_add(total, wasm_i32x4_add(low, high));
            }
            outputs[row] = wasm_i32x4_extract_lane(total, 0) + wasm_i32x4_extract_lane(total, 1) +
                           wasm_i32x4_extract_lane(total, 2) + wasm_i32x4_extract_lane(total, 3);
        }
        inputs[round % INPUTS] = (int8_t)(outputs[round % OUTPUTS] >> 8);
    }
    for (u32 row = 0; row < OUTPUTS; row++)
        sum = fold(sum, (u32)outputs[row]);
    return sum;
}
