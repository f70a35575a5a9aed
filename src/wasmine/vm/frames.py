"""A table of frames that grows: code is appended, and other threads read the table meanwhile."""

from __future__ import annotations

import ctypes
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from wasmine.abi.snapshot import Frames
from wasmine.abi.unwind import NATIVE_HEADER, NATIVE_ROW, FrameRow

_FIRST_ROWS: Final = 512
_FIRST_SETS: Final = 512
_COLUMNS: Final = len(FrameRow._fields)


class _Table:
    """A FrameTable in native form (`FrameTable.native`), with room for so many rows and bytes of sets."""

    __slots__ = ("buffer", "count", "first_set", "row_capacity", "rows", "saved", "set_capacity")

    def __init__(self, row_capacity: int, set_capacity: int) -> None:
        self.row_capacity: Final = row_capacity
        self.set_capacity: Final = set_capacity
        self.first_set: Final = NATIVE_HEADER + row_capacity * NATIVE_ROW
        self.buffer: Final = ctypes.create_string_buffer(self.first_set + set_capacity)
        whole = memoryview(self.buffer).cast("B")
        self.count: Final[memoryview] = whole[:NATIVE_HEADER].cast("Q")
        """One element: how many rows there are."""
        self.rows: Final[memoryview] = whole[NATIVE_HEADER : self.first_set].cast("I")
        """Four elements for each row."""
        self.saved: Final[memoryview] = whole[self.first_set :]


class GrowingFrames:
    """A FrameTable with room for more rows.

    A table that is full is replaced by a larger one. Threads may be reading the old one, which is
    kept; all of them together are smaller than the last. The handler of a signal or a finalizer may
    add rows while others are being added: what several statements change is checked before the first
    of them, and they call nothing, so that CPython lets nobody in (see CodeSpace.place).
    """

    def __init__(self) -> None:
        self._sets: dict[bytes, int] = {}
        self._used = 0
        """Bytes of all sets of saved registers."""
        self.table = _Table(_FIRST_ROWS, _FIRST_SETS)
        self._tables = [self.table]

    @property
    def address(self) -> int:
        """Where the table is, until `make_room` has replaced it."""
        return ctypes.addressof(self.table.buffer)

    def make_room(self, rows: int, saved: bytes) -> bool:
        """Have room for so many more rows, with these sets of saved registers; whether that needed
        another table."""
        while True:
            table, used = self.table, self._used
            count = table.count[0]
            missing = 0 if saved in self._sets else len(saved)
            if count + rows <= table.row_capacity and used + missing <= table.set_capacity:
                return False
            larger = _Table(
                max(2 * table.row_capacity, 2 * (count + rows)),
                max(2 * table.set_capacity, 2 * (used + missing)),
            )
            content = array("I", table.rows[: count * _COLUMNS].tobytes())
            distance = larger.first_set - table.first_set
            content[_COLUMNS - 1 :: _COLUMNS] = array(
                "I", [place + distance for place in content[_COLUMNS - 1 :: _COLUMNS]]
            )
            larger.rows[: count * _COLUMNS] = content
            larger.saved[:used] = table.saved[:used]
            larger.count[0] = count
            if self.table is table and table.count[0] == count and self._used == used:
                self.table = larger
                self._tables += [larger]
                return True

    def native_rows(
        self, frames: Iterable[FrameRow], saved: bytes, start: int
    ) -> array[int] | None:
        """The rows of a function as they are to be in the table; None if there is no room for them
        after all.

        `frames` and `saved` are as in CompiledFunction, `start` is where its code is.
        """
        size = len(saved)
        place = self._sets.get(saved)
        table = self.table
        if place is None:
            place = self._used
            end = place + size
            if end > table.set_capacity:
                return None
            self._used = end
            table.saved[place:end] = saved
            self._sets[saved] = place
        place += table.first_set
        rows = array("I")
        for first, size, landing, set_ in frames:
            rows.extend((start + first, size, landing and start + landing, place + set_))
        return rows

    def find(self, pc: int) -> FrameRow | None:
        """The row that holds at a place in the code."""
        table = self.table
        rows = table.rows
        position = bisect_right(range(table.count[0]), pc, key=lambda row: rows[row * _COLUMNS]) - 1
        if position < 0:
            return None
        return FrameRow(*rows[position * _COLUMNS : (position + 1) * _COLUMNS])

    def content(self, count: int) -> Frames:
        """The first rows, for `load` in another process."""
        table = self.table
        rows = table.rows[: count * _COLUMNS].tobytes()
        return Frames(rows, table.row_capacity, table.saved[: self._used].tobytes())

    def load(self, frames: Frames) -> None:
        """Begin with rows that another table had."""
        rows, row_capacity, saved = frames
        table = _Table(row_capacity, max(self.table.set_capacity, 2 * len(saved)))
        table.rows[: len(rows) // 4] = memoryview(rows).cast("B").cast("I")
        table.saved[: len(saved)] = saved
        table.count[0] = len(rows) // NATIVE_ROW
        self._used = len(saved)
        self.table = table
        self._tables += [table]
