/* n rounds of writing 12 KiB as base64, twelve bytes at a time, with swizzles. */
#include "simd.h"

enum { SIZE = 12288 };

static u8 from[SIZE + 16], text[SIZE / 3 * 4];

static void encode(void) {
    v128_t offsets = wasm_i8x16_make('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                     '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
    for (u32 at = 0, to = 0; at < SIZE; at += 12, to += 16) {
        v128_t in = wasm_v128_load(from + at);
        in = wasm_i8x16_swizzle(in, wasm_i8x16_const(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
        v128_t ac = wasm_v128_and(in, wasm_i32x4_splat(0x0fc0fc00));
        v128_t high = wasm_v128_or(wasm_u32x4_shr(wasm_v128_and(ac, wasm_i32x4_splat(0xfc00)), 10),
                                   wasm_u32x4_shr(wasm_v128_and(ac, wasm_i32x4_splat(0x0fc00000)), 6));
        v128_t bd = wasm_v128_and(in, wasm_i32x4_splat(0x003f03f0));
        v128_t low = wasm_i16x8_mul(bd, wasm_i32x4_splat(0x01000010));
        v128_t digits = wasm_v128_or(high, low);
        v128_t kind = wasm_u8x16_sub_sat(digits, wasm_i8x16_splat(51));
        v128_t upper = wasm_i8x16_gt(wasm_i8x16_splat(26), digits);
        kind = wasm_v128_or(kind, wasm_v128_and(upper, wasm_i8x16_splat(13)));
        wasm_v128_store(text + to, wasm_i8x16_add(digits, wasm_i8x16_swizzle(offsets, kind)));
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 5, sum = 0;
    random_bytes(&random, from, SIZE);
    for (u32 round = 0; round < n; round++) {
        encode();
        from[round % SIZE] ^= text[(round * 7) % sizeof text];
    }
    return fold_bytes(sum, text, sizeof text);
}
