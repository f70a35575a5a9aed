/* The sieve of Eratosthenes up to 65536, n times: strided byte stores and a scan of the flags. */
#include "kernel.h"

enum { LIMIT = 1 << 16 };

static u8 composite[LIMIT];

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 round = 0; round < n; round++) {
        u32 found = 0;
        fill_bytes(composite, 0, LIMIT);
        for (u32 i = 2; i * i < LIMIT; i++)
            if (!composite[i])
                for (u32 k = i * i; k < LIMIT; k += i)
                    composite[k] = 1;
        for (u32 i = 2 + (round & 15); i < LIMIT; i++)
            if (!composite[i])
                found += i;
        sum = fold(sum, found);
    }
    return sum;
}
