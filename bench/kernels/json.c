/* Reads an 8 KiB JSON text n times: a recursive parser of objects, numbers, escapes, literals. */
#include "kernel.h"

enum { SIZE = 8192, TAIL = 96 };

static u8 text[SIZE];
static u32 at;
static u64 seen;

static void put(const char *word) {
    while (*word != 0)
        text[at++] = (u8)*word++;
}

static void put_number(u32 value) {
    u8 digits[10];
    u32 count = 0;
    do
        digits[count++] = (u8)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count > 0)
        text[at++] = digits[--count];
}

static void write_record(u64 *random) {
    static const char *const WORDS[] = {"true", "false", "null", "[1,-2,[ ]]", "\"a\\n\\u00e9z\""};
    put("{\"id\": "), put_number(random_u32(random));
    put(", \"ratio\": -"), put_number(random_below(random, 100));
    put("."), put_number(random_below(random, 10000)), put("e-3");
    put(",\n  \"value\" :"), put(WORDS[random_below(random, COUNT(WORDS))]), put("}");
}

static void write_text(void) {
    u64 random = 167;
    at = 0;
    put("[");
    while (at < SIZE - 2 * TAIL) {
        write_record(&random);
        put(", ");
    }
    put("0]");
    text[at] = 0;
}

static void skip_space(void) {
    while (text[at] == ' ' || text[at] == '\n')
        at++;
}

static void read_number(void) {
    bool minus = text[at] == '-';
    i64 mantissa = 0, exponent = 0;
    for (at += minus; (u8)(text[at] - '0') < 10 || text[at] == '.'; at++) {
        if (text[at] != '.')
            mantissa = 10 * mantissa + (text[at] - '0');
        exponent -= text[at] == '.';
    }
    if (text[at] == 'e') {
        bool negative = text[++at] == '-';
        i64 digits = 0;
        for (at += negative; (u8)(text[at] - '0') < 10; at++)
            digits = 10 * digits + (text[at] - '0');
        exponent += negative ? -digits : digits;
    }
    seen = fold(fold(seen, (u64)(minus ? -mantissa : mantissa)), (u64)exponent);
}

static u32 hex_digit(u8 byte) { return byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10u; }

static void read_string(void) {
    u64 hash = 0;
    for (at++; text[at] != '"'; at++) {
        u32 unit = text[at];
        if (unit == '\\' && text[++at] == 'u')
            for (u32 i = unit = 0; i < 4; i++)
                unit = unit << 4 | hex_digit(text[++at]);
        hash = hash * 31 + unit;
    }
    at++;
    seen = fold(seen, hash);
}

static void read_value(void);

static void read_members(u8 close, bool named) {
    at++;
    skip_space();
    while (text[at] != close) {
        if (named) {
            read_string();
            skip_space();
            at++;
        }
        read_value();
        skip_space();
        at += text[at] == ',';
        skip_space();
    }
    at++;
}

static NOINLINE void read_value(void) {
    skip_space();
    switch (text[at]) {
    case '{': read_members('}', true); break;
    case '[': read_members(']', false); break;
    case '"': read_string(); break;
    case 't': at += 4, seen = fold(seen, 1); break;
    case 'f': at += 5, seen = fold(seen, 2); break;
    case 'n': at += 4, seen = fold(seen, 3); break;
    default: read_number();
    }
}

u64 EXPORT(run)(u32 n) {
    write_text();
    seen = 0;
    for (u32 i = 0; i < n; i++) {
        at = 0;
        read_value();
    }
    return fold(seen, at);
}
