/* n times SHA-256 of four messages of a block at once, a lane for each. */
#include "simd.h"

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline v128_t rotate(v128_t v, u32 by) { return wasm_v128_or(wasm_u32x4_shr(v, by), wasm_i32x4_shl(v, 32 - by)); }
static inline v128_t three(v128_t a, v128_t b, v128_t c) { return wasm_v128_xor(a, wasm_v128_xor(b, c)); }

u64 EXPORT(run)(u32 n) {
    u64 random = 71, sum = 0;
    v128_t state[8], w[64];
    for (u32 i = 0; i < 8; i++)
        state[i] = wasm_i32x4_splat((i32)random_u32(&random));
    for (u32 round = 0; round < n; round++) {
        for (u32 i = 0; i < 16; i++)
            w[i] = wasm_i32x4_add(state[i & 7], wasm_i32x4_make((i32)i, (i32)round, (i32)(i * round), 3));
        for (u32 i = 16; i < 64; i++) {
            v128_t a = w[i - 15], b = w[i - 2];
            v128_t s0 = three(rotate(a, 7), rotate(a, 18), wasm_u32x4_shr(a, 3));
            v128_t s1 = three(rotate(b, 17), rotate(b, 19), wasm_u32x4_shr(b, 10));
            w[i] = wasm_i32x4_add(wasm_i32x4_add(w[i - 16], s0), wasm_i32x4_add(w[i - 7], s1));
        }
        v128_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
        for (u32 i = 0; i < 64; i++) {
            v128_t s1 = three(rotate(e, 6), rotate(e, 11), rotate(e, 25));
            v128_t pick = wasm_v128_bitselect(f, g, e);
            v128_t t1 = wasm_i32x4_add(wasm_i32x4_add(h, s1), wasm_i32x4_add(pick, wasm_i32x4_add(w[i], wasm_i32x4_splat((i32)K[i]))));
            v128_t s0 = three(rotate(a, 2), rotate(a, 13), rotate(a, 22));
            v128_t most = wasm_v128_bitselect(wasm_v128_or(b, c), wasm_v128_and(b, c), a);
            h = g, g = f, f = e, e = wasm_i32x4_add(d, t1);
            d = c, c = b, b = a, a = wasm_i32x4_add(t1, wasm_i32x4_add(s0, most));
        }
        v128_t next[8] = {a, b, c, d, e, f, g, h};
        for (u32 i = 0; i < 8; i++)
            state[i] = wasm_i32x4_add(state[i], next[i]);
    }
    for (u32 i = 0; i < 8; i++)
        sum = fold_vector(sum, state[i]);
    return sum;
}
