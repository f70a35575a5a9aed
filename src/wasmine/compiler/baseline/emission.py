"""The code of a function while it is appended, and what is to be filled in when all of it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from wasmine.abi.baseline import CELL_NUMBERS, Fixup, FixupKind
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import FIRST_VECTOR, RDI
from wasmine.compiler.baseline.templates import HoleKind, Piece

NOWHERE: Final = -1
"""The position of code that belongs to no instruction."""


class Target:
    """A place in the code that jumps lead to; `at` is its offset once it is bound."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = -1


class Emission:
    """Code, and what is known of it."""

    def __init__(self, library: Mapping[tuple[Any, ...], bytes]) -> None:
        self.library = library
        self.code = bytearray()
        """The code, without the prologue: all offsets are from its start until all is done."""
        self.fixups: list[Fixup] = []
        self.jumps: list[tuple[int, Target]] = []
        """Fields of four bytes that are to hold the distance to a target from behind them."""
        self.sites: list[int] = []
        """Where code begins that may fault, or calls."""
        self.positions: list[int] = []
        """Of which instruction it is, or NOWHERE."""
        self.frames: list[tuple[int, Target | None]] = []
        """From which offset on exceptions of calls land where."""
        self.landing: Target | None = None
        """Where exceptions land that come out of what is called now."""
        self.cold: list[Callable[[], None]] = []
        """What writes code behind the function."""
        self.tables: list[tuple[int, list[Target]]] = []
        """Where tables of distances are, and of which targets."""
        self.literals: dict[bytes, Target] = {}
        """Constants of 8 or 16 bytes that stand behind the code."""
        self.loops: list[int] = []
        """The position of each loop with a counter."""
        self.exit = Target()
        """Where the function returns, with its results in their registers."""
        self.tail_exit = Target()
        """Where the function gives up its frame and goes on at the address in RAX."""
        self.tail_calls = False
        """Whether anything leads to `tail_exit`."""
        self.calls = False
        """Whether there is any call but to trap."""

    def emit(self, key: tuple[Any, ...], position: int = 0, target: Target | None = None) -> None:
        """Append a stencil (`stencils` says what keys there are). Traps are at this instruction."""
        piece = self.library[key]
        if type(piece) is bytes:
            self.code += piece
        elif isinstance(piece, Piece):
            self.place_piece(piece, position, target)

    def place_piece(self, piece: Piece, position: int, target: Target | None = None) -> None:
        """Append a stencil with holes; `target` is where it branches to."""
        start = len(self.code)
        self.code += piece
        for offset, kind, index, trailing in piece.holes:
            at = start + offset
            if kind == HoleKind.CONSTANT:
                self.fixups.append((at, FixupKind.CONSTANT, index, trailing))
            elif kind == HoleKind.TRAP:
                self.jumps.append((at, self.trap(position, index)))
            elif target is not None:
                self.jumps.append((at, target))

    def add(self, *instructions: bytes) -> None:
        """Append instructions of the assembler."""
        for instruction in instructions:
            self.code += instruction

    def load_literal(self, register: int, value: bytes) -> None:
        """A vector register becomes a constant of 8 or 16 bytes, which stands behind the code."""
        load = asm.load_x64_relative if len(value) == 8 else asm.load_x128_relative
        self.code += load(register - FIRST_VECTOR)
        self.jumps.append((len(self.code) - 4, self.literals.setdefault(value, Target())))

    # --- jumps -----------------------------------------------------------------------------------

    def bind(self, target: Target) -> None:
        """A target is here. What registers hold has to be the same on all ways."""
        target.at = len(self.code)

    def jump(self, target: Target) -> None:
        """Go on at a target."""
        self.code += asm.JUMP
        self.jumps.append((len(self.code) - 4, target))

    def jump_if(self, condition: int, target: Target) -> None:
        """Go on at a target if a condition code of the assembler holds."""
        code = self.code
        if condition >= asm.FLOAT_EQUAL:
            if condition == asm.FLOAT_EQUAL:
                code += asm.SKIP_IF_UNORDERED
                condition = asm.EQUAL
            else:
                self.jump_if(asm.PARITY, target)
                condition = asm.NOT_EQUAL
        code += asm.jump_if(condition)
        self.jumps.append((len(code) - 4, target))

    def leave_for_tail_call(self) -> None:
        """Give the frame up and go on at the address in RAX."""
        self.tail_calls = True
        self.jump(self.tail_exit)

    def locate(self, position: int) -> None:
        """The code from here on belongs to this instruction, or NOWHERE: for what may fault, and calls."""
        self.sites.append(len(self.code))
        self.positions.append(position)

    def trap(self, position: int, code: int) -> Target:
        """A target, behind the function, that traps with a TrapCode at this instruction."""
        target = Target()

        def write() -> None:
            self.bind(target)
            self.locate(position)
            self.code += asm.move_immediate(RDI, code)
            self.call_cell("wasmer_vm_raise_trap")

        self.cold.append(write)
        return target

    def call_cell(self, symbol: str) -> None:
        """Call a native function whose arguments are in their registers."""
        self.code += asm.CALL_CELL
        self.fixups.append((len(self.code) - 4, FixupKind.CELL, CELL_NUMBERS[symbol], 0))
