"""Atomic accesses, fences, waiting and notifying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.libcalls import BY_NAME
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import CONSTANTS, GENERAL, RAX, SLOT
from wasmine.compiler.baseline.memories import MemArg, call, pointer, pop_many
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode
from wasmine.wasm.opcodes import OPCODES, Opcode

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler


def _check_alignment(f: FunctionState, position: int, offset: int, size: int) -> None:
    """Trap if the sum of the address on the stack and an offset is no multiple of `size`."""
    if size == 1:
        return
    operand = f.stack[-1]
    odd = offset % size
    if type(operand) is int and operand < SLOT:
        f.add(asm.lea(RAX, operand, odd))
    else:
        f.move(RAX, operand)
        f.add(asm.add_immediate64(RAX, odd))
    f.add(asm.test_low_byte(size - 1))
    f.jump_if(asm.NOT_EQUAL, f.trap(position, TrapCode.UNALIGNED_ATOMIC))


def _access(opcode: Opcode) -> Handler:
    """Its operands are an address and values; there may be a result."""
    name, size, count = f"{opcode.name}.raw", opcode.access, len(opcode.params or ()) - 1

    def access(f: FunctionState, position: int, memarg: MemArg) -> None:
        operands = pop_many(f, count) if count else []
        _check_alignment(f, position, memarg[1], size)
        register, offset = pointer(f, position, memarg, size)
        values = [f.in_register(value, GENERAL) for value in operands]
        f.release(register, *values)
        result = (f.result_register(),) if opcode.results else ()
        f.locate(position)
        f.emit((name, *result, register, *values, offset))
        f.stack += result

    return access


def _fence(f: FunctionState, _position: int, _: Any) -> None:
    f.add(asm.FENCE)


def _cell(f: FunctionState, position: int, memarg: MemArg, size: int) -> int:
    """The native address of a cell that there is: a load faults where there is none."""
    _check_alignment(f, position, memarg[1], size)
    register, offset = pointer(f, position, memarg, size)
    f.locate(position)
    f.add((asm.load64 if size == 8 else asm.load32)(RAX, register, offset))
    if offset:
        f.add(asm.lea(register, register, offset))
    return register


def _wait(size: int) -> Handler:
    symbol = BY_NAME[f"atomic_wait{8 * size}"].symbol

    def wait(f: FunctionState, position: int, memarg: MemArg) -> bool:
        operands = pop_many(f, 2)
        register = _cell(f, position, memarg, size)
        if not f.info.memories[memarg[2]].shared:
            f.release(register, *operands)
            f.jump(f.trap(position, TrapCode.EXPECTED_SHARED_MEMORY))
            return True
        call(f, position, symbol, register, *operands)
        return False

    return wait


def _notify(f: FunctionState, position: int, memarg: MemArg) -> None:
    count = f.pop()
    register = _cell(f, position, memarg, 4)
    if not f.info.memories[memarg[2]].shared:
        f.release(register, count)
        f.push(CONSTANTS[0])
        return
    call(f, position, BY_NAME["atomic_notify"].symbol, register, count)


HANDLERS: Final[dict[str, Handler]] = {
    **{
        opcode.name: _access(opcode)
        for opcode in OPCODES
        if ".atomic." in opcode.name and opcode.name[0] == "i"
    },
    "atomic.fence": _fence,
    "memory.atomic.wait32": _wait(4),
    "memory.atomic.wait64": _wait(8),
    "memory.atomic.notify": _notify,
}
