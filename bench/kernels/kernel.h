/* What every kernel shares: fixed-width types, a PRNG, checksums, an arena, sample text.
 *
 * A kernel exports one function, `u64 run(u32 n)`, whose work grows in proportion to n and whose
 * result is a checksum of everything it computed. The checksum is the same on every host: integers
 * are exact, floating point uses only IEEE operations (no libm, no contraction), and nothing
 * depends on the size of a pointer. Calling run twice gives the same answer twice. */
#ifndef WASMINE_BENCH_KERNEL_H
#define WASMINE_BENCH_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#define EXPORT(name) __attribute__((visibility("default"))) name
#define NOINLINE __attribute__((noinline))
#define COUNT(array) ((u32)(sizeof(array) / sizeof((array)[0])))

#define copy_bytes __builtin_memcpy
#define move_bytes __builtin_memmove
#define fill_bytes __builtin_memset

static inline u32 rotl32(u32 value, u32 by) { return value << (by & 31) | value >> (-by & 31); }
static inline u32 rotr32(u32 value, u32 by) { return value >> (by & 31) | value << (-by & 31); }
static inline u64 rotl64(u64 value, u32 by) { return value << (by & 63) | value >> (-by & 63); }
static inline u64 rotr64(u64 value, u32 by) { return value >> (by & 63) | value << (-by & 63); }

static inline u32 min_u32(u32 a, u32 b) { return a < b ? a : b; }

/* Loads that need no alignment. */
static inline u32 load32(const u8 *from) {
    u32 value;
    copy_bytes(&value, from, sizeof value);
    return value;
}

static inline u64 load64(const u8 *from) {
    u64 value;
    copy_bytes(&value, from, sizeof value);
    return value;
}

/* xorshift64*: the state must not be zero. */
static inline u64 random_u64(u64 *state) {
    u64 x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

static inline u32 random_u32(u64 *state) { return (u32)(random_u64(state) >> 32); }

/* Below limit, by multiplication rather than remainder. */
static inline u32 random_below(u64 *state, u32 limit) {
    return (u32)((u64)random_u32(state) * limit >> 32);
}

/* In [0, 1), a multiple of 2^-53. */
static inline f64 random_f64(u64 *state) { return (f64)(random_u64(state) >> 11) * 0x1p-53; }

/* One step of the checksum: order matters, and every bit of value reaches the result. */
static inline u64 fold(u64 sum, u64 value) {
    u64 mixed = (rotl64(sum, 23) ^ value) * 0x9E3779B97F4A7C15ull;
    return mixed ^ mixed >> 32;
}

static inline u64 fold_f64(u64 sum, f64 value) {
    u64 bits;
    copy_bytes(&bits, &value, sizeof bits);
    return fold(sum, bits);
}

static inline u64 fold_f32(u64 sum, f32 value) {
    u32 bits;
    copy_bytes(&bits, &value, sizeof bits);
    return fold(sum, bits);
}

static inline u64 fold_bytes(u64 sum, const u8 *bytes, u32 length) {
    u32 at = 0;
    for (; at + 8 <= length; at += 8)
        sum = fold(sum, load64(bytes + at));
    for (; at < length; at++)
        sum = fold(sum, bytes[at]);
    return sum;
}

static inline void random_bytes(u64 *state, u8 *bytes, u32 length) {
    for (u32 i = 0; i < length; i++)
        bytes[i] = (u8)(random_u64(state) >> 56);
}

/* A bump allocator over a static buffer; a kernel resets it by setting used to 0. */
typedef struct {
    u8 *bytes;
    size_t size;
    size_t used;
} Arena;

static inline void *arena_take(Arena *arena, size_t size) {
    size_t start = (arena->used + 15) & ~(size_t)15;
    if (start + size > arena->size)
        __builtin_trap();
    arena->used = start + size;
    return arena->bytes + start;
}

/* Text of made-up words, spaces, commas and line ends; short words are common, so that it
 * compresses and matches about as prose does. */
static inline void random_text(u64 *state, u8 *text, u32 length) {
    static const char syllables[] = "taleroninesamukodelivoshurabecho";
    u32 at = 0;
    while (at < length) {
        u32 parts = 1 + (random_below(state, 4) & random_below(state, 4));
        for (u32 part = 0; part < parts; part++) {
            u32 pick = random_below(state, 16) & random_below(state, 16);
            for (u32 i = 0; i < 2 && at < length; i++)
                text[at++] = (u8)syllables[2 * pick + i];
        }
        u32 after = random_below(state, 16);
        if (after == 0 && at < length)
            text[at++] = ',';
        if (at < length)
            text[at++] = after == 1 ? '\n' : ' ';
    }
}

#endif
