"""References and tables in baseline code.

A table's elements are read and written in place. Where they are references to host objects, which
tables count, functions of the runtime do the counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.vmcontext import VMTableDefinition, offset_of
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline import conditions
from wasmine.compiler.baseline.aggregates import popped, require, settle
from wasmine.compiler.baseline.control import branch_if
from wasmine.compiler.baseline.locations import CONSTANTS, GENERAL, RAX, RCX, RDX, VM, Location
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.baseline.storage import store_storage
from wasmine.errors import TrapCode
from wasmine.frozen import Frozen
from wasmine.types import FUNCREF, I64, TableType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

ACTIVATE: Final = "wasmine_externref_activate"
"""Keeps the box of a reference that was read alive for as long as the call runs."""
STORE: Final = "wasmine_externref_store"
"""Puts a reference where references are counted: the new one gains a count, the old one loses it."""

_ELEMENTS: Final = offset_of(VMTableDefinition, "base")
_COUNT: Final = offset_of(VMTableDefinition, "current_elements")
_REFERENCE: Final = FUNCREF
"""Stands for the type of any reference: all are stored the same."""


# --- tables ----------------------------------------------------------------------------------------


class _Table(Frozen):
    """Where the VMTableDefinition of a table is: behind a register, at a displacement."""

    type: TableType
    base: int
    displacement: int

    @property
    def wide(self) -> bool:
        """Whether indices are i64."""
        return self.type.address is I64

    @property
    def counted(self) -> bool:
        """Whether the elements are externrefs, which tables count."""
        return is_counted(self.type.element)


def _table(f: FunctionState, index: int) -> _Table:
    """A table of the module; RCX is the address of the definition if it is imported."""
    type_, local = f.info.tables[index], index - f.info.imported_tables
    if local >= 0:
        return _Table(type_, VM, f.offsets.vmctx_table_definition(local))
    f.add(asm.load64(RCX, VM, f.offsets.vmctx_imported_table(index)))
    return _Table(type_, RCX, 0)


def _element_to_rax(f: FunctionState, position: int, table_index: int, index: int) -> None:
    """RAX is the address of an element. Traps if there is none with this index. Changes RCX."""
    table = _table(f, table_index)
    count = table.displacement + _COUNT
    if table.wide:
        f.add(asm.load32(RAX, table.base, count), asm.compare64(index, RAX))
    else:
        f.add(asm.compare_memory32(index, table.base, count))
    f.jump_if(asm.ABOVE_EQUAL, f.trap(position, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS))
    f.add(
        asm.load64(RAX, table.base, table.displacement + _ELEMENTS),
        asm.lea_indexed(RAX, RAX, index, 8),
    )


def activate(f: FunctionState, position: int, box: Location) -> None:
    """Push an externref that was read from a global or a table, fit for use in this call."""
    result = f.call_runtime(position, ACTIVATE, (VM, box), "ptr")
    if result is not None:
        f.push(result)


def store_counted(f: FunctionState, position: int, place: int, box: Location) -> None:
    """Put an externref, a popped operand, where references are counted; `place` is an address."""
    f.call_runtime(position, STORE, (VM, place, box), "void")


def _table_get(f: FunctionState, position: int, table_index: int) -> None:
    index = f.pop_register()
    f.release(index)
    value = f.take(GENERAL)  # this may change RAX
    _element_to_rax(f, position, table_index, index)
    f.add(asm.load64(value, RAX, 0))
    if is_counted(f.info.tables[table_index].element):
        activate(f, position, value)
    else:
        f.push(value)


def _table_set(f: FunctionState, position: int, table_index: int) -> None:
    if is_counted(f.info.tables[table_index].element):
        index, value = settle(f, 2)
        f.flush()  # the call that follows is not to change RAX
        f.move(RDX, index)
        _element_to_rax(f, position, table_index, RDX)
        store_counted(f, position, RAX, value)
        return
    value, index = f.pop(), f.pop_register()
    _element_to_rax(f, position, table_index, index)
    store_storage(f, _REFERENCE, value, RAX, 0)
    f.release(value, index)


def _table_size(f: FunctionState, _position: int, index: int) -> None:
    size = f.take(GENERAL)
    table = _table(f, index)
    f.add(asm.load32(size, table.base, table.displacement + _COUNT))
    f.push(size)


def _table_grow(f: FunctionState, position: int, index: int) -> None:
    wide = f.info.tables[index].address is I64
    local = index - f.info.imported_tables
    operands = popped(f, 2)
    if wide or local < 0:
        symbol = "wasmine_table64_grow" if wide else "wasmer_vm_imported_table_grow"
        local = index
    else:
        symbol = "wasmer_vm_table_grow"
    result = f.call_runtime(position, symbol, (VM, *operands, CONSTANTS[local]))
    if result is not None:
        f.push(result)


def _symbol(f: FunctionState, operation: str, *tables: int) -> str:
    """The symbol of the function for several elements, by the width of the tables' indices."""
    if any(f.info.tables[index].address is I64 for index in tables):
        return f"wasmine_table64_{operation}"
    return f"wasmer_vm_table_{operation}"


def _table_fill(f: FunctionState, position: int, index: int) -> None:
    arguments = (VM, CONSTANTS[index], *popped(f, 3))
    f.call_runtime(position, _symbol(f, "fill", index), arguments)


def _table_copy(f: FunctionState, position: int, indices: tuple[int, int]) -> None:
    target, source = indices
    arguments = (VM, CONSTANTS[target], CONSTANTS[source], *popped(f, 3))
    f.call_runtime(position, _symbol(f, "copy", *indices), arguments)


def _table_init(f: FunctionState, position: int, indices: tuple[int, int]) -> None:
    segment, table = indices
    arguments = (VM, CONSTANTS[table], CONSTANTS[segment], *popped(f, 3))
    f.call_runtime(position, _symbol(f, "init", table), arguments)


def _elem_drop(f: FunctionState, position: int, segment: int) -> None:
    f.call_runtime(position, "wasmer_vm_elem_drop", (VM, CONSTANTS[segment]))


# --- references ------------------------------------------------------------------------------------


def _ref_null(f: FunctionState, _position: int, _: Any) -> None:
    f.push(CONSTANTS[0])


def _ref_as_non_null(f: FunctionState, position: int, _: Any) -> None:
    value = f.pop_register()
    require(f, position, value, TrapCode.NULL_REFERENCE)
    f.push(value)


def _ref_func(f: FunctionState, _position: int, index: int) -> None:
    value = f.take(GENERAL)
    f.add(asm.lea(value, VM, f.offsets.vmctx_anyfunc(index)))
    f.push(value)


def _br_on_null(f: FunctionState, _position: int, depth: int) -> None:
    value = f.pop_register()
    f.add(asm.test64(value, value))
    branch_if(f, asm.EQUAL, depth)
    f.push(value)


def _br_on_non_null(f: FunctionState, _position: int, depth: int) -> None:
    value = f.pop_register()
    f.push(value)
    f.add(asm.test64(value, value))
    branch_if(f, asm.NOT_EQUAL, depth)
    f.release(f.pop())


HANDLERS: Final[dict[str, Handler]] = {
    "table.get": _table_get,
    "table.set": _table_set,
    "table.size": _table_size,
    "table.grow": _table_grow,
    "table.fill": _table_fill,
    "table.copy": _table_copy,
    "table.init": _table_init,
    "elem.drop": _elem_drop,
    "ref.null": _ref_null,
    "ref.is_null": conditions.HANDLERS["i64.eqz"],
    "ref.eq": conditions.HANDLERS["i64.eq"],
    "ref.as_non_null": _ref_as_non_null,
    "ref.func": _ref_func,
    "br_on_null": _br_on_null,
    "br_on_non_null": _br_on_non_null,
}
