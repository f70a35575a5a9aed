/* Quicksort of n arrays of 2048 i32: unpredictable compares and swaps, recursion on the stack. */
#include "kernel.h"

enum { SIZE = 2048, SMALL = 12 };

static i32 items[SIZE];

static void insertion_sort(i32 *from, i32 *last) {
    for (i32 *next = from + 1; next <= last; next++) {
        i32 item = *next, *hole = next;
        for (; hole > from && hole[-1] > item; hole--)
            *hole = hole[-1];
        *hole = item;
    }
}

static i32 median(i32 a, i32 b, i32 c) {
    i32 low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static void quicksort(i32 *from, i32 *last) {
    while (last - from > SMALL) {
        i32 pivot = median(*from, from[(last - from) / 2], *last);
        i32 *left = from, *right = last;
        while (left <= right) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left <= right) {
                i32 item = *left;
                *left++ = *right;
                *right-- = item;
            }
        }
        quicksort(from, right);
        from = left;
    }
    insertion_sort(from, last);
}

u64 EXPORT(run)(u32 n) {
    u64 random = 61, sum = 0;
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < SIZE; i++)
            items[i] = (i32)random_u32(&random);
        quicksort(items, items + SIZE - 1);
        for (u32 i = 0; i < SIZE; i += 64)
            sum = fold(sum, (u32)items[i]);
    }
    return sum;
}
