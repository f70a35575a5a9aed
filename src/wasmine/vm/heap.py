"""The garbage-collected heap of a store, seen from Python: making objects, holding them, roots.

The native side is in `compiler/native/heap.py` and `collector.py`, the records in `abi/heap.py`. All
methods but `Held.__del__` and `Root.__del__` want the store to belong to the calling thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from wasmine.abi.heap import (
    BLOCK_SIZE,
    CELL_SIZES,
    GRANULE,
    HEAP_RECORD_SIZE,
    LARGEST_CELL,
    STEP,
    RootKind,
    VMBlock,
    VMHeap,
    VMRoot,
    VMSizeClass,
    VMWords,
    class_offset,
    size_class,
)
from wasmine.abi.layout import align, size_of
from wasmine.abi.objects import HEADER_SIZE
from wasmine.abi.vmcontext import VMStoreContext
from wasmine.errors import Trap, TrapCode
from wasmine.frozen import Frozen
from wasmine.vm import process
from wasmine.vm.arena import Token, untrack
from wasmine.vm.mmap import PAGE_SIZE, Mmap

MAXIMUM_HEAP: Final = (4 << 30, 1 << 30, 256 << 20, 64 << 20)
"""Bytes of objects that a store can have. Address space is reserved for them and half as much again,
for less where there is little."""
MINIMUM_THRESHOLD: Final = 16 << 20
"""Bytes that are always allocated before the next collection."""
ZERO_STEP: Final = 4096
"""Bytes of a run that are zeroed at a time, at least one cell: as much as the nearest cache holds."""
_FROM_PYTHON: Final = 3
"""The interpreter lock is held, and Python code may have addresses in numbers."""
STRESS = 0
"""What new heaps have as `VMHeap.stress`; tests set it."""
_FIRST_CAPACITY: Final = 64


class _Words:
    """Native places for references, in pieces that never move, and which of them are free.

    Places are taken and given back under the interpreter lock, while another thread may be reading them
    natively. Between any two steps here a signal's handler or a finalizer may take and give back
    places itself.
    """

    def __init__(self, width: int) -> None:
        """`width` words belong together. The last of them is 0 where a place is free."""
        self._width: Final = width
        self._free: Final[list[int]] = []
        self._pieces: Final[list[ctypes.Array[ctypes.c_uint64]]] = []
        self._fresh: Iterator[int] = iter(())
        self._extend()

    @property
    def first(self) -> int:
        """The address of the first VMWords."""
        return ctypes.addressof(self._pieces[0])

    def take(self) -> int:
        """The address of an empty place."""
        while True:
            try:
                return self._free.pop()
            except IndexError:
                place = next(self._fresh, 0)
            if place:
                return place
            self._extend()

    @staticmethod
    def write(place: int, *values: int) -> None:
        """Set the words of a place."""
        for number, value in enumerate(values):
            ctypes.c_uint64.from_address(place + number * 8).value = value

    def free(self, place: int) -> None:
        """Give a place back."""
        ctypes.c_uint64.from_address(place + (self._width - 1) * 8).value = 0
        self._free.append(place)

    def _extend(self) -> None:
        header, size = size_of(VMWords), self._width * 8
        count = _FIRST_CAPACITY << len(self._pieces)
        piece = (ctypes.c_uint64 * ((header + count * size) // 8))()
        address = ctypes.addressof(piece)
        VMWords.from_address(address).count = count
        self._pieces.append(piece)
        # Whoever comes in between links these pieces too, and others behind them.
        for before, after in pairwise(tuple(self._pieces)):
            VMWords.from_address(ctypes.addressof(before)).next = ctypes.addressof(after)
        self._fresh = iter(range(address + header, address + header + count * size, size))


class Held:
    """Keeps an object of the heap alive. May be dropped by any thread.

    The garbage collector of Python does not know it, for the reason that `arena.Token` gives: objects
    of a cycle keep what they hold until they are taken apart, after all finalizers.
    """

    __slots__ = ("_words", "address", "place")

    def __init__(self, words: _Words, address: int = 0) -> None:
        self.address = address
        self._words: Final = words
        self.place: Final = words.take()
        """Where the address is that the collector looks at."""
        words.write(self.place, address)
        untrack(self)

    def __del__(self) -> None:
        # A signal's handler may have raised before there was one.
        place = getattr(self, "place", 0)
        if place:
            self._words.free(place)


class Roots(_Words):
    """The array of VMRoot of a store, which may not have a heap yet."""

    def __init__(self, store: Token) -> None:
        """`store` is the address of the VMStoreContext and keeps it in memory."""
        super().__init__(size_of(VMRoot) // 8)
        self._context: Final = store
        self._record: Final = VMStoreContext.from_address(int(store))
        self._buried: Final[list[object]] = []

    def bury(self, memory: object) -> None:
        """Let go of memory that a collection in another thread may be reading at this moment."""
        if self._record.depth and self._record.thread != process.current().current_thread():
            self._buried.append(memory)
        else:
            # Nobody is inside, or it is this thread, and then it runs Python code now.
            self._buried.clear()


class Root:
    """A global, table or segment whose references keep objects alive, and its memory.

    May be dropped by any thread; not known to Python's garbage collector, as `Held`.
    """

    __slots__ = ("_memory", "_place", "_roots")

    def __init__(self, roots: Roots, kind: RootKind, address: int, memory: object) -> None:
        self._memory: Final = memory
        self._roots: Final = roots
        self._place: Final = roots.take()
        roots.write(self._place, kind, address)
        untrack(self)

    def __del__(self) -> None:
        place = getattr(self, "_place", 0)
        if place:
            self._roots.free(place)
            self._roots.bury(self._memory)


class HeapStatistics(Frozen):
    """Sizes in bytes."""

    size: int = 0
    """Of the blocks that hold objects or did since the last collection."""
    live: int = 0
    """Of the objects that the last collection found alive, in whole cells."""
    allocated: int = 0
    """Of cells handed out since then."""
    collections: int = 0
    """How many there have been."""
    postponed: int = 0
    """How many could not be, because frames of the store were on another stack."""
    nanoseconds: int = 0
    """That all collections took together."""
    longest: int = 0
    """Nanoseconds that the longest collection took."""


class _Plan:
    """Where the parts of a heap lie in its address space: the tables, then the blocks."""

    def __init__(self, size: int) -> None:
        """`size` is that of all blocks in bytes."""
        self.maximum: Final = size // BLOCK_SIZE
        self.steps: Final = align(HEAP_RECORD_SIZE, GRANULE)
        self.blocks: Final = align(self.steps + LARGEST_CELL // STEP + 1, GRANULE)
        self.marks: Final = align(self.blocks + self.maximum * size_of(VMBlock), PAGE_SIZE)
        self.stack: Final = align(self.marks + size // GRANULE // 8, PAGE_SIZE)
        # An object is pushed at most once.
        self.base: Final = align(self.stack + size // GRANULE * 8, PAGE_SIZE)
        # Blocks begin at a multiple of their size.
        self.length: Final = self.base + size + BLOCK_SIZE


class Heap:
    """The VMHeap of a store. Its address space is given back with this object."""

    def __init__(self, store: int, types: int, roots: Roots) -> None:
        """`store` is the address of the VMStoreContext, `types` that of the array of VMTypeRecord.

        Raises ResourceError if there is no address space.
        """
        self._store: Final = store
        self._functions: Final = process.current().heap
        self._mapping: Final = Mmap.largest(_Plan(maximum).length for maximum in MAXIMUM_HEAP)
        plan = next(
            filter(lambda plan: plan.length <= self._mapping.length, map(_Plan, MAXIMUM_HEAP))
        )
        self._mapping.make_accessible(0, plan.stack)
        start = self._mapping.base
        self.address: Final = start
        self._record: Final = VMHeap.from_address(start)
        record = self._record
        record.base = align(start + plan.base, BLOCK_SIZE)
        record.steps = start + plan.steps
        record.blocks, record.marks = start + plan.blocks, start + plan.marks
        record.types = types
        record.maximum = plan.maximum
        record.threshold = record.minimum_threshold = MINIMUM_THRESHOLD
        record.stress = record.stress_countdown = STRESS
        record.stack = record.stack_top = record.stack_committed = start + plan.stack
        record.stack_end = start + plan.base
        for index, size in enumerate(CELL_SIZES):
            class_ = VMSizeClass.from_address(start + class_offset(index))
            class_.cell_size = size
            class_.step = max(ZERO_STEP // size, 1) * size
        table = bytes(size_class(number * STEP) for number in range(LARGEST_CELL // STEP + 1))
        ctypes.memmove(record.steps, table, len(table))
        self._held: Final = _Words(1)
        record.held, record.roots = self._held.first, roots.first

    @property
    def record(self) -> VMHeap:
        """The native record, for tests."""
        return self._record

    def allocate(self, type_number: int, size: int) -> Held:
        """A new struct or exception of `size` bytes, all zero behind its header.

        Nothing is ever collected here. Raises Trap if memory is out.
        """
        return self._allocate(type_number, 0, size)

    def allocate_array(
        self, type_number: int, length: int, element_size: int, elements: int
    ) -> Held:
        """The same for an array whose elements begin at `elements`; they are all zero.

        Raises Trap if it is too large or memory is out.
        """
        size = elements + length * element_size
        if length >= 1 << 32 or size >= 1 << 32:
            raise Trap(TrapCode.ALLOCATION_TOO_LARGE)
        return self._allocate(type_number, length, size + 1)

    def _allocate(self, type_number: int, length: int, size: int) -> Held:
        held = Held(self._held)
        size = max(size, HEADER_SIZE)
        held.address = self._functions.new(self.address, type_number, length, size, held.place)
        if not held.address:
            raise Trap(TrapCode.OUT_OF_MEMORY)
        return held

    def hold(self, address: int) -> Held:
        """Keep an object alive for as long as the result exists."""
        return Held(self._held, address)

    def collect(self) -> None:
        """Free the objects that nothing refers to."""
        self._functions.collect(self._store, _FROM_PYTHON)

    def collect_if_due(self) -> None:
        """The same, if as much has been allocated as starts a collection in compiled code.

        For the beginning of operations that make objects, when no address is only in a number.
        """
        if self._record.allocated >= self._record.threshold:
            self.collect()

    @property
    def statistics(self) -> HeapStatistics:
        """Figures of this moment."""
        record: Any = self._record
        return HeapStatistics(
            record.used * BLOCK_SIZE,
            record.live,
            record.allocated,
            record.collections,
            record.postponed,
            record.nanoseconds,
            record.longest,
        )
