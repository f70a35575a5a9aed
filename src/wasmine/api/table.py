"""Table: references by index."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import SupportsIndex

from wasmine.api.convert import check_type
from wasmine.api.limits import check_limits
from wasmine.api.store import Store, StoreObject, store_for
from wasmine.errors import ResourceError, UnsupportedFeature
from wasmine.public import public
from wasmine.types import I32, I64, TableType
from wasmine.vm.table import LinearTable


@public
class Table(StoreObject):
    """A table of references: `table[0]`, `table[0] = function`, `len(table)`.

    None is the null reference. An index beyond the end raises IndexError.

    `Table(TableType(FUNCREF, Limits(10)))` makes one of its own, in `store` or a new one, filled
    with `init`. Raises ResourceError for limits that cannot be met.
    """

    __slots__ = ("__weakref__", "_linear", "_store")

    _linear: LinearTable

    def __init__(
        self,
        type: TableType,  # noqa: A002
        init: object = None,
        *,
        store: Store | None = None,
    ) -> None:
        self._require_new()
        if not isinstance(type, TableType):
            raise TypeError(f"a table's type is a TableType, not {type!r}")
        check_limits("table", type.limits)
        check_type(type.element)
        if type.address not in (I32, I64):
            raise ValueError(f"indices of a table are i32 or i64, not {type.address}")
        if not type.element.is_ref:
            raise UnsupportedFeature(f"unsupported table: {type}")
        if init is None and not type.element.nullable:
            raise TypeError(f"a table of {type.element} needs an element to be filled with")
        store = store_for(store, init)
        linear = LinearTable(type, references=store.context.references)
        store.context.roots.append(linear)
        self._attach(store, linear)
        if init is not None:
            store.context.exclusively(self._fill, init)

    def _fill(self, init: object) -> None:
        reference = self._store.reference_from(self._linear.element, init)
        self._linear.fill(0, reference, self._linear.size)

    @classmethod
    def of(cls, store: Store, linear: LinearTable) -> Table:
        """The Table of a linear table, always the same one."""
        known: Table | None = store.objects.get(linear)
        if known is not None:
            return known
        self = cls.__new__(cls)
        self._attach(store, linear)
        return self

    def _attach(self, store: Store, linear: LinearTable) -> None:
        self._store = store
        self._linear = linear
        store.objects[linear] = self

    @property
    def linear(self) -> LinearTable:
        """What instances are linked with."""
        return self._linear

    @property
    def type(self) -> TableType:
        """The table's type; its minimum is the current size."""
        return self._linear.type

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._linear.size

    def get(self, index: int) -> object:
        """An element, as the result of a Function would be."""
        return self._store.context.exclusively(self._get, index)

    def _get(self, index: int) -> object:
        raw = self._linear.get_raw(self._index(index))
        return self._store.object_from(self._linear.element, raw)

    def set(self, index: int, value: object) -> None:
        """Replace an element. Raises TypeError or StoreError for a value that cannot be one."""
        self._store.context.exclusively(self._set, index, value)

    def _set(self, index: int, value: object) -> None:
        position = self._index(index)
        self._linear.set_raw(position, self._store.reference_from(self._linear.element, value))

    def grow(self, delta: int, init: object = None) -> int:
        """Add elements and return the size before. Raises ResourceError beyond the maximum."""
        count = operator.index(delta)
        size = self._store.context.exclusively(self._grow, count, init)
        if size is None:
            raise ResourceError(
                f"the table could not grow: current size {self.size}, requested increase {count}"
            )
        return size

    def _grow(self, count: int, init: object) -> int | None:
        return self._linear.grow(count, self._store.reference_from(self._linear.element, init))

    def _index(self, index: SupportsIndex) -> int:
        position = operator.index(index)
        size = self._linear.size
        if position < 0:
            position += size
        if not 0 <= position < size:
            raise IndexError(f"out of bounds table access: {index} of {size} elements")
        return position

    def __len__(self) -> int:
        return self._linear.size

    def __getitem__(self, index: int) -> object:
        return self.get(index)

    def __setitem__(self, index: int, value: object) -> None:
        self.set(index, value)

    def __iter__(self) -> Iterator[object]:
        return (self.get(index) for index in range(self.size))

    def __repr__(self) -> str:
        return f"<wasmine.Table {self.type}>"
