"""What stands around a body: the function's entry and its exits, the frame, the cold code behind it."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import Final

from wasmine.abi.baseline import CompiledFunction
from wasmine.abi.unwind import FrameRow
from wasmine.abi.vmcontext import VMMemoryDefinition, VMStoreContext, offset_of
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.architecture.x86_64 import ARCHITECTURE
from wasmine.compiler.baseline.control import table_bytes
from wasmine.compiler.baseline.counters import count_entry
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    FRAME,
    MEMORY,
    PINNED,
    R11,
    R12,
    R13,
    RAX,
    RBP,
    RCX,
    RDI,
    RSP,
    SLOT,
    VM,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode

_STACK_LIMIT: Final = offset_of(VMStoreContext, "stack_limit")
_BASE: Final = offset_of(VMMemoryDefinition, "base")

_SMALL_FRAME: Final = 1024
"""A function that calls nothing and has no larger frame does without a stack check."""
_FEW: Final = 24
"""So many places are zeroed one by one."""
_DWARF: Final = {RBP: 6}
"""The numbers of registers that calls preserve in tables of frames, where they differ."""
_RETURN_ADDRESS: Final = 16
"""Among the processor's saved registers."""
_WORD: Final = 8
_DISTANCE: Final = Struct("<i")


def begin(f: FunctionState) -> None:
    """Parameters to their locals, zeros to the others. Registers hold what the caller left in them."""
    code = f.code
    how = f.convention.parameters
    if f.convention.stores_parameters:
        code += asm.load64(R11, VM, f.offsets.vmctx_store())
    registers: list[int] = []
    values: list[int] = []
    for index, passed in enumerate(how):
        register, local = passed.register, f.locals[index]
        if register >= 0:
            if passed.narrow:
                code += asm.move32(register, register)
            if local < SLOT:
                registers.append(local)
                values.append(register)
            else:
                f.move(local, register)
    f.move_all(registers, values)
    for index, passed in enumerate(how):
        if passed.register < 0:
            local = f.locals[index]
            if passed.class_:
                scratch = local if local < SLOT else FIRST_VECTOR
                load = asm.load_x128 if f.wide else asm.load_x64
                code += load(scratch - FIRST_VECTOR, R11, passed.displacement)
            else:
                scratch = local if local < SLOT else RAX
                code += (asm.load32 if passed.narrow else asm.load64)(
                    scratch, R11, passed.displacement
                )
            f.move(local, scratch)
    _zero_locals(f, len(how))
    count_entry(f)


def _zero_locals(f: FunctionState, first: int) -> None:
    places = []
    for local in f.locals[first:]:
        if local < FIRST_VECTOR:
            f.code += asm.xor32(local, local)
        elif local < SLOT:
            f.code += asm.xor_x(local - FIRST_VECTOR, local - FIRST_VECTOR)
        else:
            places.append(local - SLOT)
    if not places:
        return
    if len(places) > _FEW:
        words = (places[-1] - places[0] + f.slot) // _WORD
        f.add(
            asm.lea(RDI, FRAME, places[0]),
            asm.move_immediate(RCX, words),
            asm.xor32(RAX, RAX),
            asm.STORE_ZEROS,
        )
    elif f.wide:
        f.code += asm.xor_x(0, 0)
        for place in places:
            f.code += asm.store_x128(0, FRAME, place)
    else:
        if len(places) > 1:
            f.code += asm.xor32(RAX, RAX)
        for place in places:
            f.code += (
                asm.store64(RAX, FRAME, place)
                if len(places) > 1
                else asm.store_immediate64(FRAME, place, 0)
            )


class _Frame:
    """What the entry and the exits of a function have in common."""

    def __init__(self, f: FunctionState) -> None:
        self.pushed = [RBP, R13]
        if f.uses_memory:
            self.pushed.append(R12)
        self.pushed += [register for register in PINNED if register in f.used]
        size = f.layout.size(f.height)
        # The stack pointer is a multiple of 16 below the return address and what is pushed.
        self.size = size + (8 if len(self.pushed) % 2 == 0 else 0)
        self.to_caller = self.size + _WORD * (len(self.pushed) + 1)
        """Bytes from the stack pointer to the canonical frame address."""
        self.give_up = asm.add_immediate64(RSP, self.size)
        self.saved = self._saved()

    def _saved(self) -> bytes:
        places = {_DWARF.get(register, register): 2 + n for n, register in enumerate(self.pushed)}
        places[_RETURN_ADDRESS] = 1
        return bytes(places.get(register, 0) for register in ARCHITECTURE.saved_registers)

    def leave(self) -> bytes:
        """Give the frame up."""
        pops = b"".join(asm.pop(register) for register in reversed(self.pushed))
        return self.give_up + pops


def _entry(f: FunctionState, frame: _Frame) -> tuple[bytes, int]:
    """The instructions before the body, and where in them the jump's field is that leads to the trap for
    a stack that is too small, or 0."""
    parts = [asm.push(register) for register in frame.pushed]
    field = 0
    if f.calls or frame.size > _SMALL_FRAME:
        parts += [
            asm.load64(RAX, RDI, f.offsets.vmctx_store()),
            asm.lea(R11, RSP, -frame.size),
            asm.compare_memory64(R11, RAX, _STACK_LIMIT),
            asm.jump_if(asm.BELOW),
        ]
        field = sum(map(len, parts)) - 4
    parts += [asm.add_immediate64(RSP, -frame.size), asm.move64(RBP, RSP), asm.move64(VM, RDI)]
    if f.uses_memory:
        if f.info.imported_memories:
            parts.append(asm.load64(RAX, VM, f.offsets.vmctx_imported_memory(0)))
            parts.append(asm.load64(MEMORY, RAX, _BASE))
        else:
            parts.append(asm.load64(MEMORY, VM, f.offsets.vmctx_memory_base(0)))
    return b"".join(parts), field


def finish(f: FunctionState) -> CompiledFunction:
    """Put everything around the body together, now that it is known how large the frame is."""
    frame = _Frame(f)
    f.bind(f.exit)
    leave = frame.leave()
    f.code += leave
    f.code += asm.RETURN_WASM
    if f.tail_calls:
        f.bind(f.tail_exit)
        f.code += leave
        f.code += asm.jump_register(RAX)
    cold = len(f.code)
    # What cold code writes may have cold code of its own.
    for write in f.cold:
        write()
    # They refer to the state: it would be garbage that only the collector finds, with the body and all.
    f.cold.clear()
    entry, field = _entry(f, frame)
    shift = len(entry)
    overflow = len(f.code)
    if field:
        if len(frame.pushed) % 2 == 0:
            f.code += asm.push(RAX)
        f.locate(0)
        f.code += asm.move_immediate(RDI, TrapCode.STACK_OVERFLOW.value)
        f.call_cell("wasmer_vm_raise_trap")
    _literals(f, shift)
    _patch(f)
    code = bytearray(entry)
    code += f.code
    if field:
        code[field : field + 4] = (shift + overflow - field - 4).to_bytes(4, "little", signed=True)
    rows = _rows(f, frame, shift, cold, overflow if field else -1)
    offsets = f.body.offsets
    return CompiledFunction(
        bytes(code),
        [(at + shift, kind, number, trailing) for at, kind, number, trailing in f.fixups],
        rows,
        frame.saved,
        _lines(f, shift),
        [offsets[position] for position in f.loops],
    )


def _literals(f: FunctionState, shift: int) -> None:
    """Constants behind the code, those of 16 bytes aligned."""
    if f.literals:
        f.code += bytes(-(len(f.code) + shift) % 16)
        for value, target in sorted(f.literals.items(), key=lambda item: -len(item[0])):
            f.bind(target)
            f.code += value


def _patch(f: FunctionState) -> None:
    """Fill in the distances within the function."""
    code, write = f.code, _DISTANCE.pack_into
    for at, target in f.jumps:
        write(code, at, target.at - at - 4)
    for start, targets in f.tables:
        code[start : start + 4 * len(targets)] = table_bytes(start, targets)


def _lines(f: FunctionState, shift: int) -> array[int]:
    """Where in the module is what code is of; the function's entry is at its first instruction."""
    offsets = f.body.offsets
    places = [*offsets, 0]  # NOWHERE is the last one
    lines = array("I", (0, offsets[0])) * (len(f.sites) + 1)
    lines[2::2] = array("I", map(shift.__add__, f.sites))
    lines[3::2] = array("I", map(places.__getitem__, f.positions))
    return lines


def _rows(f: FunctionState, frame: _Frame, shift: int, cold: int, overflow: int) -> list[FrameRow]:
    """The frame at each program counter; at the few where it is being made or given up it is unknown."""
    size = frame.to_caller + 1
    rows = [FrameRow(0, 0, 0, 0)]
    landing = 0
    rows.append(FrameRow(shift, size, 0, 0))
    for at, target in f.frames:
        landing = target.at + shift if target else 0
        row = FrameRow(at + shift, size, landing, 0)
        if rows[-1].start == row.start:
            rows[-1] = row
        elif rows[-1].landing != landing:
            rows.append(row)
    rows.append(FrameRow(f.exit.at + shift + len(frame.give_up), 0, 0, 0))
    if cold < len(f.code):
        rows.append(FrameRow(cold + shift, size, 0, 0))
    if overflow >= 0:
        words = len(frame.pushed) + 1
        rows.append(FrameRow(overflow + shift, _WORD * (words + words % 2) + 1, 0, 0))
    return rows
