/* Open-addressing hash table from u64 to u32: n inserts, look-ups and deletions, linear probing. */
#include "kernel.h"

enum { SLOTS = 1 << 14, KEYS = SLOTS / 2 };

typedef struct {
    u64 key; /* 0: never used */
    u32 value;
    bool live;
} Slot;

static Slot slots[SLOTS];
static u32 used;

/* The slot of key, or the first that was never used. */
static Slot *find(u64 key) {
    u32 at = (u32)(key * 0x9E3779B97F4A7C15ull >> 50);
    while (slots[at].key != 0 && slots[at].key != key)
        at = (at + 1) % SLOTS;
    return &slots[at];
}

static void insert(u64 key, u32 value) {
    Slot *slot = find(key);
    used += slot->key == 0;
    *slot = (Slot){key, value, true};
}

static void clear(void) {
    fill_bytes(slots, 0, sizeof slots);
    used = 0;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 73, hits = 0, sum = 0;
    clear();
    for (u32 i = 0; i < n; i++) {
        u64 key = 1 + random_below(&random, KEYS) * 0x100000001ull;
        if (used > KEYS - KEYS / 8)
            clear();
        insert(key, i);
        for (u32 probe = 0; probe < 4; probe++) {
            Slot *slot = find(1 + random_below(&random, KEYS) * 0x100000001ull);
            if (slot->live) {
                hits++;
                sum += slot->value;
            }
            if (probe == 3)
                slot->live = false;
        }
    }
    return fold(fold(sum, hits), used);
}
