"""Arrays of the garbage-collected heap: their elements one by one, and many at once.

Names are as in `objects.py`; %g<position>z is the number of elements that an instruction is about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wasmine.abi.convention import is_counted
from wasmine.abi.objects import LENGTH_OFFSET, array_layout
from wasmine.abi.vmcontext import VMSegment, offset_of
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.heap import allocate, allocate_array
from wasmine.compiler.ir import IN_CONTEXT
from wasmine.compiler.objects import (
    in_memory,
    keep,
    packed,
    place_at,
    read,
    require,
    type_number,
    volatile,
    write,
    zero,
)
from wasmine.errors import InternalError, TrapCode
from wasmine.types import ArrayType, FieldType

FIXED: Final = 1024
"""Bytes up to which an array of a constant number of elements is allocated like a struct."""
FILL: Final = "wasmine_array_fill"
KEEP_ALL: Final = "wasmine_externref_keep_all"
WIDTHS: Final = {"i8": 8, "i16": 16, "i32": 32, "float": 32, "i64": 64, "double": 64, "ptr": 64}
"""Of what is in memory, in bits, where that is a type of numbers or references."""
EXTERNALS: Final = (
    "".join(
        f"declare void @{FILL}_{width}(ptr, i64, i{width}) #4\n"
        for width in sorted(set(WIDTHS.values()))
    )
    + f"declare void @{FILL}_128(ptr, i64, <16 x i8>) #4\n"
    + f"declare void @{KEEP_ALL}(ptr, i64) #4\n"
)
"""What is reached by symbol: filling elements, handing over the boxes of several externrefs."""


def _array(f: FunctionBuilder, type_index: int) -> ArrayType:
    composite = f.module.info.types[type_index].composite
    if not isinstance(composite, ArrayType):
        raise InternalError(f"type {type_index} is no array")
    return composite


def _elements(f: FunctionBuilder, position: int, type_: ArrayType, array: str) -> str:
    """The address of the first element."""
    return place_at(f, f"%g{position}b", array, array_layout(type_).elements)


def _array_new(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    value, length = f.pop(2)
    # Before the allocation: an externref that nothing else holds must survive it.
    array = _new_array(f, position, type_index, length)
    if value != zero(type_.field):
        f.append(f"%g{position}z = zext i32 {length} to i64")
        _fill(f, position, type_.field, _elements(f, position, type_, array), value)
    f.stack.append(array)


def _new_array(f: FunctionBuilder, position: int, type_index: int, length: str) -> str:
    """A new array of zeros and nulls."""
    layout = array_layout(_array(f, type_index))
    number = type_number(f, position, type_index)
    array = allocate_array(f, position, number, length, layout)
    f.know(array)
    return array


def _fill(f: FunctionBuilder, position: int, field: FieldType, place: str, value: str) -> None:
    """Set %g<position>z elements to an operand."""
    kind = in_memory(field)
    value = packed(f, field, value, f"%g{position}w")
    if is_counted(field.storage):
        keep(f, position, value)
    width = WIDTHS.get(kind, 128)
    plain = kind if width == 128 else f"i{width}"
    if kind != plain:
        conversion = "ptrtoint" if kind == "ptr" else "bitcast"
        f.append(f"%g{position}u = {conversion} {kind} {value} to {plain}")
        value = f"%g{position}u"
    f.calls = True
    f.append(
        f"call void @{FILL}_{width}(ptr {place}, i64 %g{position}z, {plain} {value})"
        f" #3{f.location(position)}"
    )


def _array_new_default(f: FunctionBuilder, position: int, type_index: int) -> None:
    f.stack.append(_new_array(f, position, type_index, f.stack.pop()))


def _array_new_fixed(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    type_index, count = immediate
    type_ = _array(f, type_index)
    layout = array_layout(type_)
    values = f.pop(count)
    size = layout.elements + count * layout.element_size
    if size <= FIXED:
        number = type_number(f, position, type_index)
        # One byte more for loops that hold the address behind the last element.
        array = allocate(f, position, number, size + 1, length=count)
        f.know(array)
    else:
        array = _new_array(f, position, type_index, str(count))
    for index, value in enumerate(values):
        if value == zero(type_.field):
            continue
        offset = layout.elements + index * layout.element_size
        place = place_at(f, f"%g{position}e{index}", array, offset)
        write(f, position, type_.field, place, value, suffix=str(index))
    f.stack.append(array)


def _length(f: FunctionBuilder, position: int, array: str, suffix: str = "") -> str:
    """The number of elements, an i32. Traps if the array is null."""
    require(f, position, array, TrapCode.NULL_ARRAY, suffix)
    place = place_at(f, f"%g{position}a{suffix}", array, LENGTH_OFFSET)
    f.append(f"{place}n = load i32, ptr {place}{IN_CONTEXT}")
    return f"{place}n"


def _element(f: FunctionBuilder, position: int, type_: ArrayType, array: str, index: str) -> str:
    """The place of an element. Traps if there is no array or no such element."""
    length = _length(f, position, array)
    condition = f"%g{position}x"
    line = f"{condition} = icmp uge i32 {index}, {length}"
    f.append(f.located(line, condition, index))
    f.trap_if(condition, position, TrapCode.ARRAY_OUT_OF_BOUNDS, "x")
    return _at(f, position, type_, array, index)


def _at(
    f: FunctionBuilder, position: int, type_: ArrayType, array: str, index: str, *, suffix: str = ""
) -> str:
    """The place of an element that is there, or would be behind the last."""
    layout = array_layout(type_)
    place = f"%g{position}e{suffix}"
    line = f"{place}z = zext i32 {index} to i64"
    f.append(f.located(line, f"{place}z", index))
    f.append(
        f"{place}b = getelementptr i8, ptr {array}, i64 {layout.elements}\n"
        f"{place} = getelementptr {in_memory(type_.field)}, ptr {place}b, i64 {place}z"
    )
    return place


def _array_get(extend: str) -> Handler:
    def get(f: FunctionBuilder, position: int, type_index: int) -> None:
        type_ = _array(f, type_index)
        array, index = f.pop(2)
        read(f, position, type_.field, _element(f, position, type_, array, index), extend)

    return get


def _array_set(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    array, index, value = f.pop(3)
    write(f, position, type_.field, _element(f, position, type_, array, index), value)


def _array_len(f: FunctionBuilder, position: int, _: Any) -> None:
    f.stack.append(_length(f, position, f.stack.pop()))


# --- many elements ---------------------------------------------------------------------------------


def _range(
    f: FunctionBuilder, position: int, type_: ArrayType, array: str, start: str, *, suffix: str = ""
) -> str:
    """The place of the first of %g<position>z elements. Traps unless all of them are there."""
    length = _length(f, position, array, suffix)
    stem = f"%g{position}x{suffix}"
    f.append(
        f"{stem}l = zext i32 {length} to i64\n"
        f"{stem}s = zext i32 {start} to i64\n"
        f"{stem}e = add nuw i64 {stem}s, %g{position}z\n"
        f"{stem} = icmp ugt i64 {stem}e, {stem}l"
    )
    f.trap_if(stem, position, TrapCode.ARRAY_OUT_OF_BOUNDS, f"x{suffix}")
    return _at(f, position, type_, array, start, suffix=suffix)


def _count(f: FunctionBuilder, position: int, length: str) -> None:
    """%g<position>z is the number of elements that an instruction is about."""
    line = f"%g{position}z = zext i32 {length} to i64"
    f.append(f.located(line, f"%g{position}z", length))


def _array_fill(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    array, start, value, length = f.pop(4)
    _count(f, position, length)
    place = _range(f, position, type_, array, start)
    _fill(f, position, type_.field, place, value)


def _array_copy(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    target, source = (_array(f, index) for index in immediate)
    to, to_start, from_, from_start, length = f.pop(5)
    _count(f, position, length)
    # Both are null checked before any bounds.
    require(f, position, to, TrapCode.NULL_ARRAY, "t")
    require(f, position, from_, TrapCode.NULL_ARRAY, "f")
    to_place = _range(f, position, target, to, to_start, suffix="d")
    from_place = _range(f, position, source, from_, from_start, suffix="s")
    _move(f, position, target, (to_place, from_place), "memmove")


def _move(
    f: FunctionBuilder, position: int, type_: ArrayType, places: tuple[str, str], how: str
) -> None:
    """Copy %g<position>z elements."""
    to, from_ = places
    size = array_layout(type_).element_size
    f.calls = True
    f.append(
        f"%g{position}m = mul nuw i64 %g{position}z, {size}\n"
        f"call void @llvm.{how}.p0.p0.i64(ptr align {size} {to}, ptr {from_}, i64 %g{position}m,"
        f" i1 {'true' if volatile(f) else 'false'}){f.location(position)}"
    )
    if is_counted(type_.field.storage) and how == "memcpy":
        f.append(f"call void @{KEEP_ALL}(ptr {to}, i64 %g{position}z) #3{f.location(position)}")


def _in_data(f: FunctionBuilder, segment: int, size: int) -> tuple[int, int, int, TrapCode]:
    """A data segment, for `_source`: elements of `size` bytes, from a start in bytes."""
    offset = f.module.offsets.vmctx_data_segment(segment)
    return offset, 1, size, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


def _in_elements(f: FunctionBuilder, segment: int, size: int) -> tuple[int, int, int, TrapCode]:
    """An element segment, for `_source`: whole references, counted like its length."""
    offset = f.module.offsets.vmctx_element_segment(segment)
    return offset, size, 1, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS


_Segment: TypeAlias = Callable[[FunctionBuilder, int, int], tuple[int, int, int, TrapCode]]
"""Where a VMSegment lies in VMContext, how many bytes one step of its length is, how many steps an
element takes, and the trap behind its end."""


def _source(
    f: FunctionBuilder, position: int, start: str, segment: tuple[int, int, int, TrapCode]
) -> str:
    """The address of %g<position>z elements in a segment, as a `_Segment` describes it.

    Traps unless all of them are there.
    """
    offset, unit, steps, code = segment
    stem = f"%g{position}q"
    record = f.context_place(f"{stem}r", offset)
    f.append(
        f"{stem}b = getelementptr i8, ptr {record}, i64 {offset_of(VMSegment, 'base')}\n"
        f"{stem} = load ptr, ptr {stem}b{IN_CONTEXT}\n"
        f"{stem}lp = getelementptr i8, ptr {record}, i64 {offset_of(VMSegment, 'length')}\n"
        f"{stem}l = load i64, ptr {stem}lp{IN_CONTEXT}\n"
        f"{stem}s = zext i32 {start} to i64\n"
        f"{stem}n = mul nuw i64 %g{position}z, {steps}\n"
        f"{stem}e = add nuw i64 {stem}s, {stem}n\n"
        f"{stem}x = icmp ugt i64 {stem}e, {stem}l"
    )
    f.trap_if(f"{stem}x", position, code, "q")
    f.append(
        f"{stem}o = mul nuw i64 {stem}s, {unit}\n"
        f"{stem}f = getelementptr i8, ptr {stem}, i64 {stem}o"
    )
    return f"{stem}f"


def _array_new_from(find: _Segment) -> Handler:
    def new(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        type_index, segment = immediate
        type_ = _array(f, type_index)
        start, length = f.pop(2)
        _count(f, position, length)
        source = _source(f, position, start, find(f, segment, array_layout(type_).element_size))
        array = _new_array(f, position, type_index, length)
        place = _elements(f, position, type_, array)
        _move(f, position, type_, (place, source), "memcpy")
        f.stack.append(array)

    return new


def _array_init_from(find: _Segment) -> Handler:
    def init(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        type_index, segment = immediate
        type_ = _array(f, type_index)
        array, to_start, start, length = f.pop(4)
        _count(f, position, length)
        place = _range(f, position, type_, array, to_start)
        source = _source(f, position, start, find(f, segment, array_layout(type_).element_size))
        _move(f, position, type_, (place, source), "memcpy")

    return init


HANDLERS: Final[dict[str, Handler]] = {
    "array.new": _array_new,
    "array.new_default": _array_new_default,
    "array.new_fixed": _array_new_fixed,
    "array.new_data": _array_new_from(_in_data),
    "array.new_elem": _array_new_from(_in_elements),
    "array.get": _array_get(""),
    "array.get_s": _array_get("sext"),
    "array.get_u": _array_get("zext"),
    "array.set": _array_set,
    "array.len": _array_len,
    "array.fill": _array_fill,
    "array.copy": _array_copy,
    "array.init_data": _array_init_from(_in_data),
    "array.init_elem": _array_init_from(_in_elements),
}
