"""Objects of the garbage-collected heap: making them, and telling their types apart.

A cell is taken from the run of its size class by moving a pointer. A signal's handler may interrupt
that at any instruction and make objects itself: `native/interrupts.py` puts the runs of the heap aside
for as long as it runs and back again, so that the interrupted sequence finds what it left.
"""

from __future__ import annotations

from typing import Final

from wasmine.abi.heap import (
    CELL_SIZES,
    LARGEST_CELL,
    VMSizeClass,
    VMTypeRecord,
    class_offset,
    size_class,
)
from wasmine.abi.objects import LENGTH_OFFSET, ArrayLayout
from wasmine.abi.vmcontext import VMStoreContext, offset_of, size_of
from wasmine.compiler.builder import FunctionBuilder
from wasmine.compiler.ir import IN_CONTEXT, INVARIANT, UNLIKELY
from wasmine.compiler.module import Pointer
from wasmine.errors import TrapCode
from wasmine.types import DefinedType

ALLOCATE: Final = "wasmine_heap_allocate"
"""The slow path: a cell of zeros for a size, or a trap."""
ALLOCATE_ARRAY: Final = "wasmine_heap_allocate_array"
"""An array of zeros for its type, length and size in bytes, or a trap."""
EXTERNALS: Final = f"""
declare ptr @{ALLOCATE}(ptr, i64) #4
declare ptr @{ALLOCATE_ARRAY}(ptr, i32, i32, i64) #4
"""

MAXIMUM_ARRAY_SIZE: Final = (1 << 32) - 1
"""Bytes of an array with its header; a larger one is refused before anything is asked for."""

_CURSOR: Final = offset_of(VMSizeClass, "cursor")
_LIMIT: Final = offset_of(VMSizeClass, "limit")
_DISPLAY: Final = offset_of(VMTypeRecord, "display")

# Nothing may be moved across: what comes behind may be interrupted by a signal whose handler
# collects, and the object must say by then what it is. No instruction is made of it.
_BARRIER: Final = 'fence syncscope("singlethread") seq_cst'


def _field_of_store(f: FunctionBuilder, field: str) -> str:
    """A field of the VMStoreContext that stays the same once the module has an instance."""
    name = f"%{field}"
    offset = offset_of(VMStoreContext, field)
    return f.open(
        Pointer(
            name,
            f"{name}p = getelementptr i8, ptr {f.store()}, i64 {offset}\n"
            f"{name} = load ptr, ptr {name}p{INVARIANT}{IN_CONTEXT}",
        ),
    )


def type_record(f: FunctionBuilder, stem: str, number: str) -> str:
    """The address of the record of a type by its number, an i32; `stem` is what names begin with."""
    types = _field_of_store(f, "types")  # which never move
    f.append(
        f"{stem}w = zext i32 {number} to i64\n"
        f"{stem}o = mul nuw i64 {stem}w, {size_of(VMTypeRecord)}\n"
        f"{stem}r = getelementptr i8, ptr {types}, i64 {stem}o"
    )
    return f"{stem}r"


def allocate(
    f: FunctionBuilder,
    position: int,
    type_number: str,
    size: int,
    *,
    length: int = 0,
) -> str:
    """A new object of `size` bytes, header included; the name of its address.

    `type_number` is an i32. Everything behind the header is zero. An array of constant `length` must
    have a byte more than its elements (see `allocate_array`). Traps if memory is out.
    """
    f.calls = True
    new = f"%o{position}"
    if size > LARGEST_CELL:
        f.append(f"{new} = call ptr @{ALLOCATE}(ptr %vmctx, i64 {size}) #3{f.location(position)}")
    else:
        heap = _field_of_store(f, "heap")
        index = size_class(size)
        place = class_offset(index)
        f.append(
            f"{new}c = getelementptr i8, ptr {heap}, i64 {place + _CURSOR}\n"
            f"{new}m = getelementptr i8, ptr {heap}, i64 {place + _LIMIT}\n"
            f"{new}f = load ptr, ptr {new}c{IN_CONTEXT}\n"
            f"{new}l = load ptr, ptr {new}m{IN_CONTEXT}\n"
            f"{new}n = getelementptr i8, ptr {new}f, i64 {CELL_SIZES[index]}\n"
            f"{new}x = icmp ugt ptr {new}n, {new}l\n"
            f"br i1 {new}x, label %A{position}s, label %A{position}f{UNLIKELY}\n"
            f"A{position}f:\n"
            f"store ptr {new}n, ptr {new}c{IN_CONTEXT}\n"
            f"br label %A{position}\n"
            f"A{position}:\n"
            f"{new} = phi ptr [ {new}f, %A{position}f ], [ {new}s, %A{position}s ]"
        )
        f.cold.append(
            f"A{position}s:\n"
            f"{new}s = call ptr @{ALLOCATE}(ptr %vmctx, i64 {size}) #3{f.location(position)}\n"
            f"br label %A{position}"
        )
    header = f"{new}t"
    f.append(f"{header} = zext i32 {type_number} to i64")
    if length:
        f.append(f"{header}h = or i64 {header}, {length << 8 * LENGTH_OFFSET}")
        header = f"{header}h"
    f.append(f"store i64 {header}, ptr {new}\n{_BARRIER}")
    return new


def allocate_array(
    f: FunctionBuilder,
    position: int,
    type_number: str,
    length: str,
    layout: ArrayLayout,
) -> str:
    """A new array of `length` elements, all zero, with its header; the name of its address.

    `type_number` and `length` are i32. Traps if the array is too large or memory is out.
    """
    f.calls = True
    new = f"%o{position}"
    f.append(
        f"{new}w = zext i32 {length} to i64\n"
        f"{new}e = mul nuw i64 {new}w, {layout.element_size}\n"
        f"{new}b = add nuw i64 {new}e, {layout.elements}\n"
        f"{new}x = icmp ugt i64 {new}b, {MAXIMUM_ARRAY_SIZE}"
    )
    f.trap_if(f"{new}x", position, TrapCode.ALLOCATION_TOO_LARGE, "a")
    f.append(
        f"{new} = call ptr @{ALLOCATE_ARRAY}(ptr %vmctx, i32 {type_number}, i32 {length}, "
        f"i64 {new}b) #3{f.location(position)}"
    )
    return new


def type_of(f: FunctionBuilder, position: int, address: str) -> str:
    """The type number of an object, an i32. `address` is that of an object and not tagged."""
    name = f"%q{position}t"
    f.append(f"{name} = load i32, ptr {address}")
    return name


def is_subtype(
    f: FunctionBuilder,
    position: int,
    actual: str,
    expected: str,
    type_: DefinedType,
) -> str:
    """Whether the type with the number `actual` is `type_`, or is declared below it; an i1.

    `expected` is the number of `type_`. Both are i32. For functions `actual` is the `type_index` of
    their record.
    """
    name = f"%q{position}"
    if type_.final:
        f.append(f"{name} = icmp eq i32 {actual}, {expected}")
        return name
    record = type_record(f, name, actual)
    f.append(
        f"{name}p = getelementptr i8, ptr {record}, i64 {_DISPLAY + 4 * type_.depth}\n"
        f"{name}d = load i32, ptr {name}p{INVARIANT}{IN_CONTEXT}\n"
        f"{name} = icmp eq i32 {name}d, {expected}"
    )
    return name
