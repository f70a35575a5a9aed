"""Immutable records: classes whose fields are their annotations, as dataclasses have it.

Importing `dataclasses`, and the code that it generates for each class, would take a third of the time in
which a compiled program starts and ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class FrozenType(type):
    """Makes the fields of a class, in order those of its base and its own, slots.

    Options of a class: `eq=False`, its objects are equal to none but themselves; `init=False`, it sets its
    fields itself, by `object.__setattr__`; `kw_only=True`, fields are given by name only; `weakref=True`, there
    can be weak references to its objects; `namespace=True`, they have a dictionary, for what is cached.
    """

    __match_args__: tuple[str, ...]
    defaults: dict[str, Any]
    by_name: bool
    setters: tuple[Callable[[object, object], None], ...]

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        members: dict[str, Any],
        *,
        eq: bool = True,
        init: bool = True,
        kw_only: bool = False,
        weakref: bool = False,
        namespace: bool = False,
    ) -> FrozenType:
        inherited = [base for base in bases if isinstance(base, FrozenType)]
        known = [field for base in inherited for field in base.__match_args__]
        fields = [field for field in members.get("__annotations__", ()) if field not in known]
        defaults = {field: members.pop(field) for field in fields if field in members}
        for base in inherited:
            defaults = base.defaults | defaults
        options = (("__weakref__", weakref), ("__dict__", namespace))
        members["__slots__"] = (*fields, *(slot for slot, wanted in options if wanted))
        members["__match_args__"] = (*known, *fields)
        members["defaults"] = defaults
        members["by_name"] = kw_only
        if not eq:
            members["__eq__"], members["__hash__"] = object.__eq__, object.__hash__
        if not init:
            members["__init__"] = object.__init__
        made = super().__new__(cls, name, bases, members)
        made.setters = tuple(getattr(made, field).__set__ for field in made.__match_args__)
        return made


class Frozen(metaclass=FrozenType):
    """The base of immutable records."""

    if not TYPE_CHECKING:  # type checkers know what the fields make of this

        def __init__(self, *values: object, **named: object) -> None:
            cls = type(self)
            fields = cls.__match_args__
            if named or len(values) != len(fields):
                values = _complete(cls, values, named)
            elif cls.by_name:
                raise TypeError(f"{cls.__name__}() takes its fields by name")
            for set_value, value in zip(cls.setters, values, strict=True):
                set_value(self, value)
            self.__post_init__()

    def __post_init__(self) -> None:
        """Check or complete an object whose fields are set."""

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in type(self).__match_args__)

    def replace(self, **changes: Any) -> Self:
        """An object with these fields, and the others as they are here."""
        return type(self)(
            **dict(zip(type(self).__match_args__, self._values(), strict=True), **changes)
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = zip(type(self).__match_args__, self._values(), strict=True)
        return (
            f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in fields)})"
        )

    def __reduce__(self) -> str | tuple[object, ...]:
        return (_restore, (type(self), self._values()))


def _complete(
    cls: FrozenType, values: tuple[object, ...], named: dict[str, object]
) -> tuple[object, ...]:
    """The values of all fields. Raises TypeError for what is missing, unknown or given twice."""
    fields, defaults = cls.__match_args__, cls.defaults
    if len(values) > (0 if cls.by_name else len(fields)):
        raise TypeError(f"{cls.__name__}() takes fewer than {len(values)} positional arguments")
    given = dict(zip(fields, values, strict=False))
    for name, value in named.items():
        if name not in fields or name in given:
            problem = "multiple values for" if name in given else "an unexpected"
            raise TypeError(f"{cls.__name__}() got {problem} argument {name!r}")
        given[name] = value
    missing = [field for field in fields if field not in given and field not in defaults]
    if missing:
        raise TypeError(f"{cls.__name__}() is missing arguments: {', '.join(missing)}")
    return tuple(given[field] if field in given else defaults[field] for field in fields)


def _restore(cls: FrozenType, values: tuple[object, ...]) -> object:
    """The object with these fields, from what was pickled."""
    return cls(**dict(zip(cls.__match_args__, values, strict=True)))
