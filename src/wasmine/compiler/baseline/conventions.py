"""In which registers values travel between functions.

The convention is that of LLVM's `tailcc` (abi.convention says what travels in registers at all): the
environment in RDI, integers in RSI, RDX, RCX, R8, R9, floats and vectors in xmm0 to xmm7; results in RAX,
RDX, RCX and xmm0, xmm1. RBX, RBP and R12 to R15 are preserved. Upper halves of i32 are undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wasmine.abi.convention import SLOT_SIZE, parameter_slots, result_slots
from wasmine.abi.vmcontext import VMStoreContext, offset_of
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    R8,
    R9,
    RAX,
    RCX,
    RDX,
    RSI,
    class_of,
)
from wasmine.frozen import Frozen
from wasmine.types import I32, FunctionType, ValType

GENERAL_PARAMETERS: Final = (RSI, RDX, RCX, R8, R9)
VECTOR_PARAMETERS: Final = range(FIRST_VECTOR, FIRST_VECTOR + 8)
GENERAL_RESULTS: Final = (RAX, RDX, RCX)
VECTOR_RESULTS: Final = range(FIRST_VECTOR, FIRST_VECTOR + 2)

_VALUES: Final = offset_of(VMStoreContext, "values")


class Passed(Frozen):
    """How a parameter or result travels."""

    class_: int
    narrow: bool
    """Whether it is an i32."""
    register: int
    """The location of its register, or -1."""
    displacement: int
    """Where in VMStoreContext it travels, if in no register."""


class Convention(Frozen):
    """How values of a function type travel."""

    parameters: tuple[Passed, ...]
    results: tuple[Passed, ...]
    registers: tuple[int, ...]
    """Of the parameters that are in registers, in order."""
    result_registers: tuple[int, ...]
    stores_parameters: bool
    """Whether some travel through the store."""
    stores_results: bool


def convention(type_: FunctionType) -> Convention:
    """How parameters and results of a function type travel. Raises UnsupportedFeature for too many."""
    parameters = _passed(
        type_.params, parameter_slots(type_), GENERAL_PARAMETERS, VECTOR_PARAMETERS
    )
    results = _passed(type_.results, result_slots(type_), GENERAL_RESULTS, VECTOR_RESULTS)
    return Convention(
        parameters,
        results,
        tuple(value.register for value in parameters if value.register >= 0),
        tuple(value.register for value in results if value.register >= 0),
        any(value.register < 0 for value in parameters),
        any(value.register < 0 for value in results),
    )


def _passed(
    types: tuple[ValType, ...],
    slots: list[int | None],
    general: Sequence[int],
    vectors: Sequence[int],
) -> tuple[Passed, ...]:
    free = iter(general), iter(vectors)
    values = []
    for type_, slot in zip(types, slots, strict=True):
        class_ = class_of(type_)
        register = next(free[class_]) if slot is None else -1
        displacement = 0 if slot is None else _VALUES + slot * SLOT_SIZE
        values.append(Passed(class_, type_ is I32, register, displacement))
    return tuple(values)
