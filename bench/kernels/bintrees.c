/* Builds, walks and frees n binary trees of depth 10 with its own free list: pointer chasing. */
#include "kernel.h"

enum { DEPTH = 10 };

typedef struct Node {
    struct Node *left, *right;
    u32 value;
} Node;

static u8 heap[1 << 20];
static Arena arena = {heap, sizeof heap, 0};
static Node *free_nodes;

static Node *new_node(u32 value) {
    Node *node = free_nodes;
    if (node != NULL)
        free_nodes = node->left;
    else
        node = arena_take(&arena, sizeof *node);
    *node = (Node){NULL, NULL, value};
    return node;
}

static void free_tree(Node *node) {
    if (node == NULL)
        return;
    free_tree(node->left);
    free_tree(node->right);
    node->left = free_nodes;
    free_nodes = node;
}

static Node *build(u32 depth, u32 value) {
    Node *node = new_node(value);
    if (depth > 0) {
        node->left = build(depth - 1, 2 * value);
        node->right = build(depth - 1, 2 * value + 1);
    }
    return node;
}

static u64 sum_tree(const Node *node) {
    return node == NULL ? 1 : node->value + 3 * sum_tree(node->left) - sum_tree(node->right);
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    arena.used = 0;
    free_nodes = NULL;
    for (u32 i = 0; i < n; i++) {
        Node *kept = build(DEPTH, i), *other = build(DEPTH / 2, i + 1);
        free_tree(other);
        sum = fold(sum, sum_tree(kept));
        free_tree(kept);
    }
    return sum;
}
