"""Linear memory: load, store, memory.* and data.drop.

An address of 64 bits is compared with the address space of its memory, which is one value for the whole
call, and only once in a row of accesses: what lies between the end of the memory and that of its address
space faults, and so does the guard behind, into which a static offset may lead.

Accesses are volatile: every one that is out of bounds traps, in program order, and LLVM would
otherwise drop those whose result is unused and move the others. They are of alignment 1, because
what an instruction says of its alignment is only a hint.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from wasmine.abi.vmcontext import STATIC_GUARD_SIZE
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import IN_CONTEXT, IN_MEMORY, LLVM_TYPES
from wasmine.compiler.module import PAGE_SHIFT, Memory
from wasmine.errors import TrapCode
from wasmine.wasm.opcodes import OPCODES, Opcode

MemArg: TypeAlias = tuple[int, int, int]
"""Alignment exponent, offset, memory index."""


def address(f: FunctionBuilder, position: int, operand: str, memarg: MemArg, size: int) -> str:
    """The native address of `size` bytes; it traps, or the access will fault, beyond the end."""
    _, offset, index = memarg
    # Almost every module has one memory, whose key is the operand alone.
    key = f"{operand} {index}" if index else operand
    pointer = f.cache.get(key)
    far = offset + size > STATIC_GUARD_SIZE
    if pointer is None or far:
        memory = f.module.memories[index]
        start = operand if memory.wide else f.zero_extended(f"%z{position}", operand)
        if far or not memory.static:
            _check(f, position, start, offset + size, memory)
        elif memory.wide:
            _check_start(f, position, start, memory)
        pointer = f"%a{position}"
        f.append(f"{pointer} = getelementptr i8, ptr {_base(f, position, memory)}, i64 {start}")
        if memory.static:
            f.cache[key] = pointer
    if not offset:
        return pointer
    key = f"{pointer}+{offset}"
    place = f.cache.get(key)
    if place is None:
        place = f.cache[key] = f"%o{position}"
        f.append(f"{place} = getelementptr i8, ptr {pointer}, i64 {_signed(offset)}")
    return place


def _signed(value: int) -> int:
    """The i64 with the bits of a u64."""
    return value - (value >> 63 << 64)


def _base(f: FunctionBuilder, position: int, memory: Memory) -> str:
    if memory.static:
        return f.open(memory.definition, memory.base)
    definition = f.open(memory.definition)
    f.append(f"%q{position} = load ptr, ptr {definition}{IN_CONTEXT}")
    return f"%q{position}"


def _length(f: FunctionBuilder, position: int, memory: Memory) -> str:
    """The length of a memory in bytes; it changes whenever the memory grows."""
    place = f.open(memory.definition, memory.length)
    if memory.shared:
        # Other threads may grow it.
        f.append(f"%g{position} = load atomic i64, ptr {place} seq_cst, align 8{IN_CONTEXT}")
    else:
        f.append(f"%g{position} = load i64, ptr {place}{IN_CONTEXT}")
    return f"%g{position}"


def _check(f: FunctionBuilder, position: int, start: str, extent: int, memory: Memory) -> None:
    """Trap if `extent` bytes from `start` do not all lie in the memory."""
    length = _length(f, position, memory)
    beyond = f"%h{position}"
    if memory.wide and extent >> 64:
        beyond = "true"
    elif memory.wide:
        f.append(
            f"%e{position} = add i64 {start}, {_signed(extent)}\n"
            f"%j{position} = icmp ult i64 %e{position}, {start}\n"
            f"%k{position} = icmp ugt i64 %e{position}, {length}\n"
            f"{beyond} = or i1 %j{position}, %k{position}"
        )
    else:
        # A u32 and an extent of little more than 32 bits: nothing here can wrap.
        f.append(
            f"%e{position} = add i64 {start}, {extent}\n"
            f"{beyond} = icmp ugt i64 %e{position}, {length}"
        )
    f.trap_if(beyond, position, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)


def _check_start(f: FunctionBuilder, position: int, start: str, memory: Memory) -> None:
    """Trap if `start` is beyond the address space of a static memory; a little behind it is guarded."""
    if start[0] != "%" and 0 <= int(start) < memory.minimum:
        return
    reserved = f.open(memory.record, memory.reserved)
    f.append(f"%h{position} = icmp uge i64 {start}, {reserved}")
    f.trap_if(f"%h{position}", position, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)


def _load(opcode: Opcode) -> Handler:
    (type_,) = opcode.results or ()
    kind, size, width = LLVM_TYPES[type_], opcode.access, f"i{8 * opcode.access}"

    def load(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        pointer = address(f, position, f.stack[-1], memarg, size)
        r = f.stack[-1] = f"%v{position}"
        line = f.loaded[r] = f.loaded[pointer, size] = f.offsets[position]
        f.append(
            f"{r} = load volatile {kind}, ptr {pointer}, align 1{IN_MEMORY}"
            f", !dbg !DILocation(line: {line}, scope: !{f.scope})"
        )

    extend = {"s": "sext", "u": "zext"}.get(opcode.name[-1])
    if extend is None:
        return load

    def load_narrow(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        pointer = address(f, position, f.stack[-1], memarg, size)
        r = f.stack[-1] = f"%v{position}"
        line = f.loaded[r] = f.loaded[pointer, size] = f.offsets[position]
        location = f", !dbg !DILocation(line: {line}, scope: !{f.scope})"
        f.append(
            f"{r}n = load volatile {width}, ptr {pointer}, align 1{IN_MEMORY}{location}\n"
            f"{r} = {extend} {width} {r}n to {kind}{location}"
        )

    return load_narrow


def _store(opcode: Opcode) -> Handler:
    _, type_ = opcode.params or ()
    kind, size, width = LLVM_TYPES[type_], opcode.access, f"i{8 * opcode.access}"
    narrow = opcode.name[-1].isdigit()
    stored = width if narrow else kind

    def store(f: FunctionBuilder, position: int, memarg: MemArg) -> None:
        value = f.stack.pop()
        pointer = address(f, position, f.stack.pop(), memarg, size)
        if narrow:
            cut = f"%v{position}"
            f.append(f.located(f"{cut} = trunc {kind} {value} to {width}", cut, value))
            value = cut
        line = f.loaded.get((pointer, size)) or f.offsets[position]
        f.append(
            f"store volatile {stored} {value}, ptr {pointer}, align 1{IN_MEMORY}"
            f", !dbg !DILocation(line: {line}, scope: !{f.scope})"
        )

    return store


def _memory_size(f: FunctionBuilder, position: int, index: int) -> None:
    memory = f.module.memories[index]
    length = _length(f, position, memory)
    r = f"%v{position}"
    if memory.wide:
        f.append(f"{r} = lshr i64 {length}, {PAGE_SHIFT}")
    else:
        f.append(f"{r}p = lshr i64 {length}, {PAGE_SHIFT}\n{r} = trunc i64 {r}p to i32")
    f.stack.append(r)


def _of(memory: Memory, name: str) -> tuple[str, int]:
    """The builtin for a local or an imported memory, and the index that it takes."""
    if memory.local is None:
        return f"imported_{name}", memory.index
    return name, memory.local


def _memory_grow(f: FunctionBuilder, position: int, index: int) -> None:
    memory = f.module.memories[index]
    name, number = ("memory64_grow", index) if memory.wide else _of(memory, "memory32_grow")
    f.stack[-1] = f.call_builtin(position, name, f.stack[-1], number)


def _memory_fill(f: FunctionBuilder, position: int, index: int) -> None:
    memory = f.module.memories[index]
    name, number = ("memory64_fill", index) if memory.wide else _of(memory, "memory_fill")
    f.call_builtin(position, name, number, *f.pop(3))


def _memory_copy(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    target, source = (f.module.memories[index] for index in indices)
    if target is source and not target.wide:
        name, number = _of(target, "memory_copy")
        f.call_builtin(position, name, number, *f.pop(3))
        return
    operands = f.pop_copy(position, target.wide, source.wide)
    f.call_builtin(position, "memory64_copy", *indices, *operands)


def _memory_init(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    segment, memory = indices
    name = "memory64_init" if f.module.memories[memory].wide else "memory_init"
    f.call_builtin(position, name, memory, segment, *f.pop(3))


def _data_drop(f: FunctionBuilder, position: int, segment: int) -> None:
    f.call_builtin(position, "data_drop", segment)


def _accesses() -> dict[str, Handler]:
    """A handler for every load and store of a scalar or a whole vector."""
    found: dict[str, Handler] = {}
    for opcode in OPCODES:
        type_, _, operation = opcode.name.partition(".")
        if type_ in ("i32", "i64", "f32", "f64") or operation in ("load", "store"):
            if operation.startswith("load"):
                found[opcode.name] = _load(opcode)
            elif operation.startswith("store"):
                found[opcode.name] = _store(opcode)
    return found


HANDLERS: Final[dict[str, Handler]] = {
    **_accesses(),
    "memory.size": _memory_size,
    "memory.grow": _memory_grow,
    "memory.fill": _memory_fill,
    "memory.copy": _memory_copy,
    "memory.init": _memory_init,
    "data.drop": _data_drop,
}
