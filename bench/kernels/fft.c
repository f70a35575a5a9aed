/* n forward transforms of 1024 complex f64: bit reversal, then butterflies at doubling strides. */
#include "kernel.h"

enum { BITS = 10, SIZE = 1 << BITS };

typedef struct {
    f64 re, im;
} Complex;

static Complex signal[SIZE], roots[SIZE / 2];

static Complex times(Complex a, Complex b) {
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* roots[k] = exp(-2 pi i k / SIZE), from half-angle square roots alone. */
static void build_roots(void) {
    Complex root = {-1, 0};
    roots[0] = (Complex){1, 0};
    for (u32 stride = SIZE / 4; stride > 0; stride /= 2) {
        root = root.re < 0 ? (Complex){0, -1}
                           : (Complex){__builtin_sqrt((1 + root.re) / 2),
                                       -__builtin_sqrt((1 - root.re) / 2)};
        for (u32 k = stride; k < SIZE / 2; k += 2 * stride)
            roots[k] = times(roots[k - stride], root);
    }
}

static void reverse_bits(void) {
    for (u32 i = 1, j = 0; i < SIZE; i++) {
        u32 bit = SIZE / 2;
        for (; j & bit; bit /= 2)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            Complex item = signal[i];
            signal[i] = signal[j];
            signal[j] = item;
        }
    }
}

static void transform(void) {
    reverse_bits();
    for (u32 half = 1; half < SIZE; half *= 2)
        for (u32 start = 0; start < SIZE; start += 2 * half)
            for (u32 k = 0; k < half; k++) {
                Complex *low = &signal[start + k], *high = low + half;
                Complex turned = times(*high, roots[k * (SIZE / 2 / half)]);
                *high = (Complex){low->re - turned.re, low->im - turned.im};
                *low = (Complex){low->re + turned.re, low->im + turned.im};
            }
}

u64 EXPORT(run)(u32 n) {
    u64 random = 103, sum = 0;
    build_roots();
    for (u32 i = 0; i < SIZE; i++)
        signal[i] = (Complex){random_f64(&random) - 0.5, random_f64(&random) - 0.5};
    for (u32 round = 0; round < n; round++) {
        transform();
        for (u32 i = 0; i < SIZE; i++) {
            signal[i].re *= 0.03125;
            signal[i].im *= 0.03125;
        }
    }
    for (u32 i = 0; i < SIZE; i++)
        sum = fold_f64(fold_f64(sum, signal[i].re), signal[i].im);
    return sum;
}
