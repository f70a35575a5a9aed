"""How objects of the garbage-collected heap lie in memory, by their types.

Every object begins with a header of 8 bytes: the number of its type (VMObject.type) and, for arrays,
how many elements it has (VMObject.length, 0 otherwise). Fields follow in order, each at a multiple of
its size. An exception's type is that of its tag, a function type; behind its header is the address of
its VMTag, then what it carries, like the fields of a struct.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from wasmine.abi.layout import align
from wasmine.errors import InternalError
from wasmine.frozen import Frozen
from wasmine.types import (
    F32,
    F64,
    I32,
    I64,
    V128,
    ArrayType,
    CompositeType,
    FunctionType,
    RefType,
    StorageType,
    StructType,
    ValType,
    top,
)

HEADER_SIZE: Final = 8
TYPE_OFFSET: Final = 0
"""Of the u32 with the number of the object's type, which is never 0."""
LENGTH_OFFSET: Final = 4
"""Of the u32 with the number of an array's elements."""
TAG_OFFSET: Final = 8
"""Of the pointer to an exception's VMTag."""
PAYLOAD_OFFSET: Final = 16
"""Where the values of an exception begin."""

I31_BIT: Final = 1
"""Set in a reference of the any or extern hierarchy that is an i31: its value is in the bits above."""
FOREIGN_BIT: Final = 2
"""Set where a reference crossed over: in `any` it is the box of a host object, in `extern` an object."""

REFERENCE_SIZE: Final = 8
_SIZES: Final[dict[StorageType, int]] = {
    "i8": 1, "i16": 2, I32: 4, I64: 8, F32: 4, F64: 8, V128: 16,
}  # fmt: skip


def storage_size(storage: StorageType) -> int:
    """The bytes of a field or an element; its address is a multiple of this."""
    return REFERENCE_SIZE if isinstance(storage, RefType) else _SIZES[storage]


def is_traced(storage: StorageType) -> bool:
    """Whether the collector follows values of this type: all references but those to functions."""
    return isinstance(storage, RefType) and top(storage.heap) != "func"


class StructLayout(Frozen):
    """A struct or an exception. All offsets are from the start of the object."""

    offsets: tuple[int, ...]
    """Of the fields, in order."""
    size: int
    """Bytes of the object with its header."""
    references: tuple[int, ...]
    """Offsets of the fields that the collector follows."""


class ArrayLayout(Frozen):
    """An array. Its size in bytes is `elements + length * element_size`."""

    elements: int
    """Offset of the first element."""
    element_size: int
    traced: bool
    """Whether the collector follows the elements."""


@cache
def struct_layout(type_: StructType) -> StructLayout:
    """Where the fields of a struct lie."""
    return _place((field.storage for field in type_.fields), HEADER_SIZE)


@cache
def exception_layout(type_: FunctionType) -> StructLayout:
    """Where the values lie that an exception with a tag of this type carries."""
    return _place(type_.params, PAYLOAD_OFFSET)


@cache
def array_layout(type_: ArrayType) -> ArrayLayout:
    """Where the elements of an array lie."""
    size = storage_size(type_.field.storage)
    return ArrayLayout(align(HEADER_SIZE, size), size, is_traced(type_.field.storage))


def _place(storages: Iterable[StorageType | ValType], start: int) -> StructLayout:
    end, offsets, references = start, [], []
    for storage in storages:
        size = storage_size(storage)
        offset = align(end, size)
        offsets.append(offset)
        if is_traced(storage):
            references.append(offset)
        end = offset + size
    return StructLayout(tuple(offsets), align(end, REFERENCE_SIZE), tuple(references))


def layout(type_: CompositeType) -> StructLayout | ArrayLayout:
    """The layout of the objects of a type; those of a function type are exceptions."""
    match type_:
        case StructType():
            return struct_layout(type_)
        case ArrayType():
            return array_layout(type_)
        case FunctionType():
            return exception_layout(type_)
    raise InternalError(f"objects of {type_} have no layout")
