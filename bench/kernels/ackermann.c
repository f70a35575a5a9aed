/* Ackermann's function, n times: recursion a few hundred frames deep, so call frames count. */
#include "kernel.h"

static NOINLINE u32 ackermann(u32 m, u32 n) {
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 i = 0; i < n; i++)
        sum = fold(sum, ackermann(3, 4 + i % 3));
    return sum;
}
