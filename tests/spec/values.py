"""Values of test scripts: as arguments, and as patterns that results must match.

A number is the unsigned integer of its bits, a null reference is None, any other reference an object.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

JsonValue = dict[str, Any]

WIDTHS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}
MANTISSAS = {"f32": 23, "f64": 52}

# Patterns without a value ask for any reference of that type, or for null.
NULLS = {"refnull", "nullref", "nullfuncref", "nullexternref", "nullexnref"}


@dataclass(frozen=True, eq=False)
class HostReference:
    """`(ref.extern n)`: an object of the host, known to scripts by its number."""

    number: int


@cache
def host_reference(number: int) -> HostReference:
    """The one object of that number: scripts expect to get back what they passed."""
    return HostReference(number)


def argument(value: JsonValue) -> object:
    """The value to pass for an argument of a script."""
    kind, content = value["type"], value["value"]
    if kind == "v128":
        return _join_lanes(
            [_bits(lane, value["lane_type"]) for lane in content], value["lane_type"]
        )
    if kind in WIDTHS:
        return _bits(content, kind)
    return None if content == "null" else host_reference(int(content))


def matches(pattern: JsonValue, actual: object) -> bool:
    """Whether a result is one that the pattern allows."""
    kind = pattern["type"]
    if kind == "either":
        return any(matches(choice, actual) for choice in pattern["values"])
    if kind == "v128":
        return isinstance(actual, int) and _vector_matches(pattern, actual)
    if kind in WIDTHS:
        return isinstance(actual, int) and _number_matches(kind, pattern["value"], actual)
    return _reference_matches(kind, pattern.get("value"), actual)


def _reference_matches(kind: str, content: str | None, actual: object) -> bool:
    if kind in NULLS or content == "null":
        return actual is None
    if content is not None:
        return actual is host_reference(int(content))
    return callable(actual) if kind == "funcref" else actual is not None


def _number_matches(kind: str, content: str, actual: int) -> bool:
    if content == "nan:canonical":
        return _magnitude(kind, actual) == _quiet_nan(kind)
    if content == "nan:arithmetic":
        return actual & _quiet_nan(kind) == _quiet_nan(kind) and actual >> WIDTHS[kind] == 0
    return actual == _bits(content, kind)


def _vector_matches(pattern: JsonValue, actual: int) -> bool:
    kind = pattern["lane_type"]
    width = WIDTHS[kind]
    lanes = [actual >> (width * i) & ((1 << width) - 1) for i in range(128 // width)]
    expected = pattern["value"]
    pairs = zip(expected, lanes, strict=True)
    return actual >> 128 == 0 and all(_number_matches(kind, text, lane) for text, lane in pairs)


def _bits(content: str, kind: str) -> int:
    return int(content) & ((1 << WIDTHS[kind]) - 1)


def _join_lanes(lanes: list[int], kind: str) -> int:
    return sum(lane << (WIDTHS[kind] * i) for i, lane in enumerate(lanes))


def _magnitude(kind: str, bits: int) -> int:
    """The bits of a float without its sign: the sign of a NaN is never specified."""
    return bits & ~(1 << (WIDTHS[kind] - 1))


def _quiet_nan(kind: str) -> int:
    """The canonical NaN: an exponent of ones and the highest bit of the mantissa."""
    mantissa = MANTISSAS[kind]
    exponent = WIDTHS[kind] - 1 - mantissa
    return ((1 << (exponent + 1)) - 1) << (mantissa - 1)
