"""Every SIMD instruction against wasmtime, with what every processor has and with SSSE3."""

from __future__ import annotations

import ctypes

import pytest

from tests.vectors import INSTRUCTIONS, Run, differences, modules, reference
from wasmine.compiler.module import Options

from .jit import Program

CASES = 100
CONSTANTS = 3
SHAPES = sorted({opcode.name.partition(".")[0] for opcode in INSTRUCTIONS})


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
@pytest.mark.parametrize("ssse3", [False, True], ids=["any processor", "ssse3"])
@pytest.mark.parametrize("shape", SHAPES)
def test_matches_wasmtime(shape: str, ssse3: bool) -> None:
    opcodes = [opcode for opcode in INSTRUCTIONS if opcode.name.startswith(f"{shape}.")]
    source, strict = modules(opcodes, 0, CONSTANTS)
    ours, theirs = translated(source, Options(ssse3=ssse3)), reference(strict)
    for opcode in opcodes:
        assert not list(differences(opcode, 0, CASES, CONSTANTS, ours, theirs))
