/* Euclid's algorithm on random 64-bit pairs: i64.rem_u in a dependent chain. */
#include "kernel.h"

static u64 gcd(u64 a, u64 b) {
    while (b != 0) {
        u64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 17, sum = 0;
    for (u32 i = 0; i < n; i++) {
        u64 a = random_u64(&random), b = random_u64(&random);
        sum = fold(sum, gcd(a, b));
    }
    return sum;
}
