"""The records of the garbage-collected heap: types of objects, blocks, size classes, roots.

A heap is a range of address space in blocks of 64 KiB. A block is free, holds cells of one size, or is
part of a large object. Objects never move. Beside the blocks lie a VMBlock for each of them and a bitmap
with one bit for every 16 bytes, which marks the objects that the last collection found alive.

Cells are handed out from a run of free ones: an object is `cursor`, as long as what comes behind it is
not above `limit`. All bytes between the two are zero; what lies between `limit` and `end` belongs to
the run too and is zeroed piece by piece. So an object that is not finished holds nulls, and a cell
without an object holds the type number 0, which means that there is nothing to follow.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from enum import IntEnum
from typing import Annotated, Final

from wasmine.abi.layout import U32, U64, Kind, Pointer, record, size_of

GRANULE: Final = 16
"""Objects lie at multiples of this many bytes."""
BLOCK_SIZE: Final = 1 << 16
SMALL_CELLS: Final = tuple(range(GRANULE, 513, GRANULE))
"""Sizes of cells in steps of one granule, then in larger steps."""
CELL_SIZES: Final = (
    *SMALL_CELLS,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096,
    5120, 6144, 8192, 10752, 13056, 16384, 21760, 32768,
)  # fmt: skip
LARGEST_CELL: Final = CELL_SIZES[-1]
"""A larger object has blocks of its own."""
STEP: Final = 256
"""Larger cells are found by a table with an entry for each multiple of this."""
MAXIMUM_DEPTH: Final = 63
"""How many supertypes a type may have above itself."""
NO_TYPE: Final = 0xFFFF_FFFF
"""In `VMTypeRecord.display`: the type has no supertype at this depth."""


def size_class(size: int) -> int:
    """The index of the smallest cells that an object of `size` bytes fits into."""
    return bisect_left(CELL_SIZES, size)


class TypeKind(IntEnum):
    """Values of `VMTypeRecord.kind`."""

    FIXED = 0
    """A struct, or a function type, whose objects are exceptions."""
    ARRAY = 1


@record
class VMTypeRecord(ctypes.Structure):
    """What casts and the collector need to know of a type; all zero for number 0, which is none.

    `size` is that of an object, for arrays the offset of the first element. `offsets` points to
    `references` offsets (u32) of what the collector follows; for arrays `references` is 1 if it
    follows the elements. `display` holds by depth the number of each supertype, and of the type
    itself at its own depth, NO_TYPE behind that.
    """

    kind: U32
    depth: U32
    size: U32
    element_size: U32
    references: U32
    padding: U32
    offsets: Pointer
    display: Annotated[ctypes.Array[ctypes.c_uint32], Kind(ctypes.c_uint32, 4, MAXIMUM_DEPTH + 1)]


class BlockKind(IntEnum):
    """Values of `VMBlock.kind`."""

    FREE = 0
    CELLS = 1
    LARGE = 2
    """The first block of a large object."""
    TAIL = 3
    """Any other block of one."""


@record
class VMBlock(ctypes.Structure):
    """A block. `dirty` is 1 if its bytes may differ from zero.

    Cells: their size, `reciprocal`, which is 2**32 / size rounded up, and how many there are; `next` chains
    the blocks of a class that have not been swept since the last collection. `blocks` is how many
    blocks the large object has, in a TAIL how many lie between it and the first.
    """

    kind: U32
    dirty: U32
    cell_size: U32
    reciprocal: U32
    cells: U32
    size_class: U32
    next: Pointer
    blocks: U64


@record
class VMSizeClass(ctypes.Structure):
    """Where cells of one size come from: the run, then the rest of `block`, then `unswept` blocks.

    `position` is the index of the first cell of `block` that the sweep has not looked at. `clean` is 1
    if the run's bytes are zero up to its end; if not, `step` bytes are zeroed at a time.
    """

    cursor: Pointer
    limit: Pointer
    end: Pointer
    clean: U64
    cell_size: U64
    step: U64
    block: Pointer
    position: U64
    unswept: Pointer


class RootKind(IntEnum):
    """What `VMRoot.address` is the address of."""

    WORD = 0
    """A reference."""
    TABLE = 1
    """A VMTableDefinition."""
    SEGMENT = 2
    """A VMSegment of references."""


@record
class VMRoot(ctypes.Structure):
    """References that keep objects alive. An address of 0 is a free place."""

    kind: U64
    address: Pointer


@record
class VMWords(ctypes.Structure):
    """A piece of a list of words that grows: `count` places lie behind it. It never moves."""

    next: Pointer
    count: U64


@record
class VMHeap(ctypes.Structure):
    """The heap of a store. One VMSizeClass for each of CELL_SIZES lies behind it.

    `blocks` points to a VMBlock for each block from `base`, `marks` to the bitmap, `steps` to the bytes
    that give the class of a size, divided by STEP and rounded up. Numbers of blocks: `used` have been
    in use, `committed` can be written, `maximum` there may be, none below `hint` is free. Bytes:
    `allocated` since the last collection, `threshold` of them start the next one, which is never
    below `minimum_threshold`; `live` were found alive. `roots` points to the first VMWords whose
    places are VMRoot, `held` to the first with addresses of objects.

    `postponed` counts collections that could not be, `nanoseconds` what all took, `longest` the
    longest. In tests `stress` is not 0: a collection at every so many allocations, `stress_countdown`
    of which are left. The marking stack begins at `stack`, its next entry is `stack_top`; up to
    `stack_committed` it can be written, beyond `stack_end` it must not grow, and then `overflowed`
    is set. `detached` points to the last VMDetached. `box_table` is a hash table of the addresses of
    all boxes of the store during a collection, `box_mask` its size less 1; `frames_end` is where the
    store's frames on the thread's own stack end, 0 if there are none.
    """

    base: Pointer
    blocks: Pointer
    marks: Pointer
    steps: Pointer
    types: Pointer
    used: U64
    committed: U64
    maximum: U64
    hint: U64
    allocated: U64
    threshold: U64
    minimum_threshold: U64
    live: U64
    collections: U64
    postponed: U64
    stress: U64
    stress_countdown: U64
    roots: Pointer
    held: Pointer
    stack: Pointer
    stack_top: Pointer
    stack_committed: Pointer
    stack_end: Pointer
    overflowed: U64
    detached: Pointer
    box_table: Pointer
    box_mask: U64
    nanoseconds: U64
    longest: U64
    frames_end: Pointer


CLASSES_OFFSET: Final = size_of(VMHeap)
CLASSES_SIZE: Final = len(CELL_SIZES) * size_of(VMSizeClass)
HEAP_RECORD_SIZE: Final = CLASSES_OFFSET + CLASSES_SIZE


def class_offset(index: int) -> int:
    """Where the VMSizeClass with this index lies, in bytes from the VMHeap."""
    return CLASSES_OFFSET + index * size_of(VMSizeClass)


@record
class VMDetached(ctypes.Structure):
    """The runs of an interrupted function, put aside while the handler of a signal runs.

    `previous` is the record of an outer one. A VMRun for each of CELL_SIZES follows.
    """

    previous: Pointer
    padding: U64


@record
class VMRun(ctypes.Structure):
    """The first fields of VMSizeClass."""

    cursor: Pointer
    limit: Pointer
    end: Pointer
    clean: U64
