"""wasmine runs WebAssembly at native speed: a runtime for Python, written in Python.

from wasmine import Instance, Module

instance = Instance(Module("add.wasm"), {"env": {"log": print}})
instance.exports.add(1, 2)

code                  Module, Instance, Exports, wat2wasm
how it is compiled    Engine, Features
imports and exports   Function, Memory, Table, Global, Tag
values in calls       int, float, bytes (v128) and references: Function (funcref), any object
                      (externref, anyref), Struct, Array, WasmException; None is null
what belongs together Store; most programs never name one
types                 I32 .. V128, FUNCREF, EXTERNREF, ref(); FunctionType, MemoryType, ..., Limits;
                      StructType, ArrayType, FieldType, DefinedType, defined()
errors                WasmineError and its family, drawn in wasmine.errors; Trap, TrapCode, Frame
programs and scripts  wasmine.wasi, wasmine.script
"""

# Not the one of `typing`: importing that would take longer than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from wasmine.api.engine import Engine
    from wasmine.api.exceptions import Tag, WasmException
    from wasmine.api.function import Function
    from wasmine.api.globals import Global
    from wasmine.api.instance import Exports, Instance
    from wasmine.api.memory import Memory
    from wasmine.api.module import Module
    from wasmine.api.objects import Array, Struct
    from wasmine.api.source import wat2wasm
    from wasmine.api.store import Store
    from wasmine.api.table import Table
    from wasmine.errors import (
        CompileError,
        DeserializeError,
        Frame,
        InternalError,
        InvalidModule,
        LinkError,
        MalformedModule,
        MalformedText,
        ResourceError,
        StoreError,
        Trap,
        TrapCode,
        UnsupportedFeature,
        WasmineError,
    )
    from wasmine.types import (
        EXTERNREF,
        F32,
        F64,
        FUNCREF,
        I32,
        I64,
        V128,
        ArrayType,
        DefinedType,
        ExportType,
        FieldType,
        FunctionType,
        GlobalType,
        ImportType,
        Limits,
        MemoryType,
        RefType,
        StructType,
        TableType,
        TagType,
        ValType,
        defined,
        ref,
    )
    from wasmine.version import __version__
    from wasmine.wasm.features import Features

__all__ = [
    "EXTERNREF",
    "F32",
    "F64",
    "FUNCREF",
    "I32",
    "I64",
    "V128",
    "Array",
    "ArrayType",
    "CompileError",
    "DefinedType",
    "DeserializeError",
    "Engine",
    "ExportType",
    "Exports",
    "Features",
    "FieldType",
    "Frame",
    "Function",
    "FunctionType",
    "Global",
    "GlobalType",
    "ImportType",
    "Instance",
    "InternalError",
    "InvalidModule",
    "Limits",
    "LinkError",
    "MalformedModule",
    "MalformedText",
    "Memory",
    "MemoryType",
    "Module",
    "RefType",
    "ResourceError",
    "Store",
    "StoreError",
    "Struct",
    "StructType",
    "Table",
    "TableType",
    "Tag",
    "TagType",
    "Trap",
    "TrapCode",
    "UnsupportedFeature",
    "ValType",
    "WasmException",
    "WasmineError",
    "__version__",
    "defined",
    "ref",
    "wat2wasm",
]

_HOMES = {
    "api.engine": "Engine",
    "api.exceptions": "Tag WasmException",
    "api.function": "Function",
    "api.globals": "Global",
    "api.instance": "Exports Instance",
    "api.memory": "Memory",
    "api.module": "Module",
    "api.objects": "Array Struct",
    "api.source": "wat2wasm",
    "api.store": "Store",
    "api.table": "Table",
    "errors": """
        CompileError DeserializeError Frame InternalError InvalidModule LinkError
        MalformedModule MalformedText ResourceError StoreError Trap TrapCode
        UnsupportedFeature WasmineError
    """,
    "types": """
        EXTERNREF F32 F64 FUNCREF I32 I64 V128 ArrayType DefinedType ExportType FieldType
        FunctionType GlobalType ImportType Limits MemoryType RefType StructType TableType
        TagType ValType defined ref
    """,
    "version": "__version__",
    "wasm.features": "Features",
}
"""In which module public names are. It is imported when one is first used, so that a program loads only
what it needs; type checkers follow the imports above."""

_MODULES = ("errors", "script", "types", "wasi")
"""Modules that are public too."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"wasmine.{name}")
    for home, names in _HOMES.items():
        if name in names.split():
            value: object = getattr(import_module(f"wasmine.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'wasmine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES]
