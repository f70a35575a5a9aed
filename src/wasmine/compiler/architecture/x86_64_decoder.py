"""Where x86-64 instructions name registers: as much of a decoder as the code of stencils needs.

After Intel's manual, volume 2, chapter 2 and the opcode maps of appendix A. What it does not know it
refuses, so that a stencil is at worst missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from wasmine.compiler.baseline.templates import Field
from wasmine.errors import InternalError

GENERAL: Final = "g"
VECTOR: Final = "x"
NOTHING: Final = "-"
"""What a field of an instruction is: a register of one of two classes, or none."""

_VECTOR_BASE: Final = 16
RAX, RCX, RDX = range(3)


@dataclass
class Instruction:
    """One instruction, by offsets from the start of the code."""

    start: int
    end: int = 0
    opcode: int = 0
    """With 0x0F00, 0x0F3800 or 0x0F3A00 for the map."""
    modrm: int = -1
    """Where it is, or -1."""
    displacement: tuple[int, int] = (0, 0)
    """Where it is, and its size."""
    immediate: tuple[int, int] = (0, 0)
    registers: list[tuple[int, tuple[tuple[int, int], ...]]] = field(default_factory=list)
    """(number, fields): every register that it names; vector registers count from 16."""
    implied: tuple[int, ...] = ()
    """Registers that it changes or reads without naming them."""


def decode(code: bytes) -> Iterator[Instruction]:
    """The instructions. Raises InternalError for one that is not known."""
    position = 0
    while position < len(code):
        instruction = _Decoder(code, position).decode()
        yield instruction
        position = instruction.end


_GROUPS: Final = frozenset(
    (0x80, 0x81, 0x83, 0xC0, 0xC1, 0xC6, 0xC7, 0xD0, 0xD1, 0xD2, 0xD3, 0xF6, 0xF7, 0xFE, 0xFF)
)
_PLAIN: Final = frozenset((0x63, 0x69, 0x6B, *range(0x84, 0x8C), 0x8D))
_BY_OPCODE: Final = frozenset((*range(0x50, 0x60), *range(0x90, 0x98), *range(0xB0, 0xC0)))
_GENERAL_0F: Final = frozenset(
    (
        *range(0x40, 0x50),
        *(0xA3, 0xAB, 0xB3, 0xBB, 0xA4, 0xA5, 0xAC, 0xAD, 0xAF, 0xB0, 0xB1),
        *(0xB6, 0xB7, 0xB8, 0xBC, 0xBD, 0xBE, 0xBF, 0xC0, 0xC1, 0xC3),
    )
)
_GROUPS_0F: Final = frozenset((0x1F, *range(0x90, 0xA0), 0xAE, 0xBA, 0xC7))
_VECTOR_0F: Final = frozenset(
    (
        *range(0x10, 0x18),
        *range(0x28, 0x30),
        *range(0x50, 0x80),
        *(0xC2, 0xC4, 0xC5, 0xC6),
        *range(0xD0, 0x100),
    )
)
_IMMEDIATE_0F: Final = frozenset((0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6))
_BMI: Final = frozenset((0x0F38F2, 0x0F38F3, 0x0F38F5, 0x0F38F6, 0x0F38F7, 0x0F3AF0))
# By opcode: the class of ModRM's reg and that of its rm, where they are not both vectors.
_MIXED: Final = {
    0x0F2A: (VECTOR, GENERAL),
    0x0F2C: (GENERAL, VECTOR),
    0x0F2D: (GENERAL, VECTOR),
    0x0F50: (GENERAL, VECTOR),
    0x0F6E: (VECTOR, GENERAL),
    0x0F71: (NOTHING, VECTOR),
    0x0F72: (NOTHING, VECTOR),
    0x0F73: (NOTHING, VECTOR),
    0x0FC4: (VECTOR, GENERAL),
    0x0FC5: (GENERAL, VECTOR),
    0x0FD7: (GENERAL, VECTOR),
    0x0F3A14: (VECTOR, GENERAL),
    0x0F3A15: (VECTOR, GENERAL),
    0x0F3A16: (VECTOR, GENERAL),
    0x0F3A17: (VECTOR, GENERAL),
    0x0F3A20: (VECTOR, GENERAL),
    0x0F3A22: (VECTOR, GENERAL),
}
_TWO_OPERANDS: Final = frozenset(
    0x0F00 | low
    for low in (
        0x28,
        0x29,
        0x2C,
        0x2D,
        0x2E,
        0x2F,
        0x50,
        0x5B,
        0x6E,
        0x6F,
        0x70,
        0x7E,
        0x7F,
        0xD6,
        0xD7,
    )
)
"""Of those with a VEX prefix, the most frequent ones without a third operand."""
_LOADS_AND_STORES: Final = frozenset((0x0F10, 0x0F11, 0x0F13, 0x0F17))
"""Such as have a third operand between registers."""
_IS4: Final = frozenset((0x0F3A4A, 0x0F3A4B, 0x0F3A4C))
"""The upper half of the last byte is a register."""
_BLENDS: Final = frozenset((0x0F3810, 0x0F3814, 0x0F3815))
_SHIFTS_BY_CL: Final = frozenset((0xD2, 0xD3, 0x0FA5, 0x0FAD))
_MAPS: Final = {1: 0x0F00, 2: 0x0F3800, 3: 0x0F3A00}


class _Decoder:
    def __init__(self, code: bytes, start: int) -> None:
        self.code = code
        self.at = start
        self.made = Instruction(start)
        self.prefix = 0
        """The last of 66, F2, F3."""
        self.wide = False
        self.high: dict[str, tuple[int, int, int]] = {}
        """For b, x and r: the fourth bit of the number, where it is, and the Field."""
        self.vector_extra: tuple[int, int] | None = None
        """VEX.vvvv: the register's number, and where it is."""

    def decode(self) -> Instruction:
        self._prefixes()
        opcode = self._opcode()
        self.made.opcode = opcode
        if opcode >= 0x0F00 or self.vector_extra is not None:
            self._mapped(opcode)
        else:
            self._one_byte(opcode)
        self.made.end = self.at
        if self.at > len(self.code):
            raise self._unknown()
        return self.made

    def _unknown(self) -> InternalError:
        text = self.code[self.made.start : self.made.start + 15].hex(" ")
        return InternalError(f"an instruction that is not expected: {text}")

    def _byte(self) -> int:
        if self.at >= len(self.code):
            raise self._unknown()
        self.at += 1
        return self.code[self.at - 1]

    # --- what comes before the opcode ----------------------------------------------------------------

    def _prefixes(self) -> None:
        while (byte := self.code[self.at]) in (0x66, 0xF0, 0xF2, 0xF3):
            self.prefix = byte if byte != 0xF0 else self.prefix
            self.at += 1
        at = self.at
        if byte & 0xF0 == 0x40:
            self.at += 1
            self.wide = bool(byte & 8)
            self.high = {
                "b": (byte & 1, at, Field.REX_B),
                "x": (byte >> 1 & 1, at, Field.REX_X),
                "r": (byte >> 2 & 1, at, Field.REX_R),
            }
        elif byte in (0xC4, 0xC5):
            first = self.code[at + 1]
            self.high = {"r": (first >> 7 ^ 1, at + 1, Field.VEX_R)}
            last = at + 1
            if byte == 0xC4:
                self.high["x"] = (first >> 6 & 1 ^ 1, at + 1, Field.VEX_X)
                self.high["b"] = (first >> 5 & 1 ^ 1, at + 1, Field.VEX_B)
                last = at + 2
                self.wide = bool(self.code[last] & 0x80)
            self.vector_extra = (self.code[last] >> 3 & 15 ^ 15, last)
            self.prefix = (0, 0x66, 0xF3, 0xF2)[self.code[last] & 3]
            self.at = last + 1

    def _opcode(self) -> int:
        if self.vector_extra is not None:
            start = self.made.start
            map_ = self.code[start + 1] & 31 if self.code[start] == 0xC4 else 1
            if map_ not in _MAPS:
                raise self._unknown()
            return _MAPS[map_] | self._byte()
        opcode = self._byte()
        if opcode != 0x0F:
            return opcode
        opcode = self._byte()
        if opcode in (0x38, 0x3A):
            return 0x0F0000 | opcode << 8 | self._byte()
        return 0x0F00 | opcode

    # --- fields ----------------------------------------------------------------------------------------

    def _name(self, class_: str, low: int, high: str, at: int, kind: int) -> None:
        """An operand whose three low bits were found `at` a place, and its fourth somewhere else."""
        if class_ == NOTHING:
            return
        number, fields = low, [(at, kind)]
        if high in self.high:
            bit, place, high_kind = self.high[high]
            number |= bit << 3
            fields.append((place, high_kind))
        self.made.registers.append(
            (number + (_VECTOR_BASE if class_ == VECTOR else 0), tuple(fields))
        )

    def _operands(self, reg: str, rm: str) -> None:
        """ModRM and what belongs to it; the classes of its two operands."""
        at = self.made.modrm = self.at
        modrm = self._byte()
        mod, low = modrm >> 6, modrm & 7
        self._name(reg, modrm >> 3 & 7, "r", at, Field.REG)
        if mod == 3:
            self._name(rm, low, "b", at, Field.RM)
            return
        size = (0, 1, 4)[mod]
        if low == 4:
            sib = self._byte()
            index = sib >> 3 & 7
            if index != 4 or self.high.get("x", (0,))[0]:
                self._name(GENERAL, index, "x", at + 1, Field.REG)
            if sib & 7 == 5 and not mod:
                size = 4
            else:
                self._name(GENERAL, sib & 7, "b", at + 1, Field.RM)
        elif low == 5 and not mod:
            size = 4
        else:
            self._name(GENERAL, low, "b", at, Field.RM)
        self.made.displacement = (self.at, size)
        self.at += size

    def _immediate(self, size: int) -> None:
        self.made.immediate = (self.at, size)
        self.at += size

    @property
    def _full(self) -> int:
        """Bytes of an immediate as wide as the operands, if those are not of 8 bits."""
        return 2 if self.prefix == 0x66 else 4

    # --- opcodes ---------------------------------------------------------------------------------------

    def _one_byte(self, opcode: int) -> None:
        if (opcode < 0x40 and opcode & 7 < 4) or opcode in _PLAIN:
            self._operands(GENERAL, GENERAL)
            if opcode in (0x69, 0x6B):
                self._immediate(self._full if opcode == 0x69 else 1)
        elif (opcode < 0x40 and opcode & 7 < 6) or opcode in (0xA8, 0xA9):
            self.made.implied = (RAX,)
            self._immediate(self._full if opcode & 1 else 1)
        elif opcode in _GROUPS:
            self._group(opcode)
        elif opcode in _BY_OPCODE:
            self._by_opcode(opcode)
        elif opcode in (0x98, 0x99):
            self.made.implied = (RAX, RDX)
        elif opcode == 0xE9:
            self._immediate(4)
        elif opcode == 0xEB or 0x70 <= opcode < 0x80:
            self._immediate(1)
        else:
            raise self._unknown()

    def _by_opcode(self, opcode: int) -> None:
        """Opcodes whose low bits are a register."""
        self._name(GENERAL, opcode & 7, "b", self.at - 1, Field.RM)
        if opcode >= 0xB8:
            self._immediate(8 if self.wide else self._full)
        elif opcode >= 0xB0:
            self._immediate(1)
        elif opcode & 0xF8 == 0x90:
            self.made.implied = (RAX,)

    def _group(self, opcode: int) -> None:
        """Opcodes whose ModRM.reg says which instruction it is."""
        self._operands(NOTHING, GENERAL)
        which = self.code[self.made.modrm] >> 3 & 7
        if opcode in (0x80, 0x83, 0xC0, 0xC1, 0xC6):
            self._immediate(1)
        elif opcode in (0x81, 0xC7):
            self._immediate(self._full)
        elif opcode in (0xF6, 0xF7):
            if which < 2:
                self._immediate(1 if opcode == 0xF6 else self._full)
            elif which >= 4:
                self.made.implied = (RAX, RDX)
        elif opcode in _SHIFTS_BY_CL:
            self.made.implied = (RCX,)

    def _mapped(self, opcode: int) -> None:
        if self.vector_extra is None and 0x0F80 <= opcode < 0x0F90:
            self._immediate(4)
            return
        if 0x0FC8 <= opcode < 0x0FD0:
            self._name(GENERAL, opcode & 7, "b", self.at - 1, Field.RM)
            return
        reg, rm = self._classes(opcode)
        if self.vector_extra is not None and not self._has_two_operands(opcode):
            number, place = self.vector_extra
            vector = opcode not in _BMI
            # Of other instructions without such an operand the bits say 0, a register that is changed
            # by the code that this is for anyway.
            self.made.registers.append(
                (number + (_VECTOR_BASE if vector else 0), ((place, Field.VEX_V),))
            )
        self._operands(reg, rm)
        if opcode in _SHIFTS_BY_CL:
            self.made.implied = (RCX,)
        elif opcode in (0x0FB0, 0x0FB1):
            self.made.implied = (RAX,)
        elif opcode == 0x0F38F6:
            self.made.implied = (RDX,)
        elif opcode in _BLENDS and self.vector_extra is None:
            self.made.implied = (_VECTOR_BASE,)
        if opcode >> 8 == 0x0F3A or (opcode >> 8 == 0x0F and opcode & 0xFF in _IMMEDIATE_0F):
            self._immediate(1)
        if opcode in _IS4 and self.vector_extra is not None:
            at = self.made.immediate[0]
            number = self.code[at] >> 4
            self.made.registers.append((number + _VECTOR_BASE, ((at, Field.HIGH),)))

    def _has_two_operands(self, opcode: int) -> bool:
        in_memory = self.code[self.at] >> 6 != 3
        return opcode in _TWO_OPERANDS or (opcode in _LOADS_AND_STORES and in_memory)

    def _classes(self, opcode: int) -> tuple[str, str]:
        """What ModRM's reg and rm are."""
        low, map_ = opcode & 0xFF, opcode >> 8
        plain = self.vector_extra is None
        if opcode == 0x0F7E:
            return (VECTOR, VECTOR if self.prefix == 0xF3 else GENERAL)
        if opcode in _MIXED:
            return _MIXED[opcode]
        if opcode in _BMI or (plain and map_ == 0x0F and low in _GENERAL_0F | _GROUPS_0F):
            group = opcode == 0x0F38F3 or (map_ == 0x0F and low in _GROUPS_0F)
            return (NOTHING if group else GENERAL, GENERAL)
        if (map_ == 0x0F and low not in _VECTOR_0F) or (map_ == 0x0F38 and low >= 0xF0):
            raise self._unknown()
        return VECTOR, VECTOR
