"""Baseline code of a module, placed in memory and called by ctypes, without the runtime."""

from __future__ import annotations

import ctypes
import mmap
from functools import cache
from struct import pack
from typing import Any

from wasmine.abi.baseline import CELL_NUMBERS, RUNTIME_CELLS, CompiledFunction, FixupKind
from wasmine.abi.vmcontext import VMStoreContext
from wasmine.compiler.baseline.context import BaselineContext, BaselineOptions
from wasmine.compiler.baseline.function import compile_function
from wasmine.compiler.baseline.generator import generate
from wasmine.compiler.baseline.stencils import Library
from wasmine.wasm.body import decode_body
from wasmine.wasm.code_validator import validate_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.text.assembler import wat2wasm

_TYPES: dict[str, Any] = {
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}
_ROOM = 1 << 24
_ENTRIES = 8 * len(RUNTIME_CELLS)


@cache
def library() -> Library:
    """The stencils, generated once."""
    return Library.load(generate())


class Placed:
    """All functions of a module, compiled and callable. Cells, entries and counters lie before the code."""

    def __init__(self, text: str, *, counters: bool = False) -> None:
        self.info = info = decode(wat2wasm(text))
        self.context = BaselineContext(info, library(), BaselineOptions(counters=counters))
        self._memory = mmap.mmap(-1, _ROOM, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.counters = _ENTRIES + 8 * len(info.bodies)
        self._constants = self.counters + 4 * (len(info.bodies) + 64) + 63 & ~63
        self._next = self._constants + len(library().constants)
        self._memory[self._constants : self._next] = library().constants
        self.store = VMStoreContext()
        self._room = ctypes.create_string_buffer(self.context.offsets.size_of_vmctx() + 16)
        self.vmctx = ctypes.addressof(self._room) + 15 & ~15
        place = self.vmctx + self.context.offsets.vmctx_store()
        ctypes.c_size_t.from_address(place).value = ctypes.addressof(self.store)
        self.compiled = [self._place(index) for index in range(len(info.bodies))]
        self._exports = {export.name: export.index for export in info.exports}

    def _place(self, local_index: int) -> CompiledFunction:
        body = decode_body(self.info, local_index)
        validate_body(self.info, local_index, body)
        compiled = compile_function(self.context, local_index, body)
        at = self.place(compiled.code, compiled)
        cell = _ENTRIES + 8 * local_index
        self._memory[cell : cell + 8] = pack("<Q", at)
        return compiled

    def place(self, content: bytes, compiled: CompiledFunction | None = None) -> int:
        """Append code; its address."""
        code, start = bytearray(content), self._next + 15 & ~15
        bases = {
            FixupKind.ENTRY: (_ENTRIES, 8),
            FixupKind.COUNTER: (self.counters, 4),
            FixupKind.CONSTANT: (self._constants, 1),
            FixupKind.CELL: (0, 8),
        }
        for offset, kind, number, trailing in compiled.fixups if compiled else ():
            base, size = bases[FixupKind(kind)]
            distance = base + number * size - (start + offset + 4 + trailing)
            code[offset : offset + 4] = pack("<i", distance)
        self._next = start + len(code)
        self._memory[start : self._next] = bytes(code)
        return self._start + start

    def set_cell(self, symbol: str, address: int) -> None:
        """What code finds when it calls a function of the runtime."""
        place = 8 * CELL_NUMBERS[symbol]
        self._memory[place : place + 8] = pack("<Q", address)

    def set_counters(self, value: int) -> None:
        """All counters, of one function and its loops."""
        self._memory[self.counters : self.counters + 256] = pack("<i", value) * 64

    def call(self, name: str, *arguments: float) -> int | float | None:
        """Call an exported function, with at most one result."""
        index = self._exports[name] - self.info.imported_functions
        type_ = self.context.type_of(index)
        result = _TYPES[type_.results[0].name] if type_.results else None
        parameters = [_TYPES[parameter.name] for parameter in type_.params]
        address = int.from_bytes(self._memory[_ENTRIES + 8 * index :][:8], "little")
        # ctypes calls by the C convention, which differs in who takes 8 bytes off the stack.
        function = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *parameters)(self._from_c(address))
        found: int | float | None = function(self.vmctx, *arguments)
        return found

    def _from_c(self, address: int) -> int:
        """Code with the C convention that calls a function of the other one."""
        # push %rbx; mov %rsp, %rbx; mov $address, %rax; call *%rax; mov %rbx, %rsp; pop %rbx; ret
        return self.place(
            b"\x53\x48\x89\xe3\x48\xb8" + pack("<Q", address) + b"\xff\xd0\x48\x89\xdc\x5b\xc3"
        )
