/* The longest Collatz chain from a start below n: i64 add, shift and an unpredictable branch. */
#include "kernel.h"

u64 EXPORT(run)(u32 n) {
    u32 longest = 0, from = 0;
    u64 total = 0;
    for (u32 start = 1; start < n; start++) {
        u32 steps = 0;
        for (u64 x = start; x != 1; steps++)
            x = x & 1 ? 3 * x + 1 : x >> 1;
        total += steps;
        if (steps > longest) {
            longest = steps;
            from = start;
        }
    }
    return fold(fold(total, longest), from);
}
