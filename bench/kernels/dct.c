/* n 8 x 8 cosine transforms, quantised to integers and back: f32 dot products, conversions. */
#include "kernel.h"

enum { SIDE = 8 };

static f32 basis[SIDE][SIDE];

/* basis[k][i] = c(k) cos((2 i + 1) k pi / 16), from half-angle square roots alone. */
static void build_basis(void) {
    f64 cosines[33] = {1};
    f64 step = __builtin_sqrt((1 + __builtin_sqrt((1 + __builtin_sqrt(0.5)) / 2)) / 2);
    cosines[1] = step;
    for (u32 i = 2; i < COUNT(cosines); i++)
        cosines[i] = 2 * step * cosines[i - 1] - cosines[i - 2];
    for (u32 k = 0; k < SIDE; k++)
        for (u32 i = 0; i < SIDE; i++)
            basis[k][i] = (f32)(cosines[(2 * i + 1) * k % 32] * (k ? 0.5 : __builtin_sqrt(0.125)));
}

/* to = basis x from, transposed; twice is the two-dimensional transform. */
static void forward(f32 (*restrict to)[SIDE], f32 (*restrict from)[SIDE]) {
    for (u32 k = 0; k < SIDE; k++)
        for (u32 column = 0; column < SIDE; column++) {
            f32 sum = 0;
            for (u32 i = 0; i < SIDE; i++)
                sum += basis[k][i] * from[i][column];
            to[column][k] = sum;
        }
}

static void inverse(f32 (*restrict to)[SIDE], f32 (*restrict from)[SIDE]) {
    for (u32 i = 0; i < SIDE; i++)
        for (u32 column = 0; column < SIDE; column++) {
            f32 sum = 0;
            for (u32 k = 0; k < SIDE; k++)
                sum += basis[k][i] * from[k][column];
            to[column][i] = sum;
        }
}

static i32 rounded(f32 value) { return (i32)(value < 0 ? value - 0.5f : value + 0.5f); }

static u64 quantise(f32 (*block)[SIDE], u64 sum) {
    for (u32 y = 0; y < SIDE; y++)
        for (u32 x = 0; x < SIDE; x++) {
            f32 step = (f32)(4 + 3 * (x + y));
            i32 level = rounded(block[y][x] / step);
            sum = 31 * sum + (u64)level;
            block[y][x] = (f32)level * step;
        }
    return sum;
}

u64 EXPORT(run)(u32 n) {
    static f32 pixels[SIDE][SIDE], half[SIDE][SIDE], block[SIDE][SIDE];
    u64 random = 179, sum = 0;
    build_basis();
    for (u32 i = 0; i < n; i++) {
        for (u32 at = 0; at < SIDE * SIDE; at++)
            pixels[at / SIDE][at % SIDE] = (f32)((i * 5 + at * at) & 255) - 128;
        pixels[0][0] += (f32)(random_u32(&random) >> 26);
        forward(half, pixels), forward(block, half);
        sum = quantise(block, sum);
        inverse(half, block), inverse(pixels, half);
        for (u32 at = 0; at < SIDE; at++)
            sum = fold(sum, (u64)rounded(pixels[at][7 - at]));
    }
    return sum;
}
