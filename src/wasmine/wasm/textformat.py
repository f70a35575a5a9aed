"""Instructions and their immediates as the text format writes them (specification 6.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wasmine.types import FunctionType, RefType
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.names import NameMap
from wasmine.wasm.opcodes import Opcode

_ImmediateWriter: TypeAlias = Callable[[Any, Opcode, ModuleInfo], str]


def quote(text: str | bytes) -> str:
    """A string of the text format."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return f'"{"".join(map(_CHARACTERS.__getitem__, data))}"'


_CHARACTERS: Final = [
    chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:02x}"
    for byte in range(256)
]


def comment(name: str | None) -> str:
    """A name behind an index, as a comment; nothing without a name."""
    if name is None:
        return ""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return f" (;{shown.replace(';)', '; )').replace('(;', '( ;')};)"


def write_type(type_: FunctionType) -> str:
    """Parameters and results of a function or block."""
    lists = (("param", type_.params), ("result", type_.results))
    return " ".join(f"({word} {' '.join(map(str, types))})" for word, types in lists if types)


def write_float(bits: int, exponent_bits: int, mantissa_bits: int) -> str:
    """The number with these bits, so that reading it gives the same bits."""
    mantissa = bits & ((1 << mantissa_bits) - 1)
    exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1)
    sign = "-" if bits >> (mantissa_bits + exponent_bits) else ""
    if exponent == (1 << exponent_bits) - 1:
        if mantissa == 0:
            return f"{sign}inf"
        quiet = mantissa == 1 << (mantissa_bits - 1)
        return f"{sign}nan" if quiet else f"{sign}nan:{mantissa:#x}"
    size, code = (8, "<d") if mantissa_bits == 52 else (4, "<f")
    return repr(struct.unpack(code, bits.to_bytes(size, "little"))[0])


def write_expression(expression: ConstExpr, info: ModuleInfo) -> str:
    """A constant expression in one line."""
    return " ".join(
        write_instruction(opcode, immediate, info) for opcode, immediate in expression.instructions
    )


def write_instruction(
    opcode: Opcode, immediate: object, info: ModuleInfo, locals_: NameMap | None = None
) -> str:
    """An instruction with its immediates, given the names of the function's locals."""
    kinds = opcode.immediates
    values = immediate if len(kinds) > 1 and isinstance(immediate, tuple) else (immediate,)
    if kinds == ("local",):
        return f"{opcode.mnemonic} {immediate}{comment((locals_ or {}).get(values[0]))}"
    words = [
        _WRITERS[kind](value, opcode, info) for kind, value in zip(kinds, values, strict=False)
    ]
    if len(kinds) == 2 and kinds[0] != kinds[1] and kinds[1] in ("table", "memory"):
        words.reverse()  # the binary format has the table or memory last, the text format first
    return " ".join([opcode.mnemonic, *filter(None, words)])


def _write_index(value: int, _opcode: Opcode, _info: ModuleInfo) -> str:
    return str(value)


def _write_function(index: int, _opcode: Opcode, info: ModuleInfo) -> str:
    return f"{index}{comment(info.function_name(index))}"


def _write_global(index: int, _opcode: Opcode, info: ModuleInfo) -> str:
    return f"{index}{comment(info.names.globals.get(index))}"


def _write_type_index(index: int, opcode: Opcode, _info: ModuleInfo) -> str:
    return f"(type {index})" if "table" in opcode.immediates else str(index)


def _write_memory(index: int, opcode: Opcode, _info: ModuleInfo) -> str:
    return "" if index == 0 and len(opcode.immediates) == 1 else str(index)


def _write_labels(labels: tuple[tuple[int, ...], int], _opcode: Opcode, _info: ModuleInfo) -> str:
    return " ".join(map(str, (*labels[0], labels[1])))


def _write_memarg(memarg: tuple[int, int, int], opcode: Opcode, _info: ModuleInfo) -> str:
    alignment, offset, memory = memarg
    words = [str(memory)] if memory else []
    if offset:
        words.append(f"offset={offset}")
    if 1 << alignment != opcode.access:
        words.append(f"align={1 << alignment}")
    return " ".join(words)


def _write_v128(bits: int, _opcode: Opcode, _info: ModuleInfo) -> str:
    lanes = struct.unpack("<4I", bits.to_bytes(16, "little"))
    return f"i32x4 {' '.join(f'{lane:#010x}' for lane in lanes)}"


def _write_reference(type_: RefType, opcode: Opcode, _info: ModuleInfo) -> str:
    return str(type_.heap if opcode.name == "ref.null" else type_)


def _write_cast(cast: tuple[int, RefType, RefType], _opcode: Opcode, _info: ModuleInfo) -> str:
    return " ".join(map(str, cast))


_CATCHES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")


def _write_catches(
    catches: tuple[tuple[int, int | None, int], ...], _opcode: Opcode, _info: ModuleInfo
) -> str:
    return " ".join(
        f"({_CATCHES[kind]} {label})" if tag is None else f"({_CATCHES[kind]} {tag} {label})"
        for kind, tag, label in catches
    )


_WRITERS: Final[dict[str, _ImmediateWriter]] = {
    **dict.fromkeys(
        ("label", "local", "table", "tag", "data", "elem", "field", "count", "lane", "i32", "i64"),
        _write_index,
    ),
    "blocktype": lambda type_, _opcode, _info: (
        f"(type {type_})" if isinstance(type_, int) else write_type(type_)
    ),
    "labels": _write_labels,
    "func": _write_function,
    "type": _write_type_index,
    "memory": _write_memory,
    "global": _write_global,
    "lanes": lambda lanes, _opcode, _info: " ".join(map(str, lanes)),
    "memarg": _write_memarg,
    "f32": lambda bits, _opcode, _info: write_float(bits, 8, 23),
    "f64": lambda bits, _opcode, _info: write_float(bits, 11, 52),
    "v128": _write_v128,
    "ref_null": _write_reference,
    "ref": _write_reference,
    "types": lambda type_, _opcode, _info: f"(result {type_})",
    "cast": _write_cast,
    "catches": _write_catches,
    "zero": lambda _value, _opcode, _info: "",
}
"""By kind of immediate."""
