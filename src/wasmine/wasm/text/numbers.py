"""Numbers of the text format (specification 6.3.2), rounded once and exactly."""

from __future__ import annotations

from typing import Final

from wasmine.wasm.text.keywords import FLOAT, INTEGER

_MANTISSA_BITS: Final = {32: 23, 64: 52}
_MANY_DIGITS: Final = 4000
"""Integers of more decimal digits fit nowhere, and digits behind these matter to no float but for
whether all of them are zero. Python takes quadratic time to convert them."""

_FARTHEST_EXPONENT: Final = 5000
"""Decimal numbers beyond this power of ten are infinite or zero, whatever their digits up to there."""


def parse_integer(word: str) -> int | None:
    """The value of an integer literal; None for any other word."""
    match = INTEGER.fullmatch(word)
    if match is None:
        return None
    sign, hexadecimal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else _decimal(decimal.replace("_", ""))
    return -value if sign == "-" else value


def _decimal(digits: str) -> int:
    """The value of decimal digits, or a number that is beyond all limits as well."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MANY_DIGITS else int(10**_MANY_DIGITS)


def integer_bits(word: str, width: int) -> int | None:
    """The bits of an integer that may be signed or unsigned; None for a word that is no integer.

    Raises OverflowError if it does not fit into the width.
    """
    value = parse_integer(word)
    if value is None:
        return None
    if not -(1 << (width - 1)) <= value < 1 << width:
        raise OverflowError(word)
    return value & ((1 << width) - 1)


def float_bits(word: str, width: int) -> int | None:
    """The bits of a floating-point literal of 32 or 64 bits; None for a word that is none.

    Raises OverflowError for a number beyond the largest one and for a NaN payload that is 0 or too big.
    """
    match = FLOAT.fullmatch(word)
    if match is None:
        return None
    sign, whole, fraction, power, *decimal, payload = match.groups()
    mantissa_bits = _MANTISSA_BITS[width]
    infinity = (1 << (width - 1)) - (1 << mantissa_bits)
    if whole is not None:
        bits = _hexadecimal_float(whole, fraction or "", power or "0", mantissa_bits, infinity)
    elif decimal[0] is not None:
        bits = _decimal_float(
            decimal[0], decimal[1] or "", decimal[2] or "0", mantissa_bits, infinity
        )
    elif word.endswith("inf"):
        bits = infinity
    else:
        mantissa = int(payload, 16) if payload else 1 << (mantissa_bits - 1)
        if not 0 < mantissa < 1 << mantissa_bits:
            raise OverflowError(word)
        bits = infinity + mantissa
    return bits | 1 << (width - 1) if sign == "-" else bits


def _hexadecimal_float(
    whole: str, fraction: str, power: str, mantissa_bits: int, infinity: int
) -> int:
    fraction = fraction.replace("_", "")
    value = int(whole.replace("_", "") + fraction, 16)
    exponent = _exponent(power) - 4 * len(fraction)
    return _round(value, 1, exponent, mantissa_bits, infinity)


def _decimal_float(whole: str, fraction: str, power: str, mantissa_bits: int, infinity: int) -> int:
    fraction = fraction.replace("_", "")
    digits = (whole.replace("_", "") + fraction).lstrip("0")
    exponent = _exponent(power) - len(fraction)
    behind = digits[_MANY_DIGITS - 1 :]
    if len(behind) > 1:
        digits = digits[: _MANY_DIGITS - 1] + ("1" if behind.strip("0") else "0")
        exponent += len(behind) - 1
    value = _decimal(digits)
    if value == 0 or exponent + len(digits) < -_FARTHEST_EXPONENT:
        return 0
    if exponent > _FARTHEST_EXPONENT:
        raise OverflowError
    scale = 10 ** abs(exponent)
    if exponent < 0:
        return _round(value, scale, 0, mantissa_bits, infinity)
    return _round(value * scale, 1, 0, mantissa_bits, infinity)


def _exponent(power: str) -> int:
    sign = -1 if power.startswith("-") else 1
    return sign * _decimal(power.lstrip("+-").replace("_", ""))


def _round(
    numerator: int, denominator: int, exponent: int, mantissa_bits: int, infinity: int
) -> int:
    """The bits of numerator / denominator * 2**exponent, to nearest, ties to even."""
    if numerator == 0:
        return 0
    bias = infinity >> (mantissa_bits + 1)
    magnitude = numerator.bit_length() - denominator.bit_length() + exponent
    if magnitude > bias + 2:
        raise OverflowError
    smallest = 1 - bias - mantissa_bits
    if magnitude < smallest - 3:
        return 0
    # the power of two of the last bit of the result: one too small at first, if the estimate is low
    last = max(magnitude - 1 - mantissa_bits, smallest)
    mantissa, rest, divisor = _divide(numerator, denominator, exponent - last)
    if mantissa >> (mantissa_bits + 1):
        last += 1
        mantissa, rest, divisor = _divide(numerator, denominator, exponent - last)
    if 2 * rest > divisor or (2 * rest == divisor and mantissa & 1):
        mantissa += 1
    # the leading bit of a normal number adds one to the exponent, and so does a carry
    bits = ((last - smallest) << mantissa_bits) + mantissa
    if bits >= infinity:
        raise OverflowError
    return bits


def _divide(numerator: int, denominator: int, shift: int) -> tuple[int, int, int]:
    """Quotient and remainder of numerator * 2**shift / denominator, and what was divided by."""
    if shift >= 0:
        numerator <<= shift
    else:
        denominator <<= -shift
    return (*divmod(numerator, denominator), denominator)
