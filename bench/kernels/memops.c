/* n rounds of memory.copy and memory.fill, 8 bytes to 64 KiB, some overlapping: bulk memory. */
#include "kernel.h"

enum { SIZE = 1 << 18, LARGEST_BITS = 16 };

static u8 memory[SIZE];

u64 EXPORT(run)(u32 n) {
    u64 random = 139;
    random_bytes(&random, memory, SIZE);
    for (u32 i = 0; i < n; i++) {
        u32 length = random_below(&random, 8u << random_below(&random, LARGEST_BITS - 2));
        u32 from = random_below(&random, SIZE / 2 - length);
        u32 to = SIZE / 2 + random_below(&random, SIZE / 2 - length);
        copy_bytes(memory + to, memory + from, length);
        move_bytes(memory + from + random_below(&random, 16), memory + from, length);
        if ((i & 3) == 0)
            fill_bytes(memory + from, (i32)(i & 255), length / 4);
        memory[to] ^= (u8)i;
    }
    return fold_bytes(n, memory, SIZE);
}
