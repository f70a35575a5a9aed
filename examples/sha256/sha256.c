/* SHA-256 of bytes that the host puts into the module's memory. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

extern u8 __heap_base;

static const u32 ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const u32 START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Room for size bytes, the same place each time, or 0 if the memory cannot grow that far. */
u8 *buffer(u32 size) {
    u64 end = (u64)(u32)&__heap_base + size;
    u32 pages = (u32)((end + 65535) / 65536), present = __builtin_wasm_memory_size(0);
    if (pages > present && (int)__builtin_wasm_memory_grow(0, pages - present) < 0)
        return 0;
    return &__heap_base;
}

static u32 rotate(u32 value, u32 by) { return value >> by | value << (32 - by); }

static void compress(u32 state[8], const u8 *block) {
    u32 w[64], a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++)
        w[i] = (u32)block[4 * i] << 24 | (u32)block[4 * i + 1] << 16 |
               (u32)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        u32 x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i++) {
        u32 one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                  ROUND[i] + w[i];
        u32 two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/* The last one or two blocks: the rest of the data, a one bit, zeros, the length in bits. */
static void finish(u32 state[8], const u8 *rest, u32 count, u64 length) {
    u8 last[128] = {0};
    u32 size = count < 56 ? 64 : 128;
    for (u32 i = 0; i < count; i++)
        last[i] = rest[i];
    last[count] = 0x80;
    for (u32 i = 0; i < 8; i++)
        last[size - 1 - i] = (u8)(8 * length >> 8 * i);
    compress(state, last);
    if (size == 128)
        compress(state, last + 64);
}

/* Hashes length bytes; returns the address of the 32 bytes of the digest. */
const u8 *sha256(const u8 *data, u32 length) {
    static u8 digest[32];
    u32 state[8], at = 0;
    for (int i = 0; i < 8; i++)
        state[i] = START[i];
    for (; length - at >= 64; at += 64)
        compress(state, data + at);
    finish(state, data + at, length - at, length);
    for (int i = 0; i < 32; i++)
        digest[i] = (u8)(state[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}
