"""Every SIMD instruction against wasmtime, with what every processor has and with SSSE3."""

from __future__ import annotations

import ctypes

import pytest
import wasmtime

from tests.vectors import INSTRUCTIONS, PAGES, Run, differences, module
from wasmine.compiler.module import Options
from wasmine.wasm.opcodes import Opcode

from .jit import Program

CASES = 60
CONSTANTS = 3


def reference(source: str) -> Run:
    """A module's memory in wasmtime, before and after a call."""
    store = wasmtime.Store()
    compiled = wasmtime.Module(store.engine, source)
    exports = wasmtime.Instance(store, compiled, []).exports(store)
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory)

    def run(content: bytes, name: str, argument: int) -> bytes:
        memory.write(store, content)
        function = exports[name]
        assert isinstance(function, wasmtime.Func)
        function(store, argument)
        return bytes(memory.read(store, 0, len(content)))

    return run


def translated(source: str, options: Options) -> Run:
    """The same with the functions as the translator writes them."""
    program = Program(source, options)
    place = program.memories[0].base

    def run(content: bytes, name: str, argument: int) -> bytes:
        ctypes.memmove(place, content, len(content))
        assert program.call(name, argument) == ()
        return ctypes.string_at(place, len(content))

    return run


@pytest.mark.parametrize("ssse3", [False, True], ids=["any processor", "ssse3"])
@pytest.mark.parametrize("opcode", INSTRUCTIONS, ids=lambda opcode: opcode.name)
def test_matches_wasmtime(opcode: Opcode, ssse3: bool) -> None:
    ours, _ = module(opcode, 0, CASES, CONSTANTS, strict=False)
    theirs, _ = module(opcode, 0, CASES, CONSTANTS, strict=True)
    assert PAGES << 16 >= CASES * 64
    found = differences(
        opcode,
        0,
        CASES,
        CONSTANTS,
        translated(ours, Options(ssse3=ssse3)),
        reference(theirs),
    )
    assert not list(found)
