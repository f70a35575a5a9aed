"""Structs and i31 in baseline code, and what arrays and exceptions have in common with them.

Fields are read and written in place; objects are made by functions of the heap
(`abi.libcalls.HEAP_CALLS`). A reference is compared with null at each use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.libcalls import HEAP_CALLS
from wasmine.abi.objects import FOREIGN_BIT, I31_BIT, struct_layout
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.emission import Target
from wasmine.compiler.baseline.locations import (
    CONSTANTS,
    GENERAL,
    PINNED,
    RAX,
    SLOT,
    VM,
    Location,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.baseline.storage import load_storage, storage_class, store_storage
from wasmine.errors import InternalError, TrapCode
from wasmine.types import StructType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

KEEP: Final = "wasmine_externref_keep"
"""Hands the box of an externref over to the collector."""


# --- operands and calls ----------------------------------------------------------------------------


def popped(f: FunctionState, count: int) -> list[Location]:
    """Pop operands, wherever they are."""
    first = len(f.stack) - count
    values = f.stack[first:]
    del f.stack[first:]
    return values


def settle(f: FunctionState, count: int, placed: int = -1) -> list[Location]:
    """Pop operands, and have them where calls of the runtime do not change them.

    They stay there until something is pushed. The one with the number `placed` is in the frame.
    """
    first = len(f.stack) - count
    values = popped(f, count)
    for number, value in enumerate(values):
        in_register = type(value) is int and value < SLOT
        if (in_register and value not in PINNED) or (number == placed):
            place = f.first_operand + (first + number) * f.slot
            f.height = max(f.height, first + number + 1)
            f.move(place, value)
            f.release(value)
            values[number] = place
    return values


def call(f: FunctionState, position: int, name: str, *arguments: Location) -> None:
    """Call a row of HEAP_CALLS, whose result is pushed if it has one."""
    row = HEAP_CALLS[name]
    result = f.call_runtime(position, row.symbol, arguments, row.result)
    if result is not None:
        f.push(result)


def keep(f: FunctionState, position: int, value: Location) -> None:
    """An externref, which is settled, goes into an object or becomes an anyref."""
    f.call_runtime(position, KEEP, (value,), "void")


def type_number(f: FunctionState, type_index: int) -> int:
    """The number of a type of the module, in a new temporary."""
    register = f.take(GENERAL)
    f.add(asm.load32(register, VM, f.offsets.vmctx_signature_id(type_index)))
    return register


def new_object(f: FunctionState, position: int, type_index: int, size: int) -> int:
    """A new struct or exception of zeros, in a temporary. Traps if memory is out."""
    call(f, position, "struct_new", VM, type_number(f, type_index), CONSTANTS[size])
    return f.pop_register()


def require(f: FunctionState, position: int, reference: int, code: TrapCode) -> None:
    """Trap if a reference is null."""
    f.add(asm.test64(reference, reference))
    f.jump_if(asm.EQUAL, f.trap(position, code))


# --- structs ---------------------------------------------------------------------------------------


def _struct(f: FunctionState, type_index: int) -> StructType:
    composite = f.info.types[type_index].composite
    if not isinstance(composite, StructType):
        raise InternalError(f"type {type_index} is no struct")
    return composite


def _struct_new(f: FunctionState, position: int, type_index: int) -> None:
    type_ = _struct(f, type_index)
    layout = struct_layout(type_)
    values = settle(f, len(type_.fields))
    for field, value in zip(type_.fields, values, strict=True):
        if is_counted(field.storage):
            keep(f, position, value)
    object_ = new_object(f, position, type_index, layout.size)
    for field, value, offset in zip(type_.fields, values, layout.offsets, strict=True):
        store_storage(f, field.storage, value, object_, offset)
    f.push(object_)


def _struct_new_default(f: FunctionState, position: int, type_index: int) -> None:
    f.push(new_object(f, position, type_index, struct_layout(_struct(f, type_index)).size))


def _struct_get(*, signed: bool) -> Handler:
    def get(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
        type_index, number = immediate
        type_ = _struct(f, type_index)
        object_ = f.pop_register()
        require(f, position, object_, TrapCode.NULL_STRUCT)
        f.release(object_)
        storage = type_.fields[number].storage
        offset = struct_layout(type_).offsets[number]
        value = f.take(storage_class(storage))
        load_storage(f, storage, value, object_, offset, signed=signed)
        f.push(value)

    return get


def _struct_set(f: FunctionState, position: int, immediate: tuple[int, int]) -> None:
    type_index, number = immediate
    type_ = _struct(f, type_index)
    storage = type_.fields[number].storage
    if is_counted(storage):
        object_, value = settle(f, 2)
        f.move(RAX, object_)
        require(f, position, RAX, TrapCode.NULL_STRUCT)
        keep(f, position, value)
        f.move(RAX, object_)
        store_storage(f, storage, value, RAX, struct_layout(type_).offsets[number])
        return
    value, object_ = f.pop(), f.pop_register()
    require(f, position, object_, TrapCode.NULL_STRUCT)
    store_storage(f, storage, value, object_, struct_layout(type_).offsets[number])
    f.release(value, object_)


# --- i31, and what is outside ----------------------------------------------------------------------


def _ref_i31(f: FunctionState, _position: int, _: Any) -> None:
    value = f.pop_owned(GENERAL)
    # The sum wraps to 32 bits.
    f.add(asm.shift_left32(value, 1), asm.or_immediate(value, I31_BIT))
    f.push(value)


def _i31_get(shift: Callable[[int, int], bytes]) -> Handler:
    def get(f: FunctionState, position: int, _: Any) -> None:
        value = f.pop_owned(GENERAL)
        require(f, position, value, TrapCode.NULL_I31)
        f.add(shift(value, 1))
        f.push(value)

    return get


def _convert(f: FunctionState, value: int) -> None:
    """Between anyref and externref: i31 and null stay, of all others bit 1 changes."""
    same = Target()
    f.add(asm.test64(value, value))
    f.jump_if(asm.EQUAL, same)
    f.add(asm.test_immediate32(value, I31_BIT))
    f.jump_if(asm.NOT_EQUAL, same)
    f.add(asm.xor_immediate(value, FOREIGN_BIT))
    f.bind(same)
    f.push(value)


def _any_convert_extern(f: FunctionState, position: int, _: Any) -> None:
    # From here on the box may be reached in ways that nobody counts.
    (value,) = settle(f, 1)
    keep(f, position, value)
    converted = f.take(GENERAL)
    f.move(converted, value)
    _convert(f, converted)


def _extern_convert_any(f: FunctionState, _position: int, _: Any) -> None:
    _convert(f, f.pop_owned(GENERAL))


HANDLERS: Final[dict[str, Handler]] = {
    "struct.new": _struct_new,
    "struct.new_default": _struct_new_default,
    "struct.get": _struct_get(signed=False),
    "struct.get_s": _struct_get(signed=True),
    "struct.get_u": _struct_get(signed=False),
    "struct.set": _struct_set,
    "any.convert_extern": _any_convert_extern,
    "extern.convert_any": _extern_convert_any,
    "ref.i31": _ref_i31,
    "i31.get_s": _i31_get(asm.shift_right_s32),
    "i31.get_u": _i31_get(asm.shift_right_u32),
}
