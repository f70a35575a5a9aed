/* Base64 of n 3 KiB blocks, there and back: byte loads, table look-ups and byte stores. */
#include "kernel.h"

enum { RAW = 3072, CODED = RAW / 3 * 4 };

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static u8 values[256], raw[RAW], coded[CODED];

static void encode(void) {
    u8 *to = coded;
    for (const u8 *from = raw; from < raw + RAW; from += 3, to += 4) {
        u32 group = (u32)from[0] << 16 | (u32)from[1] << 8 | from[2];
        to[0] = (u8)ALPHABET[group >> 18];
        to[1] = (u8)ALPHABET[group >> 12 & 63];
        to[2] = (u8)ALPHABET[group >> 6 & 63];
        to[3] = (u8)ALPHABET[group & 63];
    }
}

static bool decode(void) {
    u8 *to = raw, bad = 0;
    for (const u8 *from = coded; from < coded + CODED; from += 4, to += 3) {
        u8 a = values[from[0]], b = values[from[1]], c = values[from[2]], d = values[from[3]];
        u32 group = (u32)a << 18 | (u32)b << 12 | (u32)c << 6 | d;
        bad |= a | b | c | d;
        to[0] = (u8)(group >> 16);
        to[1] = (u8)(group >> 8);
        to[2] = (u8)group;
    }
    return bad < 64;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 47, sum = 0;
    fill_bytes(values, 255, sizeof values);
    for (u32 i = 0; i < 64; i++)
        values[(u8)ALPHABET[i]] = (u8)i;
    random_bytes(&random, raw, RAW);
    for (u32 i = 0; i < n; i++) {
        raw[i % RAW] += (u8)i;
        encode();
        u8 swapped = coded[i % CODED];
        coded[i % CODED] = coded[CODED - 1 - i % CODED];
        coded[CODED - 1 - i % CODED] = swapped;
        sum += decode();
    }
    return fold_bytes(fold_bytes(sum, raw, RAW), coded, CODED);
}
