"""Imports: from what the caller gives to what an instance takes (reference section 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wasmine.api.convert import to_bits
from wasmine.api.exceptions import Tag
from wasmine.api.function import Function
from wasmine.api.globals import Global
from wasmine.api.memory import Memory
from wasmine.api.store import Store
from wasmine.api.table import Table
from wasmine.errors import LinkError, StoreError
from wasmine.types import (
    FunctionType,
    GlobalType,
    ImportType,
    Limits,
    MemoryType,
    TableType,
    TagType,
)
from wasmine.vm.globals import GlobalCell
from wasmine.vm.instance import Imports

Extern = Function | Memory | Table | Global | Tag
_MISSING: Final = object()


def look_up(imports: object, wanted: Sequence[ImportType]) -> list[object]:
    """What the caller gives for each import. Raises TypeError if `imports` is no mapping."""
    if not isinstance(imports, Mapping):
        raise TypeError(f"imports are a mapping of mappings, not {type(imports).__name__}")
    return [_look_up(imports, type_) for type_ in wanted]


def _look_up(imports: Mapping[str, Any], type_: ImportType) -> Any:
    try:
        namespace = imports[type_.module]
        if isinstance(namespace, Mapping):
            return namespace[type_.name]
    except KeyError:
        return _MISSING
    return getattr(namespace, type_.name, _MISSING)


def find_store(given: Sequence[object]) -> Store | None:
    """The store of the first imported object that has one."""
    for value in given:
        if isinstance(value, Extern):
            return value.store
    return None


class _Resolver:
    """Takes imports one after the other, and collects what is wrong with them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._imports = Imports()
        self._callables: list[tuple[int, Callable[..., Any], FunctionType, str]] = []
        self._problems: list[str] = []

    def add(self, wanted: ImportType, value: Any) -> None:
        """Take one import. Raises StoreError if the object belongs to another store."""
        place = f'"{wanted.module}"."{wanted.name}"'
        if value is _MISSING:
            self._problems.append(f"unknown import {place}: expected {wanted.type}")
            return
        if isinstance(value, Extern) and value.store is not self._store:
            raise StoreError(f"import {place}: {value!r} belongs to another store")
        problem = self._take(wanted, value)
        if problem is not None:
            self._problems.append(
                f"incompatible import type for {place}: expected {wanted.type}, got {problem}"
            )

    def _take(self, wanted: ImportType, value: Any) -> str | None:
        """Take one import; what it is instead if it does not fit."""
        imports = self._imports
        match wanted.type, value:
            case FunctionType(), Function() if value.type is wanted.type:
                imports.functions.append(value.address)
            case MemoryType() as type_, Memory() if _memory_fits(value.type, type_):
                imports.memories.append(value.linear)
            case TableType() as type_, Table() if _table_fits(value.type, type_):
                imports.tables.append(value.linear)
            case GlobalType(), Global() if value.type == wanted.type:
                imports.globals.append(value.cell)
            case TagType(), Tag() if value.type == wanted.type:
                imports.tags.append(value.cell)
            case _, Function() | Memory() | Table() | Global() | Tag():
                return str(value.type)
            case FunctionType() as type_, _ if callable(value):
                name = str(getattr(value, "__name__", wanted.name))
                self._callables.append((len(imports.functions), value, type_, name))
                imports.functions.append(0)
            case GlobalType(mutable=False) as type_, _ if not type_.value.is_ref:
                return self._constant(type_, value)
            case _:
                return f"a Python {type(value).__name__}"
        return None

    def _constant(self, type_: GlobalType, value: object) -> str | None:
        """A number for an immutable global."""
        try:
            bits = to_bits(type_.value, value, self._store)
        except (TypeError, OverflowError) as error:
            return f"a Python {type(value).__name__} ({error})"
        cell = GlobalCell(type_)
        cell.initialize(bits)
        self._imports.globals.append(cell)
        return None

    def finish(self) -> Imports:
        """All imports. Raises LinkError naming every one that is missing or does not fit."""
        if self._problems:
            raise LinkError("\n".join(self._problems))
        for index, value, type_, name in self._callables:
            self._imports.functions[index] = self._store.host_function(value, type_, name)
        return self._imports


def resolve(given: Sequence[object], wanted: Sequence[ImportType], store: Store) -> Imports:
    """What an instance imports. Raises LinkError naming every import that is missing or unfit.

    Raises StoreError if an object belongs to another store. The store is as before if it fails.
    """
    resolver = _Resolver(store)
    for type_, value in zip(wanted, given, strict=True):
        resolver.add(type_, value)
    return resolver.finish()


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
