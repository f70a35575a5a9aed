/* Checks and decodes 4 KiB of UTF-8 n times: a branch a byte on the length of the sequence. */
#include "kernel.h"

enum { SIZE = 4096 };

static u8 text[SIZE + 4];

static u32 encode(u32 point, u8 *to) {
    if (point < 0x80) {
        to[0] = (u8)point;
        return 1;
    }
    u32 length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (u32 i = length - 1; i > 0; i--, point >>= 6)
        to[i] = (u8)(0x80 | (point & 63));
    to[0] = (u8)(0xF00 >> length | point);
    return length;
}

static u32 random_point(u64 *random) {
    static const u32 LIMITS[] = {0x80, 0x80, 0x80, 0x800, 0xD800, 0x110000};
    return random_below(random, LIMITS[random_below(random, COUNT(LIMITS))]);
}

/* Decodes a sequence and moves on past it; a malformed one is U+FFFD and one byte long. */
static u32 decode(const u8 **from) {
    const u8 *at = *from;
    u32 point = at[0];
    *from = at + 1;
    if (point < 0x80)
        return point;
    u32 length = point < 0xC2 ? 0 : point < 0xE0 ? 2 : point < 0xF0 ? 3 : point < 0xF5 ? 4 : 0;
    if (length == 0)
        return 0xFFFD;
    point &= 0x7Fu >> length;
    for (u32 i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0xFFFD;
        point = point << 6 | (at[i] & 63);
    }
    static const u32 LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < LEAST[length] || point - 0xD800 < 0x800 || point >= 0x110000)
        return 0xFFFD;
    *from = at + length;
    return point;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 181, sum = 0;
    fill_bytes(text, 0, sizeof text);
    for (u32 at = 0; at < SIZE;)
        at += encode(random_point(&random), text + at);
    for (u32 round = 0; round < n; round++) {
        u32 broken = round % SIZE;
        u64 points = 0;
        text[broken] ^= 0x40;
        for (const u8 *from = text; from < text + SIZE;)
            points = 31 * points + decode(&from);
        text[broken] ^= 0x40;
        sum = fold(sum, points);
    }
    return sum;
}
