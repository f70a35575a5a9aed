/* ChaCha20 key stream xored over a buffer, n 64-byte blocks: i32 add, xor and fixed rotates. */
#include "kernel.h"

enum { BLOCKS = 64 };

static void quarter(u32 s[16], u32 a, u32 b, u32 c, u32 d) {
    s[a] += s[b], s[d] = rotl32(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotl32(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotl32(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotl32(s[b] ^ s[c], 7);
}

static void stream_block(const u32 key[16], u8 data[64]) {
    u32 s[16];
    copy_bytes(s, key, sizeof s);
    for (u32 i = 0; i < 10; i++) {
        quarter(s, 0, 4, 8, 12), quarter(s, 1, 5, 9, 13);
        quarter(s, 2, 6, 10, 14), quarter(s, 3, 7, 11, 15);
        quarter(s, 0, 5, 10, 15), quarter(s, 1, 6, 11, 12);
        quarter(s, 2, 7, 8, 13), quarter(s, 3, 4, 9, 14);
    }
    for (u32 i = 0; i < 16; i++) {
        u32 word = load32(data + 4 * i) ^ (s[i] + key[i]);
        copy_bytes(data + 4 * i, &word, sizeof word);
    }
}

u64 EXPORT(run)(u32 n) {
    static u8 data[64 * BLOCKS];
    u32 key[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    u64 random = 31;
    random_bytes(&random, data, sizeof data);
    for (u32 i = 4; i < 16; i++)
        key[i] = random_u32(&random);
    for (u32 i = 0; i < n; i++) {
        key[12] = i;
        stream_block(key, data + 64 * (i % BLOCKS));
    }
    return fold_bytes(n, data, sizeof data);
}
