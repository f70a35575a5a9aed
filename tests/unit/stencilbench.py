"""Runs pieces of the stencil library: registers, frame and memory in, the same out."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass, field

from wasmine.compiler.baseline.locations import FRAME, MEMORY, VM
from wasmine.compiler.baseline.stencils import Library
from wasmine.compiler.baseline.templates import HoleKind

RSP, RDI = 4, 7
GENERAL = tuple(number for number in range(16) if number != RSP)
STATE_SIZE = 16 * 8 + 16 * 16
FRAME_SIZE = 1024
MEMORY_SIZE = 4096
SAVED = (3, 5, 12, 13, 14, 15)


def _vector_access(opcode: int, number: int) -> bytes:
    """movups between a vector register and its place in the state that rdi points to."""
    prefix = b"\x44" if number >= 8 else b""
    place = (16 * 8 + 16 * number).to_bytes(4, "little")
    return prefix + bytes((0x0F, opcode, 0x80 | (number & 7) << 3 | RDI)) + place


def _general_access(opcode: int, number: int) -> bytes:
    """mov between a general register and its place in the state."""
    place = (8 * number).to_bytes(4, "little")
    return bytes((0x48 | number >> 3 << 2, opcode, 0x80 | (number & 7) << 3 | RDI)) + place


def _stack(opcode: int, number: int) -> bytes:
    return (b"\x41" if number >= 8 else b"") + bytes((opcode | number & 7,))


PROLOGUE = (
    b"".join(_stack(0x50, number) for number in SAVED)
    + _stack(0x50, RDI)
    + b"".join(_vector_access(0x10, number) for number in range(16))
    + b"".join(_general_access(0x8B, number) for number in GENERAL if number != RDI)
    + _general_access(0x8B, RDI)
)
EPILOGUE = (
    b"\x48\x87\x3c\x24"  # xchg rdi, [rsp]
    + b"".join(_general_access(0x89, number) for number in GENERAL if number != RDI)
    + b"".join(_vector_access(0x11, number) for number in range(16))
    + _stack(0x58, 0)
    + _general_access(0x89, 0).replace(b"\x00\x00\x00\x00", (8 * RDI).to_bytes(4, "little"))
    + b"".join(_stack(0x58, number) for number in reversed(SAVED))
)


def _exit(number: int) -> bytes:
    """Save the registers and return a number."""
    return EPILOGUE + b"\xb8" + number.to_bytes(4, "little") + b"\xc3"


@dataclass
class State:
    """Registers by their numbers, vectors from 16 on; what lies in the frame and in memory."""

    registers: dict[int, int] = field(default_factory=dict)
    frame: bytearray = field(default_factory=lambda: bytearray(FRAME_SIZE))
    memory: bytearray = field(default_factory=lambda: bytearray(MEMORY_SIZE))
    exit: tuple[int, int] | None = None
    """The HoleKind and number of the hole through which the piece was left, if it did not go on."""


class Bench:
    """One place in memory for code, a frame and a linear memory."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.code = mmap.mmap(-1, 1 << 16, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.code[: len(library.constants)] = library.constants
        self.start = -(-len(library.constants) // 16) * 16
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.code))
        self.frame = (ctypes.c_char * FRAME_SIZE)()
        self.memory = (ctypes.c_char * MEMORY_SIZE)()
        self.state = (ctypes.c_char * STATE_SIZE)()
        self.function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self.base + self.start)

    @property
    def memory_address(self) -> int:
        return ctypes.addressof(self.memory)

    def write(self, piece: bytes) -> list[tuple[int, int]]:
        """Put the piece where `function` is; what leaving by each of its exits means."""
        body = bytearray(PROLOGUE + piece)
        exits: list[tuple[int, int]] = []
        body += _exit(0)
        for hole in getattr(piece, "holes", ()):
            offset = len(PROLOGUE) + hole.offset
            end = offset + 4 + hole.trailing
            if hole.kind == HoleKind.CONSTANT:
                distance = hole.number - (self.start + end)
            else:
                exits.append((hole.kind, hole.number))
                distance = len(body) - end
                body += _exit(len(exits))
            body[offset : offset + 4] = distance.to_bytes(4, "little", signed=True)
        self.code[self.start : self.start + len(body)] = bytes(body)
        return exits

    def run(self, piece: bytes, state: State) -> State:
        """What is where after the piece."""
        exits = self.write(piece)
        values = {
            **state.registers,
            FRAME: ctypes.addressof(self.frame),
            MEMORY: self.memory_address,
            VM: 0x1234_5678_9ABC_DEF0,
        }
        packed = bytearray(STATE_SIZE)
        for number, value in values.items():
            if number < 16:
                packed[8 * number : 8 * number + 8] = value.to_bytes(8, "little")
            else:
                place = 128 + 16 * (number - 16)
                packed[place : place + 16] = value.to_bytes(16, "little")
        self.state.raw = bytes(packed)
        self.frame.raw = bytes(state.frame)
        self.memory.raw = bytes(state.memory)
        number = self.function(ctypes.addressof(self.state))
        raw = self.state.raw
        registers = {
            number: int.from_bytes(raw[8 * number : 8 * number + 8], "little") for number in GENERAL
        }
        for vector in range(16):
            place = 128 + 16 * vector
            registers[16 + vector] = int.from_bytes(raw[place : place + 16], "little")
        for fixed in (FRAME, MEMORY, VM):
            assert registers.pop(fixed) == values[fixed], "a fixed register has changed"
        return State(
            registers,
            bytearray(self.frame.raw),
            bytearray(self.memory.raw),
            exits[number - 1] if number else None,
        )
