"""Literals of vectors: a shape and a number for each lane."""

from __future__ import annotations

from typing import Final

from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.keywords import FLOAT
from wasmine.wasm.text.numbers import float_bits, integer_bits

_SHAPES: Final = {
    "i8x16": (16, 8, integer_bits),
    "i16x8": (8, 16, integer_bits),
    "i32x4": (4, 32, integer_bits),
    "i64x2": (2, 64, integer_bits),
    "f32x4": (4, 32, float_bits),
    "f64x2": (2, 64, float_bits),
}
"""By shape: how many lanes, of how many bits, read by what."""

NAN_PATTERNS: Final = ("nan:canonical", "nan:arithmetic")


def read_lanes(parser: Cursor, patterns: bool = False) -> tuple[str, int, list[int | str]]:
    """A shape and its numbers: shape, width of a lane, and the lanes, of which some may be NaN patterns."""
    shape = parser.word
    if shape not in _SHAPES:
        raise parser.unexpected()
    count, width, parse = _SHAPES[shape]
    parser.position += 1
    first = parser.position
    words = parser.words
    end = first
    while FLOAT.fullmatch(words[end]) or (patterns and words[end] in NAN_PATTERNS):
        end += 1
    if end - first != count:
        # a token that is no number says more than the number of those before it
        if end - first < count and words[end] not in ("(", ")"):
            raise parser.unexpected(end)
        raise parser.error("wrong number of lane literals", min(end, first + count))
    lanes: list[int | str] = []
    while parser.position < end:
        if parser.word in NAN_PATTERNS:
            lanes.append(parser.word)
            parser.position += 1
        else:
            lanes.append(parser.number(parse, width))
    return shape, width, lanes


def join_lanes(lanes: list[int], width: int) -> int:
    """Lanes as one number, the first one lowest."""
    return sum(lane << (width * index) for index, lane in enumerate(lanes))


def read_vector(parser: Cursor) -> int:
    """A vector, as 128 bits."""
    _, width, lanes = read_lanes(parser)
    return join_lanes([lane for lane in lanes if isinstance(lane, int)], width)
