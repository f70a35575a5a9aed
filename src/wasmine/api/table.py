"""Table: references by index."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Self, SupportsIndex

from wasmine.api.store import Store
from wasmine.errors import ResourceError
from wasmine.types import TableType
from wasmine.vm.table import LinearTable


class Table:
    """A table of functions or of any objects: `table[0]`, `table[0] = function`, `len(table)`.

    None is the null reference. An index beyond the end raises IndexError.

    `Table(TableType(FUNCREF, Limits(10)))` makes one of its own, in `store` or a new one, filled
    with `init`. Raises ResourceError for limits that cannot be met.
    """

    __slots__ = ("__weakref__", "linear", "store")

    store: Store
    linear: LinearTable

    def __init__(
        self,
        type: TableType,  # noqa: A002
        init: object = None,
        *,
        store: Store | None = None,
    ) -> None:
        if not isinstance(type, TableType):
            raise TypeError(f"a table's type is a TableType, not {type!r}")
        store = Store() if store is None else store
        linear = LinearTable(type, references=store.context)
        store.context.roots.append(linear)
        self.store = store
        self.linear = linear
        if init is not None:
            linear.fill(0, store.reference_from(type.element, init), linear.size)
            store.context.settle()

    @classmethod
    def _make(cls, store: Store, linear: LinearTable) -> Self:
        self = cls.__new__(cls)
        self.store = store
        self.linear = linear
        return self

    @property
    def type(self) -> TableType:
        """The table's type; its minimum is the current size."""
        return self.linear.type

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.linear.size

    def get(self, index: int) -> object:
        """An element: None, a Function, or the object that an externref holds."""
        raw = self.linear.get_raw(self._index(index))
        return self.store.object_from(self.type.element, raw)

    def set(self, index: int, value: object) -> None:
        """Replace an element. Raises TypeError or StoreError for a value that cannot be one."""
        self.store.context.check_access()
        position = self._index(index)
        self.linear.set_raw(position, self.store.reference_from(self.type.element, value))
        self.store.context.settle()

    def grow(self, delta: int, init: object = None) -> int:
        """Add elements and return the size before. Raises ResourceError beyond the maximum."""
        self.store.context.check_access()
        raw = self.store.reference_from(self.type.element, init)
        size = self.linear.grow(operator.index(delta), raw)
        self.store.context.settle()
        if size is None:
            raise ResourceError(
                f"the table could not grow: current size {self.size}, requested increase {delta}"
            )
        return size

    def _index(self, index: SupportsIndex) -> int:
        size = self.linear.size
        position = operator.index(index)
        if position < 0:
            position += size
        if not 0 <= position < size:
            raise IndexError(f"out of bounds table access: {index} of {size} elements")
        return position

    def __len__(self) -> int:
        return self.linear.size

    def __getitem__(self, index: int) -> object:
        return self.get(index)

    def __setitem__(self, index: int, value: object) -> None:
        self.set(index, value)

    def __iter__(self) -> Iterator[object]:
        return (self.get(index) for index in range(self.size))

    def __repr__(self) -> str:
        return f"<wasmine.Table {self.type}>"
