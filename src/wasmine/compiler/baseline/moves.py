"""Copies between locations, each made once."""

from __future__ import annotations

from typing import Final

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    FRAME,
    RAX,
    SLOT,
    VECTOR_SCRATCH,
    Location,
)
from wasmine.errors import InternalError

_MOST: Final = 1 << 16
"""Copies that are kept."""


class Moves(dict[tuple[int, Location], bytes]):
    """The instructions that copy a value, by location to and location from.

    They change flags if the value is zero, and RAX or xmm10 between places in the frame, RAX for large
    constants.
    """

    def __init__(self, *, wide: bool) -> None:
        """`wide`: vector registers and places have 16 bytes, not 8."""
        super().__init__()
        self._scratch = VECTOR_SCRATCH if wide else RAX
        self._load = asm.load_x128 if wide else asm.load_x64
        self._store = asm.store_x128 if wide else asm.store_x64

    def __missing__(self, key: tuple[int, Location]) -> bytes:
        to, source = key
        made = b"" if to == source else self._make(to, source)
        if len(self) >= _MOST:
            self.clear()
        self[key] = made
        return made

    def _make(self, to: int, source: Location) -> bytes:
        if isinstance(source, bytes):
            return _constant(to, int.from_bytes(source, "little"))
        if to >= SLOT and source >= SLOT:
            return self[self._scratch, source] + self[to, self._scratch]
        place, register = max(to, source), min(to, source)
        if register < FIRST_VECTOR:
            if place < SLOT:
                return asm.move64(to, source)
            access = asm.load64 if source == place else asm.store64
            return access(register, FRAME, place - SLOT)
        if place < SLOT:
            return asm.move_x(to - FIRST_VECTOR, source - FIRST_VECTOR)
        access = self._load if source == place else self._store
        return access(register - FIRST_VECTOR, FRAME, place - SLOT)


def _constant(to: int, value: int) -> bytes:
    """A constant of 64 bits, unsigned, to a general register or a place."""
    if to < FIRST_VECTOR:
        return asm.move_immediate(to, value)
    if to < SLOT:
        raise InternalError("a constant is to be moved to a vector register")
    signed = value - (value >> 63 << 64)
    if -(1 << 31) <= signed < 1 << 31:
        return asm.store_immediate64(FRAME, to - SLOT, signed)
    return asm.move_immediate(RAX, value) + asm.store64(RAX, FRAME, to - SLOT)


MOVES: Final = {wide: Moves(wide=wide) for wide in (False, True)}
"""The copies in functions that have v128, and in all others."""
