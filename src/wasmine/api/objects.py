"""Struct and Array: objects of the garbage-collected heap, held by Python.

An object is always the same Struct or Array for as long as Python holds it, and is alive for as long.
Values are converted as for the parameters of a Function; `None` is null, an i31 is an int. Packed
fields and elements, of 8 or 16 bits, are read as unsigned integers, and take signed ones as well.
"""

from __future__ import annotations

import ctypes
import operator
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

from wasmine.abi.objects import array_layout, struct_layout
from wasmine.api.convert import from_bits, to_bits, to_integer
from wasmine.api.owner import StoreObject
from wasmine.public import public
from wasmine.types import (
    F32,
    F64,
    I32,
    I64,
    ArrayType,
    DefinedType,
    FieldType,
    StructType,
    ValType,
    defined,
)
from wasmine.vm import objects

if TYPE_CHECKING:
    from wasmine.api.store import Store
    from wasmine.vm.heap import Held

_PACKED_WIDTHS: Final = {"i8": 8, "i16": 16}
_FORMATS: Final[dict[ValType | str, str]] = {
    "i8": "B",
    "i16": "H",
    I32: "i",
    I64: "q",
    F32: "f",
    F64: "d",
}
"""How elements are written in a buffer; a buffer of integers may have the other sign."""
_FLOATS: Final = ("f", "d")
_INTEGERS: Final = tuple("bBhHiIlLqQnN")
"""Formats of buffers, of which none is that of objects."""


class HeapObject(StoreObject):
    """What Struct and Array have in common."""

    __slots__ = ("__weakref__", "_address", "_held", "_store", "_type")

    _address: int
    _held: Held
    _type: DefinedType

    def __init_subclass__(cls) -> None:
        # Native code tells them from all other objects by their class.
        if HeapObject not in cls.__bases__:
            raise TypeError("Struct and Array cannot be subclassed")

    @classmethod
    def of(cls, store: Store, address: int, type_: DefinedType) -> HeapObject:
        """The wrapper of an object that has none: it holds the object from now on."""
        kind = Struct if isinstance(type_.composite, StructType) else Array
        self = kind.__new__(kind)
        self._attach(store, store.context.references.heap.hold(address), type_)
        return self

    def _attach(self, store: Store, held: Held, type_: DefinedType) -> None:
        self._store = store
        self._type = type_
        self._held = held
        self._address = held.address

    @property
    def address(self) -> int:
        """Where the object lies in the heap of its store."""
        return self._address

    @property
    def type(self) -> DefinedType:
        """The object's type: what it was made with, not a supertype."""
        return self._type

    def __repr__(self) -> str:
        return f"<wasmine.{type(self).__name__} {self._type}>"

    def _read(self, place: int, field: FieldType) -> Any:
        """The value at an address in the object."""
        if field.value.is_ref:
            # A reference must not be let go between reading and holding it.
            return self._store.context.exclusively(self._read_here, place, field)
        return self._read_here(place, field)

    def _read_here(self, place: int, field: FieldType) -> Any:
        bits = objects.read(place, field)
        return bits if field.is_packed else from_bits(field.value, bits, self._store)

    def _write(self, place: int, field: FieldType, value: object, what: str) -> None:
        if not field.mutable:
            raise TypeError(
                f"{what} is immutable: its type is {field.storage}, not (mut {field.storage})"
            )
        if field.value.is_ref:
            self._store.context.exclusively(self._write_here, place, field, value, what)
        else:
            self._write_here(place, field, value, what)

    def _write_here(self, place: int, field: FieldType, value: object, what: str) -> None:
        bits = to_field(field, value, self._store, what)
        self._store.allocator.write(place, field, bits)


def to_field(field: FieldType, value: object, store: Store, what: str) -> int:
    """The bits of a Python value in a field. Raises what `to_bits` does, naming the field."""
    try:
        if field.is_packed:
            width = _PACKED_WIDTHS[str(field.storage)]
            return to_integer(value, width) & (1 << width) - 1
        return to_bits(field.value, value, store)
    except (TypeError, OverflowError) as error:
        kind = OverflowError if isinstance(error, OverflowError) else TypeError
        raise kind(f"{what} ({field.storage}): {error}") from None


@public
class Struct(HeapObject):
    """A struct: `struct[0]`, `struct[0] = 1` if the field is mutable, `len(struct)`, iteration.

    `Struct(type, values)` makes one in `store`, in that of the first object among the values, or
    in a new one; without values, of zeros and nulls. The type is a StructType or a DefinedType,
    such as those of `Module.types`, or the `type` of another object.

    Fields have numbers, from 0. Values are converted as for a Function; packed fields, of 8 or 16 bits,
    are read as unsigned integers. Raises TypeError or OverflowError naming the field for a value that
    does not fit or a field that is immutable, IndexError for a field that there is not, StoreError for
    objects of other stores, Trap if the heap is full.
    """

    __slots__ = ()

    def __init__(
        self,
        type: StructType | DefinedType,  # noqa: A002
        values: Iterable[object] | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        self._require_new()
        type_ = _defined(type, StructType)
        fields = _fields(type_)
        given = None if values is None else _listed(values, "a Struct takes a list of its values")
        if given is not None and len(given) != len(fields):
            raise TypeError(f"{type_} has {len(fields)} fields, not {len(given)} as the values")
        if given is None:
            _require_defaults(type_, fields)
        store = _store_for(store, given)
        store.context.exclusively(self._make, store, type_, given)

    def _make(self, store: Store, type_: DefinedType, given: Sequence[object] | None) -> None:
        store.context.references.heap.collect_if_due()
        fields = _fields(type_)
        bits = [0] * len(fields)
        for number, value in enumerate(() if given is None else given):
            bits[number] = to_field(fields[number], value, store, f"field {number}")
        self._attach(store, store.allocator.struct(type_, bits), type_)
        store.remember_heap_object(self)

    def _field(self, index: int) -> tuple[int, FieldType]:
        """The place and the type of a field. Raises IndexError if there is none."""
        composite = objects.struct_type(self._type)
        count = len(composite.fields)
        if not hasattr(index, "__index__"):
            raise TypeError(f"fields of a Struct have numbers; {index!r} is none")
        number = operator.index(index)
        if not -count <= number < count:
            raise IndexError(f"there is no field {index}: {self._type} has {count} fields")
        number %= count
        return self._address + struct_layout(composite).offsets[number], composite.fields[number]

    def __len__(self) -> int:
        return len(_fields(self._type))

    def __getitem__(self, index: int) -> Any:
        return self._read(*self._field(index))

    def __setitem__(self, index: int, value: object) -> None:
        place, field = self._field(index)
        self._write(place, field, value, f"field {operator.index(index) % len(self)}")

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))


@public
class Array(HeapObject):
    """An array: `array[0]`, `array[1:3]`, `array[0] = 1` if it is mutable, `len(array)`, iteration.

    Slices are lists, and are set from as many values. Arrays of numbers are set from a buffer too,
    such as bytes or an array of NumPy, without a step for each element: from one whose items are
    like the elements, or from bytes, which are taken as they are, little-endian.

    `Array(type, values)` makes one, as `Struct` does, of these values or of a buffer;
    `Array(type, length=10)` one of zeros or nulls. Raises what Struct does, and ValueError for as many
    values as do not fit a slice.
    """

    __slots__ = ()

    def __init__(
        self,
        type: ArrayType | DefinedType,  # noqa: A002
        values: Iterable[object] | None = None,
        *,
        length: int | None = None,
        store: Store | None = None,
    ) -> None:
        self._require_new()
        type_ = _defined(type, ArrayType)
        if (values is None) is (length is None):
            raise TypeError("an Array is made of values, or of a length= without any")
        given: list[object] | bytes | None = None
        if values is not None:
            given = _raw(objects.array_type(type_).field, values)
            if given is None:
                given = _listed(values, "an Array takes a list of values, a buffer, or a length=")
        count = 0 if length is None else operator.index(length)
        if count < 0:
            raise ValueError(f"an array of {length} elements")
        if length is not None:
            _require_defaults(type_, (objects.array_type(type_).field,))
        store = _store_for(store, given if isinstance(given, list) else None)
        store.context.exclusively(self._make, store, type_, given, count)

    def _make(
        self,
        store: Store,
        type_: DefinedType,
        given: list[object] | bytes | None,
        length: int,
    ) -> None:
        store.context.references.heap.collect_if_due()
        field = objects.array_type(type_).field
        allocator = store.allocator
        if isinstance(given, bytes):
            size = array_layout(objects.array_type(type_)).element_size
            self._attach(store, allocator.array(type_, len(given) // size), type_)
            self._copy(0, given)
        elif given is not None:
            bits = [
                to_field(field, value, store, f"element {number}")
                for number, value in enumerate(given)
            ]
            self._attach(store, allocator.array_of(type_, bits), type_)
        else:
            self._attach(store, allocator.array(type_, length), type_)
        store.remember_heap_object(self)

    @property
    def _element(self) -> FieldType:
        return objects.array_type(self._type).field

    def _place(self, index: int) -> int:
        layout = array_layout(objects.array_type(self._type))
        return self._address + layout.elements + index * layout.element_size

    def _index(self, index: int) -> int:
        number = operator.index(index)
        count = len(self)
        if not -count <= number < count:
            raise IndexError(f"out of bounds array access: {index} of {count} elements")
        return number % count

    def __len__(self) -> int:
        return objects.length(self._address)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self._read(self._place(self._index(index)), self._element)
        view = self._numbers()
        if view is not None:
            return view[index].tolist()
        numbers = range(*index.indices(len(self)))
        return self._store.context.exclusively(self._read_all, numbers)

    def _read_all(self, numbers: Sequence[int]) -> list[Any]:
        return [self._read_here(self._place(number), self._element) for number in numbers]

    def _numbers(self) -> Any:
        """The elements as a memoryview, for as long as this object lives; None for others."""
        kind = _FORMATS.get(self._element.storage)
        if kind is None:
            return None
        size = len(self) * array_layout(objects.array_type(self._type)).element_size
        memory: Any = memoryview((ctypes.c_ubyte * size).from_address(self._place(0)))
        return memory.cast("B").cast(kind)

    @overload
    def __setitem__(self, index: int, value: object) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[object]) -> None: ...
    def __setitem__(self, index: int | slice, value: Any) -> None:
        if not isinstance(index, slice):
            number = self._index(index)
            self._write(self._place(number), self._element, value, f"element {number}")
            return
        if not self._element.mutable:
            raise TypeError(f"{self._type} is immutable")
        numbers = range(*index.indices(len(self)))
        raw = _raw(self._element, value) if numbers.step == 1 else None
        if raw is None:
            self._store.context.exclusively(self._write_all, numbers, list(value))
            return
        size = array_layout(objects.array_type(self._type)).element_size
        _check_count(len(raw) // size, len(numbers))
        self._copy(numbers.start, raw)

    def _write_all(self, numbers: Sequence[int], values: list[object]) -> None:
        _check_count(len(values), len(numbers))
        field = self._element
        bits = [
            to_field(field, value, self._store, f"element {number}")
            for number, value in zip(numbers, values, strict=True)
        ]
        for number, value in zip(numbers, bits, strict=True):
            self._store.allocator.write(self._place(number), field, value)

    def _copy(self, start: int, raw: bytes) -> None:
        ctypes.memmove(self._place(start), raw, len(raw))

    def tobytes(self) -> bytes:
        """The elements as they lie in memory, little-endian. Raises TypeError for references."""
        if self._element.value.is_ref:
            raise TypeError(f"{self._type} holds references, not bytes")
        size = array_layout(objects.array_type(self._type)).element_size
        return ctypes.string_at(self._place(0), len(self) * size)

    def __iter__(self) -> Iterator[Any]:
        view = self._numbers()
        for number in range(len(self)):
            yield self[number] if view is None else view[number]


def _fields(type_: DefinedType) -> tuple[FieldType, ...]:
    return objects.struct_type(type_).fields


def _defined(type_: object, kind: type[StructType] | type[ArrayType]) -> DefinedType:
    """The defined type that a user means. Raises TypeError if it is not of this kind."""
    found = type_ if isinstance(type_, DefinedType) else None
    if isinstance(type_, kind):
        found = defined(type_)
    if found is None or not isinstance(found.composite, kind):
        raise TypeError(
            f"{type_!r} is not the type of such an object: it is made by {kind.__name__}(...), "
            "or one of Module.types"
        )
    return found


def _listed(values: Iterable[object], what: str) -> list[object]:
    if not isinstance(values, Iterable):
        raise TypeError(f"{what}, not {values!r}")
    return list(values)


def _require_defaults(type_: DefinedType, fields: Sequence[FieldType]) -> None:
    for field in fields:
        if not field.value.is_defaultable:
            raise TypeError(f"{type_} needs values: {field.storage} has no default")


def _store_for(store: Store | None, values: list[object] | None) -> Store:
    """The store asked for, else that of the first value that belongs to one, else a new one."""
    from wasmine.api.store import store_for

    member = next((value for value in values or () if isinstance(value, StoreObject)), None)
    return store_for(store, member)


def _raw(field: FieldType, values: object) -> bytes | None:
    """The bytes of elements, from a buffer where they lie as in an array, or from a list.

    None for anything else.

    Raises TypeError for bytes that are no whole number of elements.
    """
    if field.value.is_ref:
        return None
    try:
        view = memoryview(values)  # type: ignore[arg-type]
    except TypeError:
        return _packed(field, values)
    size = array_layout(ArrayType(field)).element_size
    kind = view.format.lstrip("@=<")
    if kind in ("B", "b", "c"):
        if view.nbytes % size:
            raise TypeError(
                f"{view.nbytes} bytes are no array of {field.storage}, which has {size} bytes each"
            )
        return view.tobytes()
    same = kind in (_FLOATS if field.storage in (F32, F64) else _INTEGERS)
    return view.tobytes() if same and view.itemsize == size else None


def _packed(field: FieldType, values: object) -> bytes | None:
    """The bytes of a list of common values; None where each of them wants all care."""
    kind = _FORMATS.get(field.storage)
    if kind is None or not isinstance(values, list | tuple | range):
        return None
    try:
        return struct.pack(f"<{len(values)}{kind}", *values)
    except (struct.error, OverflowError):
        return None


def _check_count(given: int, wanted: int) -> None:
    if given != wanted:
        raise ValueError(f"{given} values for {wanted} elements of an array")
