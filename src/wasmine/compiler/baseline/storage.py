"""What objects hold, in baseline code: loads and stores of fields, elements and payloads.

Packed fields aside, values are in memory as they are in registers. Addresses are a register and a
displacement; whether there is an object at all has been checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wasmine.abi.objects import storage_size
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    FRAME,
    GENERAL,
    RCX,
    SLOT,
    VECTOR_SCRATCH,
    Location,
    class_of,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import InternalError
from wasmine.types import V128, StorageType, ValType

_LOADS: Final = {
    "i8": (asm.load8_u, asm.load8_s),
    "i16": (asm.load16_u, asm.load16_s),
}
_BITS: Final = {4: asm.load32, 8: asm.load64}
_STORES: Final[dict[int, Callable[[int, int, int], bytes]]] = {
    1: asm.store8,
    2: asm.store16,
    4: asm.store32,
    8: asm.store64,
}
_VECTOR_LOADS: Final = {4: asm.load_x32, 8: asm.load_x64, 16: asm.load_x128}
_VECTOR_STORES: Final = {4: asm.store_x32, 8: asm.store_x64, 16: asm.store_x128}


def storage_class(storage: StorageType) -> int:
    """GENERAL or VECTOR: in which registers a value from a field is."""
    return class_of(storage) if isinstance(storage, ValType) else GENERAL


def load_storage(
    f: FunctionState, storage: StorageType, to: int, base: int, offset: int, *, signed: bool = False
) -> None:
    """Load a field into a register of its class; packed ones are extended as `signed` says."""
    if to >= FIRST_VECTOR:
        f.add(_VECTOR_LOADS[storage_size(storage)](to - FIRST_VECTOR, base, offset))
    elif isinstance(storage, ValType):
        f.add(_BITS[storage_size(storage)](to, base, offset))
    else:
        f.add(_LOADS[storage][signed](to, base, offset))


def copy_to_place(f: FunctionState, type_: ValType, place: int, base: int, offset: int) -> None:
    """Load a value into a place in the frame. Changes RCX or xmm0."""
    if type_ is V128:
        load_storage(f, type_, VECTOR_SCRATCH, base, offset)
        f.move(place, VECTOR_SCRATCH)
    else:
        # The bits of a float go by a general register too.
        f.add(_BITS[storage_size(type_)](RCX, base, offset), asm.store64(RCX, FRAME, place - SLOT))


def store_storage(
    f: FunctionState, storage: StorageType, value: Location, base: int, offset: int
) -> None:
    """Store a value of any location in a field. Changes RCX or xmm0; `base` is not RCX."""
    size = storage_size(storage)
    if type(value) is not int or value >= SLOT:
        scratch = VECTOR_SCRATCH if storage is V128 else RCX
        f.move(scratch, value)
        value = scratch
    if type(value) is not int:
        raise InternalError("a value in no register")
    if value >= FIRST_VECTOR:
        f.add(_VECTOR_STORES[size](value - FIRST_VECTOR, base, offset))
    else:
        f.add(_STORES[size](value, base, offset))
