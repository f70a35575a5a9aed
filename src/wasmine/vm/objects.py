"""Structs and arrays as Python code makes, reads and writes them: by the bits of their values.

Where fields and elements lie is said by `abi.objects`; where objects come from, by the heap.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.objects import (
    FOREIGN_BIT,
    I31_BIT,
    LENGTH_OFFSET,
    TYPE_OFFSET,
    array_layout,
    struct_layout,
)
from wasmine.errors import InternalError
from wasmine.types import (
    F32,
    F64,
    I32,
    I64,
    V128,
    ArrayType,
    DefinedType,
    FieldType,
    StructType,
    ValType,
)

if TYPE_CHECKING:
    from wasmine.vm.heap import Held
    from wasmine.vm.signatures import SignatureRegistry
    from wasmine.vm.store import References

I31_MASK: Final = 0x7FFF_FFFF

_KINDS: Final[dict[ValType | str, type[ctypes._SimpleCData[int]]]] = {
    "i8": ctypes.c_uint8,
    "i16": ctypes.c_uint16,
    I32: ctypes.c_uint32,
    I64: ctypes.c_uint64,
    F32: ctypes.c_uint32,
    F64: ctypes.c_uint64,
}
_VECTOR_SIZE: Final = 16


def i31(value: int) -> int:
    """The reference to an i31, of which the low 31 bits count."""
    return (value & I31_MASK) << 1 | I31_BIT


def convert(raw: int) -> int:
    """From an anyref to an externref, and back."""
    return raw if not raw or raw & I31_BIT else raw ^ FOREIGN_BIT


def read(address: int, field: FieldType) -> int:
    """The bits of the value at an address."""
    if field.storage is V128:
        return int.from_bytes(ctypes.string_at(address, _VECTOR_SIZE), "little")
    return _KINDS.get(field.storage, ctypes.c_uint64).from_address(address).value


def write(address: int, field: FieldType, bits: int) -> None:
    """Store the bits of a value."""
    if field.storage is V128:
        ctypes.memmove(address, bits.to_bytes(_VECTOR_SIZE, "little"), _VECTOR_SIZE)
    else:
        _KINDS.get(field.storage, ctypes.c_uint64).from_address(address).value = bits


def type_number(address: int) -> int:
    """The number of an object's type in the registry of its engine."""
    return ctypes.c_uint32.from_address(address + TYPE_OFFSET).value


def length(address: int) -> int:
    """The number of elements of an array."""
    return ctypes.c_uint32.from_address(address + LENGTH_OFFSET).value


def struct_type(type_: DefinedType) -> StructType:
    """The composite type of a struct."""
    if not isinstance(type_.composite, StructType):
        raise InternalError(f"{type_} is no struct")
    return type_.composite


def array_type(type_: DefinedType) -> ArrayType:
    """The composite type of an array."""
    if not isinstance(type_.composite, ArrayType):
        raise InternalError(f"{type_} is no array")
    return type_.composite


class Allocator:
    """Makes objects of a store, which must be claimed. They live as long as what holds them."""

    def __init__(self, references: References, signatures: SignatureRegistry) -> None:
        self._references = references
        self._signatures = signatures

    def struct(self, type_: DefinedType, values: Sequence[int]) -> Held:
        """A struct with these bits in its fields. Raises Trap if there is no room for it."""
        composite = struct_type(type_)
        layout = struct_layout(composite)
        heap = self._references.heap
        held = heap.allocate(self._signatures.register(type_), layout.size)
        for offset, field, bits in zip(layout.offsets, composite.fields, values, strict=True):
            self.write(held.address + offset, field, bits)
        return held

    def array(self, type_: DefinedType, length: int) -> Held:
        """An array of zeros and nulls. Raises Trap if there is no room for it."""
        layout = array_layout(array_type(type_))
        heap = self._references.heap
        number = self._signatures.register(type_)
        return heap.allocate_array(number, length, layout.element_size, layout.elements)

    def array_of(self, type_: DefinedType, values: Sequence[int]) -> Held:
        """An array with these bits in its elements. Raises Trap if there is no room for it."""
        held = self.array(type_, len(values))
        composite = array_type(type_)
        layout = array_layout(composite)
        place = held.address + layout.elements
        for bits in values:
            self.write(place, composite.field, bits)
            place += layout.element_size
        return held

    def filled_array(self, type_: DefinedType, bits: int, length: int) -> Held:
        """An array with the same bits in all elements. Raises Trap if there is no room for it."""
        held = self.array(type_, length)
        if bits and length:
            composite = array_type(type_)
            layout = array_layout(composite)
            place = held.address + layout.elements
            self.write(place, composite.field, bits)
            done, size = layout.element_size, layout.element_size * length
            while done < size:
                ctypes.memmove(place + done, place, min(done, size - done))
                done *= 2
        return held

    def write(self, place: int, field: FieldType, bits: int) -> None:
        """Store a value in an object of the store."""
        if is_counted(field.storage):
            self._references.keep(bits)
        write(place, field, bits)

    def internalize(self, raw: int) -> int:
        """The anyref for an externref, whose box is the collector's from now on."""
        self._references.keep(raw)
        return convert(raw)
