"""The record that describes a processor, and the work order it gets from the linker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from wasmine.frozen import Frozen


class Use(Enum):
    """What a relocation wants of its symbol."""

    DIRECT = "the place of something inside the image"
    BRANCH = "a place to jump to: inside, or a stub that jumps outside"
    TABLE = "the cell of the address table that holds the symbol's address"


class Fixups(NamedTuple):
    """The relocations of one section, to be applied to the image's code.

    All places are in bytes from the start of the code.
    """

    code: bytearray
    start: int
    """Where the section was placed."""
    relocations: Iterable[tuple[int, int, int, int]]
    """As ObjectFile.relocations gives them."""
    targets: Sequence[int]
    """For each symbol its place, or its stub's; 0 for one that is reached by its cell only."""
    inside: Sequence[bool]
    """For each symbol whether it is defined in the image."""
    cell: Callable[[int], int]
    """For the index of a symbol the place of its cell in the address table."""


class Architecture(Frozen, eq=False):
    """A processor."""

    name: str
    machine: int
    """ELF's number for it."""
    page: int
    """The largest page size of its systems."""
    stack_register: int
    """DWARF's number for the stack pointer."""
    frame_register: int
    """DWARF's number for the register that points to frames of no constant size."""
    filler: bytes
    """One byte to put between functions."""
    uses: Mapping[int, Use]
    """Every relocation kind that can be applied without knowing where the image will lie."""
    stub_size: int
    stub: Callable[[int, int], bytes]
    """Instructions, given their own place and their cell's, that jump to what the cell holds."""
    apply: Callable[[Fixups], None]
    """Raises struct.error or OverflowError if a distance is too large for its field."""
    saved_registers: tuple[int, ...]
    """DWARF's numbers for the registers that a function leaves as they were, and last the one that
    holds, or stands for, the return address."""
    throw: str
    """Instructions of the function `throw(environment, exception)`. They write the saved registers,
    the stack pointer before the call and the exception to the stack, 8 bytes each in this order, call
    `{walk}` with the address of that and the exception, load all from there again, and go on where the
    return address now says, with the exception in the register where a landing pad expects it."""
    context_pc: int
    """Where a signal's ucontext_t holds the program counter, in bytes."""
    context_sp: int
    """Where it holds the stack pointer."""
    caller_sp: int
    """From a function's frame address to the stack pointer of its caller after the return."""
    futex: int
    """Linux's number for the system call."""
    red_zone: int
    """Bytes below its stack pointer that a function may use without moving it."""
    callee_saved: tuple[str, ...]
    """The registers that a function must give back as it found them and that can hold pointers."""
    llvm_options: tuple[str, ...]
    """What LLVM's code generator must be told, so that every access to memory is made."""
    unwanted_features: tuple[str, ...]
    """Beginnings of names of processor features that must not be used, for the same reason."""
