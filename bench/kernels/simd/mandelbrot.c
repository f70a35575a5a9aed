/* n iterations deep over a small Mandelbrot set, two points at a time in f64x2. */
#include "simd.h"

enum { SIZE = 96 };

u64 EXPORT(run)(u32 n) {
    u64 sum = 1;
    v128_t four = wasm_f64x2_splat(4.0), two = wasm_f64x2_splat(2.0);
    for (u32 y = 0; y < SIZE; y++) {
        v128_t ci = wasm_f64x2_splat(2.0 * y / SIZE - 1.0);
        for (u32 x = 0; x < SIZE; x += 2) {
            v128_t cr = wasm_f64x2_make(3.0 * x / SIZE - 2.0, 3.0 * (x + 1) / SIZE - 2.0);
            v128_t zr = cr, zi = ci, count = wasm_i64x2_splat(0);
            for (u32 i = 0; i < n; i++) {
                v128_t rr = wasm_f64x2_mul(zr, zr), ii = wasm_f64x2_mul(zi, zi);
                v128_t inside = wasm_f64x2_le(wasm_f64x2_add(rr, ii), four);
                if (!wasm_v128_any_true(inside))
                    break;
                count = wasm_i64x2_sub(count, inside);
                zi = wasm_f64x2_add(wasm_f64x2_mul(wasm_f64x2_mul(zr, zi), two), ci);
                zr = wasm_f64x2_add(wasm_f64x2_sub(rr, ii), cr);
            }
            sum = fold_vector(sum, count);
        }
    }
    return sum;
}
