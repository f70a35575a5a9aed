"""The code of `i8x16.shuffle` in the baseline compiler, for lanes of every pattern and any registers."""

from __future__ import annotations

import ctypes
import mmap
import random
from collections.abc import Iterator

import pytest

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.context import BaselineContext, BaselineOptions
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    RDI,
    RDX,
    RSI,
    VECTOR_PINNED,
    VECTOR_TEMPORARIES,
)
from wasmine.compiler.baseline.plans import ALL_VECTORS
from wasmine.compiler.baseline.shuffles import shuffle
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.baseline.stencils import Library
from wasmine.compiler.target import host_machine
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.text.assembler import wat2wasm

A = bytes(range(16))
B = bytes(range(16, 32))
REGISTERS = [
    (VECTOR_TEMPORARIES[-1], VECTOR_TEMPORARIES[-2]),
    (VECTOR_TEMPORARIES[-2], VECTOR_TEMPORARIES[-1]),
    (VECTOR_PINNED[0], VECTOR_TEMPORARIES[-1]),
    (VECTOR_TEMPORARIES[-1], VECTOR_PINNED[0]),
    (VECTOR_PINNED[0], VECTOR_PINNED[1]),
]


def patterns() -> Iterator[tuple[int, ...]]:
    """Lanes that keep wider lanes, of one operand or two; rotations; interleavings; any."""
    choose = random.Random(5)
    yield tuple(range(16))
    yield tuple(range(16, 32))
    for size in (1, 2, 4, 8):
        for operands in (1, 2):
            for _ in range(40):
                numbers = [choose.randrange(16 * operands // size) for _ in range(16 // size)]
                yield tuple(size * number + byte for number in numbers for byte in range(size))
        for start in (0, 8):
            lanes = [
                operand + first + byte
                for first in range(start, start + 8, size)
                for operand in (0, 16)
                for byte in range(size)
            ]
            yield tuple(lanes)
            yield tuple(lane ^ 16 for lane in lanes)
    for first in range(32):
        yield tuple((first + place) % 32 for place in range(16))
        yield tuple((first + place) % 16 for place in range(16))
    for _ in range(40):
        half = choose.choice((0, 4))
        low = [choose.randrange(4) ^ half for _ in range(2)]
        numbers = low + [choose.randrange(4) ^ half ^ 4 for _ in range(2)]
        yield tuple(4 * number + byte for number in numbers for byte in range(4))


def state() -> FunctionState:
    info = decode(wat2wasm("(module (func (local v128)))"))
    return FunctionState(
        BaselineContext(info, Library(b"", {}, ALL_VECTORS), BaselineOptions()),
        0,
        decode_body(info, 0),
    )


def finished(f: FunctionState) -> bytes:
    """The code with everything that belongs behind it, and its distances filled in."""
    for value, target in f.literals.items():
        f.bind(target)
        f.code += value
    for field, target in f.jumps:
        f.code[field : field + 4] = (target.at - field - 4).to_bytes(4, "little", signed=True)
    return bytes(f.code)


def shuffled(registers: tuple[int, int], lanes: tuple[int, ...]) -> bytes:
    """What the code makes of A and B in these registers."""
    f = state()
    places = (RDI, RSI)
    for register, place in zip(registers, places, strict=True):
        f.add(asm.load_x128(register - FIRST_VECTOR, place, 0))
        if register in f.free_vectors:
            f.free_vectors.remove(register)
    result = shuffle(f, *registers, bytes(lanes))
    f.add(asm.store_x128(result - FIRST_VECTOR, RDX, 0), b"\xc3")
    code = finished(f)
    assert result not in f.free_vectors
    taken = {*f.context.vector_temporaries} - {*f.free_vectors}
    assert taken == {result}
    room = ctypes.create_string_buffer(16)
    with mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as pages:
        pages.write(code)
        start = ctypes.c_char.from_buffer(pages)
        function = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        function(ctypes.addressof(start))(A, B, ctypes.addressof(room))
        del start
    return room.raw


@pytest.mark.skipif(host_machine().triple[:6] != "x86_64", reason="this is x86-64 code")
@pytest.mark.parametrize("registers", REGISTERS)
def test_lanes(registers: tuple[int, int]) -> None:
    wrong = {
        lanes: shuffled(registers, lanes)
        for lanes in patterns()
        if shuffled(registers, lanes) != bytes(lanes)
    }
    assert not wrong


@pytest.mark.skipif(host_machine().triple[:6] != "x86_64", reason="this is x86-64 code")
def test_one_register_for_both_operands() -> None:
    register = VECTOR_TEMPORARIES[-1]
    for lanes in patterns():
        # Both are loaded into it: what is there then is B.
        expected = bytes(16 + lane % 16 for lane in lanes)
        assert shuffled((register, register), lanes) == expected, lanes
