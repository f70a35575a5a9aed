/* The BLAKE2b compression function over n 128-byte blocks: i64 add, xor and rotates. */
#include "kernel.h"

static const u64 IV[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const u8 ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static void mix(u64 v[16], u32 a, u32 b, u32 c, u32 d, u64 x, u64 y) {
    v[a] += v[b] + x, v[d] = rotr64(v[d] ^ v[a], 32);
    v[c] += v[d], v[b] = rotr64(v[b] ^ v[c], 24);
    v[a] += v[b] + y, v[d] = rotr64(v[d] ^ v[a], 16);
    v[c] += v[d], v[b] = rotr64(v[b] ^ v[c], 63);
}

static void compress(u64 state[8], const u64 m[16], u64 counter) {
    u64 v[16];
    copy_bytes(v, state, 64);
    copy_bytes(v + 8, IV, 64);
    v[12] ^= counter;
    for (u32 round = 0; round < 12; round++) {
        const u8 *o = ORDER[round % 10];
        mix(v, 0, 4, 8, 12, m[o[0]], m[o[1]]), mix(v, 1, 5, 9, 13, m[o[2]], m[o[3]]);
        mix(v, 2, 6, 10, 14, m[o[4]], m[o[5]]), mix(v, 3, 7, 11, 15, m[o[6]], m[o[7]]);
        mix(v, 0, 5, 10, 15, m[o[8]], m[o[9]]), mix(v, 1, 6, 11, 12, m[o[10]], m[o[11]]);
        mix(v, 2, 7, 8, 13, m[o[12]], m[o[13]]), mix(v, 3, 4, 9, 14, m[o[14]], m[o[15]]);
    }
    for (u32 i = 0; i < 8; i++)
        state[i] ^= v[i] ^ v[i + 8];
}

u64 EXPORT(run)(u32 n) {
    u64 state[8], message[16], random = 37, sum = 0;
    copy_bytes(state, IV, sizeof state);
    state[0] ^= 0x01010040;
    for (u32 i = 0; i < 16; i++)
        message[i] = random_u64(&random);
    for (u32 i = 0; i < n; i++) {
        message[i & 15] += i;
        compress(state, message, 128 * (u64)(i + 1));
    }
    for (u32 i = 0; i < 8; i++)
        sum = fold(sum, state[i]);
    return sum;
}
