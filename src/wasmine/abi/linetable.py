"""From program counters to offsets in the module: where code came from.

What is stored is the line number programs of DWARF (version 5, section 6.2) as LLVM wrote
them, because running them takes longer than linking everything else and only a backtrace needs it.
The line numbers are byte offsets in the WebAssembly module; files and columns are ignored.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from struct import Struct

from wasmine.frozen import Frozen

# size of the instructions, line base, line range, instruction size, number of standard opcodes
_PROGRAM = Struct("<IbBBB")
_EXTENDED, _COPY, _ADVANCE_PC, _ADVANCE_LINE = 0, 1, 2, 3
_CONST_ADD_PC, _FIXED_ADVANCE_PC = 8, 9
_END_SEQUENCE, _SET_ADDRESS = 1, 2


class LineProgram(Frozen):
    """A line number program: its addresses are offsets in an image's code."""

    line_base: int
    line_range: int
    instruction_size: int
    operand_counts: bytes
    """How many LEB128 operands each standard opcode has, opcode 1 first."""
    instructions: bytes


class PcTable:
    """Numbers that hold from one program counter to the next."""

    def __init__(self, rows: Iterable[tuple[int, int]]) -> None:
        """`rows` are (first program counter, number), sorted; before the first the number is 0."""
        pairs = list(rows)
        self._starts = array("I", [start for start, _ in pairs])
        self._numbers = array("I", [number for _, number in pairs])

    def __len__(self) -> int:
        return len(self._starts)

    def find(self, pc: int) -> int:
        position = bisect_right(self._starts, pc) - 1
        return self._numbers[position] if position >= 0 else 0


def pack_line_programs(programs: Iterable[LineProgram]) -> bytes:
    """A compact form for `read_line_programs`, equal for equal programs."""
    parts = []
    for each in programs:
        counts, size = each.operand_counts, len(each.instructions)
        numbers = (each.line_base, each.line_range, each.instruction_size, len(counts))
        parts += [_PROGRAM.pack(size, *numbers), counts, each.instructions]
    return zlib.compress(b"".join(parts), 1)


def _unpack_line_programs(packed: bytes) -> Iterator[LineProgram]:
    data = zlib.decompress(packed)
    offset = 0
    while offset < len(data):
        size, base, span, instruction_size, count = _PROGRAM.unpack_from(data, offset)
        counts_offset = offset + _PROGRAM.size
        start = counts_offset + count
        offset = start + size
        counts = data[counts_offset:start]
        yield LineProgram(base, span, instruction_size, counts, data[start:offset])


def read_line_programs(packed: bytes) -> PcTable:
    """The table of all line programs, with 0 where the code belongs to no instruction."""
    sequences = [
        sequence for program in _unpack_line_programs(packed) for sequence in _run(program)
    ]
    sequences.sort(key=lambda sequence: sequence[0][0])
    return PcTable(row for sequence in sequences for row in sequence)


def _run(program: LineProgram) -> Iterator[list[tuple[int, int]]]:
    """Each sequence of the program as rows (address, line), the last of them (end, 0)."""
    line_base, line_range = program.line_base, program.line_range
    size, code = program.instruction_size, program.instructions
    opcode_base = len(program.operand_counts) + 1
    address, line, position, end = 0, 1, 0, len(code)
    rows: list[tuple[int, int]] = []
    while position < end:
        opcode = code[position]
        position += 1
        if opcode >= opcode_base:  # the special opcodes: most rows are made by one of them
            advance, step = divmod(opcode - opcode_base, line_range)
            address += advance * size
            line += line_base + step
            rows.append((address, line))
        elif opcode == _ADVANCE_LINE:
            step, position = read_sleb(code, position)
            line += step
        elif opcode == _COPY:
            rows.append((address, line))
        elif opcode == _ADVANCE_PC:
            advance, position = read_uleb(code, position)
            address += advance * size
        elif opcode == _CONST_ADD_PC:
            address += (255 - opcode_base) // line_range * size
        elif opcode == _FIXED_ADVANCE_PC:
            address += int.from_bytes(code[position : position + 2], "little")
            position += 2
        elif opcode == _EXTENDED:
            length, position = read_uleb(code, position)
            extended = code[position]
            if extended == _END_SEQUENCE:
                yield [*rows, (address, 0)]
                address, line, rows = 0, 1, []
            elif extended == _SET_ADDRESS:
                address = int.from_bytes(code[position + 1 : position + length], "little")
            position += length
        else:  # about files, columns and blocks
            for _ in range(program.operand_counts[opcode - 1]):
                _, position = read_uleb(code, position)


def read_uleb(data: bytes, position: int) -> tuple[int, int]:
    """The unsigned LEB128 number at `position`, and the position behind it."""
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def read_sleb(data: bytes, position: int) -> tuple[int, int]:
    """The signed LEB128 number at `position`, and the position behind it."""
    number, end = read_uleb(data, position)
    bits = 7 * (end - position)
    return number - ((number >> (bits - 1)) << bits), end
