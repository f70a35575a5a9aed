"""Arrays in baseline code.

Elements are read and written in place; arrays are made, and many elements at once filled or copied, by
functions of the heap (`abi.libcalls.HEAP_CALLS`). An index is compared with the length at each use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.libcalls import COUNTED
from wasmine.abi.objects import LENGTH_OFFSET, array_layout, storage_size
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.aggregates import (
    call,
    keep,
    popped,
    require,
    settle,
    type_number,
)
from wasmine.compiler.baseline.locations import (
    CONSTANTS,
    FRAME,
    GENERAL,
    RAX,
    RDX,
    SLOT,
    VM,
    Location,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.baseline.storage import load_storage, storage_class, store_storage
from wasmine.errors import InternalError, TrapCode
from wasmine.types import ArrayType, FieldType, StorageType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler


# --- element by element --------------------------------------------------------------------------


def _field(f: FunctionState, type_index: int) -> FieldType:
    composite = f.info.types[type_index].composite
    if not isinstance(composite, ArrayType):
        raise InternalError(f"type {type_index} is no array")
    return composite.field


def _elements(f: FunctionState, type_index: int) -> int:
    """The offset of the first element."""
    return array_layout(ArrayType(_field(f, type_index))).elements


def _kind(storage: StorageType) -> str:
    """The kind of elements in the names of HEAP_CALLS."""
    return COUNTED if is_counted(storage) else str(storage_size(storage) * 8)


def _width(storage: StorageType) -> str:
    """The same where counted references are as others."""
    return str(storage_size(storage) * 8)


def _check_element(f: FunctionState, position: int, array: int, index: int) -> None:
    require(f, position, array, TrapCode.NULL_ARRAY)
    f.add(asm.compare_memory32(index, array, LENGTH_OFFSET))
    f.jump_if(asm.ABOVE_EQUAL, f.trap(position, TrapCode.ARRAY_OUT_OF_BOUNDS))


def _element_to_rax(f: FunctionState, storage: StorageType, array: int, index: int) -> None:
    """RAX is the address of an element, but for the offset of the first."""
    size = storage_size(storage)
    if size == 16:
        f.add(asm.lea_indexed(RAX, index, index, 1), asm.lea_indexed(RAX, array, RAX, 8))
    else:
        f.add(asm.lea_indexed(RAX, array, index, size))


def _array_get(*, signed: bool) -> Handler:
    def get(f: FunctionState, position: int, type_index: int) -> None:
        storage = _field(f, type_index).storage
        index = f.pop_register()
        array = f.pop_register()
        _check_element(f, position, array, index)
        f.release(array, index)
        value = f.take(storage_class(storage))  # this may change RAX
        _element_to_rax(f, storage, array, index)
        load_storage(f, storage, value, RAX, _elements(f, type_index), signed=signed)
        f.push(value)

    return get


def _array_set(f: FunctionState, position: int, type_index: int) -> None:
    storage = _field(f, type_index).storage
    if is_counted(storage):
        values = settle(f, 3)
        _set_element(f, position, type_index, values, check=True)
        keep(f, position, values[2])
        _set_element(f, position, type_index, values, check=False)
        return
    value, index = f.pop(), f.pop_register()
    array = f.pop_register()
    _check_element(f, position, array, index)
    _element_to_rax(f, storage, array, index)
    store_storage(f, storage, value, RAX, _elements(f, type_index))
    f.release(value, array, index)


def _set_element(
    f: FunctionState, position: int, type_index: int, values: list[Location], *, check: bool
) -> None:
    """Check the place for a settled operand, or store it there. Changes RAX and RDX."""
    array, index, value = values
    f.move(RAX, array)
    f.move(RDX, index)
    if check:
        _check_element(f, position, RAX, RDX)
    else:
        storage = _field(f, type_index).storage
        _element_to_rax(f, storage, RAX, RDX)
        store_storage(f, storage, value, RAX, _elements(f, type_index))


def _array_len(f: FunctionState, position: int, _: Any) -> None:
    array = f.pop_register()
    require(f, position, array, TrapCode.NULL_ARRAY)
    f.release(array)
    length = f.take(GENERAL)
    f.add(asm.load32(length, array, LENGTH_OFFSET))
    f.push(length)


# --- many elements -------------------------------------------------------------------------------


def _address(f: FunctionState, place: Location) -> int:
    """The address of an operand in the frame, in a temporary."""
    address = f.take(GENERAL)
    if type(place) is int:
        f.add(asm.lea(address, FRAME, place - SLOT))
    return address


def _segment(f: FunctionState, offset: int) -> int:
    """The address of a VMSegment at an offset in VMContext, in a temporary."""
    address = f.take(GENERAL)
    f.add(asm.lea(address, VM, offset))
    return address


def _array_new(f: FunctionState, position: int, type_index: int) -> None:
    kind = _kind(_field(f, type_index).storage)
    value, length = settle(f, 2, placed=0)
    number, address = type_number(f, type_index), _address(f, value)
    call(f, position, f"array_new_{kind}", VM, number, address, length)


def _array_new_default(f: FunctionState, position: int, type_index: int) -> None:
    length = f.pop()
    _new_array(f, position, type_index, length)


def _new_array(f: FunctionState, position: int, type_index: int, length: Location) -> None:
    width = _width(_field(f, type_index).storage)
    call(f, position, f"array_default_{width}", VM, type_number(f, type_index), length)


def _array_new_fixed(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, count = immediate
    storage = _field(f, type_index).storage
    values = settle(f, count)
    if is_counted(storage):
        for value in values:
            keep(f, position, value)
    _new_array(f, position, type_index, CONSTANTS[count])
    array, first = f.pop_register(), _elements(f, type_index)
    for number, value in enumerate(values):
        store_storage(f, storage, value, array, first + number * storage_size(storage))
    f.push(array)


def _array_fill(f: FunctionState, position: int, type_index: int) -> None:
    array, start, value, length = settle(f, 4, placed=2)
    kind = _kind(_field(f, type_index).storage)
    call(f, position, f"array_fill_{kind}", array, start, _address(f, value), length)


def _array_copy(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    width = _width(_field(f, immediate[0]).storage)
    call(f, position, f"array_copy_{width}", *popped(f, 5))


def _array_new_data(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, segment = immediate
    name = f"array_data_{_width(_field(f, type_index).storage)}"
    _new_from(f, position, type_index, name, f.offsets.vmctx_data_segment(segment))


def _array_new_elem(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, segment = immediate
    name = f"array_elem_{_kind(_field(f, type_index).storage)}"
    _new_from(f, position, type_index, name, f.offsets.vmctx_element_segment(segment))


def _new_from(f: FunctionState, position: int, type_index: int, name: str, offset: int) -> None:
    start, length = settle(f, 2)
    number, segment = type_number(f, type_index), _segment(f, offset)
    call(f, position, name, VM, number, segment, start, length)


def _array_init_data(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, segment = immediate
    name = f"array_init_data_{_width(_field(f, type_index).storage)}"
    _init_from(f, position, name, f.offsets.vmctx_data_segment(segment))


def _array_init_elem(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, segment = immediate
    name = f"array_init_elem_{_kind(_field(f, type_index).storage)}"
    _init_from(f, position, name, f.offsets.vmctx_element_segment(segment))


def _init_from(f: FunctionState, position: int, name: str, offset: int) -> None:
    array, target_start, start, length = settle(f, 4)
    call(f, position, name, array, target_start, _segment(f, offset), start, length)


HANDLERS: Final[dict[str, Handler]] = {
    "array.new": _array_new,
    "array.new_default": _array_new_default,
    "array.new_fixed": _array_new_fixed,
    "array.new_data": _array_new_data,
    "array.new_elem": _array_new_elem,
    "array.get": _array_get(signed=False),
    "array.get_s": _array_get(signed=True),
    "array.get_u": _array_get(signed=False),
    "array.set": _array_set,
    "array.len": _array_len,
    "array.fill": _array_fill,
    "array.copy": _array_copy,
    "array.init_data": _array_init_data,
    "array.init_elem": _array_init_elem,
}
