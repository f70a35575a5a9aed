"""wasmine runs WebAssembly at native speed: a runtime for Python, written in Python.

from wasmine import Instance, Module

instance = Instance(Module("add.wasm"), {"env": {"log": print}})
instance.exports.add(1, 2)
"""

from wasmine.api.engine import Engine
from wasmine.api.exceptions import Tag, WasmException
from wasmine.api.function import Function
from wasmine.api.globals import Global
from wasmine.api.instance import Exports, Instance
from wasmine.api.memory import Memory
from wasmine.api.module import Module
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
    ExportType,
    FunctionType,
    GlobalType,
    ImportType,
    Limits,
    MemoryType,
    TableType,
    TagType,
    ValType,
)
from wasmine.version import __version__

__all__ = [
    "EXTERNREF",
    "F32",
    "F64",
    "FUNCREF",
    "I32",
    "I64",
    "V128",
    "CompileError",
    "DeserializeError",
    "Engine",
    "ExportType",
    "Exports",
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
    "Memory",
    "MemoryType",
    "Module",
    "ResourceError",
    "Store",
    "StoreError",
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
]

# Tracebacks and documentation show where users find a name, not where it is written.
for _name in __all__:
    _thing = globals()[_name]
    if isinstance(_thing, type):
        _thing.__module__ = "wasmine"
del _name, _thing
