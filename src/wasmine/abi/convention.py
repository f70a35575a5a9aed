"""How a WebAssembly signature becomes a native one.

The native function of a type `(p1 .. pn) -> (r1 .. rm)` is

    result body(environment, p1, .. pn)

- `environment` is the callee's, a pointer: its VMContext, or what a host function was given
  instead (VMFunctionEnvironment). For an imported function it lies in the VMFunctionImport, for
  a reference in the VMCallerCheckedAnyfunc.
- i32, i64, f32 and f64 are passed as such, v128 as a vector of 128 bits, every reference as a
  pointer (`value_kind`). Signedness does not exist at this level.
- No result is void, one result is returned as itself, several as a structure of all of them in
  order, `{r1, .. rm}`.
- What does not fit in registers (`slots`) is left out of all that. It travels through the array
  `values` of the store: the caller writes parameters right before the call, and the callee reads
  them before anything else; the callee writes results right before it returns, and the caller
  reads them before anything else. So nothing is ever passed on the stack: a tail call can always
  be one, and however often a function has been replaced by another, its caller's stack pointer is
  where it was.

What LLVM's `tailcc` makes of this on x86-64: the stack pointer is a multiple of 16 before a call, the
callee takes 8 bytes off the stack besides the return address (`ret $8`), and the caller puts them back.

Thunks box and unbox by type, so one thunk serves all functions of a type: `mangle` names it.

Generic calls pass values in an array of slots of `SLOT_SIZE` bytes, one for each value whatever
its type (reference section 7): parameter i is read from slot i, result i is written to slot i,
in the low bytes of the slot; `slot_count` is the length of that array.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from wasmine.errors import UnsupportedFeature
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
    ref,
    top,
)

INTEGER_PARAMS = 5
"""How many integers and references are passed in registers, beside the environment, on all processors."""
VECTOR_PARAMS = 8
"""How many floats and vectors."""
INTEGER_RESULTS = 3
VECTOR_RESULTS = 2
VALUE_SLOTS = 1000
"""How many values can travel through the store: as many as a function may have parameters or results."""

ThunkKind: TypeAlias = Literal["entry", "raw", "host"]
"""What CPython calls, with values or with bits; what stands for a Python callable."""

SLOT_SIZE = 16
"""Bytes of a value in a slot array: the largest value type fills it."""

_LETTERS: dict[ValType, str] = {
    I32: "i",
    I64: "l",
    F32: "f",
    F64: "d",
    V128: "v",
    FUNCREF: "p",
    EXTERNREF: "e",
}


def value_kind(value: ValType) -> str:
    """The kind of a value in a native signature: i32, i64, f32, f64, v128 or ptr."""
    return "ptr" if isinstance(value, RefType) else value.name


def is_counted(value: object) -> bool:
    """Whether a value type is one of references to host objects: their boxes are counted."""
    return isinstance(value, RefType) and top(value.heap) == "extern"


def erased(signature: FunctionType) -> FunctionType:
    """The type whose thunks serve a function type: every reference type but the two that thunks
    convert by themselves becomes the one at the top of its hierarchy, not nullable."""
    return FunctionType(map(_erased, signature.params), map(_erased, signature.results))


def _erased(value: ValType) -> ValType:
    if isinstance(value, RefType) and value not in (FUNCREF, EXTERNREF):
        return ref(top(value.heap), nullable=False)
    return value


def parameter_slots(signature: FunctionType) -> list[int | None]:
    """For each parameter its slot in the store's `values`, or None if it travels in a register."""
    return _slots(signature.params, INTEGER_PARAMS, VECTOR_PARAMS)


def result_slots(signature: FunctionType) -> list[int | None]:
    """The same for results."""
    return _slots(signature.results, INTEGER_RESULTS, VECTOR_RESULTS)


def _slots(values: tuple[ValType, ...], integers: int, vectors: int) -> list[int | None]:
    slots: list[int | None] = []
    used = 0
    for value in values:
        if value_kind(value) in ("f32", "f64", "v128"):
            vectors -= 1
            fits = vectors >= 0
        else:
            integers -= 1
            fits = integers >= 0
        slots.append(None if fits else used)
        used += not fits
    if used > VALUE_SLOTS:
        raise UnsupportedFeature(f"a function with {len(values)} parameters or results")
    return slots


def slot_count(signature: FunctionType) -> int:
    """How many slots a generic call of this type needs for parameters and results."""
    return max(len(signature.params), len(signature.results))


def thunk_name(kind: ThunkKind, signature: FunctionType) -> str:
    """The symbol of the thunk of a kind that was made for a function type, as `erased` gives it."""
    return f"{kind}_{mangle(signature)}"


def mangle(signature: FunctionType) -> str:
    """A name for a function type, unique to it: letters, digits and underscores only.

    One letter for each value (i l f d v, p for funcref, e for externref), parameters before an
    underscore and results after it: `(i32, f64) -> (i64)` is `id_l`. Any other reference type is
    written as its text behind the length of that: `(ref func)` is `8ref_func`.
    """
    return f"{_letters(signature.params)}_{_letters(signature.results)}"


def _letters(values: tuple[ValType, ...]) -> str:
    return "".join(_LETTERS.get(value) or _length_and_text(value) for value in values)


def _length_and_text(value: ValType) -> str:
    text = str(value).strip("()").replace(" ", "_")
    return f"{len(text)}{text}"
