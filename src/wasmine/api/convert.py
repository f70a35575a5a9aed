"""Values between Python and WebAssembly, with all care: what the fast paths leave to Python.

Integers of the signed or the unsigned range of the width are taken, from anything with `__index__`;
floats from anything with `__float__` or `__index__`; a v128 also from any buffer of 16 bytes. Anything
else raises TypeError or OverflowError.
"""

from __future__ import annotations

import operator
import struct
from typing import Final, Protocol

from wasmine.errors import UnsupportedFeature
from wasmine.types import F32, F64, I32, I64, V128, RefType, ValType

WIDTHS: Final = {I32: 32, I64: 64, F32: 32, F64: 64, V128: 128}


class References(Protocol):
    """Where references are made and read: a store."""

    def reference_from(self, type_: RefType, value: object) -> int:
        """The address that stands for a Python object."""

    def object_from(self, type_: RefType, raw: int) -> object:
        """The Python object that an address stands for."""


def check_type(type_: ValType) -> None:
    """Raises UnsupportedFeature for values that Python cannot pass to functions."""
    if isinstance(type_, RefType):
        known = not isinstance(type_.heap, int)
    else:
        known = type_ in (I32, I64, F32, F64, V128)
    if not known:
        raise UnsupportedFeature(f"unsupported type {type_}")


def to_integer(value: object, width: int) -> int:
    """A signed integer of `width` bits."""
    number = operator.index(value)  # type: ignore[arg-type]
    if not -(1 << width - 1) <= number < 1 << width:
        raise OverflowError(f"{number} does not fit in {width} bits")
    return number - (1 << width) if number >= 1 << width - 1 else number


def to_float(value: object) -> float:
    """A float; text is none, although float() would take it."""
    if isinstance(value, str | bytes | bytearray):
        raise TypeError(f"must be a real number, not {type(value).__name__}")
    return float(value)  # type: ignore[arg-type]


def f32_bits(value: float) -> int:
    """The bits of the nearest f32; what is too large becomes an infinity, a NaN stays one."""
    try:
        return int.from_bytes(struct.pack("<f", value), "little")
    except OverflowError:
        return 0x7F80_0000 if value > 0 else 0xFF80_0000


def to_bits(type_: ValType, value: object, references: References) -> int:
    """The bits of a Python value as this type."""
    if isinstance(type_, RefType):
        return references.reference_from(type_, value)
    if type_ in (I32, I64):
        width = WIDTHS[type_]
        return to_integer(value, width) & (1 << width) - 1
    if type_ is F32:
        return f32_bits(to_float(value))
    if type_ is F64:
        return int.from_bytes(struct.pack("<d", to_float(value)), "little")
    return vector_bits(value)


def vector_bits(value: object) -> int:
    """The 128 bits of a v128: from a buffer of 16 bytes, little-endian, or an integer."""
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        view = None
    # Numbers of NumPy are buffers too, without a dimension.
    if view is not None and view.ndim:
        if view.nbytes != 16:
            raise TypeError(f"v128 takes 16 bytes, not {view.nbytes}")
        return int.from_bytes(view.tobytes(), "little")
    if not hasattr(value, "__index__"):
        raise TypeError(f"v128 takes 16 bytes or an int, not {type(value).__name__}")
    return to_integer(value, 128) & (1 << 128) - 1


def from_bits(type_: ValType, bits: int, references: References) -> object:
    """The Python value of bits of this type."""
    if isinstance(type_, RefType):
        return references.object_from(type_, bits)
    if type_ in (I32, I64):
        return to_integer(bits, WIDTHS[type_])
    if type_ is F32:
        return struct.unpack("<f", bits.to_bytes(4, "little"))[0]
    if type_ is F64:
        return struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return bits.to_bytes(16, "little")
