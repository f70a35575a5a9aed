"""What baseline code calls of the heap: making structs and arrays, and what is done to many elements.

The functions on arrays are what the handlers of `compiler/arrays.py` write, for one type of each width:
the number of the type is a parameter, and a trap is one of the instruction that called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from wasmine.abi.libcalls import COUNTED, HEAP_CALLS, LibCall
from wasmine.compiler import arrays, objects
from wasmine.compiler.builder import FunctionBuilder
from wasmine.compiler.heap import ALLOCATE_ARRAY
from wasmine.compiler.ir import LLVM_TYPES
from wasmine.compiler.module import ModuleContext, Options
from wasmine.errors import TrapCode
from wasmine.types import (
    EXTERNREF,
    I32,
    I64,
    V128,
    ArrayType,
    FieldType,
    FunctionType,
    StorageType,
    ValType,
    defined,
)
from wasmine.wasm.body import Body
from wasmine.wasm.module import DataSegment, ElementSegment, ModuleInfo

_STORAGE: Final[dict[str, StorageType]] = {
    "8": "i8",
    "16": "i16",
    "32": I32,
    "64": I64,
    "128": V128,
    COUNTED: EXTERNREF,
}
"""What stands for all elements of a kind."""

_INSTRUCTIONS: Final[dict[str, tuple[str, tuple[str, ...], Any]]] = {
    "array_new": ("array.new", ("value", "length"), 1),
    "array_default": ("array.new_default", ("length",), 1),
    "array_fill": ("array.fill", ("array", "start", "value", "length"), 1),
    "array_copy": (
        "array.copy",
        ("target", "target_start", "source", "source_start", "length"),
        (1, 1),
    ),
    "array_data": ("array.new_data", ("start", "length"), (1, 0)),
    "array_elem": ("array.new_elem", ("start", "length"), (1, 0)),
    "array_init_data": ("array.init_data", ("array", "target_start", "start", "length"), (1, 0)),
    "array_init_elem": ("array.init_elem", ("array", "target_start", "start", "length"), (1, 0)),
}
"""By family of HEAP_CALLS: the instruction, its operands by the names of parameters, its immediate."""

_FOR_LLVM: Final = re.compile(r", !(?:tbaa|invariant\.load|prof) !\d+| #\d+$", re.MULTILINE)
"""Metadata and attributes of units of a module, which units of the runtime do not have."""

STRUCTS: Final = r"""
; A struct or exception of zeros behind its header.
define ptr @wasmine_heap_struct_new(ptr %vmctx, i32 %type, i32 %size.32) {
entry:
  %pc = call ptr @llvm.returnaddress(i32 0)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %store = call ptr @store_of(ptr %vmctx)
  %heap = get ptr VMStoreContext.heap, %store
  %size = zext i32 %size.32 to i64
  %header = zext i32 %type to i64
  %is_large = icmp ugt i64 %size, $largest_cell
  br i1 %is_large, label %slow, label %small
small:
  %class = call ptr @class_for(ptr %heap, i64 %size)
  %cell = get i64 VMSizeClass.cell_size, %class
  %cursor = get ptr VMSizeClass.cursor, %class
  %limit = get ptr VMSizeClass.limit, %class
  %next = getelementptr i8, ptr %cursor, i64 %cell
  %beyond = icmp ugt ptr %next, %limit
  br i1 %beyond, label %slow, label %fast
fast:
  put ptr %next, VMSizeClass.cursor, %class
  store i64 %header, ptr %cursor
  ret ptr %cursor
slow:
  %object = call ptr @take_or_collect(ptr %store, i64 %size)
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %trap, label %done
done:
  store i64 %header, ptr %object
  call void @wasmine_look_for_signals()
  ret ptr %object
trap:
  call void @wasmine_raise(ptr %pc, ptr %frame, i32 $out_of_memory)
  unreachable
}
"""


class _RuntimeBuilder(FunctionBuilder):
    """Writes a function whose only type is an array, and whose VMContext has no layout."""

    __slots__ = ()

    def __init__(self, type_: ArrayType) -> None:
        info = ModuleInfo(b"")
        info.types = [defined(FunctionType((), ())), defined(type_)]
        info.functions = [0]
        info.elements = [ElementSegment(1, "passive", EXTERNREF, 0, None, ())]
        info.data_segments.append(DataSegment("passive", 0, None, 0, 0))
        super().__init__(ModuleContext(info, Options()), 0, Body(), 0)

    def location(self, _position: int) -> str:
        return ""

    def context_load(self, name: str, kind: str, _offset: int) -> None:
        """The number of the type, for nothing else is read."""
        self.append(f"{name} = add {kind} %type, 0")

    def context_place(self, _name: str, _offset: int) -> str:
        """The segment, for nothing else is asked for."""
        return "%segment"

    def trap(self, position: int, code: TrapCode | str, suffix: str = "", before: str = "") -> str:
        number = code if isinstance(code, str) else code.value
        self.cold.append(
            f"T{position}{suffix}:\n{before}"
            f"call void @wasmine_raise(ptr %pc, ptr %frame, i32 {number})\nunreachable"
        )
        return f"T{position}{suffix}"


def _operand(f: FunctionBuilder, name: str, storage: StorageType) -> str:
    """The name of an operand; a value is read from its place."""
    if name != "value":
        return f"%{name}"
    kind = LLVM_TYPES[storage if isinstance(storage, ValType) else I32]
    f.append(f"%operand = load {kind}, ptr %value, align 8")
    return "%operand"


def _define(row: LibCall) -> str:
    family, _, kind = row.name.rpartition("_")
    name, operands, immediate = _INSTRUCTIONS[family]
    storage = _STORAGE[kind]
    f = _RuntimeBuilder(ArrayType(FieldType(storage, mutable=True)))
    f.stack += [_operand(f, operand, storage) for operand in operands]
    arrays.HANDLERS[name](f, 0, immediate)
    end = f"ret ptr {f.stack.pop()}" if row.result == "ptr" else "ret void"
    return _function(row, (*f.lines, end, *f.cold))


def _function(row: LibCall, lines: Sequence[str]) -> str:
    parameters = ", ".join(
        f"{kind} %{'vmctx' if name == 'ctx' else name}" for name, kind in row.parameters
    )
    body = _FOR_LLVM.sub("", "\n".join(lines)).replace(
        f"@{ALLOCATE_ARRAY}(", "@allocate_array(ptr %pc, ptr %frame, "
    )
    return (
        f"\ndefine {row.result} @{row.symbol}({parameters}) {{\n"
        "%pc = call ptr @llvm.returnaddress(i32 0)\n"
        "%frame = call ptr @llvm.frameaddress.p0(i32 0)\n"
        f"{body}\n}}\n"
    )


def aggregates() -> str:
    """IR of every row of HEAP_CALLS."""
    external = _FOR_LLVM.sub("", objects.EXTERNALS + arrays.EXTERNALS)
    rows = (row for row in HEAP_CALLS.values() if row.name != "struct_new")
    return external + STRUCTS + "".join(map(_define, rows))
