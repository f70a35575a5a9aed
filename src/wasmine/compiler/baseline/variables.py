"""Constants of floats, locals, globals, and what drops operands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.vmcontext import VMGlobalDefinition, offset_of
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    RAX,
    SLOT,
    VECTOR,
    VM,
    WIDE_CONSTANTS,
    class_of,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.types import I32, V128

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

_STORAGE: Final = offset_of(VMGlobalDefinition, "storage")


def _float_const(f: FunctionState, _position: int, bits: int) -> None:
    register = f.result_vector()
    if bits:
        f.load_literal(register, bits.to_bytes(8, "little"))
    else:
        f.add(asm.xor_x(register - FIRST_VECTOR, register - FIRST_VECTOR))
    f.stack.append(register)


def _extend_unsigned(f: FunctionState, _position: int, _: Any) -> None:
    # Wherever an i32 is, zeros follow; but a constant of an i64 that has only 4 bytes is positive.
    value = f.stack[-1]
    if isinstance(value, bytes):
        f.stack[-1] = WIDE_CONSTANTS[int.from_bytes(value, "little")]


def local_set(f: FunctionState, _position: int, index: int) -> None:
    """Pop an operand into a local."""
    value, to = f.stack.pop(), f.locals[index]
    if value == to:
        return
    f.local_changes(to)
    f.move(to, value)
    f.release(value)


def _local_tee(f: FunctionState, _position: int, index: int) -> None:
    value, to = f.stack.pop(), f.locals[index]
    if value != to:
        f.local_changes(to)
        f.move(to, value)
    if to < SLOT:
        f.release(value)
        value = to
    f.stack.append(value)


def _drop(f: FunctionState, _position: int, _: Any) -> None:
    f.release(f.stack.pop())


def _nop(_f: FunctionState, _position: int, _: Any) -> None:
    pass


def _global_place(f: FunctionState, index: int) -> tuple[int, int]:
    """A register and a displacement that say where a global is. May change RAX."""
    local = index - f.info.imported_globals
    if local >= 0:
        return VM, f.offsets.vmctx_global_storage(local) + _STORAGE
    f.add(asm.load64(RAX, VM, f.offsets.vmctx_imported_global(index)))
    return RAX, _STORAGE


def _global_get(f: FunctionState, position: int, index: int) -> None:
    type_ = f.info.globals[index].value
    if is_counted(type_):
        base, displacement = _global_place(f, index)
        box = f.result_register()
        f.add(asm.load64(box, base, displacement))
        f.call_and_push(position, "wasmine_externref_activate", (VM, box), "ptr")
        return
    class_ = class_of(type_)
    register = f.take(class_)
    base, displacement = _global_place(f, index)
    if class_ == VECTOR:
        load = asm.load_x128 if type_ is V128 else asm.load_x64
        f.add(load(register - FIRST_VECTOR, base, displacement))
    else:
        f.add((asm.load32 if type_ is I32 else asm.load64)(register, base, displacement))
    f.stack.append(register)


def _global_set(f: FunctionState, position: int, index: int) -> None:
    type_ = f.info.globals[index].value
    value = f.stack.pop()
    if is_counted(type_):
        base, displacement = _global_place(f, index)
        f.add(asm.lea(RAX, base, displacement))
        place = f.result_register()
        f.move(place, RAX)
        f.call_runtime(position, "wasmine_externref_store", (VM, place, value), "void")
        return
    register = f.in_register(value, class_of(type_))
    base, displacement = _global_place(f, index)
    if type_ is V128:
        f.add(asm.store_x128(register - FIRST_VECTOR, base, displacement))
    elif register >= FIRST_VECTOR:
        f.add(asm.store_x64(register - FIRST_VECTOR, base, displacement))
    else:
        f.add((asm.store32 if type_ is I32 else asm.store64)(register, base, displacement))
    f.release(register)


HANDLERS: Final[dict[str, Handler]] = {
    "f32.const": _float_const,
    "f64.const": _float_const,
    "i64.extend_i32_u": _extend_unsigned,
    "local.set": local_set,
    "local.tee": _local_tee,
    "drop": _drop,
    "nop": _nop,
    "global.get": _global_get,
    "global.set": _global_set,
}
