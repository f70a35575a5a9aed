"""Values of scripts: as arguments, and as patterns that results must match.

Numbers are the unsigned integer of their bits, as for `Function.call_raw`; references are objects.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Final

from wasmine import Array, Function, Struct
from wasmine.frozen import Frozen
from wasmine.types import F32, F64, AbstractHeapType, ValType
from wasmine.wasm.text.commands import (
    AnyReference,
    Argument,
    Constant,
    Either,
    HostReference,
    Lanes,
    Nan,
    NanPattern,
    NullReference,
    Result,
)


class HostObject(Frozen, eq=False):
    """`(ref.extern n)`: an object of the host, which scripts know by its number."""

    number: int


@cache
def host_object(number: int) -> HostObject:
    """The one object of that number: scripts expect to get back what they passed."""
    return HostObject(number)


def argument(value: Argument) -> object:
    """The value to pass."""
    match value:
        case Constant():
            return value.bits
        case HostReference():
            return host_object(value.number)
        case NullReference():
            return None


def matches(pattern: Result, type_: ValType, actual: object) -> bool:
    """Whether a result of this type is one that the pattern allows."""
    match pattern:
        case Either():
            return any(matches(one, type_, actual) for one in pattern.alternatives)
        case Constant() | Nan() | Lanes():
            return isinstance(actual, int) and _number_matches(pattern, type_, actual)
        case _:
            return type_.is_ref and _reference_matches(pattern, actual)


def _number_matches(pattern: Constant | Nan | Lanes, type_: ValType, bits: int) -> bool:
    match pattern:
        case Constant():
            return type_ is pattern.type and bits == pattern.bits
        case Nan():
            return type_ is pattern.type and _is_nan(type_, pattern.pattern, bits)
        case Lanes():
            return type_.is_vec and _lanes_match(pattern, bits)


def _reference_matches(
    pattern: NullReference | HostReference | AnyReference, actual: object
) -> bool:
    match pattern:
        case NullReference():
            return actual is None
        case HostReference():
            return actual is host_object(pattern.number)
        case AnyReference():
            return actual is not None and _is_of_kind(pattern.kind, actual)


_KINDS: Final[dict[AbstractHeapType, type | UnionType]] = {
    "func": Function,
    "extern": object,
    "any": int | Struct | Array | HostObject,
    "eq": int | Struct | Array,
    "i31": int,
    "struct": Struct,
    "array": Array,
    "exn": object,
}
"""What Python objects references of this kind are, other than null."""


def _is_of_kind(kind: AbstractHeapType, value: object) -> bool:
    """Whether a reference that is not null is of this kind: never of one that has only null."""
    return isinstance(value, _KINDS.get(kind, ()))


_MANTISSAS: Final = {F32: 23, F64: 52}
_WIDTHS: Final = {F32: 32, F64: 64}


def _is_nan(type_: ValType, pattern: NanPattern, bits: int) -> bool:
    width, mantissa = _WIDTHS[type_], _MANTISSAS[type_]
    # the canonical NaN: an exponent of ones and the highest bit of the mantissa
    quiet = ((1 << width - mantissa) - 1) << (mantissa - 1)
    if bits >> width:
        return False
    if pattern == "nan:canonical":
        return bits & ~(1 << width - 1) == quiet  # the sign of a NaN is never specified
    return bits & quiet == quiet


def _lanes_match(pattern: Lanes, actual: int) -> bool:
    count = len(pattern.lanes)
    width = 128 // count
    type_ = F32 if pattern.shape == "f32x4" else F64
    lanes = (actual >> (width * number) & ((1 << width) - 1) for number in range(count))
    return actual >> 128 == 0 and all(
        lane == wanted if isinstance(wanted, int) else _is_nan(type_, wanted, lane)
        for wanted, lane in zip(pattern.lanes, lanes, strict=True)
    )


def show(value: object) -> str:
    """A result or a pattern in a message."""
    text = "null" if value is None else hex(value) if isinstance(value, int) else repr(value)
    match value:
        case Constant():
            text = f"{value.type} {value.bits:#x}"
        case Nan():
            text = f"{value.type} {value.pattern}"
        case Lanes():
            lanes = (hex(lane) if isinstance(lane, int) else lane for lane in value.lanes)
            text = f"{value.shape} {' '.join(lanes)}"
        case NullReference():
            text = f"(ref.null{'' if value.heap is None else f' {value.heap}'})"
        case HostReference():
            text = f"(ref.{value.kind} {value.number})"
        case AnyReference():
            text = f"(ref.{value.kind})"
        case Either():
            text = f"(either {' '.join(map(show, value.alternatives))})"
        case HostObject():
            text = f"(ref.extern {value.number})"
        case _:
            pass
    return text


def show_all(values: tuple[object, ...]) -> str:
    """Results or patterns in a message."""
    return ", ".join(map(show, values)) or "nothing"
