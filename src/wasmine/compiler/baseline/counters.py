"""Counting how often functions are called and loops go round, to have better code made for those that do.

When a counter is used up, the runtime is asked (`abi.baseline.TIER_UP`). At a loop it may name code to go on
in, which finds locals and operands in the frame, where FrameLayout says.
"""

from __future__ import annotations

from typing import Final

from wasmine.abi.baseline import TIER_UP, FixupKind
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.emission import NOWHERE, Target
from wasmine.compiler.baseline.locations import FRAME, RAX, RDI, RDX, RSI, RSP, VM
from wasmine.compiler.baseline.state import FunctionState

_TEST: Final = asm.test64(RAX, RAX)
_PASS_TO_CODE: Final = asm.move64(RDI, VM) + asm.move64(RSI, FRAME)
_GO_ON: Final = asm.call_register(RAX) + asm.move64(RSP, FRAME)

ENTRY = -1
"""The number of a function's entry among its loops."""


def count_entry(f: FunctionState) -> None:
    """Count a call of the function. Locals have their values."""
    if f.context.options.counters:
        _count(f, ENTRY, 0)


def count_loop(f: FunctionState, position: int) -> None:
    """Count a round of a loop, at its head. The operand stack is flushed.

    Operands that FrameLayout does not know of would be in the way of those that it knows.
    """
    if f.context.options.counters and not f.hidden:
        f.loops.append(position)
        _count(f, len(f.loops) - 1, position)


def _count(f: FunctionState, loop: int, position: int) -> None:
    f.calls = True
    cold, back = Target(), Target()
    f.code += asm.COUNT_DOWN
    trailing = asm.COUNT_DOWN_TRAILING
    f.fixups.append(
        (len(f.code) - 4 - trailing, FixupKind.COUNTER, loop + 1, trailing),
    )
    f.jump_if(asm.SIGN, cold)
    f.bind(back)

    def write() -> None:
        f.bind(cold)
        if f.used:
            f.code += f.saving_pins
        f.add(
            asm.move_immediate(RSI, f.local_index),
            asm.move_immediate(RDX, loop & 0xFFFF_FFFF),
            asm.move64(RDI, VM),
        )
        f.locate(position)
        f.call_cell(TIER_UP)
        if loop == ENTRY:
            f.reload_after_call()
            f.jump(back)
            return
        go_on = Target()
        f.code += _TEST
        f.jump_if(asm.NOT_EQUAL, go_on)
        f.reload_after_call()
        f.jump(back)
        f.bind(go_on)
        f.code += _PASS_TO_CODE
        # In backtraces this frame is hidden: the function is what is called.
        f.locate(NOWHERE)
        f.code += _GO_ON
        f.jump(f.exit)

    f.cold.append(write)
