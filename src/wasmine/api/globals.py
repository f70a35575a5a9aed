"""Global: a global variable."""

from __future__ import annotations

from typing import Any

from wasmine.api.convert import check_type, from_bits, to_bits
from wasmine.api.store import Store, StoreObject, store_for
from wasmine.public import public
from wasmine.types import GlobalType
from wasmine.vm.globals import GlobalCell


@public
class Global(StoreObject):
    """A global variable: `global_.value`, and `global_.value = 1` if it is mutable.

    `Global(GlobalType(I32, mutable=True), 1)` makes one of its own, in `store` or a new one.
    Values are converted as for the parameters of a Function.
    """

    __slots__ = ("__weakref__", "_cell", "_store")

    _cell: GlobalCell

    def __init__(
        self,
        type: GlobalType,  # noqa: A002
        value: object = None,
        *,
        store: Store | None = None,
    ) -> None:
        self._require_new()
        if not isinstance(type, GlobalType):
            raise TypeError(f"a global's type is a GlobalType, not {type!r}")
        check_type(type.value)
        if value is None and not type.value.is_defaultable:
            raise TypeError(f"a global of type {type.value} needs a value")
        store = store_for(store, value)
        cell = GlobalCell(type, references=store.context.references)
        store.context.roots.append(cell)
        self._attach(store, cell)
        if value is not None:
            store.context.exclusively(self._initialize, value)

    def _initialize(self, value: object) -> None:
        self._cell.initialize(to_bits(self.type.value, value, self._store))

    @classmethod
    def of(cls, store: Store, cell: GlobalCell) -> Global:
        """The Global of a cell, always the same one."""
        known: Global | None = store.objects.get(cell)
        if known is not None:
            return known
        self = cls.__new__(cls)
        self._attach(store, cell)
        return self

    def _attach(self, store: Store, cell: GlobalCell) -> None:
        self._store = store
        self._cell = cell
        store.objects[cell] = self

    @property
    def cell(self) -> GlobalCell:
        """What instances are linked with."""
        return self._cell

    @property
    def type(self) -> GlobalType:
        """The global's type."""
        return self._cell.type

    @property
    def mutable(self) -> bool:
        """Whether it can be set."""
        return self._cell.type.mutable

    @property
    def value(self) -> Any:
        """What it holds. Setting raises TypeError if it is immutable or the value is of another
        type, OverflowError if the value does not fit."""
        if not self.type.value.is_ref:
            return self._get()
        # The object must not be let go between the two steps.
        return self._store.context.exclusively(self._get)

    @value.setter
    def value(self, value: object) -> None:
        self._store.context.exclusively(self._set, value)

    def _set(self, value: object) -> None:
        kind = self.type.value
        self._cell.set_bits(to_bits(kind, value, self._store), kind)

    def _get(self) -> object:
        return from_bits(self.type.value, self._cell.get_bits(), self._store)

    @property
    def bits(self) -> int:
        """The bits of a number as an unsigned integer, NaN payloads included."""
        return self._cell.get_bits()

    def __repr__(self) -> str:
        value = "" if self.type.value.is_ref else f" = {self.value!r}"
        return f"<wasmine.Global {self.type}{value}>"
