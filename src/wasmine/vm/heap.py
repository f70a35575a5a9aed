"""The garbage-collected heap of a store, seen from Python: making objects, holding them, roots.

The native side is in `compiler/native/heap.py` and `collector.py`, the records in `abi/heap.py`. All
methods but `Held.__del__` and `Root.__del__` want the store to belong to the calling thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
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
    class_offset,
    size_class,
)
from wasmine.abi.layout import align, size_of
from wasmine.abi.objects import HEADER_SIZE
from wasmine.errors import Trap, TrapCode
from wasmine.vm import process
from wasmine.vm.arena import untrack
from wasmine.vm.mmap import PAGE_SIZE, Mmap

MAXIMUM_HEAP: Final = 4 << 30
"""Bytes of objects that a store can have. Address space is reserved for them."""
MINIMUM_THRESHOLD: Final = 16 << 20
"""Bytes that are always allocated before the next collection."""
ZERO_STEP: Final = 4096
"""Bytes of a run that are zeroed at a time, at least one cell: as much as the nearest cache holds."""
_FIRST_CAPACITY: Final = 256


class _Words:
    """A native array of 8-byte words that grows, and which of its places are free.

    Places are given back under the interpreter lock alone, while another thread may be reading the
    array natively: one word is written, and the array stays where it is.
    """

    def __init__(self, width: int, publish: Callable[[int, int], None]) -> None:
        """`width` words belong together. `publish` is told the address and how many of them there are."""
        self._width: Final = width
        self._publish: Final = publish
        self._free: Final[list[int]] = []
        self._used = 0
        self._content = (ctypes.c_uint64 * (_FIRST_CAPACITY * width))()

    def add(self, *values: int) -> int:
        """The number of the place where these words are now. The store belongs to this thread."""
        place = self._free.pop() if self._free else self._extend()
        start = place * self._width
        # The last word is what tells that a place is in use.
        for number, value in enumerate(values):
            self._content[start + number] = value
        return place

    def remove(self, place: int) -> None:
        """Free a place: its last word becomes 0."""
        self._content[(place + 1) * self._width - 1] = 0
        self._free.append(place)

    def _extend(self) -> int:
        if (self._used + 1) * self._width > len(self._content):
            old = self._content
            new = (ctypes.c_uint64 * (2 * len(old)))()
            ctypes.memmove(new, old, ctypes.sizeof(old))
            self._content = new
            # A finalizer may have freed places of the old array while it was copied.
            for place in self._free:
                new[(place + 1) * self._width - 1] = 0
        self._used += 1
        self._publish(ctypes.addressof(self._content), self._used)
        return self._used - 1


class _Place:
    """A place in an array, freed with this object.

    The garbage collector does not know it, for the reason that `arena.Token` gives: objects of a
    cycle keep what they hold until they are taken apart, after all finalizers.
    """

    __slots__ = ("_place", "_words")

    def __init__(self, words: _Words, *values: int) -> None:
        self._words: Final = words
        self._place: Final = words.add(*values)
        untrack(self)

    def __del__(self) -> None:
        self._words.remove(self._place)


class Held(_Place):
    """Keeps an object of the heap alive. May be dropped by any thread."""

    __slots__ = ("address",)

    def __init__(self, words: _Words, address: int) -> None:
        super().__init__(words, address)
        self.address: Final = address


class Root(_Place):
    """A global, table or segment whose references keep objects alive.

    Its memory must not go before this while another thread may be inside the store.
    """

    __slots__ = ()


@dataclass(frozen=True)
class HeapStatistics:
    """Sizes in bytes."""

    size: int
    """Of the blocks that hold objects or did since the last collection."""
    live: int
    """Of the objects that the last collection found alive, in whole cells."""
    allocated: int
    """Of cells handed out since then."""
    collections: int
    """How many there have been."""
    postponed: int
    """How many could not be, because frames of the store were on another stack."""
    nanoseconds: int
    """That all collections took together."""
    longest: int
    """Nanoseconds that the longest collection took."""


class Heap:
    """The VMHeap of a store. Its address space is given back with this object."""

    def __init__(self, store: int, types: int) -> None:
        """`store` is the address of the VMStoreContext, `types` that of the array of VMTypeRecord.

        Raises ResourceError if there is no address space.
        """
        self._store: Final = store
        self._process: Final = process.current()
        maximum = MAXIMUM_HEAP // BLOCK_SIZE
        steps = align(HEAP_RECORD_SIZE, GRANULE)
        blocks = align(steps + LARGEST_CELL // STEP + 1, GRANULE)
        marks = align(blocks + maximum * size_of(VMBlock), PAGE_SIZE)
        stack = align(marks + MAXIMUM_HEAP // GRANULE // 8, PAGE_SIZE)
        # An object is pushed at most once.
        base = align(stack + MAXIMUM_HEAP // GRANULE * 8, PAGE_SIZE)
        self._mapping: Final = Mmap.accessible_reserved(stack, base + MAXIMUM_HEAP + BLOCK_SIZE)
        start = self._mapping.base
        self.address: Final = start
        self._record: Final = VMHeap.from_address(start)
        record = self._record
        record.base = align(start + base, BLOCK_SIZE)
        record.blocks, record.marks, record.steps = start + blocks, start + marks, start + steps
        record.types = types
        record.maximum = maximum
        record.threshold = record.minimum_threshold = MINIMUM_THRESHOLD
        record.stack = record.stack_top = record.stack_committed = start + stack
        record.stack_end = start + base
        for index, size in enumerate(CELL_SIZES):
            class_ = VMSizeClass.from_address(start + class_offset(index))
            class_.cell_size = size
            class_.step = max(ZERO_STEP // size, 1) * size
        table = bytes(size_class(number * STEP) for number in range(LARGEST_CELL // STEP + 1))
        ctypes.memmove(start + steps, table, len(table))
        self._held: Final = _Words(1, self._publish_held)
        self._roots: Final = _Words(size_of(VMRoot) // 8, self._publish_roots)

    def _publish_held(self, address: int, count: int) -> None:
        self._record.held, self._record.held_count = address, count

    def _publish_roots(self, address: int, count: int) -> None:
        self._record.roots, self._record.root_count = address, count

    @property
    def record(self) -> VMHeap:
        """The native record, for tests."""
        return self._record

    def allocate(self, type_number: int, size: int) -> int:
        """The address of a new struct or exception of `size` bytes, all zero behind its header.

        Nothing is ever collected here, so that objects whose addresses are only in Python numbers
        stay alive until `collect` or the next call into the store: `hold` them before. Raises Trap
        if memory is out.
        """
        return self._allocate(type_number, 0, size)

    def allocate_array(
        self, type_number: int, length: int, element_size: int, elements: int
    ) -> int:
        """The same for an array whose elements begin at `elements`; they are all zero.

        Raises Trap if it is too large or memory is out.
        """
        size = elements + length * element_size
        if length >= 1 << 32 or size >= 1 << 32:
            raise Trap(TrapCode.ALLOCATION_TOO_LARGE)
        return self._allocate(type_number, length, size + 1)

    def _allocate(self, type_number: int, length: int, size: int) -> int:
        size = max(size, HEADER_SIZE)
        address = self._process.heap_new(self.address, type_number, length, size)
        if not address:
            raise Trap(TrapCode.OUT_OF_MEMORY)
        return address

    def hold(self, address: int) -> Held:
        """Keep an object alive for as long as the result exists."""
        return Held(self._held, address)

    def root(self, kind: RootKind, address: int) -> Root:
        """Keep alive what the global, table or segment at `address` refers to, as long as the result
        exists."""
        return Root(self._roots, kind, address)

    def collect(self) -> None:
        """Free the objects that nothing refers to."""
        self._process.heap_collect(self._store)

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
