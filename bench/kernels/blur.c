/* n Gaussian blurs of a 128 x 128 f32 image, rows then columns: five-tap sums in f32. */
#include "kernel.h"

enum { SIZE = 128 };

static f32 image[SIZE][SIZE], rows[SIZE][SIZE];

static f32 taps(f32 a, f32 b, f32 c, f32 d, f32 e) {
    return 0.0625f * (a + e) + 0.25f * (b + d) + 0.375f * c;
}

static void blur(void) {
    for (u32 y = 0; y < SIZE; y++)
        for (u32 x = 2; x < SIZE - 2; x++)
            rows[y][x] = taps(image[y][x - 2], image[y][x - 1], image[y][x], image[y][x + 1],
                              image[y][x + 2]);
    for (u32 y = 2; y < SIZE - 2; y++)
        for (u32 x = 2; x < SIZE - 2; x++)
            image[y][x] = taps(rows[y - 2][x], rows[y - 1][x], rows[y][x], rows[y + 1][x],
                               rows[y + 2][x]);
}

u64 EXPORT(run)(u32 n) {
    u64 random = 173, sum = 0;
    for (u32 y = 0; y < SIZE; y++)
        for (u32 x = 0; x < SIZE; x++)
            image[y][x] = (f32)random_f64(&random);
    for (u32 i = 0; i < n; i++)
        blur();
    for (u32 y = 0; y < SIZE; y++)
        for (u32 x = 0; x < SIZE; x++)
            sum = fold_f32(sum, image[y][x]);
    return sum;
}
