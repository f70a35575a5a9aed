/* A four-lane 64-bit hash of n 4 KiB blocks: i64 multiply, rotate and xor, unaligned loads. */
#include "kernel.h"

enum { BLOCK = 4096 };

static const u64 PRIME_A = 0xD6E8FEB86659FD93ull, PRIME_B = 0xA0761D6478BD642Full;

static u64 mix(u64 lane, u64 word) { return rotl64(lane + word * PRIME_A, 29) * PRIME_B; }

static u64 hash(const u8 *bytes, u32 length, u64 seed) {
    u64 lanes[4] = {seed + PRIME_A, seed ^ PRIME_B, seed, seed - PRIME_A};
    u32 at = 0;
    for (; at + 32 <= length; at += 32)
        for (u32 lane = 0; lane < 4; lane++)
            lanes[lane] = mix(lanes[lane], load64(bytes + at + 8 * lane));
    u64 result = length;
    for (u32 lane = 0; lane < 4; lane++)
        result = rotl64(result ^ lanes[lane], 17) * PRIME_A;
    for (; at < length; at++)
        result = rotl64(result ^ bytes[at] * PRIME_B, 11) * PRIME_A;
    result ^= result >> 33;
    result *= PRIME_B;
    return result ^ result >> 29;
}

u64 EXPORT(run)(u32 n) {
    static u8 block[BLOCK + 64];
    u64 random = 23, sum = 0;
    random_bytes(&random, block, sizeof block);
    for (u32 i = 0; i < n; i++)
        sum = hash(block + (i & 31), BLOCK + (i & 7), sum);
    return sum;
}
