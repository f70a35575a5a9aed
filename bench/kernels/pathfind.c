/* Dijkstra's algorithm over n 64 x 64 grids of random costs: a priority queue in a binary heap. */
#include "kernel.h"

enum { SIDE = 64, CELLS = SIDE * SIDE, QUEUE = 4 * CELLS };

typedef struct {
    u32 cost, cell;
} Entry;

static u8 costs[CELLS];
static u32 best[CELLS], queued;
static Entry queue[QUEUE];

static void push(u32 cost, u32 cell) {
    u32 hole = queued++;
    for (; hole > 0 && queue[(hole - 1) / 2].cost > cost; hole = (hole - 1) / 2)
        queue[hole] = queue[(hole - 1) / 2];
    queue[hole] = (Entry){cost, cell};
}

static Entry pop(void) {
    Entry first = queue[0], last = queue[--queued];
    u32 hole = 0;
    for (u32 child; (child = 2 * hole + 1) < queued; hole = child) {
        child += child + 1 < queued && queue[child + 1].cost < queue[child].cost;
        if (queue[child].cost >= last.cost)
            break;
        queue[hole] = queue[child];
    }
    queue[hole] = last;
    return first;
}

static void visit(u32 cost, u32 cell) {
    cost += costs[cell];
    if (cost < best[cell]) {
        best[cell] = cost;
        push(cost, cell);
    }
}

static u32 shortest(u32 start, u32 goal) {
    fill_bytes(best, 255, sizeof best);
    queued = 0;
    visit(0, start);
    while (queued > 0) {
        Entry next = pop();
        if (next.cell == goal)
            return next.cost;
        if (next.cost > best[next.cell])
            continue;
        u32 x = next.cell % SIDE, y = next.cell / SIDE;
        if (x > 0)
            visit(next.cost, next.cell - 1);
        if (x + 1 < SIDE)
            visit(next.cost, next.cell + 1);
        if (y > 0)
            visit(next.cost, next.cell - SIDE);
        if (y + 1 < SIDE)
            visit(next.cost, next.cell + SIDE);
    }
    return 0;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 191, sum = 0;
    for (u32 i = 0; i < n; i++) {
        for (u32 cell = 0; cell < CELLS; cell++)
            costs[cell] = (u8)(1 + random_below(&random, 100));
        sum = fold(sum, shortest(0, CELLS - 1 - i % SIDE));
    }
    return sum;
}
