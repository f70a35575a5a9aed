"""Which locals are in registers for the whole function: those that are used most, loops counting more."""

from __future__ import annotations

from typing import Final

from wasmine.compiler.baseline.locations import (
    PINNED,
    R9,
    SLOT,
    class_of,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.wasm.opcodes import BY_NAME, OPCODES

_LOOP: Final = BY_NAME["loop"].index
_END: Final = BY_NAME["end"].index
_DELEGATE: Final = BY_NAME["delegate"].index
_WORTH: Final = 3
"""Uses from which on a register is worth saving for a local."""
_LOOP_WEIGHT: Final = 8
_HEAVIEST: Final = 8**4
_CALL_COST: Final = 2
"""Saving and restoring a register around a call, in uses."""

_OTHER, _LOCAL, _OPEN, _CLOSE, _REPEAT, _CALL = range(6)


_CALLING: Final = (
    "call", "memory.", "table.", "struct.new", "array.", "throw", "any.convert",
)  # fmt: skip
"""How the names of instructions begin that call, functions or the runtime."""
_IN_PLACE: Final = frozenset(
    (
        "array.get", "array.get_s", "array.get_u", "array.set", "array.len",
        "table.get", "table.set", "table.size",
    )
)  # fmt: skip
"""Those that do not, unless references are counted."""


def _kind(name: str, immediates: tuple[str, ...]) -> int:
    if name in ("local.get", "local.set", "local.tee"):
        return _LOCAL
    if name == "loop":
        return _REPEAT
    if name in ("end", "delegate"):
        return _CLOSE
    if "blocktype" in immediates:
        return _OPEN
    waits = "wait" in name or "notify" in name
    if waits or (name.startswith(_CALLING) and name not in _IN_PLACE):
        return _CALL
    return _OTHER


_KINDS: Final = [_kind(opcode.name, opcode.immediates) for opcode in OPCODES]


def _count(f: FunctionState) -> tuple[dict[int, int], int]:
    """How much each local is used, and how much is called."""
    uses: dict[int, int] = {}
    kinds, weight, calls = _KINDS, 1, 0
    open_: list[int] = []
    for code, immediate in zip(f.codes, f.immediates, strict=True):
        kind = kinds[code]
        if not kind:
            continue
        if kind == _LOCAL:
            uses[immediate] = uses.get(immediate, 0) + weight  # type: ignore[call-overload, index]
        elif kind == _CLOSE:
            weight = open_.pop() if open_ else weight
        elif kind == _CALL:
            calls += weight
        else:
            open_.append(weight)
            if kind == _REPEAT and weight < _HEAVIEST:
                weight *= _LOOP_WEIGHT
    return uses, calls


def choose(f: FunctionState) -> None:
    """Give locals their registers, before any code is written."""
    uses, calls = _count(f)
    vectors = [*reversed(f.context.vector_pinned)]
    # Without calls, those that need no saving at the function's entry come first.
    general = [*reversed(PINNED), R9] if not calls else [R9, *reversed(PINNED)]
    types, locals_ = f.body.locals, f.locals
    for index in sorted(uses, key=uses.__getitem__, reverse=True):
        worth = uses[index]
        if worth < _WORTH or not (general or vectors):
            break
        if class_of(types[index]):
            if vectors and worth > _CALL_COST * calls:
                locals_[index] = vectors.pop()
        elif general and (general[-1] != R9 or worth > _CALL_COST * calls):
            locals_[index] = general.pop()
    f.used = frozenset(location for location in locals_ if location < SLOT)
    if R9 in f.used:
        f.free.remove(R9)
    # What no local has is for operands, and taken last.
    f.free_vectors[:0] = vectors
    f.temporaries = (f.temporaries | frozenset(vectors)) - f.used
    f.saved_locals = [
        index
        for index, location in enumerate(locals_)
        if location < SLOT and location not in PINNED
    ]
