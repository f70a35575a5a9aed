/* Takeuchi's function, n times: recursion with three arguments that cannot become a loop. */
#include "kernel.h"

static NOINLINE i32 tak(i32 x, i32 y, i32 z) {
    if (y >= x)
        return z;
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 i = 0; i < n; i++)
        sum = fold(sum, (u32)tak(14 + (i32)(i % 4), 10, 5));
    return sum;
}
