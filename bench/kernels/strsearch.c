/* n searches of 16 KiB of text for a phrase: Horspool's skip table, then a plain byte scan. */
#include "kernel.h"

enum { SIZE = 1 << 14, LONGEST = 12 };

static u8 text[SIZE];

static bool same(const u8 *a, const u8 *b, u32 length) {
    for (u32 i = 0; i < length; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static u32 horspool(const u8 *phrase, u32 length) {
    u32 skips[256], found = 0;
    for (u32 i = 0; i < 256; i++)
        skips[i] = length;
    for (u32 i = 0; i + 1 < length; i++)
        skips[phrase[i]] = length - 1 - i;
    for (u32 at = 0; at + length <= SIZE; at += skips[text[at + length - 1]])
        if (same(text + at, phrase, length))
            found += at;
    return found;
}

static u32 scan(const u8 *phrase, u32 length) {
    u32 found = 0;
    for (u32 at = 0; at + length <= SIZE; at++)
        if (text[at] == phrase[0] && same(text + at, phrase, length))
            found += at;
    return found;
}

u64 EXPORT(run)(u32 n) {
    u8 phrase[LONGEST];
    u64 random = 137, sum = 0;
    random_text(&random, text, SIZE);
    for (u32 i = 0; i < n; i++) {
        u32 length = 3 + random_below(&random, LONGEST - 2);
        copy_bytes(phrase, text + random_below(&random, SIZE - LONGEST), sizeof phrase);
        sum = fold(fold(sum, horspool(phrase, length)), scan(phrase, length));
    }
    return sum;
}
