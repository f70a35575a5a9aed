/* All shortest paths of n graphs of 64 vertices by Floyd and Warshall: i32 add and minimum. */
#include "kernel.h"

enum { SIZE = 64, FAR = 1 << 28 };

static i32 paths[SIZE][SIZE];

static void shorten(void) {
    for (u32 k = 0; k < SIZE; k++)
        for (u32 i = 0; i < SIZE; i++)
            for (u32 j = 0; j < SIZE; j++) {
                i32 through = paths[i][k] + paths[k][j];
                paths[i][j] = through < paths[i][j] ? through : paths[i][j];
            }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 157, sum = 0;
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < SIZE; i++)
            for (u32 j = 0; j < SIZE; j++) {
                u32 length = random_below(&random, 4000);
                paths[i][j] = i == j ? 0 : length < 1000 ? (i32)length : FAR;
            }
        shorten();
        for (u32 i = 0; i < SIZE; i++)
            sum = fold(sum, (u32)paths[i][(i + round) % SIZE]);
    }
    return sum;
}
