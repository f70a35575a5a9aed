/* n inverse cosine transforms of 8 x 8 blocks of i16, as a JPEG decoder does them. */
#include "simd.h"

static int16_t block[64];

static v128_t times(v128_t a, i32 by) { return wasm_i16x8_q15mulr_sat(a, wasm_i16x8_splat((int16_t)by)); }

static void columns(v128_t v[8]) {
    v128_t p = wasm_i16x8_add(v[0], v[4]), q = wasm_i16x8_sub(v[0], v[4]);
    v128_t r = wasm_i16x8_sub(times(v[2], 12540), times(v[6], 30274));
    v128_t s = wasm_i16x8_add(times(v[2], 30274), times(v[6], 12540));
    v128_t e0 = wasm_i16x8_add(p, s), e3 = wasm_i16x8_sub(p, s), e1 = wasm_i16x8_add(q, r), e2 = wasm_i16x8_sub(q, r);
    v128_t a = wasm_i16x8_add(times(v[1], 32138), times(v[7], 6393));
    v128_t b = wasm_i16x8_sub(times(v[1], 6393), times(v[7], 32138));
    v128_t c = wasm_i16x8_add(times(v[5], 18205), times(v[3], 27246));
    v128_t d = wasm_i16x8_sub(times(v[5], 27246), times(v[3], 18205));
    v128_t o0 = wasm_i16x8_add(a, c), o3 = wasm_i16x8_add(b, d);
    v128_t t = wasm_i16x8_sub(a, c), u = wasm_i16x8_sub(b, d);
    v128_t o1 = times(wasm_i16x8_add(t, u), 23170), o2 = times(wasm_i16x8_sub(t, u), 23170);
    v[0] = wasm_i16x8_add_sat(e0, o0), v[7] = wasm_i16x8_sub_sat(e0, o0);
    v[1] = wasm_i16x8_add_sat(e1, o1), v[6] = wasm_i16x8_sub_sat(e1, o1);
    v[2] = wasm_i16x8_add_sat(e2, o2), v[5] = wasm_i16x8_sub_sat(e2, o2);
    v[3] = wasm_i16x8_add_sat(e3, o3), v[4] = wasm_i16x8_sub_sat(e3, o3);
}

#define LOW16(a, b) wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH16(a, b) wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

static void transpose(v128_t v[8]) {
    for (u32 step = 0; step < 3; step++) {
        v128_t w[8];
        for (u32 i = 0; i < 4; i++) {
            w[2 * i] = LOW16(v[i], v[i + 4]);
            w[2 * i + 1] = HIGH16(v[i], v[i + 4]);
        }
        for (u32 i = 0; i < 8; i++)
            v[i] = w[i];
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 67;
    for (u32 i = 0; i < 64; i++)
        block[i] = (int16_t)(random_u32(&random) & 511) - 256;
    v128_t sum = wasm_i16x8_splat(0);
    for (u32 round = 0; round < n; round++) {
        v128_t v[8];
        for (u32 i = 0; i < 8; i++)
            v[i] = wasm_v128_load(block + 8 * i);
        columns(v);
        transpose(v);
        columns(v);
        transpose(v);
        for (u32 i = 0; i < 8; i += 2) {
            v128_t bytes = wasm_u8x16_narrow_i16x8(wasm_i16x8_shr(v[i], 3), wasm_i16x8_shr(v[i + 1], 3));
            sum = wasm_i8x16_add(wasm_i8x16_shl(sum, 1), bytes);
        }
        block[round % 64] ^= (int16_t)(wasm_i16x8_extract_lane(sum, 3) & 255);
    }
    return fold_vector(1, sum);
}
