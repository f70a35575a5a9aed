/* Doubly recursive Fibonacci numbers, n of them: nothing but direct calls. */
#include "kernel.h"

static NOINLINE u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 i = 0; i < n; i++)
        sum = fold(sum, fib(18 + i % 8));
    return sum;
}
