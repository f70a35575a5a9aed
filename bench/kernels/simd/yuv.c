/* n times 4096 pixels from YCbCr planes to RGBA, in fixed point. */
#include "simd.h"

enum { SIZE = 4096 };

static u8 luma[SIZE], blue[SIZE], red[SIZE], pixels[4 * SIZE];

u64 EXPORT(run)(u32 n) {
    u64 random = 17;
    random_bytes(&random, luma, SIZE);
    random_bytes(&random, blue, SIZE);
    random_bytes(&random, red, SIZE);
    v128_t middle = wasm_i16x8_splat(128), opaque = wasm_i16x8_splat(255);
    for (u32 round = 0; round < n; round++) {
        for (u32 at = 0; at < SIZE; at += 8) {
            v128_t y = wasm_i16x8_shl(wasm_u16x8_load8x8(luma + at), 4);
            v128_t cb = wasm_i16x8_shl(wasm_i16x8_sub(wasm_u16x8_load8x8(blue + at), middle), 7);
            v128_t cr = wasm_i16x8_shl(wasm_i16x8_sub(wasm_u16x8_load8x8(red + at), middle), 7);
            v128_t r = wasm_i16x8_add(y, wasm_i16x8_q15mulr_sat(cr, wasm_i16x8_splat(5743)));
            v128_t g = wasm_i16x8_sub(wasm_i16x8_sub(y, wasm_i16x8_q15mulr_sat(cb, wasm_i16x8_splat(1410))),
                                      wasm_i16x8_q15mulr_sat(cr, wasm_i16x8_splat(2925)));
            v128_t b = wasm_i16x8_add(y, wasm_i16x8_q15mulr_sat(cb, wasm_i16x8_splat(7258)));
            v128_t rb = wasm_u8x16_narrow_i16x8(wasm_i16x8_shr(r, 4), wasm_i16x8_shr(b, 4));
            v128_t ga = wasm_u8x16_narrow_i16x8(wasm_i16x8_shr(g, 4), opaque);
            v128_t rg = wasm_i8x16_shuffle(rb, ga, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            v128_t ba = wasm_i8x16_shuffle(rb, ga, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            wasm_v128_store(pixels + 4 * at, wasm_i16x8_shuffle(rg, ba, 0, 8, 1, 9, 2, 10, 3, 11));
            wasm_v128_store(pixels + 4 * at + 16, wasm_i16x8_shuffle(rg, ba, 4, 12, 5, 13, 6, 14, 7, 15));
        }
        luma[round % SIZE] ^= pixels[round % sizeof pixels];
    }
    return fold_bytes(1, pixels, sizeof pixels);
}
