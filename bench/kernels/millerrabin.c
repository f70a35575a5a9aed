/* Miller-Rabin tests of n odd 32-bit numbers: modular powers, i64.mul and i64.rem_u. */
#include "kernel.h"

static u32 power_mod(u32 base, u32 exponent, u32 modulus) {
    u64 result = 1, square = base % modulus;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * square % modulus;
        square = square * square % modulus;
    }
    return (u32)result;
}

static bool passes(u32 candidate, u32 base) {
    u32 twos = (u32)__builtin_ctz(candidate - 1);
    u64 x = power_mod(base, (candidate - 1) >> twos, candidate);
    if (x == 1 || x == candidate - 1)
        return true;
    for (u32 i = 1; i < twos; i++) {
        x = x * x % candidate;
        if (x == candidate - 1)
            return true;
    }
    return false;
}

u64 EXPORT(run)(u32 n) {
    u32 primes = 0;
    u64 sum = 0;
    for (u32 i = 0; i < n; i++) {
        u32 candidate = 0x80000001u + 2 * i;
        if (passes(candidate, 2) && passes(candidate, 7) && passes(candidate, 61)) {
            primes++;
            sum = fold(sum, candidate);
        }
    }
    return fold(sum, primes);
}
