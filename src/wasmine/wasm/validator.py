"""Validation of modules (specification 3.5). `code_validator` checks the function bodies."""

from __future__ import annotations

from typing import Final

from wasmine.errors import InvalidModule
from wasmine.types import (
    I32,
    I64,
    FunctionType,
    Limits,
    ref,
)
from wasmine.wasm.body import decode_body
from wasmine.wasm.code_validator import validate_body
from wasmine.wasm.constants import check_constant
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import check_type_supported, is_subtype, unsupported
from wasmine.wasm.module import DataSegment, ElementSegment, Kind, ModuleInfo

__all__ = ["validate", "validate_body", "validate_module"]

_FUNCTION: Final = ref("func", nullable=False)
"""The type of a segment of function indices, which has nulls in no version of the language."""

_MEMORY_BOUNDS: Final = {
    I32: (1 << 16, "memory size must be at most 65536 pages (4GiB)"),
    I64: (1 << 48, "memory size must be at most 2^48 pages"),
}
_TABLE_BOUNDS: Final = {
    I32: ((1 << 32) - 1, "table size must be at most 2^32-1"),
    I64: ((1 << 64) - 1, "table size must be at most 2^64-1"),
}
"""By address type: the largest size, and what to say of a larger one."""


def validate(data: bytes) -> ModuleInfo:
    """Decodes and checks a module with all its function bodies.

    Raises MalformedModule, InvalidModule or UnsupportedFeature.
    """
    info = decode(data)
    validate_module(info)
    for local_index in range(len(info.bodies)):
        validate_body(info, local_index, decode_body(info, local_index))
    return info


def validate_module(info: ModuleInfo) -> None:
    """Checks everything but function bodies. Raises InvalidModule or UnsupportedFeature."""
    _check_types(info)
    _check_functions(info)
    if info.tags:
        raise unsupported("tag", "exceptions", info.places["tag"][0])
    _check_tables(info)
    _check_memories(info)
    _check_globals(info)
    _check_exports(info)
    _check_start(info)
    for element in info.elements:
        _check_element(info, element)
    for segment in info.data_segments:
        _check_data(info, segment)


def _check_types(info: ModuleInfo) -> None:
    if info.rec_groups or info.subtypes:
        first = min([*info.subtypes, *(start for start, _ in info.rec_groups)])
        place = info.places["type"][first] if first < len(info.types) else None
        raise unsupported("recursive type or subtype", "gc", place)
    for type_, place in zip(info.types, info.places["type"], strict=True):
        if not isinstance(type_, FunctionType):
            raise unsupported("type", "gc", place)
        for value in {*type_.params, *type_.results}:
            check_type_supported(value, place)


def _check_functions(info: ModuleInfo) -> None:
    places = zip(info.functions, info.places["func"], strict=True)
    for function, (type_index, place) in enumerate(places):
        try:
            info.function_type(type_index, place)
        except InvalidModule as error:
            error.function = function
            raise


def _check_limits(limits: Limits, bound: int, message: str, place: int) -> None:
    if limits.minimum > bound or (limits.maximum is not None and limits.maximum > bound):
        raise InvalidModule(message, place)
    if limits.maximum is not None and limits.minimum > limits.maximum:
        raise InvalidModule(f"size minimum must not be greater than maximum: {limits}", place)


def _check_tables(info: ModuleInfo) -> None:
    for table, place in zip(info.tables, info.places["table"], strict=True):
        check_type_supported(table.element, place)
        _check_limits(table.limits, *_TABLE_BOUNDS[table.address], place)
    for initializer in filter(None, info.table_initializers):
        raise unsupported("initial value of a table", "function-references", initializer.offset)


def _check_memories(info: ModuleInfo) -> None:
    for memory, place in zip(info.memories, info.places["memory"], strict=True):
        _check_limits(memory.limits, *_MEMORY_BOUNDS[memory.address], place)
        if memory.shared and memory.maximum is None:
            raise InvalidModule("shared memory must have maximum", place)


def _check_globals(info: ModuleInfo) -> None:
    for global_, place in zip(info.globals, info.places["global"], strict=True):
        check_type_supported(global_.value, place)
    for index, initializer in enumerate(info.global_initializers, info.imported_globals):
        check_constant(info, initializer, info.globals[index].value, index)


def _check_exports(info: ModuleInfo) -> None:
    names: set[str] = set()
    spaces: dict[Kind, int] = {
        "func": len(info.functions),
        "table": len(info.tables),
        "memory": len(info.memories),
        "global": len(info.globals),
        "tag": len(info.tags),
    }
    for export, place in zip(info.exports, info.places["export"], strict=True):
        if export.index >= spaces[export.kind]:
            kind = "function" if export.kind == "func" else export.kind
            message = f"unknown {kind} {export.index} is exported as {export.name!r}"
            raise InvalidModule(message, place)
        if export.name in names:
            raise InvalidModule(f"duplicate export name {export.name!r}", place)
        names.add(export.name)


def _check_start(info: ModuleInfo) -> None:
    if info.start is None:
        return
    (place,) = info.places["start"]
    if info.start >= len(info.functions):
        raise InvalidModule(f"unknown function {info.start} is the start function", place)
    type_ = info.function_type(info.functions[info.start])
    if type_.params or type_.results:
        raise InvalidModule(f"start function has type {type_}", place, info.start)


def _check_element(info: ModuleInfo, segment: ElementSegment) -> None:
    globals_ = len(info.globals)
    if segment.offset is not None:
        if segment.table >= len(info.tables):
            raise InvalidModule(f"unknown table {segment.table}", segment.offset.offset)
        table = info.tables[segment.table]
        if not is_subtype(segment.type, table.element):
            message = f"type mismatch: segment of {segment.type} for a table of {table.element}"
            raise InvalidModule(message, segment.offset.offset)
        check_constant(info, segment.offset, table.address, globals_)
    if segment.type is not _FUNCTION:
        check_type_supported(segment.type)
    for item in set(segment.items):
        check_constant(info, item, segment.type, globals_)


def _check_data(info: ModuleInfo, segment: DataSegment) -> None:
    if segment.offset is None:
        return
    if segment.memory >= len(info.memories):
        raise InvalidModule(f"unknown memory {segment.memory}", segment.offset.offset)
    address = info.memories[segment.memory].address
    check_constant(info, segment.offset, address, len(info.globals))
