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


class GrowingFrames:
    """A FrameTable in native form (`FrameTable.native`), with room for more rows.

    A table that is full is replaced by a larger one. Threads may be reading the old one, which is
    kept; all of them together are smaller than the last.
    """

    def __init__(self) -> None:
        self._sets: dict[bytes, int] = {}
        self._used = 0
        """Bytes of all sets of saved registers."""
        self._tables: list[ctypes.Array[ctypes.c_char]] = []
        self._allocate(_FIRST_ROWS, _FIRST_SETS)

    def _allocate(self, rows: int, sets: int) -> None:
        """A new table, which is empty."""
        self._row_capacity, self._set_capacity = rows, sets
        self._first_set = NATIVE_HEADER + rows * NATIVE_ROW
        table = ctypes.create_string_buffer(self._first_set + sets)
        self._tables += [table]
        whole = memoryview(table).cast("B")
        self.count: memoryview = whole[:NATIVE_HEADER].cast("Q")
        """One element: how many rows there are."""
        self.rows: memoryview = whole[NATIVE_HEADER : self._first_set].cast("I")
        """Four elements for each row."""
        self._saved = whole[self._first_set :]

    @property
    def address(self) -> int:
        """Where the table is, until `make_room` has replaced it."""
        return ctypes.addressof(self._tables[-1])

    def make_room(self, rows: int, saved: bytes) -> bool:
        """Have room for so many more rows, with these sets of saved registers; whether that needed
        another table."""
        count = self.count[0]
        missing = 0 if saved in self._sets else len(saved)
        if count + rows <= self._row_capacity and self._used + missing <= self._set_capacity:
            return False
        old_rows, old_saved, old_first = self.rows, self._saved, self._first_set
        self._allocate(
            max(2 * self._row_capacity, 2 * (count + rows)),
            max(2 * self._set_capacity, 2 * (self._used + missing)),
        )
        content = array("I", old_rows[: count * _COLUMNS].tobytes())
        distance = self._first_set - old_first
        content[_COLUMNS - 1 :: _COLUMNS] = array(
            "I", [place + distance for place in content[_COLUMNS - 1 :: _COLUMNS]]
        )
        self.rows[: count * _COLUMNS] = content
        self._saved[: self._used] = old_saved[: self._used]
        self.count[0] = count
        return True

    def native_rows(self, frames: Iterable[FrameRow], saved: bytes, start: int) -> array[int]:
        """The rows of a function as they are in the table, once there is room for them.

        `frames` and `saved` are as in CompiledFunction, `start` is where its code is.
        """
        size = len(saved)
        place = self._sets.get(saved)
        if place is None:  # without a call until it is done: see CodeSpace.place
            place = self._used
            self._used = place + size
            self._saved[place : place + size] = saved
            self._sets[saved] = place
        place += self._first_set
        rows = array("I")
        for first, size, landing, set_ in frames:
            rows.extend((start + first, size, landing and start + landing, place + set_))
        return rows

    def find(self, pc: int) -> FrameRow | None:
        """The row that holds at a place in the code."""
        rows = self.rows
        position = bisect_right(range(self.count[0]), pc, key=lambda row: rows[row * _COLUMNS]) - 1
        if position < 0:
            return None
        return FrameRow(*rows[position * _COLUMNS : (position + 1) * _COLUMNS])

    def content(self, count: int) -> Frames:
        """The first rows, for `load` in another process."""
        rows = self.rows[: count * _COLUMNS].tobytes()
        return Frames(rows, self._row_capacity, self._saved[: self._used].tobytes())

    def load(self, frames: Frames) -> None:
        """Begin with rows that another table had."""
        rows, row_capacity, saved = frames
        self._allocate(row_capacity, max(self._set_capacity, 2 * len(saved)))
        self.rows[: len(rows) // 4] = memoryview(rows).cast("B").cast("I")
        self._saved[: len(saved)] = saved
        self._used = len(saved)
        self.count[0] = len(rows) // NATIVE_ROW
