"""Validation of modules (specification 3.5). `code_validator` checks the function bodies."""

from __future__ import annotations

from typing import Final

from wasmine.errors import InvalidModule
from wasmine.types import (
    I32,
    I64,
    ArrayType,
    CompositeType,
    FunctionType,
    Limits,
    StructType,
    ValType,
    composite_matches,
    matches,
)
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.code_validator import validate_body
from wasmine.wasm.constants import check_constant
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.module import (
    DataSegment,
    ElementSegment,
    FunctionItems,
    Kind,
    ModuleInfo,
    SubType,
)
from wasmine.wasm.rules import check_known

__all__ = ["validate", "validate_body", "validate_module"]

_MEMORY_BOUNDS: Final = {
    I32: (1 << 16, "memory size must be at most 65536 pages (4GiB)"),
    I64: (1 << 48, "memory size must be at most 2^48 pages"),
}
_TABLE_BOUNDS: Final = {
    I32: ((1 << 32) - 1, "table size must be at most 2^32-1"),
    I64: ((1 << 64) - 1, "table size must be at most 2^64-1"),
}
"""By address type: the largest size, and what to say of a larger one."""


def validate(data: bytes, features: Features = DEFAULT) -> ModuleInfo:
    """Decodes and checks a module with all its function bodies, where these features are on.

    Raises MalformedModule or InvalidModule.
    """
    info = decode(data, features)
    validate_module(info)
    validate_bodies(info)
    return info


def validate_bodies(info: ModuleInfo) -> None:
    """Checks all function bodies. Raises MalformedModule or InvalidModule."""
    for local_index in range(len(info.bodies)):
        checked_body(info, local_index)


def checked_body(info: ModuleInfo, local_index: int) -> Body:
    """A function's body, decoded and validated. Raises MalformedModule or InvalidModule."""
    body = decode_body(info, local_index)
    validate_body(info, local_index, body)
    return body


def validate_module(info: ModuleInfo) -> None:
    """Checks everything but function bodies. Raises InvalidModule."""
    _check_types(info)
    _check_functions(info)
    _check_tags(info)
    _check_tables(info)
    _check_memories(info)
    _check_globals(info)
    _check_exports(info)
    _check_start(info)
    for element in info.elements:
        _check_element(info, element)
    for segment in info.data_segments.different():
        _check_data(info, segment)


def _value_types(type_: CompositeType) -> set[ValType]:
    match type_:
        case FunctionType():
            return {*type_.params, *type_.results}
        case StructType():
            return {field.value for field in type_.fields}
        case ArrayType():
            return {type_.field.value}


def _check_types(info: ModuleInfo) -> None:
    for index, (type_, place) in enumerate(zip(info.types, info.places["type"], strict=True)):
        for value in _value_types(type_.composite):
            _check_known(value, place)
        declared = info.subtypes.get(index)
        if declared is not None and declared.supertypes:
            _check_supertype(info, index, declared, place)


def _check_known(type_: ValType, place: int) -> None:
    try:
        check_known(type_)
    except InvalidModule as error:
        error.offset = place
        raise


_DEEPEST: Final = 63
"""How many supertypes a type may have above it."""


def _check_supertype(info: ModuleInfo, index: int, declared: SubType, place: int) -> None:
    for supertype in declared.supertypes:
        if supertype >= index:
            raise InvalidModule(f"unknown type {supertype} as supertype of type {index}", place)
    if len(declared.supertypes) > 1:
        raise InvalidModule(f"sub type {index} has more than one supertype", place)
    (supertype,) = declared.supertypes
    type_, above = info.types[index], info.types[supertype]
    if above.final:
        raise InvalidModule(f"sub type {index} of type {supertype}, which is final", place)
    if not composite_matches(type_.composite, above.composite):
        raise InvalidModule(f"sub type {index} does not match its supertype {supertype}", place)
    if type_.depth > _DEEPEST:
        raise InvalidModule(f"sub type {index} has more than {_DEEPEST} supertypes", place)


def _check_tags(info: ModuleInfo) -> None:
    for type_index, place in zip(info.tags, info.places["tag"], strict=True):
        if info.function_type(type_index, place).results:
            raise InvalidModule("non-empty tag result type", place)


def _check_functions(info: ModuleInfo) -> None:
    places = zip(info.functions, info.places["func"], strict=True)
    for function, (type_index, place) in enumerate(places):
        try:
            info.function_type(type_index, place)
        except InvalidModule as error:
            info.blame(error, function)
            raise


def _check_limits(limits: Limits, bound: int, message: str, place: int) -> None:
    if limits.minimum > bound or (limits.maximum is not None and limits.maximum > bound):
        raise InvalidModule(message, place)
    if limits.maximum is not None and limits.minimum > limits.maximum:
        raise InvalidModule(f"size minimum must not be greater than maximum: {limits}", place)


def _check_tables(info: ModuleInfo) -> None:
    for table, place in zip(info.tables, info.places["table"], strict=True):
        _check_known(table.element, place)
        _check_limits(table.limits, *_TABLE_BOUNDS[table.address], place)
    places = info.places["table"][info.imported_tables :]
    own = info.tables[info.imported_tables :]
    for table, initializer, place in zip(own, info.table_initializers, places, strict=True):
        if initializer is not None:
            check_constant(info, initializer, table.element, info.imported_globals)
        elif not table.element.nullable:
            message = f"type mismatch: table of {table.element} needs an initial value"
            raise InvalidModule(message, place)
    if len(info.tables) > 1:
        place = info.places["table"][1]
        info.features.require("reference-types", "multiple tables", place, InvalidModule)


def _check_memories(info: ModuleInfo) -> None:
    for memory, place in zip(info.memories, info.places["memory"], strict=True):
        if memory.shared and memory.maximum is None:
            raise InvalidModule("shared memory must have maximum", place)
        _check_limits(memory.limits, *_MEMORY_BOUNDS[memory.address], place)
    if len(info.memories) > 1:
        place = info.places["memory"][1]
        info.features.require("multi-memory", "multiple memories", place, InvalidModule)


def _check_globals(info: ModuleInfo) -> None:
    for global_, place in zip(info.globals, info.places["global"], strict=True):
        _check_known(global_.value, place)
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
        if not matches(segment.type, table.element):
            message = f"type mismatch: segment of {segment.type} for a table of {table.element}"
            raise InvalidModule(message, segment.offset.offset)
        check_constant(info, segment.offset, table.address, globals_)
    check_known(segment.type)
    items = segment.items
    if isinstance(items, FunctionItems):  # references to functions of any type will do
        if items and max(items.indices) >= len(info.functions):
            unknown = next(i for i in items.indices if i >= len(info.functions))
            place = items.offset(items.indices.index(unknown))
            raise InvalidModule(f"unknown function {unknown}", place)
        return
    for item in items:
        check_constant(info, item, segment.type, globals_)


def _check_data(info: ModuleInfo, segment: DataSegment) -> None:
    if segment.offset is None:
        return
    if segment.memory >= len(info.memories):
        raise InvalidModule(f"unknown memory {segment.memory}", segment.offset.offset)
    address = info.memories[segment.memory].address
    check_constant(info, segment.offset, address, len(info.globals))
