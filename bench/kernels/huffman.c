/* Huffman coding of n 16 KiB texts: a tree from counts, bit output, a bit-by-bit tree walk. */
#include "kernel.h"

enum { SIZE = 1 << 14, SYMBOLS = 256, NODES = 2 * SYMBOLS };

static u8 plain[SIZE], coded[2 * SIZE], back[SIZE];
static u32 weights[NODES], codes[SYMBOLS];
static u16 children[NODES][2];
static u8 lengths[SYMBOLS];

/* Takes the lightest live node out of the running and returns it; weight 0 means not live. */
static u32 take_lightest(u32 nodes, u32 *weight) {
    u32 best = 0;
    *weight = UINT32_MAX;
    for (u32 i = 0; i < nodes; i++)
        if (weights[i] != 0 && weights[i] < *weight)
            *weight = weights[best = i];
    weights[best] = 0;
    return best;
}

static void assign_codes(u32 node, u32 code, u32 length) {
    if (node < SYMBOLS) {
        codes[node] = code;
        lengths[node] = (u8)length;
        return;
    }
    assign_codes(children[node][0], code << 1, length + 1);
    assign_codes(children[node][1], code << 1 | 1, length + 1);
}

/* The root of the tree for the text in plain. */
static u32 build_tree(void) {
    u32 live = 0, nodes = SYMBOLS;
    fill_bytes(weights, 0, sizeof weights);
    for (u32 i = 0; i < SIZE; i++)
        weights[plain[i]]++;
    for (u32 i = 0; i < SYMBOLS; i++)
        live += weights[i] != 0;
    for (; live > 1; live--, nodes++) {
        u32 left, right;
        children[nodes][0] = (u16)take_lightest(nodes, &left);
        children[nodes][1] = (u16)take_lightest(nodes, &right);
        weights[nodes] = left + right;
    }
    assign_codes(nodes - 1, 0, 0);
    return nodes - 1;
}

static u32 encode(void) {
    u64 pending = 0;
    u32 bits = 0, to = 0;
    for (u32 i = 0; i < SIZE; i++) {
        u8 symbol = plain[i];
        pending = pending << lengths[symbol] | codes[symbol];
        for (bits += lengths[symbol]; bits >= 8; bits -= 8)
            coded[to++] = (u8)(pending >> (bits - 8));
    }
    coded[to++] = (u8)(pending << (8 - bits));
    return to;
}

static void decode(u32 root) {
    u32 bit = 0;
    for (u32 i = 0; i < SIZE; i++) {
        u32 node = root;
        for (; node >= SYMBOLS; bit++)
            node = children[node][coded[bit >> 3] >> (7 - (bit & 7)) & 1];
        back[i] = (u8)node;
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 59, sum = 0;
    random_text(&random, plain, SIZE);
    for (u32 i = 0; i < n; i++) {
        for (u32 changed = 0; changed < 64; changed++)
            plain[random_below(&random, SIZE)] = (u8)random_u32(&random);
        u32 root = build_tree();
        sum = fold(sum, encode());
        decode(root);
        sum = fold(sum, back[i % SIZE] == plain[i % SIZE]);
    }
    return fold_bytes(sum, back, SIZE);
}
