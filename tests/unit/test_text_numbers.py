"""Literals of the text format: exact rounding, ranges, and what is no number."""

from __future__ import annotations

import random
import struct
from fractions import Fraction

import pytest

from wasmine.wasm.text.numbers import float_bits, integer_bits, parse_integer

INTEGERS = [
    ("0", 32, 0),
    ("-0", 32, 0),
    ("+7", 32, 7),
    ("007", 32, 7),
    ("1_000_000", 32, 1_000_000),
    ("0xdead_BEEF", 32, 0xDEADBEEF),
    ("-1", 32, 0xFFFFFFFF),
    ("-0x80000000", 32, 0x80000000),
    ("4294967295", 32, 0xFFFFFFFF),
    ("-9223372036854775808", 64, 1 << 63),
    ("18446744073709551615", 64, (1 << 64) - 1),
    ("-128", 8, 0x80),
    ("255", 8, 0xFF),
    ("0" * 10_000 + "9", 32, 9),
]


@pytest.mark.parametrize(("word", "width", "bits"), INTEGERS, ids=lambda value: str(value)[:20])
def test_integers(word: str, width: int, bits: int) -> None:
    assert integer_bits(word, width) == bits


@pytest.mark.parametrize(
    ("word", "width"),
    [("4294967296", 32), ("-2147483649", 32), ("256", 8), ("-129", 8), ("9" * 10_000, 64)],
    ids=lambda value: str(value)[:20],
)
def test_integers_out_of_range(word: str, width: int) -> None:
    with pytest.raises(OverflowError):
        integer_bits(word, width)


NO_INTEGERS = [
    "",
    "+",
    "0x",
    "_1",
    "1_",
    "1__0",
    "0x_1",
    "0b1",
    "0o7",
    "1.0",
    "1e3",
    "--1",
    "a",
    "\u0661",
]


@pytest.mark.parametrize("word", NO_INTEGERS)
def test_no_integers(word: str) -> None:
    assert parse_integer(word) is None


F32 = [
    ("0", 0),
    ("-0.0", 0x80000000),
    ("1", 0x3F800000),
    ("1.", 0x3F800000),
    ("1_0.5_0e-0_1", 0x3F866666),
    ("0x1p-1", 0x3F000000),
    ("0x0.8", 0x3F000000),
    ("-0xA.8P+1", 0xC1A80000),
    ("inf", 0x7F800000),
    ("-inf", 0xFF800000),
    ("nan", 0x7FC00000),
    ("-nan", 0xFFC00000),
    ("nan:0x1", 0x7F800001),
    ("-nan:0x7f_ffff", 0xFFFFFFFF),
    # halfway between two numbers: to the even one
    ("0x1.000001p0", 0x3F800000),
    ("0x1.000003p0", 0x3F800002),
    # so little more that a rounding to 64 bits first would make it halfway
    ("0x1.0000010000000000000001p0", 0x3F800001),
    ("1.000000059604644775390625", 0x3F800000),
    ("1.0000000596046447753906250000000000000000001", 0x3F800001),
    ("16777217.00000000000000000001", 0x4B800001),
    # and so little less
    ("0x1.000002ffffffffffffffffp0", 0x3F800001),
    # the largest number, and what still rounds to it
    ("0x1.fffffep127", 0x7F7FFFFF),
    ("0x1.fffffefffffffffffp127", 0x7F7FFFFF),
    ("340282356779733661637539395458142568447", 0x7F7FFFFF),
    # the smallest ones
    ("0x1p-149", 1),
    ("0x1p-150", 0),
    ("0x1.00000000000000000001p-150", 1),
    ("0x1.8p-149", 2),
    ("0x1p-9999999999999", 0),
    ("1e-9999999999999", 0),
    ("0e9999999999999", 0),
    ("7.0064923216240853546186479164495806564013097093825788587853e-46", 0),
    ("7.0064923216240853546186479164495806564013097093825788587854e-46", 1),
    # from below the smallest normal number to it
    ("0x0.ffffffp-126", 0x00800000),
    ("0x0.fffffep-126", 0x007FFFFF),
    ("1." + "0" * 10_000 + "1", 0x3F800000),
]


@pytest.mark.parametrize(("word", "bits"), F32, ids=lambda value: str(value)[:40])
def test_f32(word: str, bits: int) -> None:
    assert float_bits(word, 32) == bits


F64 = [
    ("0x1.00000000000008p0", 0x3FF0000000000000),
    ("0x1.00000000000018p0", 0x3FF0000000000002),
    ("0x1.000000000000080000000000000001p0", 0x3FF0000000000001),
    ("0x1.fffffffffffff7ffffffffffffp1023", 0x7FEFFFFFFFFFFFFF),
    ("0x1p-1074", 1),
    ("0x1p-1075", 0),
    ("0x1.0000000001p-1075", 1),
    ("2.2250738585072011e-308", 0x000FFFFFFFFFFFFF),
    ("2.2250738585072012e-308", 0x0010000000000000),
    ("179769313486231570814527423731704356798070e267", 0x7FEFFFFFFFFFFFFF),
    ("nan:0x8000000000000", 0x7FF8000000000000),
]


@pytest.mark.parametrize(("word", "bits"), F64)
def test_f64(word: str, bits: int) -> None:
    assert float_bits(word, 64) == bits


TOO_BIG = [
    ("0x1.ffffffp127", 32),
    ("340282356779733661637539395458142568448", 32),
    ("1e39", 32),
    ("0x1p128", 32),
    ("1e9999999999999", 32),
    ("0x1p9999999999999", 64),
    ("0x1.fffffffffffff8p1023", 64),
    ("1.797693134862315808e308", 64),
    ("nan:0x0", 32),
    ("nan:0x80_0000", 32),
    ("nan:0x10_0000_0000_0000", 64),
]


@pytest.mark.parametrize(("word", "width"), TOO_BIG)
def test_floats_out_of_range(word: str, width: int) -> None:
    with pytest.raises(OverflowError):
        float_bits(word, width)


NO_FLOATS = [
    ".5",
    "1e",
    "1e+",
    "0x1p",
    "0xp1",
    "1__0.0",
    "1._0",
    "Inf",
    "nan:1",
    "nan:0x",
    "infinity",
]


@pytest.mark.parametrize("word", NO_FLOATS)
def test_no_floats(word: str) -> None:
    assert float_bits(word, 64) is None


def test_f64_is_what_python_reads() -> None:
    draw = random.Random(1)
    for _ in range(3000):
        digits = str(draw.getrandbits(draw.choice([10, 53, 54, 64, 200])))
        word = f"{digits}.{draw.getrandbits(64)}e{draw.randint(-340, 240)}"
        assert float_bits(word, 64) == bits_of(float(word)), word
        word = f"0x{draw.getrandbits(90):x}.{draw.getrandbits(70):x}p{draw.randint(-1200, 900)}"
        assert float_bits(word, 64) == bits_of(float.fromhex(word)), word


def bits_of(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def f32_value(bits: int) -> Fraction:
    return Fraction(struct.unpack("<f", struct.pack("<I", bits))[0])


def test_f32_is_the_nearest() -> None:
    """Numbers at and next to the middle between two neighbours, written out exactly."""
    draw = random.Random(2)
    for _ in range(2000):
        bits = draw.choice([draw.randrange(1, 0x7F7FFFFF), draw.randrange(1, 0x900000)])
        middle = (f32_value(bits) + f32_value(bits + 1)) / 2
        even = bits if bits % 2 == 0 else bits + 1
        assert float_bits(decimal(middle), 32) == even
        tiny = middle / 10**30
        assert float_bits(decimal(middle + tiny), 32) == bits + 1
        assert float_bits(decimal(middle - tiny), 32) == bits


def decimal(value: Fraction) -> str:
    """All digits of a number whose denominator is a product of twos and fives."""
    places = 0
    denominator = value.denominator
    while denominator % 2 == 0 or denominator % 5 == 0:
        denominator //= 2 if denominator % 2 == 0 else 5
        places += 1
    numerator = value * 10**places
    assert numerator.denominator == 1
    return f"{numerator.numerator}e-{places}"


def test_digits_without_end() -> None:
    many = 5_000_000
    with pytest.raises(OverflowError):
        integer_bits("9" * many, 64)
    assert integer_bits("0" * many + "7", 32) == 7
    one = 0x3FF0_0000_0000_0000
    assert float_bits("1" + "0" * many + f"e-{many}", 64) == one
    assert float_bits("0." + "0" * many + f"1e{many + 1}", 64) == one
    # Exactly between 1 and the next number, but for the last digit.
    middle = f"{2**53 + 1}.{'0' * many}"
    assert float_bits(middle, 64) == float_bits(str(2**53), 64)
    assert float_bits(middle + "1", 64) == float_bits(str(2**53 + 2), 64)
    with pytest.raises(OverflowError):
        float_bits("1e" + "9" * many, 64)
    assert float_bits("1e-" + "9" * many, 64) == 0
