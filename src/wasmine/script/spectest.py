"""The host module that scripts import from (interpreter/host/spectest.ml)."""

from __future__ import annotations

from typing import Final

from wasmine import Function, Global, Memory, Store, Table
from wasmine.types import (
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    FunctionType,
    GlobalType,
    Limits,
    MemoryType,
    TableType,
)

_PRINT_PARAMETERS: Final = ((), (I32,), (I64,), (F32,), (F64,), (I32, F32), (F64, F64))
_LIMITS: Final = Limits(10, 20)


def spectest(store: Store) -> dict[str, object]:
    """The module's exports as objects of a store."""
    exports: dict[str, object] = {
        "global_i32": Global(GlobalType(I32, False), 666, store=store),
        "global_i64": Global(GlobalType(I64, False), 666, store=store),
        "global_f32": Global(GlobalType(F32, False), 666.6, store=store),
        "global_f64": Global(GlobalType(F64, False), 666.6, store=store),
        "table": Table(TableType(FUNCREF, _LIMITS), store=store),
        "table64": Table(TableType(FUNCREF, _LIMITS, I64), store=store),
        "memory": Memory(MemoryType(Limits(1, 2)), store=store),
        "shared_memory": Memory(MemoryType(Limits(1, 2), shared=True), store=store),
    }
    for params in _PRINT_PARAMETERS:
        name = "_".join(["print", *(param.name for param in params)])
        exports[name] = Function(_ignore, FunctionType(params, ()), store=store)
    return exports


def _ignore(*_: object) -> None:
    """What the suite's print functions do here: their arguments are of no interest to a test."""
