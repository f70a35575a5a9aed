"""The memory of a CodeSpace: reserved, mapped, and filled with what does not depend on any function."""

from __future__ import annotations

import ctypes
import mmap
import os
from array import array
from collections.abc import Callable
from typing import Final

from wasmine.abi.baseline import RUNTIME_CELLS
from wasmine.abi.codespace import COUNTER_SIZE, ENTRY_SIZE, LAZY_STUB_SIZE, CodeSpaceLayout
from wasmine.errors import InternalError
from wasmine.vm.code import map_file, map_twice
from wasmine.vm.mmap import PROT_READ_WRITE, Mmap, native_view

READ_EXECUTE: Final = mmap.PROT_READ | mmap.PROT_EXEC


class CodeMemory:
    """The parts of a CodeSpace as views; it is unmapped with the object.

    The writable view of the code lies behind the range, in the same reservation.
    """

    def __init__(self, layout: CodeSpaceLayout, compile_on_call: int, constants: bytes) -> None:
        """`compile_on_call` is the offset of that field in the VMContext. Raises ResourceError."""
        self._layout = layout
        size = layout.end - layout.code
        self._memory = memory = Mmap(layout.end + size)
        start = memory.base
        self.start: Final = start
        self.map_code(0)
        memory.make_accessible(0, layout.code)
        ctypes.memmove(start, constants, len(constants))
        stubs = layout.stub_code(compile_on_call)
        ctypes.memmove(start + layout.stubs, stubs, len(stubs))
        memory.protect(layout.stubs, layout.code - layout.stubs, READ_EXECUTE)
        count = layout.functions
        self.cells: Final = native_view(start + layout.cells, len(RUNTIME_CELLS) * ENTRY_SIZE, "Q")
        self.entries: Final = native_view(start + layout.entries, count * ENTRY_SIZE, "Q")
        lazy = start + layout.lazy_stubs
        self.entries[:] = array("Q", range(lazy, lazy + count * LAZY_STUB_SIZE, LAZY_STUB_SIZE))
        room = (layout.stubs - layout.counters) // COUNTER_SIZE
        self.counters: Final = native_view(start + layout.counters, room * COUNTER_SIZE, "i")
        """Of functions, then of loops."""
        self.code: Final = native_view(start + layout.end, size, "B")
        """Where code is written."""

    def map_code(self, first: int) -> None:
        """Give the code from `first` on, a page boundary, fresh memory of this process alone.

        Raises ResourceError.
        """
        size = (self._layout.end - self._layout.code) - first
        if not size:
            return
        code, view = (self.start + part + first for part in (self._layout.code, self._layout.end))
        try:
            fd = os.memfd_create("wasmine", os.MFD_CLOEXEC)
            try:
                os.truncate(fd, size)
                map_file(code, size, READ_EXECUTE, fd, 0, shared=True)
                map_file(view, size, PROT_READ_WRITE, fd, 0, shared=True)
            finally:
                os.close(fd)
        except (AttributeError, OSError):  # there are limits of files that are none of memory
            map_twice(size, code, READ_EXECUTE, view, PROT_READ_WRITE)

    def cell(self, number: int, resolve: Callable[[str], int]) -> int:
        """The address of a runtime cell, which is filled when code first needs it."""
        if not self.cells[number]:
            symbol = RUNTIME_CELLS[number]
            address = resolve(symbol)
            if not address:
                raise InternalError(f"compiled code needs {symbol!r}, which has no address")
            self.cells[number] = address
        return self.start + self._layout.cells + number * ENTRY_SIZE
