"""How WebAssembly's types, constants and signatures are spelt in LLVM IR, and the metadata of a unit.

Everything here is text. Nothing here knows instructions, functions or modules.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from wasmine.abi.convention import SLOT_SIZE, parameter_slots, result_slots, value_kind
from wasmine.abi.vmcontext import VMStoreContext, offset_of
from wasmine.frozen import Frozen
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

_VALUES: Final = offset_of(VMStoreContext, "values")
VECTOR: Final = "<2 x i64>"
"""The type of every v128 between instructions; constants are the shortest in this one."""
_KINDS: Final = {
    "i32": "i32",
    "i64": "i64",
    "f32": "float",
    "f64": "double",
    "v128": VECTOR,
    "ptr": "ptr",
}


class _Types(dict[ValType, str]):
    """Filled on demand, so that a lookup is one dictionary access."""

    def __missing__(self, value: ValType) -> str:
        return self.setdefault(value, _KINDS[value_kind(value)])


LLVM_TYPES: Final = _Types()
"""The LLVM type of each value type."""


class Signature(Frozen):
    """A function type as LLVM writes it."""

    params: tuple[str, ...]
    results: tuple[str, ...]
    result: str
    """The native result: `void`, the one type, or a structure, of what is returned in registers."""
    returned: tuple[int, ...]
    """Which results are returned in registers."""
    arguments: str
    """A %-template of the argument list behind the environment: `, i32 %s, double %s`."""
    passed: tuple[int, ...]
    """Which parameters are in that list."""
    stored_params: tuple[tuple[int, int], ...]
    """The other ones, each with the offset in VMStoreContext through which it travels."""
    stored_results: tuple[tuple[int, int], ...]
    """The same for results."""


def signature(type_: FunctionType) -> Signature:
    """The native signature of a function type (abi.convention)."""
    params = tuple(LLVM_TYPES[param] for param in type_.params)
    results = tuple(LLVM_TYPES[result] for result in type_.results)
    passed, stored_params = _split(parameter_slots(type_))
    returned, stored_results = _split(result_slots(type_))
    match returned:
        case ():
            result = "void"
        case (one,):
            result = results[one]
        case _:
            result = f"{{ {', '.join(results[index] for index in returned)} }}"
    arguments = "".join(f", {params[index]} %s" for index in passed)
    return Signature(
        params, results, result, returned, arguments, passed, stored_params, stored_results
    )


def _split(
    slots: list[int | None],
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """The indices of the values in registers, and of the others with their offsets."""
    registers = tuple(index for index, slot in enumerate(slots) if slot is None)
    stored = tuple(
        (index, _VALUES + slot * SLOT_SIZE) for index, slot in enumerate(slots) if slot is not None
    )
    return registers, stored


def store_value(type_: str, value: str, store: str, offset: int, name: str) -> str:
    """Lines that put a value into its slot of a store; `name` is free for the slot's address."""
    return (
        f"{name} = getelementptr i8, ptr {store}, i64 {offset}\n"
        f"store {type_} {value}, ptr {name}, align 8"
    )


def load_value(result: str, type_: str, store: str, offset: int) -> str:
    """Lines that take a value from its slot."""
    return (
        f"{result}p = getelementptr i8, ptr {store}, i64 {offset}\n"
        f"{result} = load {type_}, ptr {result}p, align 8"
    )


def call_function(form: Signature, callee: str) -> str:
    """Lines that call a function with `%vmctx` and `%value.<index>`, and give `%part.<index>`.

    Nothing else uses `%store` between the call and what travels through it.
    """
    lines = [
        store_value(form.params[index], f"%value.{index}", "%store", offset, f"%place.{index}")
        for index, offset in form.stored_params
    ]
    arguments = form.arguments % tuple(f"%value.{index}" for index in form.passed)
    call = f"call {WASM_CC} {form.result} {callee}(ptr %vmctx{arguments})"
    match form.returned:
        case ():
            lines.append(call)
        case (one,):
            lines.append(f"%part.{one} = {call}")
        case _:
            lines.append(f"%result = {call}")
            lines += [
                f"%part.{index} = extractvalue {form.result} %result, {number}"
                for number, index in enumerate(form.returned)
            ]
    lines += [
        load_value(f"%part.{index}", form.results[index], "%store", offset)
        for index, offset in form.stored_results
    ]
    return "\n".join(lines)


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


def vector_constant(bits: int) -> str:
    """The vector with these 128 bits."""
    if not bits:
        return "zeroinitializer"
    low, high = ((bits >> shift) % (1 << 64) for shift in (0, 64))
    return f"<i64 {_signed(low)}, i64 {_signed(high)}>"


def _signed(bits: int) -> int:
    return bits - (bits >> 63 << 64)


CONSTANT: Final[Mapping[str, Callable[[Any], str]]] = {
    "i32.const": str,
    "i64.const": str,
    "f32.const": f32_constant,
    "f64.const": f64_constant,
    "v128.const": vector_constant,
}
"""How the immediate of each constant instruction is written."""

ZEROS: Final = {
    "i32": "0",
    "i64": "0",
    "float": f64_constant(0),
    "double": f64_constant(0),
    "ptr": "null",
    VECTOR: "zeroinitializer",
}
"""What a declared local starts with, by LLVM type."""
