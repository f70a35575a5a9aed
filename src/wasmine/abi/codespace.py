"""How a CodeSpace lies in memory: the code of a module that is compiled function by function.

It is one range of addresses, less than 2 GiB, so that everything in it is reached from the program
counter. Distances depend on the module alone, so that code that is kept in a file fits wherever the
range lies in another process. In this order, each on pages of its own:

    constants    the pool of the stencils' constants, then the runtime cells: u64 for each of
                 RUNTIME_CELLS, the address of a function of the runtime
    entries      u64 for each of the module's own functions: where its code is now
    counters     u32 for each own function, then for loops, as functions are compiled
    stubs        for each own function a jump to where its entry says: what function references
                 hold, which never changes; then, for each, what its entry holds at first
    code         functions, in the order in which they were compiled

What runs when a function is called that has not been compiled is `compile_on_call` of the VMContext; it
gets the address of the function's second stub in a register of its own (LLVM's `nest`).
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from wasmine.abi.baseline import RUNTIME_CELLS
from wasmine.abi.image import round_up

ENTRY_SIZE: Final = 8
COUNTER_SIZE: Final = 4
JUMP_STUB_SIZE: Final = 8
LAZY_STUB_SIZE: Final = 16

X86_64: Final = 62
"""ELF's number for the only processor that code spaces are for."""

FUNCTION_ALIGNMENT: Final = 16

_LARGEST: Final = (1 << 31) - (1 << 20)
"""Bytes of the whole range; the rest is for offsets within what is at its ends."""
_BYTES_PER_FUNCTION: Final = 128
_BYTES_PER_BYTE: Final = 16
_SMALLEST_LOOP: Final = 3
"""Bytes of a loop with nothing in it: `loop`, its type, `end`."""
_MOST_LOOPS: Final = 1 << 24

_DISTANCE: Final = Struct("<i")


class CodeSpaceLayout(NamedTuple):
    """Where the parts of a module's CodeSpace begin, in bytes from its start."""

    functions: int
    """How many functions the module has of its own."""
    page: int
    cells: int
    entries: int
    counters: int
    stubs: int
    lazy_stubs: int
    code: int
    end: int

    @classmethod
    def of(cls, functions: int, code_size: int, constants_size: int, page: int) -> CodeSpaceLayout:
        """The layout for a module with so many functions of its own, whose bodies take `code_size`
        bytes, and for a pool of constants of that size."""
        cells = round_up(constants_size, 16)
        entries = round_up(cells + len(RUNTIME_CELLS) * ENTRY_SIZE, page)
        counters = round_up(entries + functions * ENTRY_SIZE, page)
        loops = min(code_size // _SMALLEST_LOOP, _MOST_LOOPS)
        stubs = round_up(counters + (functions + loops) * COUNTER_SIZE, page)
        lazy_stubs = stubs + round_up(functions * JUMP_STUB_SIZE, LAZY_STUB_SIZE)
        code = round_up(lazy_stubs + functions * LAZY_STUB_SIZE, page)
        room = (1 << 20) + functions * _BYTES_PER_FUNCTION + code_size * _BYTES_PER_BYTE
        end = code + round_up(max(page, min(room, _LARGEST - code)), page)
        return cls(functions, page, cells, entries, counters, stubs, lazy_stubs, code, end)

    def stub_code(self, compile_on_call: int) -> bytes:
        """The stubs of an x86-64: the same bytes for each function, from `stubs` on.

        `compile_on_call` is the offset of that field in the module's VMContext.
        """
        # jmp *entry(%rip)
        jump = b"\xff\x25" + _DISTANCE.pack(self.entries - self.stubs - 6) + b"\xcc\xcc"
        # lea here(%rip), %r10; jmp *compile_on_call(%rdi)
        lazy = b"\x4c\x8d\x15\xf9\xff\xff\xff\xff\xa7" + _DISTANCE.pack(compile_on_call)
        jumps = jump * self.functions
        filler = b"\xcc" * (self.lazy_stubs - self.stubs - len(jumps))
        return jumps + filler + (lazy + b"\xcc\xcc\xcc") * self.functions
