"""A snapshot: all code of a CodeSpace with what is known of it, for another process to begin with.

Code reaches everything by distances that depend on the module alone (`codespace`), so it is stored as it
is. What it was compiled from and for is the business of whoever keeps the snapshot, and so is its
integrity. The form, with numbers of 4 bytes, little-endian:

    header      _HEADER: the counts that follow, and the layout of the code space; zeros up to a page
    code        whole pages; if the snapshot is at a page boundary of a file they can be mapped
    functions   a column after the other, one number per function, sorted by start:
                the index among the module's own, start, size, number of its first loop's counter,
                and where its lines and its loops begin in those columns, in numbers
    lines       pairs as in PlacedFunction.lines
    loops       as in PlacedFunction.loops
    rows        of the table of frames, as in its native form with room for `row_capacity`
    saved       the sets of saved registers that rows refer to, zeros up to a multiple of 4
    cells       the numbers of the runtime cells that code uses
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate
from struct import Struct
from typing import Final, NamedTuple

from wasmine.abi.codespace import CodeSpaceLayout
from wasmine.abi.image import round_up
from wasmine.errors import DeserializeError
from wasmine.frozen import Frozen

MAGIC: Final = b"wasmspac"
FORMAT_VERSION: Final = 1

_COLUMNS: Final = 6


class _Counts(NamedTuple):
    """What the header says, after magic and version; sizes are in bytes."""

    code_size: int
    functions: int
    lines: int
    """How many numbers, two for each line."""
    loops: int
    counters: int
    """Counters of loops in use: those of code that is no longer there too."""
    rows: int
    row_capacity: int
    saved_size: int
    cells: int


_PREFIX: Final = Struct("<8sI")
_COUNTS: Final = Struct(f"<{len(_Counts._fields)}I")
_LAYOUT: Final = Struct(f"<{len(CodeSpaceLayout._fields)}I")
_HEADER_SIZE: Final = _PREFIX.size + _COUNTS.size + _LAYOUT.size


class PlacedFunction(Frozen, eq=False):
    """A function's code in a CodeSpace; places are in bytes from the stubs."""

    local: int
    """The function's index among the module's own."""
    start: int
    size: int
    first_counter: int
    """The number of the first loop's counter, among those of loops."""
    lines: Sequence[int]
    """Pairs of a place from the function's start and an offset in the module, sorted."""
    loops: Sequence[int]
    """The offset in the module of each loop that has a counter."""


class Frames(NamedTuple):
    """The rows of a table of frames that has room for `row_capacity`, and its saved registers."""

    rows: bytes | memoryview
    row_capacity: int
    saved: bytes | memoryview


def pack(
    layout: CodeSpaceLayout,
    code: bytes,
    functions: Sequence[PlacedFunction],
    *,
    counters: int,
    frames: Frames,
    cells: Sequence[int],
) -> bytes:
    """The snapshot of a code space; `code` begins where the layout's does."""
    lines = array("I")
    loops = array("I")
    for placed in functions:
        lines.extend(placed.lines)
        loops.extend(placed.loops)
    columns = array("I", [placed.local for placed in functions])
    columns.extend(placed.start for placed in functions)
    columns.extend(placed.size for placed in functions)
    columns.extend(placed.first_counter for placed in functions)
    columns.extend(_starts([len(placed.lines) for placed in functions]))
    columns.extend(_starts([len(placed.loops) for placed in functions]))
    size = round_up(len(code), layout.page)
    rows = len(frames.rows) // 16
    counts = _Counts(
        size, len(functions), len(lines), len(loops), counters, rows, frames.row_capacity,
        len(frames.saved), len(cells),
    )  # fmt: skip
    header = _PREFIX.pack(MAGIC, FORMAT_VERSION) + _COUNTS.pack(*counts) + _LAYOUT.pack(*layout)
    return b"".join(
        (
            header.ljust(layout.page, b"\0"),
            code.ljust(size, b"\0"),
            columns.tobytes(),
            lines.tobytes(),
            loops.tobytes(),
            frames.rows,
            bytes(frames.saved).ljust(round_up(len(frames.saved), 4), b"\0"),
            array("I", cells).tobytes(),
        )
    )


def _starts(lengths: Sequence[int]) -> list[int]:
    return list(accumulate(lengths, initial=0))[: len(lengths)]


class Snapshot:
    """A snapshot that has been read; most of it is looked at only when it is asked for."""

    def __init__(self, data: bytes | memoryview, layout: CodeSpaceLayout) -> None:
        """Raises DeserializeError if `data` is no snapshot of a code space with this layout."""
        view = memoryview(data)
        if len(view) < max(_HEADER_SIZE, layout.page) or sys.byteorder != "little":
            raise DeserializeError("truncated: no room for the header of a snapshot")
        if _PREFIX.unpack_from(view) != (MAGIC, FORMAT_VERSION):
            raise DeserializeError("not a snapshot of code, or one of another version")
        if _LAYOUT.unpack_from(view, _PREFIX.size + _COUNTS.size) != tuple(layout):
            raise DeserializeError("a snapshot of the code of another module")
        counts = _Counts(*_COUNTS.unpack_from(view, _PREFIX.size))
        self.code_offset: Final = layout.page
        self.code: Final = view[layout.page : layout.page + counts.code_size]
        self.counters: Final = counts.counters
        position = layout.page + counts.code_size

        def take(size: int) -> memoryview:
            nonlocal position
            start, position = position, position + round_up(size, 4)
            if position > len(view):
                raise DeserializeError("truncated: the snapshot ends within its tables")
            return view[start : start + size]

        count = counts.functions
        columns = [take(4 * count).cast("I") for _ in range(_COLUMNS)]
        self.locals, self.starts, self._sizes, self._counters, *self._firsts = columns
        self._lines = take(4 * counts.lines).cast("I")
        self._loops = take(4 * counts.loops).cast("I")
        self.frames: Final = Frames(
            take(16 * counts.rows), counts.row_capacity, take(counts.saved_size)
        )
        self.cells: Final = take(4 * counts.cells).cast("I")

    def __len__(self) -> int:
        return len(self.starts)

    def function(self, place: int) -> PlacedFunction:
        """The function with this place in the order of starts."""
        line, loop = (column[place] for column in self._firsts)
        last = place + 1 == len(self)
        next_line, next_loop = (
            (len(self._lines), len(self._loops))
            if last
            else (column[place + 1] for column in self._firsts)
        )
        return PlacedFunction(
            self.locals[place],
            self.starts[place],
            self._sizes[place],
            self._counters[place],
            self._lines[line:next_line],
            self._loops[loop:next_loop],
        )
