/* n block searches, as a video encoder does them: sums of absolute differences, and averages. */
#include "simd.h"

enum { WIDTH = 128, HEIGHT = 48 };

static u8 picture[HEIGHT][WIDTH], wanted[16][16];

static u32 distance(u32 x, u32 y) {
    v128_t total = wasm_i32x4_splat(0);
    for (u32 row = 0; row < 16; row++) {
        v128_t a = wasm_v128_load(wanted[row]);
        v128_t b = wasm_u8x16_avgr(wasm_v128_load(&picture[y + row][x]), wasm_v128_load(&picture[y + row][x + 1]));
        v128_t apart = wasm_v128_or(wasm_u8x16_sub_sat(a, b), wasm_u8x16_sub_sat(b, a));
        total = wasm_i32x4_add(total, wasm_u32x4_extadd_pairwise_u16x8(wasm_u16x8_extadd_pairwise_u8x16(apart)));
    }
    return (u32)(wasm_i32x4_extract_lane(total, 0) + wasm_i32x4_extract_lane(total, 1) +
                 wasm_i32x4_extract_lane(total, 2) + wasm_i32x4_extract_lane(total, 3));
}

u64 EXPORT(run)(u32 n) {
    u64 random = 79, sum = 0;
    for (u32 y = 0; y < HEIGHT; y++)
        random_bytes(&random, picture[y], WIDTH);
    for (u32 y = 0; y < 16; y++)
        random_bytes(&random, wanted[y], 16);
    for (u32 round = 0; round < n; round++) {
        u32 best = ~0u;
        for (u32 y = 0; y + 16 <= HEIGHT; y += 4)
            for (u32 x = 0; x + 17 <= WIDTH; x += 3)
                best = min_u32(best, distance(x, y) << 12 | x << 4 | y >> 2);
        sum = fold(sum, best);
        wanted[round & 15][round >> 4 & 15] = (u8)sum;
    }
    return sum;
}
