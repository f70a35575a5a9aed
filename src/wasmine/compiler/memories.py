"""Linear memory: load, store, memory.* and data.drop.

Accesses are volatile: every one that is out of bounds traps, in program order, and LLVM would
otherwise drop those whose result is unused and move the others. They are of alignment 1, because
what an instruction says of its alignment is only a hint.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from wasmine.abi.vmcontext import STATIC_GUARD_SIZE
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import IN_CONTEXT, IN_MEMORY, LLVM_TYPES
from wasmine.compiler.module import Memory
from wasmine.errors import TrapCode, UnsupportedFeature
from wasmine.wasm.opcodes import OPCODES, Opcode

PAGE_SHIFT: Final = 16

MemArg: TypeAlias = tuple[int, int, int]
"""Alignment exponent, offset, memory index."""


def address(f: FunctionBuilder, position: int, operand: str, memarg: MemArg, size: int) -> str:
    """The native address of `size` bytes; it traps, or the access will fault, beyond the end."""
    _, offset, index = memarg
    # Almost every module has one memory, whose key is the operand alone.
    key = f"{operand} {index}" if index else operand
    pointer = f.cache.get(key)
    if pointer is None or offset + size > STATIC_GUARD_SIZE:
        memory = f.module.memories[index]
        start = _start(f, position, operand)
        if not memory.static or offset + size > STATIC_GUARD_SIZE:
            _check(f, position, start, offset + size, memory)
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
        f.append(f"{place} = getelementptr i8, ptr {pointer}, i64 {offset}")
    return place


def _start(f: FunctionBuilder, position: int, operand: str) -> str:
    """An i32 address as i64."""
    if operand[0] != "%":
        return str(int(operand) & 0xFFFF_FFFF)
    f.append(f"%z{position} = zext i32 {operand} to i64")
    return f"%z{position}"


def _base(f: FunctionBuilder, position: int, memory: Memory) -> str:
    if memory.static:
        return f.open(memory.definition, memory.base)
    definition = f.open(memory.definition)
    f.append(f"%q{position} = load ptr, ptr {definition}{IN_CONTEXT}")
    return f"%q{position}"


def _length(f: FunctionBuilder, position: int, memory: Memory) -> str:
    """The length of a memory in bytes; it changes whenever the memory grows."""
    place = f.open(memory.definition, memory.length)
    f.append(f"%g{position} = load i64, ptr {place}{IN_CONTEXT}")
    return f"%g{position}"


def _check(f: FunctionBuilder, position: int, start: str, extent: int, memory: Memory) -> None:
    """Trap if `extent` bytes from `start` do not all lie in the memory; nothing here can wrap."""
    length = _length(f, position, memory)
    f.append(
        f"%e{position} = add i64 {start}, {extent}\n"
        f"%h{position} = icmp ugt i64 %e{position}, {length}"
    )
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
    length = _length(f, position, f.module.memories[index])
    r = f"%v{position}"
    f.append(f"{r}p = lshr i64 {length}, {PAGE_SHIFT}\n{r} = trunc i64 {r}p to i32")
    f.stack.append(r)


def _of(memory: Memory, name: str) -> tuple[str, int]:
    """The builtin for a local or an imported memory, and the index that it takes."""
    if memory.local is None:
        return f"imported_{name}", memory.index
    return name, memory.local


def _memory_grow(f: FunctionBuilder, position: int, index: int) -> None:
    name, number = _of(f.module.memories[index], "memory32_grow")
    f.stack[-1] = f.call_builtin(position, name, f.stack[-1], number)


def _memory_fill(f: FunctionBuilder, position: int, index: int) -> None:
    name, number = _of(f.module.memories[index], "memory_fill")
    f.call_builtin(position, name, number, *f.pop(3))


def _memory_copy(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    target, source = indices
    if target != source:
        raise UnsupportedFeature(
            "memory.copy between two memories is not implemented", f.offsets[position], f.index
        )
    name, number = _of(f.module.memories[target], "memory_copy")
    f.call_builtin(position, name, number, *f.pop(3))


def _memory_init(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    segment, memory = indices
    f.call_builtin(position, "memory_init", memory, segment, *f.pop(3))


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
