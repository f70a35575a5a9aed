/* n rows of the Mandelbrot set, 256 points each: a chain of f64 multiplies and one exit test. */
#include "kernel.h"

enum { WIDTH = 256, LIMIT = 200 };

static u32 escape(f64 cx, f64 cy) {
    f64 x = 0, y = 0;
    u32 steps = 0;
    for (; steps < LIMIT && x * x + y * y <= 4; steps++) {
        f64 next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
    }
    return steps;
}

u64 EXPORT(run)(u32 n) {
    u64 sum = 0;
    for (u32 row = 0; row < n; row++) {
        f64 cy = -1.25 + 2.5 * (f64)(row * 37 % WIDTH) / WIDTH;
        u64 steps = 0;
        for (u32 column = 0; column < WIDTH; column++)
            steps = 3 * steps + escape(-2.0 + 2.75 * column / WIDTH, cy);
        sum = fold(sum, steps);
    }
    return sum;
}
