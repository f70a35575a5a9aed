"""What the baseline compiler hands over: the code of one function, and how frames of such code lie.

The code is placed in a code space, at distances from its tables that are known only then: `Fixup`
says which of its fields are to be filled in. What it needs of the runtime it reaches through cells,
which are numbered by `RUNTIME_CELLS`.
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmine.abi.layout import align
from wasmine.abi.libcalls import HEAP_CALLS, LIBCALLS
from wasmine.abi.unwind import FrameRow
from wasmine.frozen import Frozen
from wasmine.types import V128, ArrayType, FunctionType, StructType

if TYPE_CHECKING:
    from wasmine.wasm.body import Body
    from wasmine.wasm.module import ModuleInfo

TIER_UP: Final = "wasmine_tier_up"
"""(ctx:ptr, local function index:i32, loop:i32) -> ptr: a counter has run out. `loop` counts
the function's loops that have counters from 0, and is -1 at the entry. The result is 0, or, at a loop, where
to go on: code that takes the context and the frame, and returns as the function does."""

RUNTIME_CELLS: Final[tuple[str, ...]] = (
    *(row.symbol for row in LIBCALLS),
    TIER_UP,
    "wasmine_throw",
    "wasmine_externref_activate",
    "wasmine_externref_store",
    "wasmine_externref_keep",
    *(row.symbol for row in HEAP_CALLS.values()),
)
"""The symbols of the native functions that baseline code calls; cell i holds the address of the i-th.

Traps are calls of `wasmer_vm_raise_trap`: its return address maps to the place of the trap."""

CELL_NUMBERS: Final = {symbol: number for number, symbol in enumerate(RUNTIME_CELLS)}


class FixupKind(IntEnum):
    """What the target of a fixup is, and what its `number` counts."""

    ENTRY = 0
    """The entry table's cell of a function of the module, by its index without imports."""
    COUNTER = 1
    """A counter of this function: 0 is counted at its entry, i + 1 at the head of loop i."""
    CONSTANT = 2
    """A place in the stencil library's pool of constants, in bytes from its start."""
    CELL = 3
    """A runtime cell, by its number in RUNTIME_CELLS."""


Fixup: TypeAlias = tuple[int, int, int, int]
"""A field of 4 bytes that is to hold the distance to a target: (offset, kind, number, trailing).

It is `offset` bytes from the start of the code. The distance is counted from the end of the instruction:
`trailing` bytes follow the field, so it is target - (address of the field + 4 + trailing). `kind` is a FixupKind.
"""


class CompiledFunction(Frozen):
    """The code of one function, and what has to be known of it."""

    code: bytes
    fixups: list[Fixup]
    frames: list[FrameRow]
    """Sorted by start; places are in bytes from the start of the code. The first starts at 0. `saved`
    is where in the field `saved` the row's set begins."""
    saved: bytes
    """Sets of saved registers, as in FrameTable."""
    lines: array[int]
    """Pairs, an offset in the code and one in the module, sorted: each holds up to the next one."""
    loops: list[int]
    """The offset in the module of each loop that has a counter, in the order of their counters."""


class FrameLayout:
    """Where a baseline function keeps its locals and operands, in bytes from the bottom of its frame.

    The first place belongs to whom the function calls (see convention). Locals follow in order, then the
    operands by height. A place has `slot` bytes: 8, or 16 in a function that may hold vectors. Bits that a
    value does not have are zero for i32 and undefined for floats. The bottom of the frame is aligned to 16.
    """

    __slots__ = ("locals", "operands", "slot")

    def __init__(self, locals_: int, *, vectors: bool) -> None:
        """`locals_` is the number of parameters and declared locals; `vectors` says whether an operand
        or local can be a v128 (`may_hold_vectors`)."""
        self.slot = slot = 16 if vectors else 8
        self.locals = range(slot, slot + slot * locals_, slot)
        """The place of each local."""
        self.operands = align(slot + slot * locals_, 16)
        """The place of the first operand."""

    def operand(self, height: int) -> int:
        """The place of the operand with `height` others below it."""
        return self.operands + height * self.slot

    def size(self, height: int) -> int:
        """Bytes from the bottom to the end of the operands, if there are never more than `height`."""
        return align(self.operand(height), 16)


@cache
def _vector_codes() -> frozenset[int]:
    from wasmine.wasm.opcodes import OPCODES  # nothing is compiled for a program from the cache

    features = ("simd", "relaxed-simd")
    return frozenset(opcode.index for opcode in OPCODES if opcode.feature in features)


def mentions_vectors(info: ModuleInfo) -> bool:
    """Whether a type or global of a module has a v128 in it, so that any function could meet one."""
    return any(type_.value is V128 for type_ in info.globals) or any(
        V128 in _parts(type_.composite) for type_ in info.types
    )


def _parts(composite: object) -> tuple[object, ...]:
    if isinstance(composite, FunctionType):
        return composite.params + composite.results
    if isinstance(composite, StructType):
        return tuple(field.storage for field in composite.fields)
    return (composite.field.storage,) if isinstance(composite, ArrayType) else ()


def may_hold_vectors(module_mentions: bool, body: Body) -> bool:
    """Whether an operand of a function may be a v128; the first is `mentions_vectors` of its module."""
    return module_mentions or V128 in body.locals or not _vector_codes().isdisjoint(body.codes)
