"""Frame sizes from .eh_frame: how far the stack pointer is from the canonical frame address.

The format is DWARF's call frame information (version 5, section 6.4) in the dress of the Linux
Standard Base. Only what the canonical frame address is computed from is followed.
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

# High two bits of an instruction: these three carry an operand in the low six.
_ADVANCE, _OFFSET, _RESTORE = 0x40, 0x80, 0xC0
_DELTA_SIZES = {0x02: 1, 0x03: 2, 0x04: 4}  # advance_loc1, 2, 4
_REMEMBER, _RESTORE_STATE = 0x0A, 0x0B
_DEF_CFA, _DEF_CFA_REGISTER, _DEF_CFA_OFFSET, _DEF_CFA_EXPRESSION = 0x0C, 0x0D, 0x0E, 0x0F
_DEF_CFA_SF, _DEF_CFA_OFFSET_SF = 0x12, 0x13
# How many LEB128 operands the instructions have that say where registers are saved and the like.
_LEB_OPERANDS = {
    0x00: 0, 0x05: 2, 0x06: 1, 0x07: 1, 0x08: 1, 0x09: 2, 0x11: 2, 0x14: 2, 0x15: 2, 0x2D: 0, 0x2E: 1,
}  # fmt: skip
_LEB_AND_BLOCK = (0x10, 0x16)  # expression, val_expression


class Common(NamedTuple):
    """A common information entry: what many functions share."""

    code_alignment: int
    data_alignment: int
    instructions: bytes


class Layout(NamedTuple):
    """The size of a frame as its function runs."""

    rows: tuple[tuple[int, int | None], ...]
    """From each offset in the function, the size there; None if it is not constant."""
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


def read_frames(file: ObjectFile, architecture: Architecture) -> Iterator[Frame]:
    """The frame description of every function of the object that has one."""
    registers = (architecture.stack_register, architecture.frame_register)
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
                yield Frame(*starts[offset + 8], size, _layout(common, program, *registers))
            offset = end


def _read_common(entry: bytes) -> Common:
    """Raises InternalError for an encoding that LLVM does not use in position-independent code."""
    version = entry[0]
    names_end = entry.index(0, 1)
    augmentation = entry[1:names_end].decode()
    code_alignment, position = read_uleb(entry, names_end + 1)
    data_alignment, position = read_sleb(entry, position)
    _, position = read_uleb(entry, position)  # the return address's column
    if version != 1 or augmentation != "zR":
        raise InternalError(f"frame information of version {version}, augmentation {augmentation}")
    size, position = read_uleb(entry, position)
    if entry[position] != _PC_RELATIVE_INT32:
        raise InternalError(f"frame information with pointers of encoding {entry[position]:#x}")
    return Common(code_alignment, data_alignment, entry[position + size :])


@functools.lru_cache(maxsize=4096)  # small functions look alike
def _layout(common: Common, program: bytes, stack_register: int, frame_register: int) -> Layout:
    state = _State(common, stack_register)
    state.run(common.instructions)
    state.rows.append((0, state.size))
    state.run(program)
    if state.rows[-1][1] != state.size:
        state.rows.append((state.place, state.size))
    # Other registers stand in for the stack pointer while a large frame is being made.
    if frame_register in state.registers:
        return Layout(tuple(state.rows), 0)
    return Layout(tuple(state.rows), max(size or 0 for _, size in state.rows))


class _State:
    """A run of call frame instructions."""

    def __init__(self, common: Common, stack_register: int) -> None:
        self._common = common
        self._stack_register = stack_register
        self._register = -1
        self._offset = 0
        self._remembered: list[tuple[int, int]] = []
        self.place = 0
        self.rows: list[tuple[int, int | None]] = []
        self.registers: set[int] = set()
        """All that the canonical frame address was computed from."""

    @property
    def size(self) -> int | None:
        return self._offset if self._register == self._stack_register else None

    def run(self, program: bytes) -> None:
        position, end = 0, len(program)
        while position < end:
            opcode = program[position]
            position += 1
            high = opcode & 0xC0
            if high == _ADVANCE:
                self._advance(opcode & 0x3F)
            elif high == _OFFSET:
                _, position = read_uleb(program, position)
            elif high != _RESTORE:
                position = self._step(opcode, program, position)

    def _advance(self, delta: int) -> None:
        if self.rows[-1][1] != self.size:
            self.rows.append((self.place, self.size))
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
            self._remembered.append((self._register, self._offset))
            return position
        if opcode == _RESTORE_STATE:
            self._register, self._offset = self._remembered.pop()
            return position
        return self._define(opcode, program, position)

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
        elif opcode != _DEF_CFA_REGISTER:
            raise InternalError(f"unknown call frame instruction {opcode:#x}")
        return position
