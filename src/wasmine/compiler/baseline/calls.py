"""Calls: arguments to where the convention wants them, results from there to the operand stack.

The convention is that of LLVM's `tailcc` (abi.convention says what is passed at all): the environment in
RDI, integers in RSI, RDX, RCX, R8, R9, floats and vectors in xmm0 to xmm7; results in RAX, RDX, RCX and
xmm0, xmm1. RBX, RBP and R12 to R15 are preserved. Upper halves of i32 are undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.baseline import FixupKind
from wasmine.abi.heap import VMTypeRecord
from wasmine.abi.vmcontext import (
    VMCallerCheckedAnyfunc,
    VMStoreContext,
    VMTableDefinition,
    offset_of,
    size_of,
)
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.conventions import Convention, Passed
from wasmine.compiler.baseline.locations import (
    FIRST_VECTOR,
    FRAME,
    GENERAL,
    R10,
    R11,
    RAX,
    RCX,
    RDI,
    RSP,
    SLOT,
    VM,
    Location,
)
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode
from wasmine.types import I64

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

_TYPES: Final = offset_of(VMStoreContext, "types")
_FUNC_PTR: Final = offset_of(VMCallerCheckedAnyfunc, "func_ptr")
_TYPE_INDEX: Final = offset_of(VMCallerCheckedAnyfunc, "type_index")
_ENVIRONMENT: Final = offset_of(VMCallerCheckedAnyfunc, "vmctx")
_ELEMENTS: Final = offset_of(VMTableDefinition, "base")
_COUNT: Final = offset_of(VMTableDefinition, "current_elements")


# --- arguments and results -----------------------------------------------------------------------


def store_value(f: FunctionState, base: int, displacement: int, value: Location) -> None:
    """Store a value of any location behind a pointer, 8 bytes, or 16 in wide functions."""
    if type(value) is not int or value >= SLOT:
        scratch = FIRST_VECTOR if f.wide and type(value) is int else RAX
        f.move(scratch, value)
        value = scratch
    if value < FIRST_VECTOR:
        f.add(asm.store64(value, base, displacement))
    else:
        store = asm.store_x128 if f.wide else asm.store_x64
        f.add(store(value - FIRST_VECTOR, base, displacement))


def store_values(f: FunctionState, passed: tuple[Passed, ...], values: list[Location]) -> None:
    """Put those that are not passed in registers into the store. Changes R10."""
    f.add(asm.load64(R10, VM, f.offsets.vmctx_store()))
    for how, value in zip(passed, values, strict=True):
        if how.register < 0:
            store_value(f, R10, how.displacement, value)


def pass_arguments(f: FunctionState, how: Convention) -> None:
    """Pop the arguments of a call and put them where the callee looks for them. RDI and R11 stay."""
    first = len(f.stack) - len(how.parameters)
    values = f.stack[first:]
    del f.stack[first:]
    f.flush_for_call()
    passed: Sequence[Location] = values
    if how.stores_parameters:
        store_values(f, how.parameters, values)
        passed = [
            value
            for parameter, value in zip(how.parameters, values, strict=True)
            if parameter.register >= 0
        ]
    f.move_all(how.registers, passed)
    if not f.temporaries.isdisjoint(values):
        f.release(*values)


def push_results(f: FunctionState, how: Convention) -> None:
    """Push what a call has returned. The stack is flushed."""
    results = how.results
    if not results:
        return
    if len(results) == 1:
        result = results[0]
        register = f.take(result.class_)
        if result.class_ == GENERAL:
            f.add((asm.move32 if result.narrow else asm.move64)(register, result.register))
        else:
            f.move(register, result.register)
        f.stack.append(register)
        return
    place = f.first_operand + len(f.stack) * f.slot
    first = place
    if how.stores_results:
        f.add(asm.load64(R10, VM, f.offsets.vmctx_store()))
    for result in results:
        register = result.register
        if register < 0:
            register = FIRST_VECTOR + 7
            load = asm.load_x128 if f.wide else asm.load_x64
            f.add(load(7, R10, result.displacement))
        elif result.narrow:
            f.add(asm.move32(register, register))
        f.move(place, register)
        place += f.slot
    f.stack += range(first, place, f.slot)
    f.height = max(f.height, len(f.stack))


# --- callees -------------------------------------------------------------------------------------


_PASS_VM: Final = asm.move64(RDI, VM)
_AFTER_CALL: Final = asm.move64(RSP, FRAME)


def call_entry(f: FunctionState, local_index: int) -> None:
    """Call what an own function's entry says; its environment is in RDI already."""
    f.code += asm.CALL_CELL
    f.fixups.append((len(f.code) - 4, FixupKind.ENTRY, local_index, 0))


def _call(f: FunctionState, position: int, index: int) -> None:
    info = f.info
    local = index - info.imported_functions
    how = f.context.convention(info.functions[index])
    pass_arguments(f, how)
    if local >= 0:
        f.code += _PASS_VM
        f.locate(position)
        call_entry(f, local)
    else:
        f.add(asm.load64(RDI, VM, f.offsets.vmctx_imported_function_environment(index)))
        f.locate(position)
        f.add(asm.call_memory(VM, f.offsets.vmctx_imported_function_body(index)))
    after_call(f)
    push_results(f, how)


def after_call(f: FunctionState) -> None:
    """The callee has taken 8 bytes off the stack; locals go back to registers that it has changed."""
    f.calls = True
    f.code += _AFTER_CALL
    f.reload_after_call()


def _return_call(f: FunctionState, _position: int, index: int) -> bool:
    info = f.info
    local = index - info.imported_functions
    pass_arguments(f, f.context.convention(info.functions[index]))
    if local >= 0:
        f.add(asm.move64(RDI, VM), asm.load_cell(RAX))
        f.fixups.append((len(f.code) - 4, FixupKind.ENTRY, local, 0))
    else:
        f.add(
            asm.load64(RDI, VM, f.offsets.vmctx_imported_function_environment(index)),
            asm.load64(RAX, VM, f.offsets.vmctx_imported_function_body(index)),
        )
    f.leave_for_tail_call()
    return True


def load_element(f: FunctionState, position: int, table: int, index: Location) -> None:
    """The address of a table's element into RAX; `index` has been popped and is released. Traps."""
    info, offsets = f.info, f.offsets
    register = f.in_register(index, GENERAL)
    local = table - info.imported_tables
    base, displacement = VM, 0
    if local >= 0:
        displacement = offsets.vmctx_table_definition(local)
    else:
        base = RCX
        f.add(asm.load64(RCX, VM, offsets.vmctx_imported_table(table)))
    if info.tables[table].address is I64:
        f.add(asm.load32(RAX, base, displacement + _COUNT), asm.compare64(register, RAX))
    else:
        f.add(asm.compare_memory32(register, base, displacement + _COUNT))
    f.jump_if(asm.ABOVE_EQUAL, f.trap(position, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS))
    f.add(asm.load64(RAX, base, displacement + _ELEMENTS), asm.lea_scaled64(RAX, RAX, register))
    f.release(register)


def _find_indirect(f: FunctionState, position: int, immediate: tuple[int, int]) -> int:
    """The record of a table's function into R11, if it has the expected type, whose index is returned."""
    type_index, table = immediate
    load_element(f, position, table, f.stack.pop())
    f.add(asm.load64(R11, RAX, 0), asm.test64(R11, R11))
    f.jump_if(asm.EQUAL, f.trap(position, TrapCode.INDIRECT_CALL_TO_NULL))
    type_ = f.info.types[type_index]
    f.add(asm.load32(RAX, VM, f.offsets.vmctx_signature_id(type_index)))
    if type_.final:
        f.add(asm.compare_memory32(RAX, R11, _TYPE_INDEX))
    else:
        f.add(asm.load32(RCX, R11, _TYPE_INDEX))
        load_type_record(f, RCX)
        f.add(asm.compare_memory32(RAX, RCX, _DISPLAY + 4 * type_.depth))
    f.jump_if(asm.NOT_EQUAL, f.trap(position, TrapCode.BAD_SIGNATURE))
    return type_index


_DISPLAY: Final = offset_of(VMTypeRecord, "display")


def load_type_record(f: FunctionState, register: int) -> None:
    """The number of a type becomes the address of its VMTypeRecord. Changes R10."""
    f.add(
        asm.multiply_immediate(register, register, size_of(VMTypeRecord)),
        asm.load64(R10, VM, f.offsets.vmctx_store()),
        asm.add_memory64(register, R10, _TYPES),
    )


def _find_reference(f: FunctionState, position: int, type_index: int) -> int:
    """The record that the top operand refers to into R11."""
    f.move(R11, operand := f.stack.pop())
    f.release(operand)
    f.add(asm.test64(R11, R11))
    f.jump_if(asm.EQUAL, f.trap(position, TrapCode.NULL_FUNCTION))
    return type_index


Find = Callable[[FunctionState, int, Any], int]


def _calling(find: Find) -> Handler:
    def call(f: FunctionState, position: int, immediate: Any) -> None:
        how = f.context.convention(find(f, position, immediate))
        pass_arguments(f, how)
        f.add(asm.load64(RDI, R11, _ENVIRONMENT))
        f.locate(position)
        f.add(asm.call_memory(R11, _FUNC_PTR))
        after_call(f)
        push_results(f, how)

    return call


def _tail_calling(find: Find) -> Handler:
    def call(f: FunctionState, position: int, immediate: Any) -> bool:
        pass_arguments(f, f.context.convention(find(f, position, immediate)))
        f.add(asm.load64(RDI, R11, _ENVIRONMENT), asm.load64(RAX, R11, _FUNC_PTR))
        f.leave_for_tail_call()
        return True

    return call


HANDLERS: Final[dict[str, Handler]] = {
    "call": _call,
    "call_indirect": _calling(_find_indirect),
    "call_ref": _calling(_find_reference),
    "return_call": _return_call,
    "return_call_indirect": _tail_calling(_find_indirect),
    "return_call_ref": _tail_calling(_find_reference),
}
