"""References of every type: from Python objects to addresses, and back.

    func      a Function of the store
    extern    any object; a Struct or Array as what `extern.convert_any` makes of it
    any       an int is an i31, a Struct or an Array itself; any other object is what
              `any.convert_extern` makes of it, for parameters of type anyref alone
    exn       a WasmException

None is null in every hierarchy.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

from wasmine.abi.objects import FOREIGN_BIT, I31_BIT
from wasmine.api.objects import HeapObject
from wasmine.api.owner import foreign_object
from wasmine.types import DefinedType, RefType, heap_matches, kind, top
from wasmine.vm import objects

if TYPE_CHECKING:
    from wasmine.api.store import Store

_I31_WIDTH: Final = 31
_WANTED: Final = {
    "func": "a wasmine.Function",
    "extern": "any object",
    "any": "any object",
    "eq": "an int, a wasmine.Struct, a wasmine.Array",
    "i31": "an int",
    "struct": "a wasmine.Struct",
    "array": "a wasmine.Array",
    "exn": "a wasmine.WasmException",
}
"""What an abstract heap type takes; one that is not here takes nothing."""


def address_of(store: Store, type_: RefType, value: object) -> int:
    """The address that stands for a Python object as a reference of this type.

    Raises TypeError for an object that is not of the type, OverflowError for an int that is no i31,
    StoreError for what belongs to another store. The store must be claimed.
    """
    if value is None:
        if not type_.nullable:
            raise _mismatch(type_, "None")
        return 0
    match top(type_.heap):
        case "func":
            return _function(store, type_, value)
        case "extern":
            return _external(store, type_, value)
        case "any":
            return _internal(store, type_, value)
        case _:
            return _exception(store, type_, value)


def _function(store: Store, type_: RefType, value: object) -> int:
    from wasmine.api.function import Function

    if not isinstance(value, Function):
        hint = "; wasmine.Function makes one of a callable" if callable(value) else ""
        raise _mismatch(type_, f"{type(value).__name__}{hint}")
    if value.store is not store:
        raise foreign_object(value)
    if type_.heap != "func" and not heap_matches(store.function_type_at(value.address), type_.heap):
        raise _mismatch(type_, f"Function of type {value.type}")
    return value.address


def _external(store: Store, type_: RefType, value: object) -> int:
    if type_.heap != "extern":
        raise _mismatch(type_, type(value).__name__)
    if isinstance(value, HeapObject):
        return objects.convert(_own(store, value))
    return store.context.references.box(value)


def _internal(store: Store, type_: RefType, value: object) -> int:
    if isinstance(value, HeapObject):
        if not heap_matches(value.type, type_.heap):
            raise _mismatch(type_, f"{type(value).__name__} of type {value.type}")
        return _own(store, value)
    if not isinstance(value, int):
        if type_.heap != "any":
            raise _mismatch(type_, type(value).__name__)
        return store.allocator.internalize(store.context.references.box(value))
    if not heap_matches("i31", type_.heap):
        raise _mismatch(type_, type(value).__name__)
    number = operator.index(value)
    if not -(1 << _I31_WIDTH - 1) <= number < 1 << _I31_WIDTH:
        raise OverflowError(f"{number} does not fit in {_I31_WIDTH} bits, those of an i31")
    return objects.i31(number)


def _exception(store: Store, type_: RefType, value: object) -> int:
    from wasmine.api.exceptions import WasmException, exception_address

    if type_.heap != "exn" or not isinstance(value, WasmException):
        raise _mismatch(type_, type(value).__name__)
    return exception_address(store, value)


def _own(store: Store, value: HeapObject) -> int:
    if value.store is not store:
        raise foreign_object(value)
    return value.address


def _mismatch(type_: RefType, given: str) -> TypeError:
    return TypeError(f"{type_} must be {_wanted(type_)}, not {given}")


def _wanted(type_: RefType) -> str:
    heap = type_.heap
    if isinstance(heap, DefinedType):
        wanted = f"{_WANTED[kind(heap)]} of this type"
    else:
        wanted = _WANTED.get(str(heap), "")
    if not type_.nullable:
        return wanted or "nothing at all"
    return f"{wanted} or None" if wanted else "None"


def object_at(store: Store, type_: RefType, raw: int) -> object:
    """The Python object that an address stands for. The store must be claimed."""
    if not raw:
        return None
    match top(type_.heap):
        case "func":
            return store.function_at(raw)
        case "extern":
            return external_at(store, raw)
        case "any":
            return external_at(store, objects.convert(raw))
        case _:
            from wasmine.api.exceptions import exception_at

            return exception_at(store, raw)


def external_at(store: Store, raw: int) -> object:
    """The Python object for an externref that is not null."""
    if raw & I31_BIT:
        value = raw >> 1
        return value - (1 << _I31_WIDTH) if value >> _I31_WIDTH - 1 else value
    if raw & FOREIGN_BIT:
        return store.heap_object_at(raw ^ FOREIGN_BIT)
    return store.context.references.unbox(raw)
