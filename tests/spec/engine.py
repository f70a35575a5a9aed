"""wasmine as the engine of the test suite: the one file of the runner that knows its API."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import cast

import wasmine
from wasmine import (
    Function,
    Global,
    Instance,
    Memory,
    Module,
    Store,
    Table,
    TrapCode,
    WasmineError,
)
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
    ValType,
)

from .runner import Stage

STAGES = {
    wasmine.MalformedModule: Stage.MALFORMED,
    wasmine.InvalidModule: Stage.INVALID,
    wasmine.UnsupportedFeature: Stage.UNSUPPORTED,
    wasmine.LinkError: Stage.LINK,
    wasmine.Trap: Stage.TRAP,
    wasmine.WasmException: Stage.EXCEPTION,
}

PRINT_PARAMETERS = ((), (I32,), (I64,), (F32,), (F64,), (I32, F32), (F64, F64))


class WasmineEngine:
    """One store for all instances of a script, as its linking needs."""

    def __init__(self) -> None:
        self._store = Store()
        self._spectest = _spectest(self._store)

    def compile(self, data: bytes) -> Module:
        return Module(data)

    def imported_modules(self, module: Module) -> set[str]:
        return {one.module for one in module.imports}

    def instantiate(self, module: Module, registered: Mapping[str, Instance]) -> Instance:
        imports: dict[str, Mapping[str, object]] = {"spectest": self._spectest}
        imports |= {name: instance.exports for name, instance in registered.items()}
        return Instance(module, imports, store=self._store)

    def invoke(
        self, instance: Instance, field: str, arguments: Sequence[object]
    ) -> tuple[object, ...]:
        return cast(Function, instance.exports[field]).call_raw(*arguments)

    def get(self, instance: Instance, field: str) -> object:
        exported = cast(Global, instance.exports[field])
        return _to_bits(exported.type.value, exported.value)

    def explain(self, error: Exception) -> tuple[Stage, str]:
        stage = STAGES.get(type(error), Stage.OTHER)
        if isinstance(error, wasmine.Trap) and error.code is TrapCode.STACK_OVERFLOW:
            stage = Stage.EXHAUSTION
        if isinstance(error, wasmine.Trap | wasmine.CompileError):
            return stage, error.message
        text = str(error) if isinstance(error, WasmineError) else repr(error)
        return stage, text


def _spectest(store: Store) -> dict[str, object]:
    """The host module that scripts import from (interpreter/host/spectest.ml)."""
    exports: dict[str, object] = {
        "global_i32": Global(GlobalType(I32, False), 666, store=store),
        "global_i64": Global(GlobalType(I64, False), 666, store=store),
        "global_f32": Global(GlobalType(F32, False), 666.6, store=store),
        "global_f64": Global(GlobalType(F64, False), 666.6, store=store),
        "table": Table(TableType(FUNCREF, Limits(10, 20)), store=store),
        "table64": Table(TableType(FUNCREF, Limits(10, 20), I64), store=store),
        "memory": Memory(MemoryType(Limits(1, 2)), store=store),
    }
    for params in PRINT_PARAMETERS:
        name = "_".join(["print", *(param.name for param in params)])
        exports[name] = Function(_ignore, FunctionType(params, ()), store=store)
    return exports


def _ignore(*_: object) -> None:
    """What the suite's print functions do here."""


def _to_bits(type_: ValType, value: object) -> object:
    if isinstance(value, float):
        return int.from_bytes(struct.pack("<f" if type_ is F32 else "<d", value), "little")
    if isinstance(value, int):
        return value & (0xFFFF_FFFF if type_ is I32 else 0xFFFF_FFFF_FFFF_FFFF)
    return value
