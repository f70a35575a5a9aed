/* n steps of 16 bodies, all pairs, two at a time in f64x2. */
#include "simd.h"

enum { BODIES = 16 };

static f64 x[BODIES], y[BODIES], z[BODIES], vx[BODIES], vy[BODIES], vz[BODIES], mass[BODIES];

static f64 both(v128_t v) { return wasm_f64x2_extract_lane(v, 0) + wasm_f64x2_extract_lane(v, 1); }

u64 EXPORT(run)(u32 n) {
    u64 random = 41, sum = 0;
    for (u32 i = 0; i < BODIES; i++) {
        x[i] = random_f64(&random) * 8 - 4, y[i] = random_f64(&random) * 8 - 4, z[i] = random_f64(&random) * 8 - 4;
        vx[i] = vy[i] = vz[i] = 0, mass[i] = random_f64(&random);
    }
    v128_t soft = wasm_f64x2_splat(0.01);
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < BODIES; i++) {
            v128_t xi = wasm_f64x2_splat(x[i]), yi = wasm_f64x2_splat(y[i]), zi = wasm_f64x2_splat(z[i]);
            v128_t ax = wasm_f64x2_splat(0), ay = ax, az = ax;
            for (u32 j = 0; j < BODIES; j += 2) {
                v128_t dx = wasm_f64x2_sub(wasm_v128_load(x + j), xi);
                v128_t dy = wasm_f64x2_sub(wasm_v128_load(y + j), yi);
                v128_t dz = wasm_f64x2_sub(wasm_v128_load(z + j), zi);
                v128_t d = wasm_f64x2_add(wasm_f64x2_add(wasm_f64x2_mul(dx, dx), wasm_f64x2_mul(dy, dy)),
                                          wasm_f64x2_add(wasm_f64x2_mul(dz, dz), soft));
                v128_t pull = wasm_f64x2_div(wasm_v128_load(mass + j), wasm_f64x2_mul(d, wasm_f64x2_sqrt(d)));
                ax = wasm_f64x2_add(ax, wasm_f64x2_mul(dx, pull));
                ay = wasm_f64x2_add(ay, wasm_f64x2_mul(dy, pull));
                az = wasm_f64x2_add(az, wasm_f64x2_mul(dz, pull));
            }
            vx[i] += 0.001 * both(ax), vy[i] += 0.001 * both(ay), vz[i] += 0.001 * both(az);
        }
        for (u32 i = 0; i < BODIES; i++)
            x[i] += 0.001 * vx[i], y[i] += 0.001 * vy[i], z[i] += 0.001 * vz[i];
    }
    for (u32 i = 0; i < BODIES; i++)
        sum = fold_f64(fold_f64(fold_f64(sum, x[i]), y[i]), z[i]);
    return sum;
}
