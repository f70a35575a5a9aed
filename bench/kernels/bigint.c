/* n products of 1024-bit integers in 32-bit limbs: i64 multiply-add with carries. */
#include "kernel.h"

enum { LIMBS = 32 };

static void multiply(u32 *restrict to, const u32 *a, const u32 *b) {
    for (u32 i = 0; i < 2 * LIMBS; i++)
        to[i] = 0;
    for (u32 i = 0; i < LIMBS; i++) {
        u64 carry = 0;
        for (u32 j = 0; j < LIMBS; j++) {
            u64 sum = (u64)a[i] * b[j] + to[i + j] + carry;
            to[i + j] = (u32)sum;
            carry = sum >> 32;
        }
        to[i + LIMBS] = (u32)carry;
    }
}

u64 EXPORT(run)(u32 n) {
    static u32 a[LIMBS], b[LIMBS], product[2 * LIMBS];
    u64 random = 149, sum = 0;
    for (u32 i = 0; i < LIMBS; i++) {
        a[i] = random_u32(&random);
        b[i] = random_u32(&random) | 1;
    }
    for (u32 round = 0; round < n; round++) {
        multiply(product, a, b);
        for (u32 i = 0; i < LIMBS; i++)
            a[i] = product[i] ^ product[2 * LIMBS - 1 - i];
        a[0] += round;
    }
    for (u32 i = 0; i < 2 * LIMBS; i++)
        sum = fold(sum, product[i]);
    return sum;
}
