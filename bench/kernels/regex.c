/* A backtracking matcher over n 64-byte pieces of text: recursion, and repeats that give back. */
#include "kernel.h"

enum { SIZE = 1 << 13, MAX_ATOMS = 16 };

/* One atom of a pattern: a set of bytes and how often it may repeat. */
typedef struct {
    u64 set[4];
    u32 least, most;
} Atom;

typedef struct {
    Atom atoms[MAX_ATOMS];
    u32 count;
} Pattern;

static const char *const SOURCES[] = {"ta[a-m]*ni", "[aeiou]+, s?", "[^ ]*o[^,]*,", "k.*l.*e.*r\n"};

static Pattern patterns[COUNT(SOURCES)];
static u8 text[SIZE + 1];

static void add_byte(Atom *atom, u8 byte) { atom->set[byte >> 6] |= 1ull << (byte & 63); }

static bool has_byte(const Atom *atom, u8 byte) { return atom->set[byte >> 6] >> (byte & 63) & 1; }

static void invert(Atom *atom) {
    for (u32 i = 0; i < 4; i++)
        atom->set[i] = ~atom->set[i];
}

/* Reads one set, "[...]", "." or a byte, and returns what follows it. */
static const char *parse_set(const char *at, Atom *atom) {
    if (*at == '.') {
        add_byte(atom, '\n');
        invert(atom);
        return at + 1;
    }
    if (*at != '[') {
        add_byte(atom, (u8)*at);
        return at + 1;
    }
    bool inverted = *++at == '^';
    for (at += inverted; *at != ']'; at++) {
        u8 last = at[1] == '-' ? (u8)at[2] : (u8)*at;
        for (u32 byte = (u8)*at; byte <= last; byte++)
            add_byte(atom, (u8)byte);
        at += at[1] == '-' ? 2 : 0;
    }
    if (inverted)
        invert(atom);
    return at + 1;
}

static void parse(const char *at, Pattern *pattern) {
    pattern->count = 0;
    while (*at != 0) {
        Atom *atom = &pattern->atoms[pattern->count++];
        *atom = (Atom){{0}, 1, 1};
        at = parse_set(at, atom);
        if (*at == '*' || *at == '+')
            atom->most = SIZE;
        if (*at == '*' || *at == '?')
            atom->least = 0;
        at += *at == '*' || *at == '+' || *at == '?';
    }
}

/* Where a match of the atoms from index on at text[at] ends, or 0. Repeats take the most first. */
static u32 match(const Pattern *pattern, u32 index, u32 at) {
    if (index == pattern->count)
        return at;
    const Atom *atom = &pattern->atoms[index];
    u32 taken = 0;
    while (taken < atom->most && at + taken < SIZE && has_byte(atom, text[at + taken]))
        taken++;
    for (; taken + 1 > atom->least; taken--) {
        u32 end = match(pattern, index + 1, at + taken);
        if (end != 0 || taken == 0)
            return end;
    }
    return 0;
}

u64 EXPORT(run)(u32 n) {
    u64 random = 113, sum = 0;
    u32 at = 0;
    random_text(&random, text, SIZE);
    for (u32 i = 0; i < COUNT(SOURCES); i++)
        parse(SOURCES[i], &patterns[i]);
    for (u32 i = 0; i < n; i++) {
        for (u32 kind = 0; kind < COUNT(SOURCES); kind++)
            for (u32 start = at; start < at + 64; start++) {
                u32 end = match(&patterns[kind], 0, start);
                if (end != 0)
                    sum = fold(sum, end - start);
            }
        at = (at + 64) % SIZE;
    }
    return sum;
}
