/* Radix sort of n arrays of 8192 u32, a byte at a time: histograms and scattered stores. */
#include "kernel.h"

enum { SIZE = 8192 };

static u32 items[SIZE], spare[SIZE];

static void pass(const u32 *from, u32 *to, u32 shift) {
    u32 starts[256] = {0};
    for (u32 i = 0; i < SIZE; i++)
        starts[from[i] >> shift & 255]++;
    for (u32 digit = 0, start = 0; digit < 256; digit++) {
        u32 count = starts[digit];
        starts[digit] = start;
        start += count;
    }
    for (u32 i = 0; i < SIZE; i++)
        to[starts[from[i] >> shift & 255]++] = from[i];
}

u64 EXPORT(run)(u32 n) {
    u64 random = 71, sum = 0;
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < SIZE; i++)
            items[i] = random_u32(&random);
        pass(items, spare, 0), pass(spare, items, 8);
        pass(items, spare, 16), pass(spare, items, 24);
        for (u32 i = 0; i < SIZE; i += 256)
            sum = fold(sum, items[i]);
    }
    return sum;
}
