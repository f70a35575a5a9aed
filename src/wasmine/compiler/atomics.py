"""The threads proposal: atomic accesses, fences, waiting and notifying.

What is not atomic in a shared memory may race. LLVM calls the value of a plain load that races undefined;
that of a `volatile` one depends on the machine, and such a load is made once, whole if it is aligned.
All accesses are volatile anyway, so that those to shared memories need nothing of their own.
"""

from __future__ import annotations

import re
from typing import Final

from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import IN_MEMORY
from wasmine.compiler.memories import MemArg, address
from wasmine.errors import TrapCode
from wasmine.wasm.opcodes import OPCODES, Opcode

_NAME: Final = re.compile(r"(i32|i64)\.atomic\.(load|store|rmw)(\d*)\.?([a-z]*)(?:_u)?$")
"""Of an access: its type, what it is, bits if they are fewer than the type's, the operation of a rmw."""


def _cell(f: FunctionBuilder, position: int, operand: str, memarg: MemArg, size: int) -> str:
    """The native address of `size` bytes; it traps where it is no multiple of that, then as any does."""
    _check_alignment(f, position, operand, memarg, size)
    return address(f, position, operand, memarg, size)


def _check_alignment(
    f: FunctionBuilder, position: int, operand: str, memarg: MemArg, size: int
) -> None:
    """Trap if the sum of operand and offset is no multiple of `size`, a power of two."""
    _, offset, index = memarg
    odd, mask = offset % size, size - 1
    if operand[0] != "%":
        if not (int(operand) + odd) & mask:
            return
        wrong = "true"
    elif size == 1:
        return
    else:
        kind = "i64" if f.module.memories[index].wide else "i32"
        low, wrong = f"%w{position}", f"%u{position}"
        if odd:
            f.append(f"{low}o = add {kind} {operand}, {odd}")
            operand = f"{low}o"
        f.append(f"{low} = and {kind} {operand}, {mask}\n{wrong} = icmp ne {kind} {low}, 0")
    f.trap_if(wrong, position, TrapCode.UNALIGNED_ATOMIC, "u")


def _narrowed(f: FunctionBuilder, name: str, kind: str, stored: str, value: str) -> str:
    """The low bits of an operand that is stored as a smaller type."""
    if kind == stored:
        return value
    f.append(f.located(f"{name} = trunc {kind} {value} to {stored}", name, value))
    return name


def _push(f: FunctionBuilder, position: int, kind: str, stored: str, line: str) -> None:
    """Append the instruction that gives what was in the cell, and push that, zero-extended."""
    r = f"%v{position}"
    f.loaded[r] = f.offsets[position]
    if kind == stored:
        f.append(f"{r} = {line}")
    else:
        location = f.location(position)
        f.append(f"{r}n = {line}\n{r} = zext {stored} {r}n to {kind}{location}")
    f.stack.append(r)


def _load(kind: str, stored: str, size: int) -> Handler:
    def load(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        pointer = _cell(f, position, f.stack.pop(), memarg, size)
        line = f"load atomic volatile {stored}, ptr {pointer} seq_cst, align {size}{IN_MEMORY}"
        _push(f, position, kind, stored, line + f.location(position))

    return load


def _store(kind: str, stored: str, size: int) -> Handler:
    def store(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        operand, value = f.pop(2)
        pointer = _cell(f, position, operand, memarg, size)
        value = _narrowed(f, f"%v{position}", kind, stored, value)
        f.append(
            f"store atomic volatile {stored} {value}, ptr {pointer} seq_cst, align {size}"
            f"{IN_MEMORY}{f.location(position)}"
        )

    return store


def _modify(operation: str, kind: str, stored: str, size: int) -> Handler:
    def modify(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        operand, value = f.pop(2)
        pointer = _cell(f, position, operand, memarg, size)
        value = _narrowed(f, f"%x{position}", kind, stored, value)
        line = (
            f"atomicrmw volatile {operation} ptr {pointer}, {stored} {value} seq_cst, align {size}"
        )
        _push(f, position, kind, stored, line + f.location(position))

    return modify


def _exchange_if_equal(kind: str, stored: str, size: int) -> Handler:
    def exchange(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        operand, expected, value = f.pop(3)
        pointer = _cell(f, position, operand, memarg, size)
        # As the proposal has it, the bits of the operand that are not compared do not matter.
        expected = _narrowed(f, f"%w{position}e", kind, stored, expected)
        value = _narrowed(f, f"%x{position}", kind, stored, value)
        pair = f"%y{position}"
        location = f.location(position)
        f.append(
            f"{pair} = cmpxchg volatile ptr {pointer}, {stored} {expected}, {stored} {value}"
            f" seq_cst seq_cst, align {size}{location}"
        )
        line = f"extractvalue {{ {stored}, i1 }} {pair}, 0{location}"
        _push(f, position, kind, stored, line)

    return exchange


def _access(opcode: Opcode) -> Handler | None:
    """The handler of an atomic access, None for other instructions."""
    match = _NAME.match(opcode.name)
    if match is None:
        return None
    type_, what, bits, operation = match.groups()
    kind, stored, size = type_, f"i{bits}" if bits else type_, opcode.access
    if what == "load":
        return _load(kind, stored, size)
    if what == "store":
        return _store(kind, stored, size)
    if operation == "cmpxchg":
        return _exchange_if_equal(kind, stored, size)
    return _modify(operation, kind, stored, size)


def _fence(f: FunctionBuilder, _position: int, _: None) -> None:
    f.append("fence seq_cst")


def _touched(f: FunctionBuilder, position: int, operand: str, memarg: MemArg, size: int) -> str:
    """The address of a cell that there is: a load traps where there is none."""
    pointer = _cell(f, position, operand, memarg, size)
    f.append(
        f"%t{position} = load atomic volatile i{8 * size}, ptr {pointer} seq_cst, align {size}"
        f"{IN_MEMORY}{f.location(position)}"
    )
    return pointer


def _wait(size: int) -> Handler:
    def wait(f: FunctionBuilder, position: int, memarg: MemArg) -> bool:
        operand, expected, timeout = f.pop(3)
        pointer = _touched(f, position, operand, memarg, size)
        if not f.module.memories[memarg[2]].shared:
            f.append(f"br label %{f.trap(position, TrapCode.EXPECTED_SHARED_MEMORY, 's')}")
            return True
        name = f"atomic_wait{8 * size}"
        f.stack.append(f.call_builtin(position, name, pointer, expected, timeout))
        return False

    return wait


def _notify(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
    operand, count = f.pop(2)
    pointer = _touched(f, position, operand, memarg, 4)
    if f.module.memories[memarg[2]].shared:
        f.stack.append(f.call_builtin(position, "atomic_notify", pointer, count))
    else:
        f.stack.append("0")


HANDLERS: Final[dict[str, Handler]] = {
    **{opcode.name: handler for opcode in OPCODES if (handler := _access(opcode))},
    "atomic.fence": _fence,
    "memory.atomic.wait32": _wait(4),
    "memory.atomic.wait64": _wait(8),
    "memory.atomic.notify": _notify,
}
