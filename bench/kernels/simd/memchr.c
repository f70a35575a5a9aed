/* n searches: where a byte is in 8 KiB, how long a string is, where two buffers differ. */
#include "simd.h"

enum { SIZE = 8192 };

static u8 a[SIZE + 16], b[SIZE + 16];

static NOINLINE u32 find(const u8 *bytes, u8 wanted) {
    v128_t all = wasm_i8x16_splat((int8_t)wanted);
    for (u32 at = 0; at < SIZE; at += 16) {
        u32 mask = wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(bytes + at), all));
        if (mask)
            return at + (u32)__builtin_ctz(mask);
    }
    return SIZE;
}

static NOINLINE u32 length(const u8 *bytes) {
    for (u32 at = 0;; at += 16) {
        v128_t now = wasm_v128_load(bytes + at);
        if (!wasm_i8x16_all_true(now))
            return at + (u32)__builtin_ctz(wasm_i8x16_bitmask(wasm_i8x16_eq(now, wasm_i8x16_splat(0))));
    }
}

static NOINLINE u32 differ(const u8 *x, const u8 *y) {
    for (u32 at = 0; at < SIZE; at += 16) {
        v128_t other = wasm_v128_xor(wasm_v128_load(x + at), wasm_v128_load(y + at));
        if (wasm_v128_any_true(other))
            return at;
    }
    return SIZE;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 3, sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        a[i] = b[i] = (u8)(1 + random_below(&random, 200));
    for (u32 round = 0; round < n; round++) {
        u32 place = SIZE - 1 - random_below(&random, 1000);
        u8 kept = a[place];
        a[place] = 250;
        sum = fold(sum, find(a, 250) + differ(a, b));
        a[place] = 0;
        sum = fold(sum, length(a));
        a[place] = kept;
    }
    return sum;
}
