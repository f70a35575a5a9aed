"""A module as text, for people and for tools that read the text format.

Instructions stand one in a line behind their offset in the module, indented by block; names are
comments behind the indices that they belong to. Modules that are not valid can be shown too, as far
as they can be decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wasmine.types import (
    ArrayType,
    CompositeType,
    FunctionType,
    GlobalType,
    MemoryType,
    StructType,
    TableType,
)
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.module import (
    ConstExpr,
    DataSegment,
    ElementSegment,
    Import,
    ModuleInfo,
)
from wasmine.wasm.names import NameMap
from wasmine.wasm.opcodes import BY_NAME, OPCODES
from wasmine.wasm.textformat import (
    comment,
    quote,
    write_expression,
    write_instruction,
    write_type,
)

_BYTES_PER_LINE: Final = 48


def disassemble(info: ModuleInfo) -> Iterator[str]:
    """The lines of a whole module. Raises MalformedModule for a body that cannot be decoded."""
    yield f"(module{comment(info.names.module)}"
    for line in _module_fields(info):
        yield "  " + line
    for index in range(info.imported_functions, len(info.functions)):
        yield from disassemble_function(info, index)
    for index, segment in enumerate(info.data_segments):
        yield from _data_segment(info, index, segment)
    yield ")"


def disassemble_function(info: ModuleInfo, index: int) -> Iterator[str]:
    """The lines of the function with this index, which is not imported.

    Raises MalformedModule or InvalidModule if its body cannot be decoded.
    """
    local_index = index - info.imported_functions
    type_index = info.functions[index]
    type_ = info.function_type(type_index)
    body = decode_body(info, local_index)
    name = comment(info.function_name(index))
    yield " ".join(
        filter(None, [f"  (func (;{index};){name} (type {type_index})", write_type(type_)])
    )
    declared = body.locals[len(type_.params) :]
    if declared:
        yield f"    (local {' '.join(map(str, declared))})"
    yield from _instructions(info, body, info.names.locals.get(index, {}))


_OPENING: Final = {opcode.index for opcode in OPCODES if "blocktype" in opcode.immediates}
_MIDDLE: Final = {BY_NAME[name].index for name in ("else", "catch", "catch_all")}
_CLOSING: Final = {BY_NAME[name].index for name in ("end", "delegate")}
_DEEPEST: Final = 40
"""Blocks that are indented: in deeper ones the text would move out of sight."""


def _instructions(info: ModuleInfo, body: Body, locals_: NameMap) -> Iterator[str]:
    depth = 0
    last = len(body.codes) - 1
    lines = zip(body.codes, body.immediates, body.offsets, strict=True)
    for position, (code, immediate, offset) in enumerate(lines):
        depth -= code in _MIDDLE or code in _CLOSING
        opcode = OPCODES[code]
        text = ")" if position == last else write_instruction(opcode, immediate, info, locals_)
        yield f"  (;@{offset:06x};) {'  ' * min(depth + 1, _DEEPEST)}{text}"
        depth += code in _MIDDLE or code in _OPENING


def _module_fields(info: ModuleInfo) -> Iterator[str]:
    """Everything but function bodies and data segments, which have lines of their own."""
    yield from _types(info)
    counts = dict.fromkeys(("func", "table", "memory", "global", "tag"), 0)
    for entry in info.imports:
        number = counts[entry.kind]
        counts[entry.kind] += 1
        yield f"(import {quote(entry.module)} {quote(entry.name)} {_import(entry, number)})"
    for index, initializer in enumerate(info.table_initializers, info.imported_tables):
        value = "" if initializer is None else f" {write_expression(initializer, info)}"
        yield f"{_external('table', index, info.tables[index])[:-1]}{value})"
    for index in range(info.imported_memories, len(info.memories)):
        yield _external("memory", index, info.memories[index])
    for index in range(info.imported_tags, len(info.tags)):
        yield _external("tag", index, info.tags[index])
    for index, initializer in enumerate(info.global_initializers, info.imported_globals):
        declared = _external("global", index, info.globals[index])[:-1]
        yield f"{declared} {write_expression(initializer, info)})"
    for export in info.exports:
        yield f"(export {quote(export.name)} ({export.kind} {export.index}))"
    if info.start is not None:
        yield f"(start {info.start}{comment(info.function_name(info.start))})"
    for index, segment in enumerate(info.elements):
        yield _element_segment(info, index, segment)


def _import(entry: Import, index: int) -> str:
    return _external(entry.kind, index, entry.type)


def _external(kind: str, index: int, type_: int | TableType | MemoryType | GlobalType) -> str:
    """A function, table, memory, global or tag with its index and type, in parentheses."""
    if isinstance(type_, int):
        return f"({kind} (;{index};) (type {type_}))"
    described = str(type_).removeprefix(kind).strip()
    return f"({kind} (;{index};) {described})"


def _types(info: ModuleInfo) -> Iterator[str]:
    starts = {first for first, count in info.rec_groups if count}
    ends = {first + count for first, count in info.rec_groups if count}
    for index in range(len(info.types)):
        if index in ends:
            yield ")"
        if index in starts:
            yield "(rec"
        yield f"(type (;{index};) {_defined_type(info, index)})"
    if len(info.types) in ends:
        yield ")"


def _defined_type(info: ModuleInfo, index: int) -> str:
    text = _composite_type(info.types[index].composite)
    if index not in info.subtypes:
        return text
    declared = info.subtypes[index]
    words = ["sub", *(["final"] if declared.final else []), *map(str, declared.supertypes), text]
    return f"({' '.join(words)})"


def _composite_type(type_: CompositeType) -> str:
    match type_:
        case FunctionType():
            return f"(func {write_type(type_)})".replace(" )", ")")
        case StructType():
            fields = "".join(f" (field {field})" for field in type_.fields)
            return f"(struct{fields})"
        case ArrayType():
            return f"(array {type_.field})"


def _element_segment(info: ModuleInfo, index: int, segment: ElementSegment) -> str:
    words = [f"(elem (;{index};)"]
    if segment.mode == "declarative":
        words.append("declare")
    if segment.offset is not None:
        words.append(f"(table {segment.table}) (offset {write_expression(segment.offset, info)})")
    functions = _function_indices(segment.items)
    if functions is not None and not segment.type.nullable:
        words += ["func", *map(str, functions)]
    else:
        words.append(str(segment.type))
        words += [f"(item {write_expression(item, info)})" for item in segment.items]
    return " ".join(words) + ")"


def _function_indices(items: Sequence[ConstExpr]) -> list[object] | None:
    """The operands of `ref.func`, if all expressions are nothing else."""
    indices = []
    for item in items:
        (opcode, immediate), *more = item.instructions or ((None, None),)
        if more or opcode is not BY_NAME["ref.func"]:
            return None
        indices.append(immediate)
    return indices


def _data_segment(info: ModuleInfo, index: int, segment: DataSegment) -> Iterator[str]:
    place = ""
    if segment.offset is not None:
        memory = f" (memory {segment.memory})" if segment.memory else ""
        place = f"{memory} (offset {write_expression(segment.offset, info)})"
    yield f"  (data (;{index};){place}"
    for start in range(segment.start, segment.end, _BYTES_PER_LINE):
        content = info.data[start : min(start + _BYTES_PER_LINE, segment.end)]
        yield f"    {quote(content)}"
    yield "  )"
