"""Imports: from what the caller gives to what an instance takes (reference section 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from wasmine.api.convert import to_bits
from wasmine.api.exceptions import Tag
from wasmine.api.function import Function
from wasmine.api.globals import Global
from wasmine.api.memory import Memory
from wasmine.api.owner import foreign_object
from wasmine.api.store import Store
from wasmine.api.table import Table
from wasmine.errors import LinkError
from wasmine.types import (
    DefinedType,
    FunctionType,
    GlobalType,
    ImportType,
    Limits,
    MemoryType,
    TableType,
    TagType,
    matches,
)
from wasmine.vm.globals import GlobalCell
from wasmine.vm.instance import Imports
from wasmine.wasm.module import ModuleInfo

Extern = Function | Memory | Table | Global | Tag
_Callable: TypeAlias = tuple[Callable[..., Any], FunctionType, str, DefinedType | None]
"""What `Store.host_function` makes a function of."""
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
    """The store of the first imported object that belongs to one."""
    for value in given:
        if isinstance(value, Extern) and not _is_shared(value):
            return value.store
    return None


def _is_shared(value: Extern) -> bool:
    """Whether an object can be used in any store: shared memories are made for that."""
    return isinstance(value, Memory) and value.linear.shared


class _Resolver:
    """Takes imports one after the other, and collects what is wrong with them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._imports = Imports()
        self._callables: dict[int, _Callable] = {}
        self._problems: list[str] = []

    def add(self, wanted: ImportType, defined: DefinedType | None, value: Any) -> None:
        """Take one import; `defined` is a function's type as the module defines it.

        Raises StoreError if the object belongs to another store.
        """
        place = f'"{wanted.module}"."{wanted.name}"'
        if value is _MISSING:
            self._problems.append(f"unknown import {place}: expected {wanted.type}")
            return
        foreign = isinstance(value, Extern) and value.store is not self._store
        if foreign and not _is_shared(value):
            raise foreign_object(value, f"import {place}: ")
        problem = self._take(wanted, defined, value)
        if problem is not None:
            self._problems.append(
                f"incompatible import type for {place}: expected {wanted.type}, got {problem}"
            )

    def _take(self, wanted: ImportType, defined: DefinedType | None, value: Any) -> str | None:
        """Take one import; what it is instead if it does not fit."""
        imports = self._imports
        match wanted.type, value:
            case FunctionType(), Function() if self._function_fits(value, defined):
                imports.functions.append(value.address)
            case MemoryType() as type_, Memory() if _memory_fits(value.type, type_):
                imports.memories.append(value.linear)
            case TableType() as type_, Table() if _table_fits(value.type, type_):
                imports.tables.append(value.linear)
            case GlobalType() as type_, Global() if _global_fits(value.type, type_):
                imports.globals.append(value.cell)
            case TagType(), Tag() if value.type == wanted.type:
                imports.tags.append(value.cell)
            case GlobalType(mutable=False) as type_, _ if not isinstance(value, Global):
                return self._constant(type_, value)
            case _, Function() | Memory() | Table() | Global() | Tag():
                return str(value.type)
            case FunctionType() as type_, _ if callable(value):
                name = str(getattr(value, "__name__", wanted.name))
                self._callables[len(imports.functions)] = (value, type_, name, defined)
                imports.functions.append(0)
            case _:
                return f"a Python {type(value).__name__}"
        return None

    def _constant(self, type_: GlobalType, value: object) -> str | None:
        """A value for an immutable global."""
        store = self._store
        cell = GlobalCell(type_, references=store.context.references)
        try:
            store.context.exclusively(lambda: cell.initialize(to_bits(type_.value, value, store)))
        except (TypeError, OverflowError) as error:
            return f"a Python {type(value).__name__} ({error})"
        self._imports.globals.append(cell)
        return None

    def _function_fits(self, given: Function, wanted: DefinedType | None) -> bool:
        type_ = self._store.function_type_at(given.address)
        return wanted is not None and type_.is_subtype_of(wanted)

    def finish(self) -> Imports:
        """All imports. Raises LinkError naming every one that is missing or does not fit."""
        if self._problems:
            raise LinkError("\n".join(self._problems))
        for index, function in self._callables.items():
            self._imports.functions[index] = self._store.host_function(*function)
        return self._imports


def resolve(
    given: Sequence[object], wanted: Sequence[ImportType], info: ModuleInfo, store: Store
) -> Imports:
    """What an instance imports. Raises LinkError naming every import that is missing or unfit.

    Raises StoreError if an object belongs to another store. The store is as before if it fails.
    """
    resolver = _Resolver(store)
    for type_, import_, value in zip(wanted, info.imports, given, strict=True):
        # an index is the type of a function or a tag
        index = import_.type
        defined = info.types[index] if isinstance(index, int) else None
        resolver.add(type_, defined, value)
    return resolver.finish()


def _limits_fit(given: Limits, wanted: Limits) -> bool:
    """At least as large, and with a maximum at most as large where one is wanted."""
    if given.minimum < wanted.minimum:
        return False
    if wanted.maximum is None:
        return True
    return given.maximum is not None and given.maximum <= wanted.maximum


def _global_fits(given: GlobalType, wanted: GlobalType) -> bool:
    """A global that can be set must be of the very type: both sides write it."""
    if given.mutable or wanted.mutable:
        return given == wanted
    return matches(given.value, wanted.value)


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
