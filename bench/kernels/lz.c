/* LZ77 packing and unpacking of n 32 KiB texts: hash probes, match loops, overlapping copies. */
#include "kernel.h"

enum { SIZE = 1 << 15, HASH_BITS = 12, MIN_MATCH = 4, MAX_LENGTH = 127 };

static u8 plain[SIZE], packed[2 * SIZE], back[SIZE];
static u32 heads[1 << HASH_BITS];

static u32 bucket(const u8 *at) { return load32(at) * 2654435761u >> (32 - HASH_BITS); }

/* A run of literals: its length, then the bytes. */
static u8 *put_literals(u8 *to, const u8 *from, u32 count) {
    while (count != 0) {
        u32 part = min_u32(count, MAX_LENGTH);
        *to++ = (u8)part;
        for (u32 i = 0; i < part; i++)
            *to++ = *from++;
        count -= part;
    }
    return to;
}

/* A match: its length with the top bit set, then the distance in two bytes. */
static u8 *put_match(u8 *to, u32 length, u32 distance) {
    *to++ = (u8)(128 | length);
    *to++ = (u8)distance;
    *to++ = (u8)(distance >> 8);
    return to;
}

static u32 pack(void) {
    u8 *to = packed;
    u32 at = 0, literals = 0;
    fill_bytes(heads, 0, sizeof heads);
    while (at + MIN_MATCH <= SIZE) {
        u32 *head = &heads[bucket(plain + at)], before = *head, length = 0;
        *head = at;
        if (before < at)
            while (length < MAX_LENGTH && at + length < SIZE &&
                   plain[before + length] == plain[at + length])
                length++;
        if (length < MIN_MATCH) {
            at++;
            continue;
        }
        to = put_literals(to, plain + literals, at - literals);
        to = put_match(to, length, at - before);
        literals = at += length;
    }
    to = put_literals(to, plain + literals, SIZE - literals);
    return (u32)(to - packed);
}

static u32 unpack(u32 packed_size) {
    u32 from = 0, to = 0;
    while (from < packed_size) {
        u8 token = packed[from++];
        u32 length = token & 127;
        if (token < 128) {
            for (u32 i = 0; i < length; i++)
                back[to++] = packed[from++];
            continue;
        }
        u32 distance = packed[from] | (u32)packed[from + 1] << 8;
        from += 2;
        for (u32 i = 0; i < length; i++, to++)
            back[to] = back[to - distance];
    }
    return to;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 53, sum = 0;
    random_text(&random, plain, SIZE);
    for (u32 i = 0; i < n; i++) {
        plain[random_below(&random, SIZE)] ^= 1;
        u32 size = pack();
        sum = fold(fold(sum, size), unpack(size));
        sum = fold(sum, back[i % SIZE] == plain[i % SIZE]);
    }
    return fold_bytes(sum, back, SIZE);
}
