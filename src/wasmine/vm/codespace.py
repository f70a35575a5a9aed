"""A CodeSpace: the code of a module whose functions are compiled one by one (`abi/codespace.py`).

Code is written through a second mapping of the same memory, so that no page is writable and executable
in one. The entry of a function is written last: whoever calls it finds the old code or the new.
"""

from __future__ import annotations

import ctypes
import os
import threading
from array import array
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from struct import Struct
from typing import Final, Protocol
from weakref import WeakSet

from wasmine.abi.baseline import CompiledFunction, FixupKind
from wasmine.abi.codespace import (
    COUNTER_SIZE,
    ENTRY_SIZE,
    FUNCTION_ALIGNMENT,
    JUMP_STUB_SIZE,
    LAZY_STUB_SIZE,
    CodeSpaceLayout,
)
from wasmine.abi.image import Image, round_up
from wasmine.abi.snapshot import PlacedFunction, Snapshot, pack
from wasmine.errors import InternalError, ResourceError
from wasmine.vm.code import Code, map_file
from wasmine.vm.codememory import READ_EXECUTE, CodeMemory
from wasmine.vm.mmap import PAGE_SIZE, remove_pages
from wasmine.vm.placed import PlacedCode
from wasmine.vm.process import Process
from wasmine.vm.signals import held_back
from wasmine.vm.stacks import addresses_on_stack
from wasmine.wasm.module import ModuleInfo

_DISTANCE: Final = Struct("<i")

_PATIENCE: Final = 5.0
"""Seconds to wait for another thread's compiling. It is only waste that waiting avoids, so that
threads which wait for each other in some other way too do not wait for ever."""


class FunctionCompiler(Protocol):
    """What makes the code of a module's functions."""

    @property
    def constants(self) -> bytes:
        """The pool of constants that code refers to."""

    def __call__(self, local: int, /) -> CompiledFunction | Image:
        """The code of a function; an Image calls others through their entries."""


class CodeSpace:
    """Where the functions of a module are, whether they have been compiled or not.

    What its methods take and give as `local` is an index among the module's own functions. Its
    memory is freed with the object; nothing may run in it then.
    """

    def __init__(
        self,
        info: ModuleInfo,
        process: Process,
        compiler: FunctionCompiler,
        compile_on_call: int,
        counter_start: int = 0,
    ) -> None:
        """`compile_on_call` is the offset of that field in the module's VMContext. Counters begin with
        `counter_start`. Before code runs it must be known to the process. Raises ResourceError.
        """
        self.layout: Final = CodeSpaceLayout.of(
            len(info.bodies), info.code_size, len(compiler.constants), PAGE_SIZE
        )
        self._info = info
        self._process = process
        self._compile = compiler
        self._counter_start = counter_start
        # Re-entrant: a finalizer or the handler of a signal may call functions meanwhile.
        self._compiling = threading.RLock()
        self._next = 0
        """Where free room for code begins, in bytes from the start of the code."""
        self._shared = 0
        """Up to where code is in memory that others may have too: processes that have been forked
        off, or those that have mapped the same file."""
        self._loops = 0
        """How many counters of loops are in use."""
        self._placed: Final = PlacedCode()
        self.on_count: Callable[[int, int], int] = _nowhere
        """Called with a function and a loop of it, or -1 for its entry, whose counter has run out: where
        to go on at the loop, or 0."""
        self._images: list[tuple[Code, object]] = []
        self._memory = memory = CodeMemory(self.layout, compile_on_call, compiler.constants)
        self._entries, self._counters, self._code = memory.entries, memory.counters, memory.code
        self._start = memory.start
        self._lazy = self._start + self.layout.lazy_stubs
        self.base: Final = self._start + self.layout.stubs
        self.end: Final = self._start + self.layout.end
        own = len(info.bodies)
        if counter_start:
            self._counters[:own] = array("i", [counter_start]) * own
        _spaces.add(self)

    # --- counters -------------------------------------------------------------------------------

    def counter_of(self, local: int, loop: int) -> int:
        """The number of the counter of a loop, or, if that is -1, of the calls of a function."""
        if loop < 0:
            return local
        placed = self._placed.last_of(local)
        if placed is None:
            raise InternalError("a function without code has no loops that count")
        return self.layout.functions + placed.first_counter + loop

    def counter(self, number: int) -> int:
        """How often the code may come by until `on_count` is called."""
        return self._counters[number]

    def set_counter(self, number: int, value: int) -> None:
        """Let `on_count` be called after so many times. Code that is running may overwrite this."""
        self._counters[number] = value

    def compiled_functions(self) -> list[int]:
        """The functions that have been compiled when they were called, here or where a snapshot is from."""
        return self._placed.locals()

    # --- addresses -------------------------------------------------------------------------------

    @property
    def entries(self) -> int:
        """The address of the table of entries."""
        return self._start + self.layout.entries

    def stubs(self) -> range:
        """The addresses of all functions, as function references hold them."""
        return range(self.base, self.base + self.layout.functions * JUMP_STUB_SIZE, JUMP_STUB_SIZE)

    def entry(self, local: int) -> int:
        """The address that calls of a function go to at present."""
        return int(self._entries[local])

    def is_compiled(self, local: int) -> bool:
        """Whether there is code of a function."""
        return not self._lazy <= self._entries[local] < self._start + self.layout.code

    def function_at(self, pc: int) -> int | None:
        """The index, with imports, of the function at an address; None without one."""
        offset, layout = pc - self._start, self.layout
        if offset >= layout.code:
            placed = self._placed.at(pc - self.base)
            if placed is None:
                return None
            local = placed.local
        elif offset >= layout.lazy_stubs:
            local = (offset - layout.lazy_stubs) // LAZY_STUB_SIZE
        else:
            local = (offset - layout.stubs) // JUMP_STUB_SIZE
        return self._info.imported_functions + local

    def wasm_offset(self, pc: int) -> int | None:
        """The offset in the module of the instruction that code comes from."""
        return self._placed.wasm_offset(pc - self.base)

    def frame_size_at(self, pc: int) -> int | None:
        """Bytes from the stack pointer to the canonical frame address, None where that is unknown."""
        return self._placed.frame_size_at(pc - self.base)

    def frames_address(self) -> int:
        """The address of the table of frames in native form."""
        return self._placed.frames.address

    def loops(self, local: int) -> list[int]:
        """The offsets in the module of the loops of a function that have counters."""
        placed = self._placed.last_of(local)
        return [] if placed is None else list(placed.loops)

    # --- code ------------------------------------------------------------------------------------

    def compile_on_call(self, stub: int) -> int:
        """Compile the function that an address in its stub stands for; where its code is.

        Raises what compiling raises; the next call tries again.
        """
        local = (stub - self._lazy) // LAZY_STUB_SIZE
        self.ensure(local)
        return self.entry(local)

    def ensure(self, local: int) -> None:
        """Compile a function, unless that has been done."""
        # Signals that come faster than the functions can be compiled which their handler calls would
        # be handled within each other without end.
        held_back(self._ensure, local)

    def _ensure(self, local: int) -> None:
        lock = self._compiling  # a fork puts another in its place
        try:
            lock.acquire(timeout=_PATIENCE)
            if self.is_compiled(local):
                return
            compiled = self._compile(local)
            if self.is_compiled(local):  # by what has interrupted the compiler
                return
            if isinstance(compiled, Image):
                self.install(compiled)
            else:
                self.place(local, compiled)
        finally:
            with suppress(RuntimeError):  # another thread's
                lock.release()

    def place(self, local: int, compiled: CompiledFunction) -> int:
        """Append the code of a function, which calls reach from now on; its address.

        Raises ResourceError if there is no room.
        """
        size = len(compiled.code)
        while True:
            first, first_counter = self._next, self._loops
            loops = first_counter + len(compiled.loops)
            if first + size > len(self._code) or self.layout.functions + loops > len(
                self._counters
            ):
                raise ResourceError("no room for more code of the module")
            code = self._start + self.layout.code + first
            content = self._fill_in(local, compiled, code, first_counter)
            start = code - self.base
            function = PlacedFunction(
                local, start, size, first_counter, compiled.lines, compiled.loops
            )
            placed = self._placed
            frames = placed.frames
            if frames.make_room(len(compiled.frames), compiled.saved):
                self._process.forget_frames(self)
            table = frames.table
            rows = frames.native_rows(compiled.frames, compiled.saved, start)
            if rows is None:
                continue
            row = table.count[0]
            end, first_row = row + len(rows) // 4, 4 * row
            last_row = first_row + len(rows)
            after = round_up(first + size, FUNCTION_ALIGNMENT)
            own = self.layout.functions
            initial = array("i", [self._counter_start]) * (loops - first_counter)
            # The handler of a signal, a finalizer or another thread may have placed code since. From
            # here on there are no calls and no loops, so that CPython lets none of them in.
            if self._next == first and frames.table is table:
                self._next = after
                self._loops = loops
                self._code[first : first + size] = content
                self._counters[own + first_counter : own + loops] = initial
                table.rows[first_row:last_row] = rows
                table.count[0] = end
                placed.starts += [start]
                placed.functions += [function]
                placed.latest[local] = function
                self._entries[local] = code
                return code

    def _fill_in(
        self, local: int, compiled: CompiledFunction, address: int, first_counter: int
    ) -> bytearray:
        """A function's code as it is to be at an address."""
        layout, start = self.layout, self._start
        code = bytearray(compiled.code)
        own = start + layout.counters + local * COUNTER_SIZE
        loops = start + layout.counters + (layout.functions + first_counter - 1) * COUNTER_SIZE
        write = _DISTANCE.pack_into
        for offset, kind, index, trailing in compiled.fixups:
            if kind == FixupKind.ENTRY:
                target = start + layout.entries + index * ENTRY_SIZE
            elif kind == FixupKind.COUNTER:
                target = loops + index * COUNTER_SIZE if index else own
            elif kind == FixupKind.CONSTANT:
                target = start + index
            else:
                target = self._memory.cell(index, self._process.resolve)
            write(code, offset, target - (address + offset + 4 + trailing))
        return code

    def install(self, image: Image | Code) -> Code:
        """Map an Image, which lives as long as this, and let calls reach its functions."""
        code = image if isinstance(image, Code) else Code(image, self._process.resolve)
        self._images.append((code, self._process.add_code(code, self._info)))
        imported = self._info.imported_functions
        for function in code.image.functions:
            index = function.name.removeprefix("f")
            if index.isdecimal():
                self._entries[int(index) - imported] = code.base + function.start
        return code

    def release_replaced(self) -> int:
        """Give back the memory of code that has been replaced and that no frame is in; how many bytes.

        Nothing, if other threads are in WebAssembly code.
        """

        def is_current(function: PlacedFunction) -> bool:
            return self.base + function.start == self.entry(function.local)

        placed, base = self._placed, self.base
        runs = placed.replaced(is_current, ())
        if not runs:
            return 0
        last = runs[-1][-1]
        words = addresses_on_stack(
            self._process, base + runs[0][0].start, base + last.start + last.size
        )
        if words is None:
            return 0
        released = 0
        code = self.layout.code - self.layout.stubs
        for run in placed.replaced(is_current, [word - base for word in words]):
            start = round_up(max(run[0].start - code, self._shared), PAGE_SIZE)
            end = (run[-1].start + run[-1].size - code) & -PAGE_SIZE
            if start < end:
                placed.release(run)
                remove_pages(self.end + start, end - start)
                released += end - start
        return released

    # --- snapshots -------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All code, for `restore` in another process: see `abi/snapshot.py`."""
        functions = self._placed.present()  # first: what is placed meanwhile does no harm then
        counters, end, frames = self._loops, self._next, self._placed.frames
        return pack(
            self.layout,
            ctypes.string_at(self._start + self.layout.code, end),
            functions,
            counters=counters,
            frames=frames.content(frames.table.count[0]),
            cells=[number for number, address in enumerate(self._memory.cells) if address],
        )

    def restore(self, data: bytes | memoryview, fd: int | None = None, offset: int = 0) -> None:
        """Begin with the code of a snapshot, before anything is compiled.

        `data` stays in use. With `fd` it is what that file has from `offset` on, a page boundary, and
        the code is mapped from there; the file must never be written again. Raises
        DeserializeError if it is none of this module.
        """
        snapshot = Snapshot(data, self.layout)
        size = len(snapshot.code)
        first = self._start + self.layout.code
        if size > len(self._code) or self._next:
            raise InternalError("a snapshot must come first, and fit")
        for number in snapshot.cells:
            self._memory.cell(number, self._process.resolve)
        if size and fd is not None:
            map_file(first, size, READ_EXECUTE, fd, offset + snapshot.code_offset)
            self._shared = size
        else:
            self._code[:size] = snapshot.code
        own, counters = self.layout.functions, snapshot.counters
        initial = array("i", [self._counter_start]) * counters
        self._counters[own : own + counters] = initial
        self._placed.restore(snapshot)
        self._next = size
        self._loops = counters
        entries, base = self._entries, self.base
        for local, start in zip(snapshot.locals, snapshot.starts, strict=True):
            entries[local] = base + start

    # --- processes -------------------------------------------------------------------------------

    def unshare(self, *, child: bool) -> None:
        """After a fork: what this process appends from now on is nobody else's."""
        self._compiling = threading.RLock()
        first = self._shared = round_up(self._next, PAGE_SIZE)
        if child:
            self._next = len(self._code)  # there is no room, if there is no memory
            with suppress(ResourceError):
                self._memory.map_code(first)
                self._next = first
        else:
            self._next = first


def _nowhere(_local: int, _loop: int) -> int:
    return 0


_spaces: Final[WeakSet[CodeSpace]] = WeakSet()


def _unshare_all(*, child: bool) -> None:
    for space in list(_spaces):
        space.unshare(child=child)


os.register_at_fork(
    after_in_parent=partial(_unshare_all, child=False),
    after_in_child=partial(_unshare_all, child=True),
)
