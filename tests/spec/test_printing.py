"""What the disassembler prints of every module of the suite assembles to the same bytes."""

from __future__ import annotations

import pytest

from wasmine.errors import CompileError
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import disassemble
from wasmine.wasm.features import ALL
from wasmine.wasm.text.assembler import wat2wasm
from wasmine.wasm.text.commands import AssertInvalid, ModuleCommand
from wasmine.wasm.text.script import parse_script

from . import suite

if not suite.names():
    pytest.skip("no WebAssembly test suite", allow_module_level=True)


@pytest.mark.parametrize("name", suite.names())
def test_printing(name: str) -> None:
    for command in parse_script(suite.path(name).read_bytes()):
        # modules in binary may be written in ways that the text cannot say
        if isinstance(command, ModuleCommand | AssertInvalid) and command.source.kind == "text":
            try:
                data = command.source.encode()
                text = "\n".join(disassemble(decode(data, ALL, resolve=False)))
            except CompileError:  # invalid in a way that has no text
                assert isinstance(command, AssertInvalid)
                continue
            assert wat2wasm(text) == data, f"line {command.line}"
