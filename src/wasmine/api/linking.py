"""Imports: from what the caller gives to what an instance takes (reference section 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wasmine.api.function import Function
from wasmine.api.globals import Global
from wasmine.api.memory import Memory
from wasmine.api.store import Store
from wasmine.api.table import Table
from wasmine.errors import LinkError, StoreError
from wasmine.types import (
    ExternType,
    FunctionType,
    GlobalType,
    ImportType,
    Limits,
    MemoryType,
    TableType,
)
from wasmine.vm.instance import Imports

Extern = Function | Memory | Table | Global
_MISSING = object()


def find_store(imports: Mapping[str, Mapping[str, Any]], wanted: Iterable[ImportType]) -> Store | None:
    """The store of the first imported object that has one."""
    for type_ in wanted:
        value = _look_up(imports, type_)
        if isinstance(value, Extern):
            return value.store
    return None


def _look_up(imports: Mapping[str, Any], type_: ImportType) -> Any:
    try:
        namespace = imports[type_.module]
    except KeyError:
        return _MISSING
    try:
        if isinstance(namespace, Mapping):
            return namespace[type_.name]
    except KeyError:
        return _MISSING
    return getattr(namespace, type_.name, _MISSING)


def resolve(imports: Mapping[str, Any], wanted: Iterable[ImportType], store: Store) -> Imports:
    """What an instance imports. Raises LinkError naming every import that is missing or unfit.

    Raises StoreError if an object belongs to another store.
    """
    resolved = Imports()
    problems = []
    for type_ in wanted:
        value = _look_up(imports, type_)
        place = f'"{type_.module}"."{type_.name}"'
        if value is _MISSING:
            problems.append(f"unknown import {place}: expected {describe(type_.type)}")
            continue
        problem = _add(resolved, type_, value, store)
        if problem is not None:
            problems.append(
                f"incompatible import type for {place}: "
                f"expected {describe(type_.type)}, got {problem}"
            )
    if problems:
        raise LinkError("\n".join(problems))
    return resolved


def describe(type_: ExternType) -> str:
    """An external type with its kind, for messages."""
    return str(type_)


def _add(resolved: Imports, wanted: ImportType, value: Any, store: Store) -> str | None:
    """Take one import; what it is instead if it does not fit."""
    if isinstance(value, Extern) and value.store is not store:
        raise StoreError(
            f'import "{wanted.module}"."{wanted.name}": {value!r} belongs to another store'
        )
    match wanted.type, value:
        case FunctionType() as type_, Function():
            if value.type != type_:
                return describe(value.type)
            resolved.functions.append(value.address)
        case MemoryType() as type_, Memory():
            if not _memory_fits(value.type, type_):
                return describe(value.type)
            resolved.memories.append(value.linear)
        case TableType() as type_, Table():
            if not _table_fits(value.type, type_):
                return describe(value.type)
            resolved.tables.append(value.linear)
        case GlobalType() as type_, Global():
            if value.type != type_:
                return describe(value.type)
            resolved.globals.append(value.cell)
        case _, Function() | Memory() | Table() | Global():
            return describe(value.type)
        case FunctionType() as type_, _ if callable(value):
            resolved.functions.append(store.host_function(value, type_, _name(value, wanted)))
        case GlobalType(mutable=False) as type_, int() | float():
            resolved.globals.append(Global(type_, value, store=store).cell)
        case _:
            return f"a Python {type(value).__name__}"
    return None


def _name(value: Callable[..., Any], wanted: ImportType) -> str:
    return getattr(value, "__name__", wanted.name)


def _limits_fit(given: Limits, wanted: Limits) -> bool:
    """At least as large, and with a maximum at most as large where one is wanted."""
    if given.minimum < wanted.minimum:
        return False
    if wanted.maximum is None:
        return True
    return given.maximum is not None and given.maximum <= wanted.maximum


def _memory_fits(given: MemoryType, wanted: MemoryType) -> bool:
    return (
        given.shared == wanted.shared
        and given.address is wanted.address
        and _limits_fit(given.limits, wanted.limits)
    )


def _table_fits(given: TableType, wanted: TableType) -> bool:
    return (
        given.element is wanted.element
        and given.address is wanted.address
        and _limits_fit(given.limits, wanted.limits)
    )
