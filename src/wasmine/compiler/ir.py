"""How WebAssembly's types, constants and signatures are spelt in LLVM IR, and the metadata of a unit.

Everything here is text. Nothing here knows instructions, functions or modules.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wasmine.abi.convention import value_kind
from wasmine.errors import UnsupportedFeature
from wasmine.types import FunctionType, ValType

WASM_CC: Final = "tailcc"
"""The calling convention of every WebAssembly function, also across modules and tables."""

# Numbers of the metadata that all functions of a unit share; METADATA defines them.
INVARIANT: Final = ", !invariant.load !0"
UNLIKELY: Final = ", !prof !1"
"""On a conditional branch: the first target is a trap."""
IN_MEMORY: Final = ", !tbaa !2"
IN_GLOBAL: Final = ", !tbaa !3"
IN_TABLE: Final = ", !tbaa !4"
IN_CONTEXT: Final = ", !tbaa !5"
"""VMContext and the definitions and records that it points to."""
IN_OBJECT: Final = ", !tbaa !17"
"""Fields and elements of objects."""
FIRST_SUBPROGRAM: Final = 20

# RtLibUseGOT: functions that LLVM calls by itself, such as floor, are reached by the address table.
METADATA: Final = """
!llvm.dbg.cu = !{!10}
!llvm.module.flags = !{!12, !13, !15}
!0 = !{}
!1 = !{!"branch_weights", i32 1, i32 1048575}
!2 = !{!6, !6, i64 0}
!3 = !{!7, !7, i64 0}
!4 = !{!8, !8, i64 0}
!5 = !{!9, !9, i64 0}
!6 = !{!"linear memory", !14, i64 0}
!7 = !{!"global", !14, i64 0}
!8 = !{!"table", !14, i64 0}
!9 = !{!"context", !14, i64 0}
!10 = distinct !DICompileUnit(language: DW_LANG_C99, file: !11, emissionKind: LineTablesOnly)
!11 = !DIFile(filename: "wasm", directory: "")
!12 = !{i32 2, !"Debug Info Version", i32 3}
!13 = !{i32 7, !"Dwarf Version", i32 4}
!14 = !{!"wasmine"}
!16 = !DISubroutineType(types: !0)
!15 = !{i32 7, !"RtLibUseGOT", i32 1}
!17 = !{!18, !18, i64 0}
!18 = !{!"object", !14, i64 0}
"""

_KINDS: Final = {"i32": "i32", "i64": "i64", "f32": "float", "f64": "double", "ptr": "ptr"}


class _Types(dict[ValType, str]):
    """Filled on demand, so that a lookup is one dictionary access."""

    def __missing__(self, value: ValType) -> str:
        kind = value_kind(value)
        if kind not in _KINDS:
            raise UnsupportedFeature(f"{value} needs the simd proposal, which is not implemented")
        return self.setdefault(value, _KINDS[kind])


LLVM_TYPES: Final = _Types()
"""The LLVM type of each value type. UnsupportedFeature for those without."""


@dataclass(frozen=True)
class Signature:
    """A function type as LLVM writes it."""

    params: tuple[str, ...]
    results: tuple[str, ...]
    result: str
    """The native result: `void`, the one type, or a structure of all."""
    arguments: str
    """A %-template of the argument list behind the environment: `, i32 %s, double %s`."""


def signature(type_: FunctionType) -> Signature:
    """The native signature of a function type (abi.convention)."""
    params = tuple(LLVM_TYPES[param] for param in type_.params)
    results = tuple(LLVM_TYPES[result] for result in type_.results)
    match results:
        case ():
            result = "void"
        case (one,):
            result = one
        case _:
            result = f"{{ {', '.join(results)} }}"
    return Signature(params, results, result, "".join(f", {param} %s" for param in params))


def f32_constant(bits: int) -> str:
    """The float with these 32 bits.

    LLVM writes a float as the double of the same value; a NaN's payload is safe only as bits.
    """
    if bits & 0x7FFF_FFFF > 0x7F80_0000:
        return f"bitcast (i32 {bits} to float)"
    (value,) = struct.unpack("<f", bits.to_bytes(4, "little"))
    return float_constant(value)


def f64_constant(bits: int) -> str:
    """The double with these 64 bits."""
    return f"0x{bits:016X}"


def float_constant(value: float) -> str:
    """This number, as a constant of type double, or of type float if it is one."""
    return f64_constant(int.from_bytes(struct.pack("<d", value), "little"))


CONSTANT: Final[Mapping[str, Callable[[Any], str]]] = {
    "i32.const": str,
    "i64.const": str,
    "f32.const": f32_constant,
    "f64.const": f64_constant,
}
"""How the immediate of each constant instruction is written."""

ZEROS: Final = {
    "i32": "0",
    "i64": "0",
    "float": f64_constant(0),
    "double": f64_constant(0),
    "ptr": "null",
}
"""What a declared local starts with, by LLVM type."""
