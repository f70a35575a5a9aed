"""What generic thunks read: the native description of a function type.

A thunk has room for every value in an array of slots (`SLOT_SIZE` bytes each): the integer registers of
the convention first, then the vector registers, then what travels through the store. Parameters
and results use the same slots, each at its own time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from wasmine.abi.convention import (
    INTEGER_PARAMS,
    SLOT_SIZE,
    VECTOR_PARAMS,
    parameter_slots,
    result_slots,
    value_kind,
)
from wasmine.abi.vmcontext import U32, U64, Pointer, record, size_of
from wasmine.types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    FunctionType,
    RefType,
    ValType,
    top,
)

FIRST_VECTOR: Final = INTEGER_PARAMS
"""The slot of the first vector register."""
FIRST_STORED: Final = FIRST_VECTOR + VECTOR_PARAMS
"""The slot of the first value that travels through the store."""


class ValueKind(IntEnum):
    """How a value is converted; references are those from EXTERNREF on."""

    I32 = 0
    I64 = 1
    F32 = 2
    F64 = 3
    V128 = 4
    EXTERNREF = 5
    FUNCREF = 6
    EXTERN = 7
    """Of the hierarchy of externref, but another type, which only Python knows."""
    FUNC = 8
    ANY = 9
    EXN = 10


@record
class ValueRecord(ctypes.Structure):
    """A parameter or a result: its ValueKind, and where in the array of slots it is, in bytes."""

    kind: U32
    place: U32


@record
class SignatureRecord(ctypes.Structure):
    """A function type; ValueRecords follow, those of its parameters, then of its results.

    `size` is that of the array of slots in bytes, `stored_params` and `stored_results` are the bytes of
    what travels through the store. `references` is 1 if a parameter is a reference. `calls` counts
    calls by generic thunks. `entry` and `raw` are 0 or the addresses of thunks made for this type,
    `host` is what goes on with a call of a Python callable.
    """

    params: U64
    results: U64
    size: U64
    stored_params: U64
    stored_results: U64
    references: U64
    calls: U64
    entry: Pointer
    raw: Pointer
    host: Pointer


_NUMBERS: Final = {
    I32: ValueKind.I32,
    I64: ValueKind.I64,
    F32: ValueKind.F32,
    F64: ValueKind.F64,
    V128: ValueKind.V128,
    EXTERNREF: ValueKind.EXTERNREF,
    FUNCREF: ValueKind.FUNCREF,
}
_HIERARCHIES: Final = {
    "extern": ValueKind.EXTERN,
    "func": ValueKind.FUNC,
    "any": ValueKind.ANY,
    "exn": ValueKind.EXN,
}


def _kind(value: ValType) -> ValueKind:
    known = _NUMBERS.get(value)
    if known is None and isinstance(value, RefType):
        known = _HIERARCHIES[top(value.heap)]
    if known is None:
        raise TypeError(f"{value} is no value type")
    return known


def _places(values: tuple[ValType, ...], slots: list[int | None]) -> Iterator[int]:
    """For each value its place in the array of slots, in bytes."""
    integer, vector = 0, FIRST_VECTOR
    for value, slot in zip(values, slots, strict=True):
        if slot is not None:
            place = FIRST_STORED + slot
        elif value_kind(value) in ("f32", "f64", "v128"):
            place, vector = vector, vector + 1
        else:
            place, integer = integer, integer + 1
        yield place * SLOT_SIZE


def describe(signature: FunctionType, host: int) -> bytes:
    """A SignatureRecord and what follows it; `host` is its field of that name.

    Raises UnsupportedFeature for a type with too many values.
    """
    params, results = signature.params, signature.results
    param_slots, result_places = parameter_slots(signature), result_slots(signature)
    stored_params = sum(slot is not None for slot in param_slots)
    stored_results = sum(slot is not None for slot in result_places)
    head = SignatureRecord(
        params=len(params),
        results=len(results),
        size=(FIRST_STORED + max(stored_params, stored_results)) * SLOT_SIZE,
        stored_params=stored_params * SLOT_SIZE,
        stored_results=stored_results * SLOT_SIZE,
        references=any(isinstance(param, RefType) for param in params),
        host=host,
    )
    places = (*_places(params, param_slots), *_places(results, result_places))
    rows = b"".join(
        bytes(ValueRecord(_kind(value), place))
        for value, place in zip((*params, *results), places, strict=True)
    )
    return bytes(head) + rows


SIGNATURE_HEADER: Final = size_of(SignatureRecord)
"""Bytes before the ValueRecords."""
