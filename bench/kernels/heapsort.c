/* Heapsort of n arrays of 1024 f64: sift-down with data-dependent addresses and f64 compares. */
#include "kernel.h"

enum { SIZE = 1024 };

static f64 items[SIZE];

static void sift_down(u32 hole, u32 size) {
    f64 item = items[hole];
    for (u32 child; (child = 2 * hole + 1) < size; hole = child) {
        if (child + 1 < size && items[child] < items[child + 1])
            child++;
        if (items[child] <= item)
            break;
        items[hole] = items[child];
    }
    items[hole] = item;
}

static void heapsort(void) {
    for (u32 i = SIZE / 2; i-- > 0;)
        sift_down(i, SIZE);
    for (u32 size = SIZE - 1; size > 0; size--) {
        f64 largest = items[0];
        items[0] = items[size];
        items[size] = largest;
        sift_down(0, size);
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 67, sum = 0;
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < SIZE; i++)
            items[i] = random_f64(&random);
        heapsort();
        for (u32 i = 0; i < SIZE; i += 32)
            sum = fold_f64(sum, items[i]);
    }
    return sum;
}
