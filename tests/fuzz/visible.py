"""Makes all of a module visible through numbers.

wasmtime's Python package passes numbers, externref and funcref, and nothing else. A module that
exports anything of another type gets more exports: functions that take and give numbers in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasmine import wat2wasm
from wasmine.types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    ArrayType,
    FunctionType,
    RefType,
    StructType,
    ValType,
    top,
)
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import disassemble
from wasmine.wasm.module import Export, ModuleInfo

VISIBLE: Final = frozenset({I32, I64, F32, F64, FUNCREF, EXTERNREF})
"""The types that both engines show to Python."""

_AS_I64: Final = {
    "i8": "i64.extend_i32_s",
    "i16": "i64.extend_i32_s",
    I32: "i64.extend_i32_s",
    I64: "",
    F32: "i32.reinterpret_f32 i64.extend_i32_s",
    F64: "i64.reinterpret_f64",
    V128: "i64x2.extract_lane 0",
}


def all_visible(type_: FunctionType) -> bool:
    """Whether Python can call a function of this type in both engines."""
    return VISIBLE.issuperset((*type_.params, *type_.results))


def with_numbers(wasm: bytes) -> bytes:
    """The module with functions that show what is exported under types that are not visible."""
    info = decode(wasm, resolve=False)
    fields = [field for export in info.exports for field in _fields(info, export)]
    if not fields:
        return wasm
    *lines, end = disassemble(info)
    return wat2wasm("\n".join([*lines, *fields, end]))


def _fields(info: ModuleInfo, export: Export) -> Iterator[str]:
    name = "".join(f"\\{byte:02x}" for byte in f"{export.name} in numbers".encode())
    head = f'(func (export "{name}")'
    match export.kind:
        case "func":
            type_ = info.function_type(info.functions[export.index])
            if not all_visible(type_):
                yield from _function(info, head, export.index, type_)
        case "global":
            value = info.globals[export.index].value
            if value not in VISIBLE:
                yield _shown(info, head, f"(global.get {export.index})", (value,), ())
        case "table":
            table = info.tables[export.index]
            if table.element not in VISIBLE:
                element = f"(table.get {export.index} (local.get 0))"
                yield _shown(info, head, element, (table.element,), (table.address,))
        case "memory":
            memory = info.memories[export.index]
            if memory.shared:  # wasmtime's package cannot read it
                content = f"(i64.load {export.index} (local.get 0))"
                yield _shown(info, head, content, (I64,), (memory.address,))
        case _:
            return


def _function(info: ModuleInfo, head: str, index: int, type_: FunctionType) -> Iterator[str]:
    params: list[ValType] = []
    arguments: list[str] = []
    for param in type_.params:
        made = _argument(param, len(params))
        if made is None:
            return
        arguments.append(made[1])
        params += made[0]
    call = f"(call {index} {' '.join(arguments)})"
    yield _shown(info, head, call, type_.results, tuple(params))


def _argument(type_: ValType, local: int) -> tuple[tuple[ValType, ...], str] | None:
    """The numbers that stand for an argument, and the argument made of them; None if that cannot be."""
    if type_ in VISIBLE:
        return (type_,), f"(local.get {local})"
    if not isinstance(type_, RefType):
        low, high = f"(local.get {local})", f"(local.get {local + 1})"
        return (I64, I64), f"(i64x2.replace_lane 1 (i64x2.splat {low}) {high})"
    if type_.heap in ("any", "eq", "i31"):
        small = f"(ref.i31 (local.get {local}))"
        if not type_.nullable:
            return (I32,), small
        odd = f"(i32.and (local.get {local}) (i32.const 1))"
        return (I32,), f"(if (result {type_}) {odd} (then {small}) (else (ref.null {type_.heap})))"
    return ((), f"(ref.null {type_.heap})") if type_.nullable else None


def _shown(
    info: ModuleInfo,
    head: str,
    values: str,
    types: tuple[ValType, ...],
    params: tuple[ValType, ...],
) -> str:
    """A function that computes values and returns numbers for them."""
    kinds: list[str] = []
    numbers: list[str] = []
    for position, type_ in enumerate(types):
        for kind, number in _numbers(info, type_, f"(local.get $r{position})"):
            kinds.append(kind)
            numbers.append(number)
    return "\n".join(
        [
            f"{head} (param {' '.join(map(str, params))}) (result {' '.join(kinds)})",
            *(f"(local $r{position} {type_})" for position, type_ in enumerate(types)),
            values,
            *(f"local.set $r{position}" for position in reversed(range(len(types)))),
            *numbers,
            ")",
        ]
    )


def _numbers(info: ModuleInfo, type_: ValType, value: str) -> Iterator[tuple[str, str]]:
    """What shows a value: the types of numbers, and how to compute them."""
    if type_ in VISIBLE:
        yield str(type_), value
    elif not isinstance(type_, RefType):
        yield "i64", f"(i64x2.extract_lane 0 {value})"
        yield "i64", f"(i64x2.extract_lane 1 {value})"
    elif _hierarchy(info, type_) != "any":
        yield "i32", f"(ref.is_null {value})"
    else:
        yield "i32", _kind(value)
        yield "i64", _content(info, type_, value)


def _hierarchy(info: ModuleInfo, type_: RefType) -> str:
    if isinstance(type_.heap, int):
        return "func" if isinstance(info.types[type_.heap].composite, FunctionType) else "any"
    return top(type_.heap)


def _kind(value: str) -> str:
    """Null, a small integer (which one), a struct, an array (how long), or something else."""
    small = f"(i31.get_s (ref.cast (ref i31) {value}))"
    length = f"(array.len (ref.cast (ref array) {value}))"
    branches = (
        (f"(ref.is_null {value})", "(i32.const 0)"),
        (f"(ref.test (ref i31) {value})", _tagged(small, 1)),
        (f"(ref.test (ref struct) {value})", "(i32.const 2)"),
        (f"(ref.test (ref array) {value})", _tagged(length, 3)),
    )
    text = "(i32.const 4)"
    for condition, result in reversed(branches):
        text = f"(if (result i32) {condition} (then {result}) (else {text}))"
    return text


def _tagged(number: str, tag: int) -> str:
    return f"(i32.or (i32.shl {number} (i32.const 3)) (i32.const {tag}))"


def _content(info: ModuleInfo, type_: RefType, value: str) -> str:
    """A digest of the numbers in a struct, or of an array's first element."""
    if not isinstance(type_.heap, int):
        return "(i64.const 0)"
    parts = ["i64.const 17"]
    match info.types[type_.heap].composite:
        case StructType(fields=fields):
            for number, field in enumerate(fields):
                if field.storage in _AS_I64:
                    suffix = "_s" if isinstance(field.storage, str) else ""
                    get = f"struct.get{suffix} {type_.heap} {number}"
                    parts += [value, get, _AS_I64[field.storage], "i64.const 31 i64.rotl i64.xor"]
            filled = "(i32.const 1)"
        case ArrayType(field=field) if field.storage in _AS_I64:
            suffix = "_s" if isinstance(field.storage, str) else ""
            get = f"i32.const 0 array.get{suffix} {type_.heap}"
            parts += [value, get, _AS_I64[field.storage], "i64.xor"]
            filled = f"(i32.ne (array.len {value}) (i32.const 0))"
        case _:
            return "(i64.const 0)"
    whole = f"(if (result i64) {filled} (then {' '.join(parts)}) (else i64.const 0))"
    return f"(if (result i64) (ref.is_null {value}) (then (i64.const 0)) (else {whole}))"
