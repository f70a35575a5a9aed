"""Line programs from .debug_line, with the places of functions filled in.

The byte offset of an instruction in its module is given to LLVM as the line of its debug location;
what comes back is LLVM's line number program (DWARF version 4 or 5, section 6.2), which is not run
here: see `wasmine.abi.linetable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

from wasmine.abi.linetable import LineProgram
from wasmine.compiler.elf import SHF_EXECINSTR, ObjectFile
from wasmine.errors import InternalError

_UNIT = Struct("<IH")  # length, version
_VERSIONS = (4, 5)
_ADDRESS = Struct("<Q")


def read_line_programs(file: ObjectFile, targets: Sequence[int]) -> Iterator[LineProgram]:
    """The line programs of an object; `targets` are the places of its symbols in the image."""
    for index, section in enumerate(file.sections):
        if section.name != ".debug_line":
            continue
        data = bytearray(file.content(section))
        for offset, _, symbol, addend in file.relocations(index):
            # In version 5 others are in the tables of files, which are not read.
            if file.sections[file.symbols[symbol].section].flags & SHF_EXECINSTR:
                _ADDRESS.pack_into(data, offset, targets[symbol] + addend)
        yield from _units(bytes(data))


def _units(data: bytes) -> Iterator[LineProgram]:
    offset = 0
    while offset < len(data):
        length, version = _UNIT.unpack_from(data, offset)
        if version not in _VERSIONS:
            raise InternalError(f"line information of version {version}")
        end = offset + 4 + length
        # Version 5 says here how large addresses and segment selectors are.
        position = offset + _UNIT.size + (2 if version == 5 else 0)
        header_length = int.from_bytes(data[position : position + 4], "little")
        fields = position + 4
        start = fields + header_length
        # The maximum of operations per instruction and the default of is_stmt do not matter.
        instruction_size, _, _, base, line_range, opcode_base = data[fields : fields + 6]
        counts = data[fields + 6 : fields + 5 + opcode_base]
        line_base = base - 256 if base > 127 else base
        yield LineProgram(line_base, line_range, instruction_size, counts, data[start:end])
        offset = end
