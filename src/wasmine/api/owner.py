"""What belongs to a store, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from wasmine.errors import StoreError

if TYPE_CHECKING:
    from wasmine.api.store import Store


class StoreObject:
    """What belongs to a store, from its first moment to its last."""

    __slots__ = ()

    _store: Store

    @property
    def store(self) -> Store:
        """The store that it belongs to."""
        return self._store

    def _require_new(self) -> None:
        """Refuse a second `__init__`: what is known in a store is always the same thing."""
        if hasattr(self, "_store"):
            raise TypeError(f"the object is a {type(self).__name__} already")

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"a {name} cannot be pickled or copied: it is part of its store")


def foreign_object(value: object, place: str = "") -> StoreError:
    """The error for an object that was used where it does not belong."""
    return StoreError(
        f"{place}{value!r} belongs to another store; what is made from Python is given "
        "its store as store=instance.store"
    )
