"""Where values are while a baseline function is compiled.

A location is an int or bytes, so that the key of a stencil is a plain tuple:

    0 to 15     a general register, by its number in machine code
    16 to 31    a vector register: FIRST_VECTOR + its number; floats are in them too
    from SLOT   a place in the frame, SLOT + the offset from its bottom
    bytes       a constant, 8 bytes, or 4 that are to be extended with zeros
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from wasmine.types import F32, F64, V128, ValType

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 = range(16)

FIRST_VECTOR: Final = 16
SLOT: Final = 32

Location: TypeAlias = int | bytes

VM: Final = R13
"""Holds the VMContext."""
FRAME: Final = RBP
"""Holds the bottom of the frame."""
MEMORY: Final = R12
"""Holds the base of memory 0, if that is a static one and the function uses it."""

TEMPORARIES: Final = (R9, R8, RDI, RSI)
"""General registers for operands; the last is taken first. Calls change them."""
PINNED: Final = (RBX, R14, R15)
"""General registers that hold locals in the whole function, and that calls preserve."""
VECTOR_TEMPORARIES: Final = tuple(FIRST_VECTOR + number for number in (3, 2, 1))
VECTOR_PINNED: Final = tuple(FIRST_VECTOR + number for number in (4, 5, 6))
"""Vector registers for locals. Calls change them."""
MORE_VECTOR_TEMPORARIES: Final = (FIRST_VECTOR + 11,)
MORE_VECTOR_PINNED: Final = tuple(FIRST_VECTOR + number for number in (12, 13, 14, 15))
"""In addition to these, where stencils can name them (`stencils.Library.vectors`)."""
VECTOR_SCRATCH: Final = FIRST_VECTOR + 10
"""What moves use; xmm0 and xmm7 to xmm9 are free between instructions as well."""

GENERAL: Final = 0
VECTOR: Final = 1
"""The two classes of registers. A value type belongs to one: f32, f64 and v128 to VECTOR."""
_VECTOR_TYPES: Final = frozenset((F32, F64, V128))


def class_of(type_: ValType) -> int:
    """GENERAL or VECTOR."""
    return VECTOR if type_ in _VECTOR_TYPES else GENERAL


class _Constants(dict[int, Location]):
    """The locations of constants by their value, made when they are first asked for."""

    def __init__(self, make: Callable[[int], Location]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: int) -> Location:
        made = self._make(value)
        if len(self) < _MOST:
            self[value] = made
        return made


_MOST: Final = 1 << 16
"""Constants that are kept."""


def _wide(value: int) -> Location:
    return value.to_bytes(4 if 0 <= value < 1 << 31 else 8, "little", signed=True)


CONSTANTS: Final = _Constants(lambda value: (value & 0xFFFF_FFFF).to_bytes(4, "little"))
"""i32 constants by their value, signed or not."""
WIDE_CONSTANTS: Final = _Constants(_wide)
"""i64 constants by their value, signed."""
