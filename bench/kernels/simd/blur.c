/* n blurs of a 256 x 64 picture of bytes with the kernel 1 2 1, in both directions. */
#include "simd.h"

enum { WIDTH = 256, HEIGHT = 64 };

static u8 picture[HEIGHT][WIDTH + 32], between[HEIGHT][WIDTH + 32];

static v128_t blend(v128_t a, v128_t b, v128_t c) {
    v128_t low = wasm_i16x8_add(wasm_u16x8_extend_low_u8x16(a), wasm_u16x8_extend_low_u8x16(c));
    v128_t high = wasm_i16x8_add(wasm_u16x8_extend_high_u8x16(a), wasm_u16x8_extend_high_u8x16(c));
    low = wasm_i16x8_add(low, wasm_i16x8_shl(wasm_u16x8_extend_low_u8x16(b), 1));
    high = wasm_i16x8_add(high, wasm_i16x8_shl(wasm_u16x8_extend_high_u8x16(b), 1));
    v128_t half = wasm_i16x8_splat(2);
    return wasm_u8x16_narrow_i16x8(wasm_u16x8_shr(wasm_i16x8_add(low, half), 2),
                                   wasm_u16x8_shr(wasm_i16x8_add(high, half), 2));
}

u64 EXPORT(run)(u32 n) {
    u64 random = 31, sum = 0;
    for (u32 y = 0; y < HEIGHT; y++)
        random_bytes(&random, picture[y], WIDTH + 32);
    for (u32 round = 0; round < n; round++) {
        for (u32 y = 0; y < HEIGHT; y++)
            for (u32 x = 16; x < WIDTH + 16; x += 16)
                wasm_v128_store(&between[y][x],
                                blend(wasm_v128_load(&picture[y][x - 1]), wasm_v128_load(&picture[y][x]),
                                      wasm_v128_load(&picture[y][x + 1])));
        for (u32 y = 1; y + 1 < HEIGHT; y++)
            for (u32 x = 16; x < WIDTH + 16; x += 16)
                wasm_v128_store(&picture[y][x],
                                blend(wasm_v128_load(&between[y - 1][x]), wasm_v128_load(&between[y][x]),
                                      wasm_v128_load(&between[y + 1][x])));
        picture[1 + round % (HEIGHT - 2)][16 + round % WIDTH] ^= (u8)round;
    }
    for (u32 y = 0; y < HEIGHT; y++)
        sum = fold_bytes(sum, picture[y], WIDTH);
    return sum;
}
