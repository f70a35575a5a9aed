"""Comparisons, and what they decide.

A comparison sets flags. If the next instruction is a branch, an `if` or a `select`, that uses them at once, and
no 0 or 1 is ever made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.control import branch_if, if_on
from wasmine.compiler.baseline.emission import Target
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    FRAME,
    GENERAL,
    R10,
    R11,
    RAX,
    RCX,
    RDX,
    SLOT,
    VECTOR,
    Location,
    class_of,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import InternalError
from wasmine.types import ValType
from wasmine.wasm.opcodes import BY_NAME

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

_INTEGER: Final = {
    "eq": asm.EQUAL,
    "ne": asm.NOT_EQUAL,
    "lt_s": asm.LESS,
    "lt_u": asm.BELOW,
    "gt_s": asm.GREATER,
    "gt_u": asm.ABOVE,
    "le_s": asm.LESS_EQUAL,
    "le_u": asm.BELOW_EQUAL,
    "ge_s": asm.GREATER_EQUAL,
    "ge_u": asm.ABOVE_EQUAL,
}
_SWAPPED: Final = {
    asm.LESS: asm.GREATER,
    asm.GREATER: asm.LESS,
    asm.LESS_EQUAL: asm.GREATER_EQUAL,
    asm.GREATER_EQUAL: asm.LESS_EQUAL,
    asm.BELOW: asm.ABOVE,
    asm.ABOVE: asm.BELOW,
    asm.BELOW_EQUAL: asm.ABOVE_EQUAL,
    asm.ABOVE_EQUAL: asm.BELOW_EQUAL,
}
"""The condition that holds for the operands in the other order."""
# Greater and less are told by the carry, which is set if a number is none: less is asked the other way.
_FLOAT: Final = {
    "eq": (asm.FLOAT_EQUAL, False),
    "ne": (asm.FLOAT_NOT_EQUAL, False),
    "gt": (asm.ABOVE, False),
    "ge": (asm.ABOVE_EQUAL, False),
    "lt": (asm.ABOVE, True),
    "le": (asm.ABOVE_EQUAL, True),
}

_BR_IF: Final = BY_NAME["br_if"].index
_IF: Final = BY_NAME["if"].index
_I32_EQZ: Final = BY_NAME["i32.eqz"].index
_SELECTS: Final = frozenset(BY_NAME[name].index for name in ("select", "select/typed"))
_ZERO: Final = bytes(4)


def _signed(constant: Location) -> int:
    if isinstance(constant, int):
        raise InternalError("an operand is no constant")
    return int.from_bytes(constant[:4], "little", signed=True)


def _fits(constant: bytes) -> bool:
    """Whether it is an immediate of 32 bits, which are extended with their sign if there are 64."""
    return constant[4:] in (b"", bytes(4), b"\xff" * 4) and (
        len(constant) == 4 or (constant[3] >= 0x80) == (constant[4] == 0xFF)
    )


def compare_integers(
    f: FunctionState, wide: int, condition: int, first: Location, second: Location
) -> int:
    """Set flags by two operands that were popped; the condition code that holds if `condition` does."""
    add = f.add
    if type(first) is bytes and not _fits(first):
        f.move(R10, first)
        first = R10
    if type(second) is bytes and not _fits(second):
        f.move(R11, second)
        second = R11
    if type(first) is not int:
        if type(second) is not int:
            f.move(RAX, first)
            first = RAX
        else:
            first, second = second, first
            condition = _SWAPPED.get(condition, condition)
    if first < SLOT:
        if type(second) is not int:
            add(asm.compare_immediate(wide, first, _signed(second)))
        elif second < SLOT:
            add((asm.compare64 if wide else asm.compare32)(first, second))
        else:
            compare = asm.compare_memory64 if wide else asm.compare_memory32
            add(compare(first, FRAME, second - SLOT))
    elif type(second) is not int:
        place = first - SLOT
        add(asm.compare_memory_immediate(wide, FRAME, place, _signed(second)))
    elif second < SLOT:
        compare = asm.memory_compare64 if wide else asm.memory_compare32
        add(compare(second, FRAME, first - SLOT))
    else:
        f.move(RAX, first)
        compare = asm.compare_memory64 if wide else asm.compare_memory32
        add(compare(RAX, FRAME, second - SLOT))
    return condition


def compare_floats(
    f: FunctionState, wide: int, condition: int, first: Location, second: Location
) -> int:
    """The same for floats, both in registers or in the frame."""
    register, other = int(first), int(second)
    if register >= SLOT:
        register = FIRST_VECTOR
        f.move(register, first)
    if other < SLOT:
        f.add(asm.compare_float(wide, register - FIRST_VECTOR, other - FIRST_VECTOR))
    else:
        f.add(asm.compare_float_memory(wide, register - FIRST_VECTOR, FRAME, other - SLOT))
    return condition


def set_register(f: FunctionState, condition: int) -> int:
    """A new temporary that is 1 if a condition code holds, else 0. Changes RAX and RCX."""
    register = f.free.pop() if f.free else f.take(GENERAL)
    if condition >= asm.FLOAT_EQUAL:
        equal = condition == asm.FLOAT_EQUAL
        f.add(
            asm.set_if(condition & 1 | asm.EQUAL, RAX),
            asm.set_if(asm.NOT_PARITY if equal else asm.PARITY, RCX),
            asm.AND_AL_CL if equal else asm.OR_AL_CL,
        )
    else:
        f.add(asm.set_if(condition, RAX))
    f.add(asm.zero_extend8(register, RAX))
    return register


def _comparing(wide: int, class_: int, condition: int, *, swap: bool = False) -> Handler:
    compare = compare_floats if class_ == VECTOR else compare_integers

    def handler(f: FunctionState, position: int, _: Any) -> None:
        second, first = f.stack.pop(), f.stack.pop()
        if swap:
            first, second = second, first
        decide(f, position, lambda: compare(f, wide, condition, first, second), first, second)

    return handler


def _testing(wide: int) -> Handler:
    def handler(f: FunctionState, position: int, _: Any) -> None:
        operand = f.stack.pop()
        decide(f, position, lambda: compare_integers(f, wide, asm.EQUAL, operand, _ZERO), operand)

    return handler


def decide(f: FunctionState, position: int, compare: Any, *operands: Location) -> None:
    """Have `compare` set flags and return a condition code, for what the next instruction does with it,
    or for a 0 or 1 on the stack. The operands were popped, and are released."""
    codes, negated = f.codes, 0
    while codes[position + 1] == _I32_EQZ:
        position += 1
        next(f.steps)
        negated ^= 1
    follower = codes[position + 1]
    if follower == _BR_IF:
        _, _, depth, _ = next(f.steps)
        condition = compare() ^ negated
        f.release(*operands)
        branch_if(f, condition, depth)
    elif follower == _IF:
        _, _, type_, _ = next(f.steps)
        f.flush()
        condition = compare() ^ negated
        f.release(*operands)
        if_on(f, condition, type_)
    elif follower in _SELECTS:
        _, _, type_, _ = next(f.steps)
        _select_on(f, compare, negated, operands, type_)
    else:
        condition = compare() ^ negated
        f.release(*operands)
        f.stack.append(set_register(f, condition))


def _select(f: FunctionState, _position: int, type_: ValType) -> None:
    operand = f.stack.pop()
    _select_on(
        f,
        lambda: compare_integers(f, 0, asm.NOT_EQUAL, operand, _ZERO),
        0,
        (operand,),
        type_,
    )


def _select_on(
    f: FunctionState, compare: Any, negated: int, operands: tuple[Location, ...], type_: ValType
) -> None:
    """Choose between the two topmost operands. Registers are filled before flags are set."""
    stack = f.stack
    class_ = class_of(type_)
    if stack[-2] in f.temporaries:
        second, kept = stack.pop(), f.pop_owned(class_)
        negated ^= 1
    else:
        # The one that is kept is overwritten by the other one.
        kept = f.pop_owned(class_)
        second = stack.pop()
    if class_ == VECTOR:
        other = _in_scratch(f, second, FIRST_VECTOR + 7)
        over = Target()
        condition = compare() ^ negated
        f.release(*operands)
        f.jump_if(condition ^ 1, over)
        f.move(kept, other)
        f.bind(over)
    else:
        other = _in_scratch(f, second, RDX)
        condition = compare() ^ negated
        f.release(*operands)
        if condition >= asm.FLOAT_EQUAL:
            flag = set_register(f, condition)
            f.add(asm.test32(flag, flag))
            f.release(flag)
            condition = asm.NOT_EQUAL
        f.add(asm.conditional_move64(condition, kept, other))
    f.release(other)
    stack.append(kept)


def _in_scratch(f: FunctionState, location: Location, scratch: int) -> int:
    """A value in the register that it is in, or in `scratch`."""
    if type(location) is int and location < SLOT:
        return location
    f.move(scratch, location)
    return scratch


def _handlers() -> dict[str, Handler]:
    handlers: dict[str, Handler] = {"select": _select, "select/typed": _select}
    for wide, prefix in enumerate(("i32", "i64")):
        handlers[f"{prefix}.eqz"] = _testing(wide)
        for name, condition in _INTEGER.items():
            handlers[f"{prefix}.{name}"] = _comparing(wide, GENERAL, condition)
    for wide, prefix in enumerate(("f32", "f64")):
        for name, (condition, swap) in _FLOAT.items():
            handlers[f"{prefix}.{name}"] = _comparing(wide, VECTOR, condition, swap=swap)
    return handlers


HANDLERS: Final = _handlers()
