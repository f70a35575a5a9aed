/* Bit counting on i32 and i64: popcnt, clz, ctz, rotates and bit-by-bit walks of sets. */
#include "kernel.h"

enum { WORDS = 512 };

static u32 walk(u64 set) {
    u32 sum = 0;
    for (; set != 0; set &= set - 1)
        sum = sum * 3 + (u32)__builtin_ctzll(set);
    return sum;
}

u64 EXPORT(run)(u32 n) {
    static u64 words[WORDS];
    u64 random = 41, sum = 0;
    for (u32 i = 0; i < WORDS; i++)
        words[i] = random_u64(&random) & random_u64(&random);
    for (u32 round = 0; round < n; round++) {
        u64 counts = 0;
        for (u32 i = 0; i < WORDS; i++) {
            u64 word = words[i];
            u32 half = (u32)(word >> 16) | 1;
            counts += (u32)__builtin_popcountll(word) * (u32)__builtin_clz(half);
            counts += (u32)__builtin_popcount(half) ^ (u32)__builtin_clzll(word | 1);
            if ((i & 7) == 0)
                counts += walk(word);
            words[i] = rotl64(word, half) ^ counts;
        }
        sum = fold(sum, counts);
    }
    return sum;
}
