"""Values on the command line, as text."""

from __future__ import annotations

import struct
from typing import Final

from wasmine.cli.common import UsageError
from wasmine.types import F32, F64, I32, I64, V128, ValType, matches, ref


def parse_value(text: str, type_: ValType) -> int | float | None:
    """The value of this type that the text names. Raises UsageError when it is none.

    Integers may be hexadecimal, and of the signed or the unsigned range; vectors are integers too, and
    so are references that may be an i31.
    """
    try:
        if type_.is_ref and text == "null":
            return None
        if type_ in (F32, F64):
            return float.fromhex(text) if "x" in text.lower() else float(text)
        value = int(text, 0)
        bits = _I31_BITS if matches(_I31, type_) else _INTEGER_BITS.get(type_, 0)
        if bits and -1 << (bits - 1) <= value < 1 << bits:
            return value
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{text}: not a value of type {type_}")


_INTEGER_BITS: Final = {I32: 32, I64: 64, V128: 128}
_I31: Final = ref("i31", nullable=False)
_I31_BITS: Final = 31


def format_value(value: object, type_: ValType) -> str:
    """The value as text from which `parse_value` makes the same one."""
    if value is None:
        return "null"
    if type_ is F32 and isinstance(value, float):
        return _shortest_f32(value)
    if isinstance(value, bytes):
        return f"{int.from_bytes(value, 'little'):#034x}"
    return repr(value)


def _shortest_f32(value: float) -> str:
    """The fewest digits that name this 32-bit number: 0.1, where Python sees 0.10000000149."""
    for digits in range(1, 9):
        text = repr(float(f"{value:.{digits}g}"))
        try:
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                return text
        except OverflowError:  # rounded up beyond the largest
            continue
    return repr(value)
