"""Every SIMD instruction against wasmtime, with what every processor has and with SSSE3."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pytest

from tests.vectors import INSTRUCTIONS, Run, differences, modules, reference
from wasmine.compiler.module import Options
from wasmine.compiler.reshaping import RELAXED, SSSE3
from wasmine.wasm.opcodes import Opcode

from .jit import Program

CASES = 100
CONSTANTS = 3
SHORTER = [opcode for opcode in INSTRUCTIONS if RELAXED.get(opcode.name, opcode.name) in SSSE3]
"""What is compiled in another way with SSSE3."""


def shapes(opcodes: Sequence[Opcode]) -> list[str]:
    """The shapes that instructions are named after."""
    return sorted({opcode.name.partition(".")[0] for opcode in opcodes})


def translated(source: str, options: Options) -> Run:
    """A module's memory before and after a call, with functions as the translator writes them."""
    program = Program(source, options)
    place = program.memories[0].base

    def run(content: bytes, name: str, argument: int) -> bytes:
        ctypes.memmove(place, content, len(content))
        assert program.call(name, argument) == ()
        return ctypes.string_at(place, len(content))

    return run


# One module for each shape: compiling takes nearly all of the time.
@pytest.mark.parametrize("shape", shapes(INSTRUCTIONS))
def test_matches_wasmtime(shape: str) -> None:
    match([opcode for opcode in INSTRUCTIONS if opcode.name.startswith(f"{shape}.")], ssse3=False)


def test_matches_wasmtime_with_ssse3() -> None:
    assert shapes(SHORTER) == ["i16x8", "i32x4", "i8x16"]
    match(SHORTER, ssse3=True)


def match(opcodes: Sequence[Opcode], *, ssse3: bool) -> None:
    """Compare the results of these instructions."""
    source, strict = modules(opcodes, 0, CONSTANTS)
    ours, theirs = translated(source, Options(ssse3=ssse3)), reference(strict)
    for opcode in opcodes:
        assert not list(differences(opcode, 0, CASES, CONSTANTS, ours, theirs))
