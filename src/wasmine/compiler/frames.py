"""Frames from .eh_frame: how far the stack pointer is from the canonical frame address, and where the
caller's registers are; and from .gcc_except_table where exceptions land.

The format is DWARF's call frame information (version 5, section 6.4) in the dress of the Linux
Standard Base, and the tables of call sites of the Itanium C++ ABI.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from wasmine.abi.linetable import read_sleb, read_uleb
from wasmine.compiler.architecture import Architecture
from wasmine.compiler.elf import ObjectFile
from wasmine.errors import InternalError

_LENGTH = Struct("<II")
_PC_RELATIVE_INT32 = 0x1B
_ULEB128 = 0x01
_OMITTED = 0xFF

# High two bits of an instruction: these three carry an operand in the low six.
_ADVANCE, _OFFSET, _RESTORE = 0x40, 0x80, 0xC0
_OFFSET_EXTENDED, _OFFSET_EXTENDED_SF = 0x05, 0x11
_LOST = (0x06, 0x07, 0x08, 0x09)  # restore_extended, undefined, same_value, register
_PUSHED_ARGUMENTS = 0x2E  # GNU_args_size
_DELTA_SIZES = {0x02: 1, 0x03: 2, 0x04: 4}  # advance_loc1, 2, 4
_REMEMBER, _RESTORE_STATE = 0x0A, 0x0B
_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_OFFSET, _DEF_CFA_EXPRESSION = 0x0C, 0x0D, 0x0E, 0x0F
_DEF_CFA_SF, _DEF_CFA_OFFSET_SF = 0x12, 0x13
# How many LEB128 operands other instructions have: nop, val_offset, negate_ra_state.
_LEB_OPERANDS = {0x00: 0, 0x14: 2, 0x15: 2, 0x2D: 0}
_LEB_AND_BLOCK = (0x10, 0x16)  # expression, val_expression


class Common(NamedTuple):
    """A common information entry: what many functions share."""

    code_alignment: int
    data_alignment: int
    instructions: bytes


class State(NamedTuple):
    """What is known of a frame at some instruction."""

    size: int | None
    """None if it is not constant."""
    saved: bytes
    """For each of the processor's saved registers how many times 8 bytes below the canonical frame
    address its value for the caller is; 0 if it is in the register."""


class Layout(NamedTuple):
    """A frame as its function runs."""

    rows: tuple[tuple[int, State], ...]
    """From each offset in the function, the state there."""
    size: int
    """The largest of them, or 0 if the body of the function has no constant one."""


class Frame(NamedTuple):
    """The frame description of one function."""

    symbol: int
    addend: int
    """The function starts at this symbol of the object plus this."""
    length: int
    """In bytes of code."""
    layout: Layout
    landings: tuple[tuple[int, int, int], ...]
    """Start and end of code whose calls may throw to a landing pad, and that; all in bytes from the
    start of the function."""


def read_frames(file: ObjectFile, architecture: Architecture) -> Iterator[Frame]:
    """The frame description of every function of the object that has one."""
    for index, section in enumerate(file.sections):
        if section.name != ".eh_frame":
            continue
        data = file.content(section)
        starts = {offset: (symbol, addend) for offset, _, symbol, addend in file.relocations(index)}
        commons: dict[int, Common] = {}
        offset = 0
        while offset < len(data):
            length, pointer = _LENGTH.unpack_from(data, offset)
            if length == 0:  # a terminator
                break
            end = offset + 4 + length
            if pointer == 0:
                commons[offset] = _read_common(data[offset + 8 : end])
            else:
                common = commons[offset + 4 - pointer]
                size = int.from_bytes(data[offset + 12 : offset + 16], "little")
                augmentation, start = read_uleb(data, offset + 16)
                program = data[start + augmentation : end]
                landings = _landings(file, *starts[start]) if start in starts else ()
                layout = _layout(common, program, architecture)
                yield Frame(*starts[offset + 8], size, layout, landings)
            offset = end


def _landings(file: ObjectFile, symbol_index: int, addend: int) -> tuple[tuple[int, int, int], ...]:
    """The call sites with a landing pad from the table at a place of .gcc_except_table.

    Raises InternalError for an encoding that LLVM does not use.
    """
    symbol = file.symbols[symbol_index]
    data = file.content(file.sections[symbol.section])
    position = symbol.value + addend
    if data[position] != _OMITTED:
        raise InternalError("a table of call sites with a start of its own")
    types = data[position + 1]
    position += 2
    if types != _OMITTED:
        _, position = read_uleb(data, position)
    if data[position] != _ULEB128:
        raise InternalError(f"a table of call sites of encoding {data[position]:#x}")
    length, position = read_uleb(data, position + 1)
    end = position + length
    landings = []
    while position < end:
        start, position = read_uleb(data, position)
        size, position = read_uleb(data, position)
        landing, position = read_uleb(data, position)
        _, position = read_uleb(data, position)  # what is caught: everything
        if landing:
            landings.append((start, start + size, landing))
    return tuple(landings)


def _read_common(entry: bytes) -> Common:
    """Raises InternalError for an encoding that LLVM does not use in position-independent code."""
    version = entry[0]
    names_end = entry.index(0, 1)
    augmentation = entry[1:names_end].decode()
    code_alignment, position = read_uleb(entry, names_end + 1)
    data_alignment, position = read_sleb(entry, position)
    _, position = read_uleb(entry, position)  # the return address's column
    size, position = read_uleb(entry, position)
    data = entry[position : position + size]
    # The encoding of pointers to functions. Those of functions with landing pads stand before it: to
    # the personality routine, which nobody calls, and to the table of call sites, which is found by
    # its relocation.
    if version != 1 or augmentation not in ("zR", "zPLR"):
        raise InternalError(f"frame information of version {version}, augmentation {augmentation}")
    if data[-1] != _PC_RELATIVE_INT32:
        raise InternalError(f"frame information with pointers of encoding {data[-1]:#x}")
    return Common(code_alignment, data_alignment, entry[position + size :])


@functools.lru_cache(maxsize=4096)  # small functions look alike
def _layout(common: Common, program: bytes, architecture: Architecture) -> Layout:
    machine = _Machine(common, architecture)
    machine.run(common.instructions)
    machine.rows.append((0, machine.state))
    machine.run(program)
    machine.note()
    # Other registers stand in for the stack pointer while a large frame is being made.
    if architecture.frame_register in machine.registers:
        return Layout(tuple(machine.rows), 0)
    return Layout(tuple(machine.rows), max(state.size or 0 for _, state in machine.rows))


class _Machine:
    """A run of call frame instructions."""

    def __init__(self, common: Common, architecture: Architecture) -> None:
        self._common = common
        self._stack_register = architecture.stack_register
        self._slots = {register: slot for slot, register in enumerate(architecture.saved_registers)}
        self._register = -1
        self._offset = 0
        self._saved = bytes(len(self._slots))
        self._remembered: list[tuple[int, int, bytes]] = []
        self.place = 0
        self.rows: list[tuple[int, State]] = []
        self.registers: set[int] = set()
        """All that the canonical frame address was computed from."""

    @property
    def state(self) -> State:
        size = self._offset if self._register == self._stack_register else None
        return State(size, self._saved)

    def note(self) -> None:
        """Add a row if something has changed."""
        state = self.state
        if self.rows[-1][1] != state:
            self.rows.append((self.place, state))

    def _save(self, register: int, factored: int) -> None:
        """Note where a register is kept, in the data alignment of the entry."""
        slot = self._slots.get(register)
        if slot is None:
            return
        units, odd = divmod(-factored * self._common.data_alignment, 8)
        if odd or not 0 <= units < 256:
            raise InternalError(f"register {register} is kept {factored} units from its frame")
        self._saved = self._saved[:slot] + bytes([units]) + self._saved[slot + 1 :]

    def run(self, program: bytes) -> None:
        position, end = 0, len(program)
        while position < end:
            opcode = program[position]
            position += 1
            high = opcode & 0xC0
            if high == _ADVANCE:
                self._advance(opcode & 0x3F)
            elif high == _OFFSET:
                factored, position = read_uleb(program, position)
                self._save(opcode & 0x3F, factored)
            elif high == _RESTORE:
                self._save(opcode & 0x3F, 0)
            else:
                position = self._step(opcode, program, position)

    def _advance(self, delta: int) -> None:
        self.note()
        self.place += delta * self._common.code_alignment

    def _step(self, opcode: int, program: bytes, position: int) -> int:
        """Run one instruction without an operand in its opcode; the position behind it."""
        if opcode in _DELTA_SIZES:
            end = position + _DELTA_SIZES[opcode]
            self._advance(int.from_bytes(program[position:end], "little"))
            return end
        if opcode in _LEB_OPERANDS:
            for _ in range(_LEB_OPERANDS[opcode]):
                _, position = read_uleb(program, position)
            return position
        if opcode in _LEB_AND_BLOCK:
            _, position = read_uleb(program, position)
            size, position = read_uleb(program, position)
            return position + size
        if opcode == _REMEMBER:
            self._remembered.append((self._register, self._offset, self._saved))
        elif opcode == _RESTORE_STATE:
            self._register, self._offset, self._saved = self._remembered.pop()
        elif opcode in (_OFFSET_EXTENDED, _OFFSET_EXTENDED_SF, *_LOST):
            return self._keep(opcode, program, position)
        else:
            return self._define(opcode, program, position)
        return position

    def _keep(self, opcode: int, program: bytes, position: int) -> int:
        """Run an instruction that says where a register is kept."""
        register, position = read_uleb(program, position)
        factored = 0
        if opcode == _OFFSET_EXTENDED:
            factored, position = read_uleb(program, position)
        elif opcode == _OFFSET_EXTENDED_SF:
            factored, position = read_sleb(program, position)
        elif opcode == _LOST[-1]:
            _, position = read_uleb(program, position)
        self._save(register, factored)
        return position

    def _define(self, opcode: int, program: bytes, position: int) -> int:
        """Run an instruction that says what the canonical frame address is."""
        if opcode in (_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_SF):
            self._register, position = read_uleb(program, position)
            self.registers.add(self._register)
        if opcode in (_DEF_CFA, _DEF_CFA_OFFSET):
            self._offset, position = read_uleb(program, position)
        elif opcode in (_DEF_CFA_SF, _DEF_CFA_OFFSET_SF):
            factored, position = read_sleb(program, position)
            self._offset = factored * self._common.data_alignment
        elif opcode == _DEF_CFA_EXPRESSION:
            self._register = -1
            size, position = read_uleb(program, position)
            position += size
        elif opcode == _PUSHED_ARGUMENTS:
            # The stack pointer of a landing pad would be another one than that of the call.
            pushed, position = read_uleb(program, position)
            if pushed:
                raise InternalError(f"{pushed} bytes of arguments are pushed")
        elif opcode != _DEF_CFA_REGISTER:
            raise InternalError(f"unknown call frame instruction {opcode:#x}")
        return position
