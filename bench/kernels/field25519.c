/* n products modulo 2^255 - 19 in five 51-bit limbs: 64 x 64 -> 128, a call to __multi3 in wasm. */
#include "kernel.h"

typedef unsigned __int128 u128;
typedef struct {
    u64 limb[5];
} Field;

static const u64 MASK = (1ull << 51) - 1;

static Field multiply(const Field *a, const Field *b) {
    u128 sums[5];
    Field result;
    for (u32 i = 0; i < 5; i++) {
        u128 low = 0, high = 0;
        for (u32 j = 0; j <= i; j++)
            low += (u128)a->limb[j] * b->limb[i - j];
        for (u32 j = i + 1; j < 5; j++)
            high += (u128)(19 * a->limb[j]) * b->limb[5 + i - j];
        sums[i] = low + high;
    }
    u64 carry = 0;
    for (u32 i = 0; i < 5; i++) {
        sums[i] += carry;
        result.limb[i] = (u64)sums[i] & MASK;
        carry = (u64)(sums[i] >> 51);
    }
    result.limb[0] += 19 * carry;
    result.limb[1] += result.limb[0] >> 51;
    result.limb[0] &= MASK;
    return result;
}

u64 EXPORT(run)(u32 n) {
    Field power, base;
    u64 random = 151, sum = 0;
    for (u32 i = 0; i < 5; i++) {
        base.limb[i] = random_u64(&random) & MASK;
        power.limb[i] = random_u64(&random) & MASK;
    }
    for (u32 round = 0; round < n; round++) {
        power = multiply(&power, &power);
        if (round % 3 == 0)
            power = multiply(&power, &base);
    }
    for (u32 i = 0; i < 5; i++)
        sum = fold(sum, power.limb[i]);
    return sum;
}
