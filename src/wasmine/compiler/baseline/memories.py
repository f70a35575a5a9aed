"""Loads, stores, memory.* and data.drop, for memories of every kind.

The base of memory 0 is in a register if that memory is static; accesses to it with 32-bit addresses are what
stencils are made for. For all others the native address is computed and checked first, with the same
checks as in optimised code (`compiler.memories`), and the access is of the kind that takes a pointer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from wasmine.abi import libcalls
from wasmine.abi.vmcontext import (
    STATIC_GUARD_SIZE,
    VMLinearMemory,
    VMMemoryDefinition,
    offset_of,
)
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import (
    CONSTANTS,
    GENERAL,
    MEMORY,
    R10,
    RAX,
    VM,
    Location,
    class_of,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode
from wasmine.types import I64
from wasmine.wasm.opcodes import OPCODES, Opcode

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

MemArg: TypeAlias = tuple[int, int, int]
"""Alignment exponent, offset, memory index."""

_BASE: Final = offset_of(VMMemoryDefinition, "base")
_LENGTH: Final = offset_of(VMMemoryDefinition, "current_length")
_RESERVED: Final = offset_of(VMLinearMemory, "reserved_bytes")
_PAGE_SHIFT: Final = 16
_SMALL: Final = 1 << 31


class Place(NamedTuple):
    """Where an access goes: what the keys of stencils have for it."""

    suffix: str
    """What follows the instruction's name: nothing for an index in memory 0, `.raw` for a pointer."""
    register: int
    """A general register with the index or pointer; to be released."""
    offset: int
    """Below 2**31."""


# --- addresses -------------------------------------------------------------------------------------


def place(f: FunctionState, position: int, memarg: MemArg, size: int) -> Place:
    """Where `size` bytes are whose address is popped; traps beyond the end, or the access will fault."""
    _, offset, index = memarg
    if index == 0 and f.context.is_static(0) and offset + size <= STATIC_GUARD_SIZE:
        register = f.pop_register()
        f.uses_memory = True
        if f.info.memories[0].address is I64:
            _check_start(f, position, register, 0)
        return Place("", register, offset)
    register, offset = pointer(f, position, memarg, size)
    return Place(".raw", register, offset)


def pointer(f: FunctionState, position: int, memarg: MemArg, size: int) -> tuple[int, int]:
    """The same as a native address in a temporary, and what is to be added to that."""
    _, offset, index = memarg
    wide = f.info.memories[index].address is I64
    far = offset + size > STATIC_GUARD_SIZE
    register = f.pop_owned(GENERAL)
    if far or not f.context.is_static(index):
        _check(f, position, register, offset + size, index)
    elif wide:
        _check_start(f, position, register, index)
    if index == 0 and f.context.is_static(0):
        f.uses_memory = True
        f.add(asm.add64(register, MEMORY))
    else:
        base, displacement = definition(f, index)
        f.add(asm.add_memory64(register, base, displacement + _BASE))
    if not far:
        return register, offset
    f.add(asm.move_immediate(RAX, offset), asm.add64(register, RAX))
    return register, 0


def definition(f: FunctionState, index: int) -> tuple[int, int]:
    """A register and a distance that lead to a memory's VMMemoryDefinition. May change R10."""
    local = index - f.info.imported_memories
    if local >= 0:
        return VM, f.offsets.vmctx_memory_definition(local)
    f.add(asm.load64(R10, VM, f.offsets.vmctx_imported_memory(index)))
    return R10, 0


def _check(f: FunctionState, position: int, register: int, extent: int, index: int) -> None:
    """Trap if `extent` bytes from an address do not all lie in a memory. Changes RAX and R10."""
    trap = f.trap(position, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)
    if extent >> 64:
        f.jump(trap)
        return
    base, displacement = definition(f, index)
    if extent < _SMALL:
        f.add(asm.move64(RAX, register), asm.add_immediate64(RAX, extent))
    else:
        f.add(asm.move_immediate(RAX, extent), asm.add64(RAX, register))
    if f.info.memories[index].address is I64:
        f.jump_if(asm.BELOW, trap)  # the sum has carried
    f.add(asm.compare_memory64(RAX, base, displacement + _LENGTH))
    f.jump_if(asm.ABOVE, trap)


def _check_start(f: FunctionState, position: int, register: int, index: int) -> None:
    """Trap if an address is beyond the address space of a static memory. Changes R10."""
    local = index - f.info.imported_memories
    record = (
        f.offsets.vmctx_memory_record(local)
        if local >= 0
        else f.offsets.vmctx_imported_memory_from(index)
    )
    f.add(asm.load64(R10, VM, record), asm.compare_memory64(register, R10, _RESERVED))
    f.jump_if(asm.ABOVE_EQUAL, f.trap(position, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS))


# --- loads and stores ------------------------------------------------------------------------------


def _load(opcode: Opcode) -> Handler:
    (type_,) = opcode.results or ()
    name, class_, size = opcode.name, class_of(type_), opcode.access

    def load(f: FunctionState, position: int, memarg: MemArg) -> None:
        suffix, register, offset = place(f, position, memarg, size)
        f.release(register)
        result = f.take(class_)
        f.locate(position)
        f.emit((name + suffix, result, register, offset))
        f.push(result)

    return load


def _store(opcode: Opcode) -> Handler:
    _, type_ = opcode.params or ()
    name, class_, size = opcode.name, class_of(type_), opcode.access

    def store(f: FunctionState, position: int, memarg: MemArg) -> None:
        operand = f.pop()
        suffix, register, offset = place(f, position, memarg, size)
        value = f.in_register(operand, class_)
        f.locate(position)
        f.emit((name + suffix, register, value, offset))
        f.release(register, value)

    return store


# --- memory.* --------------------------------------------------------------------------------------


def _memory_size(f: FunctionState, _position: int, index: int) -> None:
    result = f.result_register()
    base, displacement = definition(f, index)
    f.add(
        asm.load64(result, base, displacement + _LENGTH),
        asm.shift_right64(result, _PAGE_SHIFT),
    )
    f.push(result)


def _builtin(f: FunctionState, index: int, name: str, wide: str = "") -> tuple[str, Location]:
    """The symbol of the builtin for a memory, and the index that it takes.

    There is one for own memories, one for imported ones, and if it is given one for i64 addresses.
    """
    local = index - f.info.imported_memories
    if wide and f.info.memories[index].address is I64:
        return libcalls.BY_NAME[wide].symbol, CONSTANTS[index]
    if local < 0:
        return libcalls.BY_NAME[f"imported_{name}"].symbol, CONSTANTS[index]
    return libcalls.BY_NAME[name].symbol, CONSTANTS[local]


def pop_many(f: FunctionState, count: int) -> list[Location]:
    """The last operands, in order, wherever they are; to be released."""
    values = f.stack[-count:]
    del f.stack[-count:]
    return values


def call(f: FunctionState, position: int, symbol: str, *arguments: Location) -> None:
    """Call a function of the runtime with operands that were popped; push its result if it has one."""
    result = f.call_runtime(position, symbol, arguments)
    if result is not None:
        f.push(result)


def _memory_grow(f: FunctionState, position: int, index: int) -> None:
    symbol, number = _builtin(f, index, "memory32_grow", "memory64_grow")
    call(f, position, symbol, VM, f.pop(), number)


def _memory_fill(f: FunctionState, position: int, index: int) -> None:
    symbol, number = _builtin(f, index, "memory_fill", "memory64_fill")
    call(f, position, symbol, VM, number, *pop_many(f, 3))


def _memory_copy(f: FunctionState, position: int, indices: tuple[int, int]) -> None:
    target, source = indices
    if target == source and f.info.memories[target].address is not I64:
        symbol, number = _builtin(f, target, "memory_copy")
        call(f, position, symbol, VM, number, *pop_many(f, 3))
        return
    numbers = (CONSTANTS[index] for index in indices)
    call(f, position, libcalls.BY_NAME["memory64_copy"].symbol, VM, *numbers, *pop_many(f, 3))


def _memory_init(f: FunctionState, position: int, indices: tuple[int, int]) -> None:
    segment, memory = indices
    wide = f.info.memories[memory].address is I64
    symbol = libcalls.BY_NAME["memory64_init" if wide else "memory_init"].symbol
    call(f, position, symbol, VM, CONSTANTS[memory], CONSTANTS[segment], *pop_many(f, 3))


def _data_drop(f: FunctionState, position: int, segment: int) -> None:
    call(f, position, libcalls.BY_NAME["data_drop"].symbol, VM, CONSTANTS[segment])


ACCESSES: Final[dict[str, Handler]] = {
    opcode.name: (_load if opcode.results else _store)(opcode)
    for opcode in OPCODES
    if opcode.immediates == ("memarg",) and opcode.feature != "threads"
}
"""Every load and store that is not atomic, and has no lane number."""

HANDLERS: Final[dict[str, Handler]] = {
    **ACCESSES,
    "memory.size": _memory_size,
    "memory.grow": _memory_grow,
    "memory.fill": _memory_fill,
    "memory.copy": _memory_copy,
    "memory.init": _memory_init,
    "data.drop": _data_drop,
}
