/* n times validation of 16 KiB of UTF-8 by looking up pairs of nibbles (Keiser and Lemire). */
#include "simd.h"

enum { SIZE = 16384 };

static u8 text[SIZE + 16];

enum {
    SHORT = 1, LONG = 2, OVER3 = 4, LARGE = 8, SURROGATE = 16, OVER2 = 32, LARGE1000 = 64, OVER4 = 64, TWO = 128,
    CARRY = SHORT | LONG | TWO,
};

static v128_t before(v128_t now, v128_t last, u32 by) {
    switch (by) {
    case 1: return wasm_i8x16_shuffle(last, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    case 2: return wasm_i8x16_shuffle(last, now, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
    default: return wasm_i8x16_shuffle(last, now, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28);
    }
}

static bool valid(void) {
    v128_t high1 = wasm_i8x16_make(LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, (int8_t)TWO, (int8_t)TWO, (int8_t)TWO, (int8_t)TWO,
                                   SHORT | OVER2, SHORT, SHORT | OVER3 | SURROGATE, SHORT | LARGE | LARGE1000 | OVER4);
    v128_t low1 = wasm_i8x16_make(
        (int8_t)(CARRY | OVER3 | OVER2 | OVER4), (int8_t)(CARRY | OVER2), (int8_t)CARRY, (int8_t)CARRY, (int8_t)(CARRY | LARGE),
        (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000),
        (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000),
        (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000),
        (int8_t)(CARRY | LARGE | LARGE1000 | SURROGATE), (int8_t)(CARRY | LARGE | LARGE1000), (int8_t)(CARRY | LARGE | LARGE1000));
    v128_t high2 = wasm_i8x16_make(SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT,
                                   (int8_t)(LONG | OVER2 | TWO | OVER3 | LARGE1000 | OVER4),
                                   (int8_t)(LONG | OVER2 | TWO | OVER3 | LARGE), (int8_t)(LONG | OVER2 | TWO | SURROGATE | LARGE),
                                   (int8_t)(LONG | OVER2 | TWO | SURROGATE | LARGE), SHORT, SHORT, SHORT, SHORT);
    v128_t nibble = wasm_i8x16_splat(15), last = wasm_i8x16_splat(0), error = last;
    for (u32 at = 0; at < SIZE; at += 16) {
        v128_t now = wasm_v128_load(text + at);
        if (wasm_i8x16_bitmask(wasm_v128_or(now, last))) {
            v128_t one = before(now, last, 1);
            v128_t special = wasm_v128_and(
                wasm_v128_and(wasm_i8x16_swizzle(high1, wasm_u8x16_shr(one, 4)),
                              wasm_i8x16_swizzle(low1, wasm_v128_and(one, nibble))),
                wasm_i8x16_swizzle(high2, wasm_u8x16_shr(now, 4)));
            v128_t third = wasm_u8x16_sub_sat(before(now, last, 2), wasm_i8x16_splat(0x5f));
            v128_t fourth = wasm_u8x16_sub_sat(before(now, last, 3), wasm_i8x16_splat(0x6f));
            v128_t must = wasm_v128_and(wasm_v128_or(third, fourth), wasm_i8x16_splat((int8_t)0x80));
            error = wasm_v128_or(error, wasm_v128_xor(must, special));
        }
        last = now;
    }
    return !wasm_v128_any_true(error);
}

u64 EXPORT(run)(u32 n) {
    u64 random = 11, sum = 0;
    for (u32 at = 0; at < SIZE;) {
        u32 length = random_below(&random, 4) + 1;
        if (at + length > SIZE)
            length = 1;
        u32 code = length == 1 ? 97 : length == 2 ? 0xe9 : length == 3 ? 0x20ac : 0x1f600;
        code += random_below(&random, 16);
        if (length == 1)
            text[at++] = (u8)code;
        else {
            text[at++] = (u8)((0xf00 >> length) | code >> 6 * (length - 1));
            for (u32 left = length - 1; left--;)
                text[at++] = 0x80 | (code >> 6 * left & 63);
        }
    }
    for (u32 round = 0; round < n; round++) {
        u32 place = random_below(&random, SIZE);
        u8 kept = text[place];
        text[place] ^= (u8)(round & 1) << 7;
        sum = fold(sum, valid());
        text[place] = kept;
    }
    return sum;
}
