// Mixes two tracks of samples, sixteen bits each, eight samples at a time.

#include <stdint.h>
#include <wasm_simd128.h>

enum { CAPACITY = 1 << 20 };

static int16_t samples[3][CAPACITY] __attribute__((aligned(16)));

// How many samples a track holds.
int capacity(void) { return CAPACITY; }

// The address of a track: 0 and 1 are for what is mixed, 2 for the result.
int16_t *track(int number) { return samples[number]; }

// Mixes the first samples of both tracks, each at a volume in units of 1/32768; what is too loud is
// clipped.
void mix(int count, int volume, int other_volume) {
    const v128_t a = wasm_i16x8_splat((int16_t)volume);
    const v128_t b = wasm_i16x8_splat((int16_t)other_volume);
    for (int i = 0; i < count; i += 8) {
        const v128_t x = wasm_i16x8_q15mulr_sat(wasm_v128_load(samples[0] + i), a);
        const v128_t y = wasm_i16x8_q15mulr_sat(wasm_v128_load(samples[1] + i), b);
        wasm_v128_store(samples[2] + i, wasm_i16x8_add_sat(x, y));
    }
}

// The loudest samples of the result, one for each lane.
v128_t loudest(int count) {
    v128_t found = wasm_i16x8_splat(0);
    for (int i = 0; i < count; i += 8) {
        found = wasm_i16x8_max(found, wasm_i16x8_abs(wasm_v128_load(samples[2] + i)));
    }
    return found;
}
