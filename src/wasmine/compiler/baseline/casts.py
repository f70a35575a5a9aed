"""Casts and type tests in baseline code: code that goes on where a reference is of a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasmine.abi.heap import TypeKind, VMTypeRecord
from wasmine.abi.objects import FOREIGN_BIT, I31_BIT, TYPE_OFFSET
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc, VMStoreContext, offset_of, size_of
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.control import branch
from wasmine.compiler.baseline.emission import Target
from wasmine.compiler.baseline.locations import GENERAL, RAX, RCX, VM
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode
from wasmine.types import DefinedType, RefType, top

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

_TYPES: Final = offset_of(VMStoreContext, "types")
_KIND: Final = offset_of(VMTypeRecord, "kind")
_DISPLAY: Final = offset_of(VMTypeRecord, "display")
_TYPE_INDEX: Final = offset_of(VMCallerCheckedAnyfunc, "type_index")
_BOTTOMS: Final = ("none", "nofunc", "noextern", "noexn")
_ANY_BITS: Final = I31_BIT | FOREIGN_BIT


def require_type(f: FunctionState, value: int, target: RefType, no: Target) -> None:
    """Go on if a reference in a register is of a type, to `no` if it is not. Changes RAX and RCX."""
    yes, heap = Target(), target.heap
    f.add(asm.test64(value, value))
    f.jump_if(asm.EQUAL, yes if target.nullable else no)
    if isinstance(heap, DefinedType):
        _require_defined(f, value, heap, yes, no)
    elif heap == "i31":
        f.add(asm.test_immediate32(value, I31_BIT))
        f.jump_if(asm.EQUAL, no)
    elif heap == "eq":
        # An i31 has any bit above its lowest.
        f.add(asm.move32(RAX, value), asm.and_immediate32(RAX, _ANY_BITS))
        f.add(asm.compare_immediate(0, RAX, FOREIGN_BIT))
        f.jump_if(asm.EQUAL, no)
    elif heap in ("struct", "array"):
        _require_object(f, value, no)
        f.add(asm.load32(RAX, value, TYPE_OFFSET))
        _record_to_rax(f)
        kind = TypeKind.ARRAY if heap == "array" else TypeKind.FIXED
        f.add(asm.compare_memory_immediate(0, RAX, _KIND, kind.value))
        f.jump_if(asm.NOT_EQUAL, no)
    elif heap in _BOTTOMS:
        f.jump(no)
    f.bind(yes)


def _require_object(f: FunctionState, value: int, no: Target) -> None:
    f.add(asm.test_immediate32(value, _ANY_BITS))
    f.jump_if(asm.NOT_EQUAL, no)


def _require_defined(
    f: FunctionState, value: int, type_: DefinedType, yes: Target, no: Target
) -> None:
    if top(type_) == "func":
        f.add(asm.load32(RAX, value, _TYPE_INDEX))
    else:
        _require_object(f, value, no)
        f.add(asm.load32(RAX, value, TYPE_OFFSET))
    expected = f.offsets.vmctx_signature_id(f.context.index_of(type_))
    if not type_.final:
        # What is of the type itself needs no look at its record.
        f.add(asm.compare_memory32(RAX, VM, expected))
        f.jump_if(asm.EQUAL, yes)
        _record_to_rax(f)
        f.add(asm.load32(RAX, RAX, _DISPLAY + 4 * type_.depth))
    f.add(asm.compare_memory32(RAX, VM, expected))
    f.jump_if(asm.NOT_EQUAL, no)


def _record_to_rax(f: FunctionState) -> None:
    """From the number of a type to the address of its VMTypeRecord. Changes RCX."""
    f.add(
        asm.load64(RCX, VM, f.offsets.vmctx_store()),
        asm.multiply_immediate(RAX, RAX, size_of(VMTypeRecord)),
        asm.add_memory64(RAX, RCX, _TYPES),
    )


def _ref_test(f: FunctionState, _position: int, target: RefType) -> None:
    value, no, done = f.pop_register(), Target(), Target()
    f.release(value)
    result = f.take(GENERAL)
    require_type(f, value, target, no)
    f.add(asm.move_immediate(result, 1))
    f.jump(done)
    f.bind(no)
    f.add(asm.move_immediate(result, 0))
    f.bind(done)
    f.push(result)


def _ref_cast(f: FunctionState, position: int, target: RefType) -> None:
    value = f.pop_register()
    require_type(f, value, target, f.trap(position, TrapCode.CAST_FAILURE))
    f.push(value)


def _br_on_cast(f: FunctionState, _position: int, immediate: tuple[int, RefType, RefType]) -> None:
    depth, _, target = immediate
    value, no = f.pop_register(), Target()
    f.push(value)
    require_type(f, value, target, no)
    branch(f, depth)
    f.bind(no)


def _br_on_cast_fail(
    f: FunctionState, _position: int, immediate: tuple[int, RefType, RefType]
) -> None:
    depth, _, target = immediate
    value, no, done = f.pop_register(), Target(), Target()
    f.push(value)
    require_type(f, value, target, no)
    f.jump(done)
    f.bind(no)
    branch(f, depth)
    f.bind(done)


HANDLERS: Final[dict[str, Handler]] = {
    "ref.test": _ref_test,
    "ref.test/null": _ref_test,
    "ref.cast": _ref_cast,
    "ref.cast/null": _ref_cast,
    "br_on_cast": _br_on_cast,
    "br_on_cast_fail": _br_on_cast_fail,
}
