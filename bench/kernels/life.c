/* n generations of Conway's Life on a 128 x 128 torus of bytes: eight u8 neighbours a cell. */
#include "kernel.h"

enum { SIZE = 128 };

static u8 worlds[2][SIZE][SIZE];

static void generation(u8 (*restrict from)[SIZE], u8 (*restrict to)[SIZE]) {
    for (u32 row = 0; row < SIZE; row++) {
        const u8 *above = from[(row + SIZE - 1) % SIZE], *here = from[row];
        const u8 *below = from[(row + 1) % SIZE];
        for (u32 column = 0; column < SIZE; column++) {
            u32 west = (column + SIZE - 1) % SIZE, east = (column + 1) % SIZE;
            u8 around = (u8)(above[west] + above[column] + above[east] + here[west] + here[east] +
                             below[west] + below[column] + below[east]);
            to[row][column] = around == 3 || (around == 2 && here[column]);
        }
    }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 127;
    for (u32 row = 0; row < SIZE; row++)
        for (u32 column = 0; column < SIZE; column++)
            worlds[0][row][column] = random_below(&random, 3) == 0;
    for (u32 i = 0; i < n; i++)
        generation(worlds[i & 1], worlds[~i & 1]);
    return fold_bytes(n, &worlds[n & 1][0][0], SIZE * SIZE);
}
