"""Objects for the tests of linking: LLVM IR compiled by llvmlite, with nothing of ours between."""

from __future__ import annotations

import ctypes
import functools
import platform
from typing import Any

from llvmlite import binding as llvm

HOST = f"{platform.machine()}-unknown-linux-gnu"
X86_64 = "x86_64-unknown-linux-gnu"
AARCH64 = "aarch64-unknown-linux-gnu"


@functools.cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def emit(ir: str, triple: str = HOST, *, reloc: str = "pic", codemodel: str = "small") -> bytes:
    """The ELF object of a module of LLVM IR."""
    _initialise()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        opt=2, reloc=reloc, codemodel=codemodel
    )
    module = llvm.parse_assembly(ir, llvm.create_context())
    module.triple = triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return bytes(machine.emit_object(module))


def with_debug(ir: str, functions: list[str], version: int = 4) -> str:
    """The module with what debug locations need; function number i has the scope !{100 + i}."""
    scopes = "\n".join(
        f'!{100 + index} = distinct !DISubprogram(name: "{name}", scope: !2, file: !2, line: 0,'
        " type: !3, spFlags: DISPFlagDefinition, unit: !1)"
        for index, name in enumerate(functions)
    )
    return f"""{ir}
        !llvm.module.flags = !{{!4, !5}}
        !llvm.dbg.cu = !{{!1}}
        !1 = distinct !DICompileUnit(language: DW_LANG_C99, file: !2, emissionKind: LineTablesOnly)
        !2 = !DIFile(filename: "m", directory: "")
        !3 = !DISubroutineType(types: !{{}})
        !4 = !{{i32 2, !"Debug Info Version", i32 3}}
        !5 = !{{i32 2, !"Dwarf Version", i32 {version}}}
        {scopes}
        """


def c_address(name: str) -> int:
    """The address of a function of the C library; 0 if there is none."""
    function: Any = getattr(ctypes.CDLL(None), name, None)
    return (function and ctypes.cast(function, ctypes.c_void_p).value) or 0
