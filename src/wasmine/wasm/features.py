"""Which proposals are implemented, and the error for the others."""

from __future__ import annotations

from typing import Final

from wasmine.errors import UnsupportedFeature
from wasmine.types import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, RefType, ValType

SUPPORTED: Final = frozenset(
    {
        "mvp",
        "bulk-memory",
        "reference-types",
        "relaxed-simd",
        "saturating-float-to-int",
        "sign-extension",
        "simd",
    }
)
"""Features in the opcode table's words: all of WebAssembly 2.0, and relaxed SIMD."""

_SUPPORTED_TYPES: Final = frozenset({I32, I64, F32, F64, V128, FUNCREF, EXTERNREF})


def unsupported(what: str, feature: str, offset: int | None = None) -> UnsupportedFeature:
    """The error for a part of a module that belongs to a proposal which is not implemented."""
    return UnsupportedFeature(f"unsupported {what}: needs the {feature} proposal", offset)


def check_type_supported(type_: ValType, offset: int | None = None) -> None:
    """Raises UnsupportedFeature for a type that only a later proposal has."""
    if type_ in _SUPPORTED_TYPES:
        return
    feature = "gc"
    if isinstance(type_, RefType):
        if type_.heap in ("exn", "noexn"):
            feature = "exceptions"
        elif type_.heap in ("func", "extern") or isinstance(type_.heap, int):
            feature = "function-references"
    raise unsupported(f"type {type_}", feature, offset)


def is_subtype(type_: RefType, other: RefType) -> bool:
    """Whether every reference of a type is also one of the other; both types are supported."""
    return type_.heap == other.heap and (other.nullable or not type_.nullable)
