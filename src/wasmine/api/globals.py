"""Global: a global variable."""

from __future__ import annotations

from typing import Any, Self

from wasmine.api.convert import from_bits, to_bits
from wasmine.api.store import Store
from wasmine.types import GlobalType
from wasmine.vm.globals import GlobalCell


class Global:
    """A global variable: `global_.value`, and `global_.value = 1` if it is mutable.

    `Global(GlobalType(I32, mutable=True), 1)` makes one of its own, in `store` or a new one.
    Values are converted as for the parameters of a Function.
    """

    __slots__ = ("__weakref__", "cell", "store")

    store: Store
    cell: GlobalCell

    def __init__(
        self,
        type: GlobalType,  # noqa: A002
        value: object = None,
        *,
        store: Store | None = None,
    ) -> None:
        if not isinstance(type, GlobalType):
            raise TypeError(f"a global's type is a GlobalType, not {type!r}")
        store = Store() if store is None else store
        cell = GlobalCell(type, references=store.context)
        if value is not None:
            cell.initialize(to_bits(type.value, value, store))
            store.context.settle()
        store.context.roots.append(cell)
        self.store = store
        self.cell = cell

    @classmethod
    def _make(cls, store: Store, cell: GlobalCell) -> Self:
        self = cls.__new__(cls)
        self.store = store
        self.cell = cell
        return self

    @property
    def type(self) -> GlobalType:
        """The global's type."""
        return self.cell.type

    @property
    def mutable(self) -> bool:
        """Whether it can be set."""
        return self.cell.type.mutable

    @property
    def value(self) -> Any:
        """What it holds. Setting raises TypeError if it is immutable or the value is of another
        type, OverflowError if the value does not fit."""
        return from_bits(self.type.value, self.cell.get_bits(), self.store)

    @value.setter
    def value(self, value: object) -> None:
        self.store.context.check_access()
        kind = self.type.value
        self.cell.set_bits(to_bits(kind, value, self.store), kind)
        self.store.context.settle()

    @property
    def bits(self) -> int:
        """The bits of a number as an unsigned integer, NaN payloads included."""
        return self.cell.get_bits()

    def __repr__(self) -> str:
        return f"<wasmine.Global {self.type} = {self.value!r}>"
