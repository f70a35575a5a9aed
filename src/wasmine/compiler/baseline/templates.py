"""From stencils to machine code: first registers are filled in, which gives a template, then values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Final, NamedTuple, TypeAlias


class HoleKind:
    """What a field of a piece is to hold the distance to; `number` says which."""

    TARGET: Final = 0
    """Where the branch leads."""
    TRAP: Final = 1
    """Code that traps; `number` is the TrapCode."""
    CONSTANT: Final = 2
    """A place in the library's pool of constants, in bytes."""


class Hole(NamedTuple):
    """A field of 4 bytes for a distance, counted from the end of the instruction."""

    offset: int
    kind: int
    """A HoleKind."""
    number: int
    trailing: int
    """Bytes of the instruction behind the field; a jump has none."""


class Field:
    """Where a register's number goes in an instruction."""

    RM: Final = 0
    """The low three bits of ModRM, of SIB, or of the opcode."""
    REG: Final = 1
    """The next three bits of ModRM or of SIB."""
    REX_B: Final = 2
    REX_X: Final = 3
    REX_R: Final = 4
    VEX_B: Final = 5
    VEX_X: Final = 6
    VEX_R: Final = 7
    """One bit each, of the number's fourth; inverted in VEX."""
    VEX_V: Final = 8
    """Four bits, inverted."""
    HIGH: Final = 9
    """The upper half of the last byte."""


BITS: Final[dict[int, tuple[int, ...]]] = {
    Field.RM: tuple(n & 7 for n in range(16)),
    Field.REG: tuple((n & 7) << 3 for n in range(16)),
    Field.REX_B: tuple(n >> 3 for n in range(16)),
    Field.REX_X: tuple(n >> 3 << 1 for n in range(16)),
    Field.REX_R: tuple(n >> 3 << 2 for n in range(16)),
    Field.VEX_B: tuple((n >> 3 ^ 1) << 5 for n in range(16)),
    Field.VEX_X: tuple((n >> 3 ^ 1) << 6 for n in range(16)),
    Field.VEX_R: tuple((n >> 3 ^ 1) << 7 for n in range(16)),
    Field.VEX_V: tuple((n ^ 15) << 3 for n in range(16)),
    Field.HIGH: tuple(n << 4 for n in range(16)),
}
"""What is or-ed into the byte, by field and register."""


class ValueKind:
    """How an operand's number goes into a field, and what becomes of the field if it is small."""

    PLAIN: Final = 0
    DISPLACEMENT: Final = 1
    """`at` is where the instruction's ModRM is: it may say that there is one byte, or none."""
    IMMEDIATE: Final = 2
    """`at` is where the ModRM is, and the opcode before it has a form with one byte."""


Value: TypeAlias = tuple[int, int, int, int, int, int, int]
"""A field for a constant, an offset, or the place of an operand in the frame: (offset, size, operand, sign,
addend, kind, at).

It holds the number of this operand of the key, from 0, times sign, which is 1 or -1, plus addend. `kind` is a
ValueKind, and `at` as it says.
"""


class Stencil(NamedTuple):
    """Code with all fields of registers and values empty, as the generator writes it."""

    code: bytes
    registers: tuple[tuple[tuple[int, int], ...], ...]
    """For each location of the key, the fields (offset, Field) that its register goes to."""
    values: tuple[Value, ...]
    """Sorted from the last to the first."""
    holes: tuple[tuple[int, int, int, int], ...]
    uses: int
    """The scratch registers that it changes, a bit each; from bit 16 on vector registers."""
    prefixes: tuple[int, ...]
    """Where VEX prefixes of three bytes are that have a form with two for the first eight registers."""


class Template(NamedTuple):
    """Code whose registers are known, but not the values."""

    code: bytes
    values: tuple[Value, ...]
    """Sorted from the last to the first."""
    holes: tuple[Hole, ...] = ()


Kind: TypeAlias = int | str
"""Of a location: a register's number, `l`, `z`, `c`, `k`, or `o` for an offset."""

LONG_VEX: Final = 0xC4
_SHORT_VEX: Final = 0xC5
_HIGH_REGISTERS: Final = 0x60
"""The bits of a long VEX prefix that a short one has not; they are set if they are not needed."""
_SHORT_FORMS: Final = {0x81: 0x83, 0x69: 0x6B}

_BYTES: Final = {number: number.to_bytes(1, "little", signed=True) for number in range(-128, 128)}
_MASKS: Final = {size: (1 << 8 * size) - 1 for size in (1, 4, 8)}
_pack: Final = Struct("<I").pack


def rename(stencil: Stencil, places: Sequence[Kind]) -> Template:
    """The stencil with its registers filled in."""
    code = bytearray(stencil.code)
    for place, fields in zip(places, stencil.registers, strict=True):
        if fields and type(place) is int:
            number = place & 15
            for offset, field in fields:
                code[offset] |= BITS[field][number]
    holes = tuple(map(Hole._make, stencil.holes)) if stencil.holes else ()
    template = Template(bytes(code), stencil.values, holes)
    for start in reversed(stencil.prefixes):
        if code[start + 1] & _HIGH_REGISTERS == _HIGH_REGISTERS:
            short = bytes((_SHORT_VEX, code[start + 1] & 0x80 | code[start + 2] & 0x7F))
            shorter = template.code[:start] + short + template.code[start + 3 :]
            template = _shift(template._replace(code=shorter), start, -1)
    return template


def _shift(template: Template, beyond: int, by: int) -> Template:
    """The template after fields have moved that lie beyond an offset."""
    values: list[Value] = []
    for offset, size, operand, sign, addend, kind, at in template.values:
        offset += by * (offset > beyond)
        values.append((offset, size, operand, sign, addend, kind, at + by * (at > beyond)))
    holes = (
        hole._replace(offset=hole.offset + by * (hole.offset > beyond)) for hole in template.holes
    )
    return Template(template.code, tuple(values), tuple(holes))


def join(parts: list[Template]) -> Template:
    """One template from several in a row."""
    code = b""
    values: tuple[Value, ...] = ()
    holes: tuple[Hole, ...] = ()
    for part in parts:
        moved = _shift(part, -1, len(code)) if part.values or part.holes else part
        code += part.code
        values = moved.values + values
        holes += moved.holes
    return Template(code, values, holes)


def filler(template: Template) -> Callable[[list[int]], bytes]:
    """What makes code from the numbers of the operands, a Piece if there are holes in it."""
    values = template.values
    if not values:
        piece = _finished(template.code, template.holes)
        return lambda _: piece
    if len(values) == 1 and values[0][1] == 4 and not template.holes:
        return _one_field(template.code, values[0])
    return partial(_fill, template)


def _one_field(code: bytes, value: Value) -> Callable[[list[int]], bytes]:
    """The same as `_fill`, faster, for what most templates have: one field of four bytes."""
    offset, _, operand, sign, addend, kind, at = value
    head, tail = code[:offset], code[offset + 4 :]
    shorter = bytearray(head)
    if kind:
        _shorten(shorter, kind, at, 1)
    short = bytes(shorter)
    nought = bytearray(head)
    kept = kind and _shorten(nought, kind, at, 0)
    zero = bytes(nought) + bytes((0,) * kept) + tail if kind else code

    def fill(numbers: list[int]) -> bytes:
        number = numbers[operand] * sign + addend
        if not number:
            return zero
        if kind and -128 <= number < 128:
            return short + _BYTES[number] + tail
        return head + _pack(number & 0xFFFF_FFFF) + tail

    return fill


def _fill(template: Template, numbers: list[int]) -> bytes:
    """The template with its values filled in, in as few bytes as they need."""
    holes = template.holes
    code = bytearray(template.code)
    for offset, size, operand, sign, addend, kind, at in template.values:
        number = numbers[operand] * sign + addend
        if kind and -128 <= number < 128:
            kept = _shorten(code, kind, at, number)
            code[offset : offset + 4] = _BYTES[number] if kept else b""
            if holes:
                holes = tuple(
                    hole._replace(offset=hole.offset - 4 + kept) if hole.offset > offset else hole
                    for hole in holes
                )
        else:
            code[offset : offset + size] = (number & _MASKS[size]).to_bytes(size, "little")
    return _finished(code, holes)


class Piece(bytes):
    """Machine code with fields that are left to fill in."""

    holes: tuple[Hole, ...] = ()


def _finished(code: bytes | bytearray, holes: tuple[Hole, ...]) -> bytes:
    if not holes:
        return bytes(code)
    piece = Piece(code)
    piece.holes = holes
    return piece


def _shorten(code: bytearray, kind: int, at: int, number: int) -> int:
    """Make an instruction with four bytes for a number one with fewer; how many."""
    if kind == ValueKind.IMMEDIATE:
        code[at - 1] = _SHORT_FORMS[code[at - 1]]
        return 1
    # Without a displacement, the base register 5 would mean something else.
    base = code[at + 1] if code[at] & 7 == 4 else code[at]
    if not number and base & 7 != 5:
        code[at] ^= 0x80
        return 0
    code[at] ^= 0xC0
    return 1


def rescue(register: int, refuge: int) -> bytes:
    """movaps refuge, register: from the first eight vector registers to the others."""
    return bytes((0x44, 0x0F, 0x28, 0xC0 | (refuge & 7) << 3 | register & 7))


def restore(register: int, refuge: int) -> bytes:
    """movaps register, refuge."""
    return bytes((0x41, 0x0F, 0x28, 0xC0 | (register & 7) << 3 | refuge & 7))
