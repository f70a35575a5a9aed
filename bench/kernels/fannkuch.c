/* Pancake flips of the first n permutations of ten: short i32 array reversals and rotations. */
#include "kernel.h"

enum { SIZE = 10 };

static u32 flips(const u32 *permutation) {
    u32 pancakes[SIZE], count = 0;
    copy_bytes(pancakes, permutation, sizeof pancakes);
    for (u32 top; (top = pancakes[0]) != 0; count++)
        for (u32 low = 0, high = top; low < high; low++, high--) {
            u32 item = pancakes[low];
            pancakes[low] = pancakes[high];
            pancakes[high] = item;
        }
    return count;
}

/* The next permutation: rotate a growing prefix until one has rotations left. */
static void advance(u32 *permutation, u32 *rotations) {
    for (u32 size = 1; size < SIZE; size++) {
        u32 first = permutation[0];
        for (u32 i = 0; i < size; i++)
            permutation[i] = permutation[i + 1];
        permutation[size] = first;
        if (++rotations[size] <= size)
            return;
        rotations[size] = 0;
    }
}

u64 EXPORT(run)(u32 n) {
    u32 permutation[SIZE], rotations[SIZE] = {0}, most = 0;
    u64 sum = 0;
    for (u32 i = 0; i < SIZE; i++)
        permutation[i] = i;
    for (u32 i = 0; i < n; i++) {
        u32 count = flips(permutation);
        sum += i & 1 ? -(u64)count : count;
        most = count > most ? count : most;
        advance(permutation, rotations);
    }
    return fold(sum, most);
}
