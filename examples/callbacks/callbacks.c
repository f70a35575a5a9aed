/* Sorts the numbers 0 .. count - 1 in the order that a function of the host decides. */

typedef unsigned int u32;

enum { MAX_ITEMS = 4096 };

__attribute__((import_module("env"), import_name("compare"))) int compare(u32 a, u32 b);

static u32 items[MAX_ITEMS], spare[MAX_ITEMS];

u32 capacity(void) { return MAX_ITEMS; }

static void merge(const u32 *from, u32 *to, u32 low, u32 middle, u32 high) {
    u32 left = low, right = middle;
    for (u32 i = low; i < high; i++) {
        int take_left = right >= high || (left < middle && compare(from[left], from[right]) <= 0);
        to[i] = take_left ? from[left++] : from[right++];
    }
}

/* A bottom-up merge sort, so equal items keep their order; returns where the result is. */
const u32 *sort(u32 count) {
    u32 *from = items, *to = spare;
    for (u32 i = 0; i < count; i++)
        from[i] = i;
    for (u32 width = 1; width < count; width *= 2) {
        for (u32 low = 0; low < count; low += 2 * width) {
            u32 middle = low + width < count ? low + width : count;
            u32 high = middle + width < count ? middle + width : count;
            merge(from, to, low, middle, high);
        }
        u32 *swapped = from;
        from = to;
        to = swapped;
    }
    return from;
}
