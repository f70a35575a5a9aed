/* Eight queens with one square barred, n times: recursive backtracking on bit masks. */
#include "kernel.h"

enum { SIZE = 8, ALL = (1 << SIZE) - 1 };

static u32 barred[SIZE];

static u32 solutions(u32 row, u32 columns, u32 falling, u32 rising) {
    if (row == SIZE)
        return 1;
    u32 count = 0;
    u32 open = ALL & ~(columns | falling | rising | barred[row]);
    while (open != 0) {
        u32 queen = open & -open;
        open ^= queen;
        count += solutions(row + 1, columns | queen, (falling | queen) << 1, (rising | queen) >> 1);
    }
    return count;
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 i = 0; i < n; i++) {
        u32 row = i / SIZE % SIZE;
        barred[row] = 1u << i % SIZE;
        sum = fold(sum, solutions(0, 0, 0, 0));
        barred[row] = 0;
    }
    return sum;
}
