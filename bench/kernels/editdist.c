/* Edit distances of n pairs of 128-byte strings: one row of dynamic programming, serial minima. */
#include "kernel.h"

enum { LENGTH = 128 };

static u8 text[4096];

static u32 distance(const u8 *a, const u8 *b) {
    u32 row[LENGTH + 1];
    for (u32 j = 0; j <= LENGTH; j++)
        row[j] = j;
    for (u32 i = 0; i < LENGTH; i++) {
        u32 diagonal = row[0];
        row[0] = i + 1;
        for (u32 j = 0; j < LENGTH; j++) {
            u32 change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = min_u32(change, min_u32(row[j], row[j + 1]) + 1);
        }
    }
    return row[LENGTH];
}

u64 EXPORT(run)(u32 n) {
    u64 random = 163, sum = 0;
    random_text(&random, text, sizeof text);
    for (u32 i = 0; i < n; i++) {
        u32 a = random_below(&random, sizeof text - LENGTH);
        u32 b = random_below(&random, sizeof text - LENGTH);
        sum = fold(sum, distance(text + a, text + b));
    }
    return sum;
}
