"""From the code that LLVM made for a draft to a stencil: jumps put in order, fields found and emptied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from wasmine.compiler.architecture.x86_64_decoder import Instruction, decode
from wasmine.compiler.baseline.drafts import Draft
from wasmine.compiler.baseline.locations import FIRST_VECTOR
from wasmine.compiler.baseline.plans import FIRST_TAKEN
from wasmine.compiler.baseline.templates import (
    BITS,
    LONG_VEX,
    Field,
    HoleKind,
    Stencil,
    Value,
    ValueKind,
)
from wasmine.errors import InternalError

_SCRATCH: Final = frozenset((0, 1, 2, 10, 11, 16, *range(23, 32)))
"""What code may use as it likes."""
_MERGING: Final = frozenset((0x0F2A, 0x0F51, 0x0F5A, 0x0F3A0A, 0x0F3A0B))
"""Of scalars: conversions, roots, rounding. Lanes above the result come from another register."""
_FIXED: Final = frozenset((5, 12, 13))
"""The frame, the memory base and the VMContext: read only."""
_JUMP: Final = 0xE9
_SHORT_JUMP: Final = 0xEB
_SHORT_VEX: Final = 0xC5
NEXT: Final = "next"
TARGET: Final = "target"
TRAP: Final = "trap."
"""Symbols that stencils jump to; behind the last is a TrapCode."""


class Reference(NamedTuple):
    """A field that a relocation fills in."""

    offset: int
    """From the start of the function."""
    symbol: str
    """Its name, or empty for a constant."""
    size: int
    """Bytes, 0 if it is relative to the program counter."""
    addend: int
    """To the symbol's value; of a constant, its place in the pool less the bytes behind the field."""


# --- jumps -------------------------------------------------------------------------------------------


@dataclass
class _Line:
    """An instruction, or a jump with where it leads: a line, or a symbol."""

    row: Instruction
    code: bytes
    condition: int | None = None
    """Of a conditional jump; -1 of any other."""
    to: _Line | str = ""

    @property
    def always(self) -> bool:
        return self.condition == -1


def straighten(
    code: bytes, references: list[Reference]
) -> tuple[bytes, list[Reference], list[tuple[int, str]]]:
    """The code without jumps to jumps, and without the last one if that leads to what comes next.

    Also the references in it, and (offset, symbol) of the fields of jumps out of it.
    """
    symbols = {reference.offset: reference.symbol for reference in references}
    lines = _lines(code, symbols)
    _thread(lines)
    lines = _reached(lines)
    _shorten_end(lines)
    made = bytearray()
    starts: dict[int, int] = {}
    inner: list[tuple[int, int, _Line | str]] = []
    outer: list[tuple[int, str]] = []
    small = (
        sum(6 if line.condition is not None else len(widened(line.code)) for line in lines) < 128
    )
    for line in lines:
        starts[line.row.start] = len(made)
        if line.condition is None:
            made += widened(line.code)
        elif line.to != NEXT and isinstance(line.to, str):
            made += _jump(line.condition, 4)
            outer.append((len(made) - 4, line.to))
        else:
            size = 1 if small else 4
            made += _jump(line.condition, size)
            inner.append((len(made) - size, size, line.to))
    for offset, size, to in inner:
        place = len(made) if isinstance(to, str) else starts[to.row.start]
        made[offset : offset + size] = (place - offset - size).to_bytes(size, "little", signed=True)
    moved = []
    for reference in references:
        row = _containing(lines, reference.offset)
        if row is not None:
            offset = reference.offset - row.start + starts[row.start]
            offset += code[row.start] == _SHORT_VEX
            moved.append(reference._replace(offset=offset))
    return bytes(made), moved, outer


def widened(code: bytes) -> bytes:
    """An instruction with the long form of a VEX prefix, which has room for all sixteen registers."""
    if code[0] != _SHORT_VEX:
        return code
    return bytes((LONG_VEX, code[1] & 0x80 | 0x61, code[1] & 0x7F)) + code[2:]


def _lines(code: bytes, symbols: dict[int, str]) -> list[_Line]:
    lines = [_Line(row, code[row.start : row.end]) for row in decode(code)]
    by_start = {line.row.start: line for line in lines}
    for line in lines:
        row = line.row
        if row.opcode in (_JUMP, _SHORT_JUMP):
            line.condition = -1
        elif _is_conditional(row):
            line.condition = row.opcode & 15
        else:
            continue
        offset, size = row.immediate
        symbol = symbols.get(offset, "")
        if symbol:
            line.to = symbol
            continue
        distance = int.from_bytes(code[offset : offset + size], "little", signed=True)
        line.to = by_start[row.end + distance]
    if not lines or not lines[-1].always:
        raise InternalError("a stencil does not end in a jump")
    return lines


def _thread(lines: list[_Line]) -> None:
    """Jumps to jumps lead where those do."""
    for line in lines:
        while isinstance(line.to, _Line) and line.to.always and line.to is not line:
            line.to = line.to.to


def _reached(lines: list[_Line]) -> list[_Line]:
    """What is ever executed."""
    wanted = {id(lines[0])}
    falls = True
    for line in lines:
        if falls:
            wanted.add(id(line))
        # Jumps that lead back lead to what has been reached from above.
        if id(line) in wanted:
            falls = not line.always
            if isinstance(line.to, _Line):
                wanted.add(id(line.to))
    return [line for line in lines if id(line) in wanted]


def _shorten_end(lines: list[_Line]) -> None:
    """Nothing jumps at the end to what comes next; a branch there is a single jump."""
    if lines[-1].to == NEXT:
        lines.pop()
    elif len(lines) > 1 and lines[-2].to == NEXT and (lines[-2].condition or 0) >= 0:
        last, before = lines.pop(), lines[-1]
        if before.condition is None or any(line.to is last for line in lines):
            raise InternalError("a stencil whose jumps are not understood")
        before.condition ^= 1
        before.to = last.to


def _jump(condition: int, size: int) -> bytes:
    """A jump with an empty field."""
    if condition < 0:
        return bytes((_JUMP if size == 4 else _SHORT_JUMP,)) + bytes(size)
    return (bytes((0x0F, 0x80 | condition)) if size == 4 else bytes((0x70 | condition,))) + bytes(
        size
    )


def _containing(lines: list[_Line], offset: int) -> Instruction | None:
    """The instruction that a field belongs to, if it is left and no jump."""
    for line in lines:
        if line.row.start <= offset < line.row.end:
            return line.row if line.condition is None else None
    return None


# --- fields ------------------------------------------------------------------------------------------


class Extraction:
    """One draft with its code, on the way to a stencil."""

    def __init__(self, draft: Draft, code: bytes, references: list[Reference]) -> None:
        """Raises InternalError if the code cannot be a stencil, as `stencil` does."""
        self.draft = draft
        made, self.references, jumps = straighten(code, references)
        self.code = bytearray(made)
        self.rows = list(decode(made))
        self.straight = not any(map(_is_jump, self.rows))
        self.values: list[Value] = []
        self.holes: list[tuple[int, int, int, int]] = []
        for offset, symbol in jumps:
            if symbol == TARGET:
                self.holes.append((offset, HoleKind.TARGET, 0, 0))
            elif symbol.startswith(TRAP):
                self.holes.append((offset, HoleKind.TRAP, int(symbol.removeprefix(TRAP)), 0))
            else:
                raise InternalError(f"a stencil jumps to {symbol}")

    def stencil(self) -> Stencil:
        """The finished stencil."""
        for reference in self.references:
            row = next(row for row in self.rows if row.start <= reference.offset < row.end)
            if reference.size:
                operand = int(reference.symbol[1])
                field = reference.offset, reference.size
                self._value(row, *field, operand, reference.addend)
            else:
                trailing = row.end - reference.offset - 4
                place = reference.addend + trailing
                self.holes.append((reference.offset, HoleKind.CONSTANT, place, trailing))
        if self.draft.magic:
            self._find_magic(self.draft.magic)
        uses, registers = self._registers()
        self._check_values()
        prefixes = tuple(row.start for row in self.rows if self._can_be_short(row))
        vectors = any(self.code[row.start] == LONG_VEX for row in self.rows)
        if vectors and uses >= 1 << FIRST_TAKEN:
            raise InternalError("a stencil uses registers that are not scratch")
        values = tuple(sorted(self.values, reverse=True))
        return Stencil(bytes(self.code), registers, values, tuple(self.holes), uses, prefixes)

    def _can_be_short(self, row: Instruction) -> bool:
        """Whether there is a short form of its VEX prefix if the registers are among the first eight."""
        first, second, third = self.code[row.start : row.start + 3]
        return self.straight and first == LONG_VEX and second & 0x1F == 1 and third & 0x80 == 0

    def _value(
        self,
        row: Instruction,
        offset: int,
        size: int,
        operand: int,
        addend: int = 0,
        *,
        sign: int = 1,
    ) -> None:
        """A field for the number of an operand."""
        at, kind = row.modrm, ValueKind.PLAIN
        if not self.straight or size != 4:
            pass
        elif row.displacement == (offset, 4) and self.code[at] >> 6 == 2:
            kind = ValueKind.DISPLACEMENT
        elif row.immediate == (offset, 4) and row.opcode in (0x81, 0x69):
            kind = ValueKind.IMMEDIATE
        self.values.append((offset, size, operand, sign, addend, kind, max(at, 0)))
        self.code[offset : offset + size] = bytes(size)

    def _find_magic(self, magic: int) -> None:
        """The field that holds the constant which the text has, or its negative."""
        size = 1 if abs(magic) < 128 else 4
        modulus = self.draft.width if size == 1 else 1 << 32
        magic %= modulus
        found = 0
        for row in self.rows:
            for offset, length in (row.immediate, row.displacement):
                if length != size:
                    continue
                number = int.from_bytes(self.code[offset : offset + size], "little")
                if number in (magic, -magic % modulus):
                    sign = 1 if number == magic else -1
                    self._value(row, offset, size, len(self.draft.pattern) - 1, sign=sign)
                    found += 1
        if found != 1:
            raise InternalError("a constant that is not once in the code")

    def _registers(self) -> tuple[int, tuple[tuple[tuple[int, int], ...], ...]]:
        """Which scratch registers are changed, and where each location's register is named."""
        wanted: dict[int, int] = {}
        for index, place in enumerate(self.draft.places):
            if place is not None:
                wanted.setdefault(place, index)
        found: list[list[tuple[int, int]]] = [[] for _ in self.draft.types]
        uses = 0
        for row in self.rows:
            for number in row.implied:
                uses |= 1 << number
            for number, fields in row.registers:
                if number >= FIRST_TAKEN and is_merged(row, fields):
                    self._read_less_used(fields)
                elif number in wanted:
                    self._release(number, fields)
                    found[wanted[number]] += fields
                elif number in _SCRATCH:
                    uses |= 1 << number
                elif number not in _FIXED:
                    raise InternalError(f"a stencil uses register {number}")
        return uses, tuple(map(tuple, found))

    def _read_less_used(self, fields: tuple[tuple[int, int], ...]) -> None:
        """LLVM chose any register for lanes that do not matter: one that is hardly ever written."""
        ((offset, kind),) = fields
        self.code[offset] &= ~(BITS[kind][15] | BITS[kind][0])
        self.code[offset] |= BITS[kind][FIRST_TAKEN - 1 - FIRST_VECTOR]

    def _release(self, number: int, fields: tuple[tuple[int, int], ...]) -> None:
        """Empty the fields that hold a register's number."""
        if number < FIRST_VECTOR and len(fields) < 2 and fields[0][1] != Field.VEX_V:
            raise InternalError("a register's number has no fourth bit")
        for offset, kind in fields:
            self.code[offset] &= ~(BITS[kind][15] | BITS[kind][0])

    def _check_values(self) -> None:
        """Every operand that is no register is somewhere in the code."""
        here = {value[2] for value in self.values}
        types = self.draft.types
        for index, letter in enumerate(self.draft.pattern):
            # A constant address is a part of the sum behind the locations.
            number = len(types) if types[index] == "m" else index
            if letter in "lck" and number not in here:
                raise InternalError("an operand that the code does not have")


def is_merged(row: Instruction, fields: tuple[tuple[int, int], ...]) -> bool:
    """Whether a register is only where lanes come from that do not matter."""
    return row.opcode in _MERGING and fields[0][1] == Field.VEX_V


def _is_conditional(row: Instruction) -> bool:
    return 0x70 <= row.opcode < 0x80 or 0x0F80 <= row.opcode < 0x0F90


def _is_jump(row: Instruction) -> bool:
    return row.opcode in (_JUMP, _SHORT_JUMP) or _is_conditional(row)


_COPIES: Final = frozenset((0x89, 0x8B, 0x0F28, 0x0F6F))


def may_share(alias: str, stencil: Stencil) -> bool:
    """Whether a stencil still works when its result is where the operands are that `alias` says.

    It does if it reads them last in the first instruction that names the result. A copy from the one
    to the other shows that there is shorter code.
    """
    rows = list(decode(stencil.code))
    fields = stencil.registers[0]
    if not fields or any(map(_is_jump, rows)):
        return not fields
    first = min(offset for offset, _ in fields)
    row = next(row for row in rows if row.start <= first < row.end)
    end = row.end
    if row.opcode in _COPIES and not row.displacement[1] and len(rows) > 1:
        return False
    return all(
        offset < end
        for index, letter in enumerate(alias)
        if letter == "0" and index
        for offset, _ in stencil.registers[index]
    )
