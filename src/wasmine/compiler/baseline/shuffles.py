"""i8x16.shuffle: one instruction where the lanes have a pattern that the processor knows.

Instructions are those with two operands, the first of which is also the result, so that SSSE3 is all
that they need. Lanes are numbered as in the instruction: 0 to 15 of the first operand, then the second's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import FIRST_VECTOR, VECTOR

if TYPE_CHECKING:
    from wasmine.compiler.baseline.state import FunctionState

Lanes: TypeAlias = tuple[int, ...]
Instruction: TypeAlias = Callable[[int, int], bytes]
"""(to, other): the number of the register that is first operand and result, and that of the second."""

_LEFT, _MASK, _RIGHT = 0, 7, 8
"""Vector registers that are free within an instruction."""
_BEYOND: Final = 0x80
"""As a lane number in a mask it gives 0."""


def _interleaved(size: int, start: int) -> Lanes:
    """Lanes of `size` bytes from the halves of both operands that begin at `start`, in turn."""
    return tuple(
        operand + first + byte
        for first in range(start, start + 8, size)
        for operand in (0, 16)
        for byte in range(size)
    )


_UNPACK: Final = {
    _interleaved(size, start): asm.vector_operation(opcode)
    for size, low, high in ((1, 0x60, 0x68), (2, 0x61, 0x69), (4, 0x62, 0x6A), (8, 0x6C, 0x6D))
    for start, opcode in ((0, low), (8, high))
}
"""punpcklbw and so on, by their lanes."""
_PSHUFD: Final = asm.vector_operation(0x70)
_PALIGNR: Final = asm.vector_operation(0x3A, 0x0F)
_SHUFPS: Final = asm.vector_operation(0xC6, prefix=b"")
_SHUFPD: Final = asm.vector_operation(0xC6)


def shuffle(f: FunctionState, a: int, b: int, chosen: bytes) -> int:
    """Append the code. `a` and `b` are vector registers, released here; the result is a new temporary."""
    lanes: Lanes = tuple(chosen)
    if a == b or max(lanes) < 16:
        lanes, used = tuple(lane & 15 for lane in lanes), a
    elif min(lanes) > 15:
        lanes, used = tuple(lane & 15 for lane in lanes), b
    else:
        used = -1
    f.release(*{a, b})
    result = f.take(VECTOR)
    if used >= 0:
        _of_one(f, result - FIRST_VECTOR, used - FIRST_VECTOR, lanes)
    else:
        _of_two(f, result - FIRST_VECTOR, a - FIRST_VECTOR, b - FIRST_VECTOR, lanes)
    return result


# --- one operand -----------------------------------------------------------------------------------


def _of_one(f: FunctionState, to: int, operand: int, lanes: Lanes) -> None:
    words = _coarse(lanes, 4)
    if words is not None:
        if words != [0, 1, 2, 3]:
            f.add(_PSHUFD(to, operand, _pairs(words)))
        elif to != operand:
            f.add(asm.move_x(to, operand))
    elif found := _rotation(lanes, 16):
        _apply(f, to, operand, operand, found)
    else:
        f.load_literal(FIRST_VECTOR + _MASK, bytes(lanes))
        _apply(f, to, operand, _MASK, asm.shuffle_bytes)


def _coarse(lanes: Lanes, size: int) -> list[int] | None:
    """The numbers of the lanes of `size` bytes that a shuffle leaves whole, None if it does not."""
    numbers = [first // size for first in lanes[::size]]
    whole = tuple(size * number + byte for number in numbers for byte in range(size))
    return numbers if lanes == whole else None


def _pairs(numbers: list[int]) -> int:
    """Four numbers in an immediate byte, the low two bits of each."""
    return sum((number & 3) << 2 * place for place, number in enumerate(numbers))


def _rotation(lanes: Lanes, count: int) -> Instruction | None:
    """palignr, if the lanes are consecutive in a circle of `count`; the second operand is the lower one."""
    start = lanes[0]
    if lanes != tuple((start + place) % count for place in range(16)):
        return None
    return lambda to, other: _PALIGNR(to, other, start & 15)


# --- two operands ----------------------------------------------------------------------------------


def _of_two(f: FunctionState, to: int, a: int, b: int, lanes: Lanes) -> None:
    if found := _single(lanes):
        _apply(f, to, a, b, found)
    elif found := _single(tuple(lane ^ 16 for lane in lanes)):
        _apply(f, to, b, a, found)
    else:
        # What comes from the other operand is 0 in each half.
        for register, operand, flip in ((_LEFT, a, 0), (_RIGHT, b, 16)):
            chosen = (lane ^ flip for lane in lanes)
            mask = bytes(lane if lane < 16 else _BEYOND for lane in chosen)
            f.load_literal(FIRST_VECTOR + _MASK, mask)
            f.add(asm.move_x(register, operand), asm.shuffle_bytes(register, _MASK))
        f.add(asm.or_x(_LEFT, _RIGHT), asm.move_x(to, _LEFT))


def _single(lanes: Lanes) -> Instruction | None:
    """The instruction that makes these lanes of two operands."""
    unpack = _UNPACK.get(lanes)
    if unpack is not None:
        return unpack
    halves = _coarse(lanes, 8)
    if halves is not None and halves[0] < 2 <= halves[1]:
        chosen = halves[0] | (halves[1] & 1) << 1
        return lambda to, other: _SHUFPD(to, other, chosen)
    words = _coarse(lanes, 4)
    if words is not None and max(words[:2]) < 4 <= min(words[2:]):
        numbers = _pairs(words)
        return lambda to, other: _SHUFPS(to, other, numbers)
    # From the second operand on to the first one.
    return _rotation(lanes, 32) if lanes[0] > 16 else None


def _apply(f: FunctionState, to: int, first: int, second: int, write: Instruction) -> None:
    """An instruction whose result is its first operand, for a result anywhere."""
    if to == second != first:
        f.add(asm.move_x(_LEFT, first), write(_LEFT, second), asm.move_x(to, _LEFT))
        return
    if to != first:
        f.add(asm.move_x(to, first))
        # Of one operand with itself, both are where the result is now.
        second = to if second == first else second
    f.add(write(to, second))
