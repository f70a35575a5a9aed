"""From program counters to frames: their sizes, where they keep registers, where exceptions land.

A backtrace needs the sizes, and looks them up in Python. Throwing an exception needs all of it, and
native code looks it up (`compiler/native/unwinding.py`), in the form that `FrameTable.native` gives.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple

_COUNTS: Final = Struct("<II")  # of rows; of bytes of saved registers

NATIVE_HEADER: Final = 8
"""Bytes before the rows of a native table: their number, as a u64."""
NATIVE_ROW: Final = 16
"""Bytes of a row: four u32."""


class FrameRow(NamedTuple):
    """What holds from a program counter to that of the next row, when its instruction is about to run."""

    start: int
    size: int
    """The bytes from the stack pointer to the canonical frame address (the stack pointer before the
    call instruction pushed anything), plus one; 0 if they are not known."""
    landing: int
    """Where an exception lands that comes out of a call here; 0 if it leaves the function."""
    saved: int
    """Which of the sets of saved registers applies."""


class FrameTable:
    """The frames of an image; all places are in bytes from the start of its code."""

    def __init__(self, rows: Iterable[FrameRow], saved: bytes) -> None:
        """`rows` are sorted. `saved` has one byte for each of the processor's saved registers in each
        set: how many times 8 bytes below the canonical frame address it is, 0 where it is unchanged.
        The `saved` of a row is where in these bytes its set begins.
        """
        self._columns = [array("I", column) for column in zip(*rows, strict=True)] or [
            array("I") for _ in FrameRow._fields
        ]
        self._saved = saved

    def __len__(self) -> int:
        return len(self._columns[0])

    def find(self, pc: int) -> FrameRow | None:
        """The row that holds at a program counter."""
        position = bisect_right(self._columns[0], pc) - 1
        if position < 0:
            return None
        return FrameRow(*(column[position] for column in self._columns))

    def native(self) -> bytes:
        """The table as native code reads it: the number of rows, the rows, the sets of registers.

        The `saved` of a row is then in bytes from the start of the table.
        """
        count = len(self)
        first = NATIVE_HEADER + count * NATIVE_ROW
        rows = array("I", bytes(count * NATIVE_ROW))
        *columns, saved = self._columns
        for number, column in enumerate((*columns, array("I", [first + place for place in saved]))):
            rows[number :: len(self._columns)] = column
        return count.to_bytes(8, sys.byteorder) + rows.tobytes() + self._saved

    def pack(self) -> bytes:
        """A compact form for `unpack`, equal for equal tables."""
        columns = array("I")
        for column in self._columns:
            columns.extend(column)
        if sys.byteorder == "big":
            columns.byteswap()
        counts = _COUNTS.pack(len(self), len(self._saved))
        return zlib.compress(counts + self._saved + columns.tobytes(), 1)

    @classmethod
    def unpack(cls, data: bytes) -> FrameTable:
        """The table that `pack` was called of."""
        content = zlib.decompress(data)
        count, size = _COUNTS.unpack_from(content)
        start = _COUNTS.size + size
        columns = array("I", content[start:])
        if sys.byteorder == "big":
            columns.byteswap()
        table = cls((), content[_COUNTS.size : start])
        table._columns = [
            columns[i * count : (i + 1) * count] for i in range(len(FrameRow._fields))
        ]
        return table
