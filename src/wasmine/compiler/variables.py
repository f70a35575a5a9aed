"""Locals, globals, tables and references."""

from __future__ import annotations

from typing import Any, Final

from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.ir import IN_CONTEXT, IN_GLOBAL, IN_TABLE, INVARIANT, LLVM_TYPES
from wasmine.compiler.module import Table
from wasmine.errors import TrapCode
from wasmine.types import ValType

ACTIVATE: Final = "wasmine_externref_activate"
"""Keeps the box of a reference that was read alive for as long as the call runs."""
STORE: Final = "wasmine_externref_store"
"""Puts a reference where references are counted: the new one gains a count, the old one loses it."""
EXTERNALS: Final = f"""
declare ptr @{ACTIVATE}(ptr, ptr) #4
declare void @{STORE}(ptr, ptr, ptr) #4
"""
"""What is reached by symbol, not through VMContext."""


def local_get(f: FunctionBuilder, position: int, index: int) -> None:
    """Pushes a local whose value is not known."""
    value = f.cache[index] = f"%v{position}"
    f.append(f"{value} = load {f.locals[index]}, ptr %l{index}")
    if index in f.certain:
        f.know(value)
    f.stack.append(value)


def _local_set(f: FunctionBuilder, _: int, index: int) -> None:
    value = f.cache[index] = f.stack.pop()
    if index in f.certain:
        f.know(value)
    f.append(f"store {f.locals[index]} {value}, ptr %l{index}")


def _local_tee(f: FunctionBuilder, _: int, index: int) -> None:
    value = f.cache[index] = f.stack[-1]
    if index in f.certain:
        f.know(value)
    f.append(f"store {f.locals[index]} {value}, ptr %l{index}")


def _drop(f: FunctionBuilder, _position: int, _: Any) -> None:
    f.stack.pop()


def _nop(_f: FunctionBuilder, _position: int, _: Any) -> None:
    pass


def _select(f: FunctionBuilder, position: int, type_: ValType) -> None:
    first, second, chosen = f.pop(3)
    condition = f.condition(chosen, position)
    kind = LLVM_TYPES[type_]
    r = f"%v{position}"
    line = f"{r} = select i1 {condition}, {kind} {first}, {kind} {second}"
    f.append(f.located(line, r, first, second))
    f.stack.append(r)


def activated(f: FunctionBuilder, position: int, box: str, result: str) -> str:
    """An externref that was read from a global or a table, fit for use in this call."""
    f.calls = True
    f.append(f"{result} = call ptr @{ACTIVATE}(ptr %vmctx, ptr {box}) #3{f.location(position)}")
    return result


def store_counted(f: FunctionBuilder, position: int, place: str, box: str) -> None:
    """Put an externref where references are counted."""
    f.calls = True
    f.append(f"call void @{STORE}(ptr %vmctx, ptr {place}, ptr {box}) #3{f.location(position)}")


def _global_get(f: FunctionBuilder, position: int, index: int) -> None:
    variable = f.module.globals[index]
    if variable.constant is not None:
        f.stack.append(variable.constant)
        return
    place = f.open(variable.definition)
    r = f"%r{position}" if variable.counted else f"%v{position}"
    invariant = "" if variable.mutable else INVARIANT
    f.append(f"{r} = load {variable.type}, ptr {place}{invariant}{IN_GLOBAL}")
    f.stack.append(activated(f, position, r, f"%v{position}") if variable.counted else r)


def _global_set(f: FunctionBuilder, position: int, index: int) -> None:
    variable = f.module.globals[index]
    place, value = f.open(variable.definition), f.stack.pop()
    if variable.counted:
        store_counted(f, position, place, value)
    else:
        # Volatile, because whoever catches a trap later sees the global: a plain store might be
        # moved behind an access that faults, or dropped in favour of a later one.
        f.append(f"store volatile {variable.type} {value}, ptr {place}{IN_GLOBAL}")


def table_size(f: FunctionBuilder, position: int, table: Table) -> str:
    """The number of elements of a table, as wide as its indices."""
    if table.size is not None:
        return str(table.size)
    place = f.open(table.definition, table.length)
    size = f"%n{position}"
    f.append(f"{size} = load i32, ptr {place}{IN_CONTEXT}")
    return f.zero_extended(f"{size}w", size) if table.wide else size


def table_element(f: FunctionBuilder, position: int, table: Table, index: str) -> str:
    """The address of an element. Traps if there is none with this index."""
    size = table_size(f, position, table)
    kind = "i64" if table.wide else "i32"
    f.append(f"%h{position} = icmp uge {kind} {index}, {size}")
    f.trap_if(f"%h{position}", position, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS)
    base = f.open(table.definition, table.base)
    number = index if table.wide else f.zero_extended(f"%z{position}", index)
    f.append(f"%e{position} = getelementptr ptr, ptr {base}, i64 {number}")
    return f"%e{position}"


def _table_get(f: FunctionBuilder, position: int, index: int) -> None:
    table = f.module.tables[index]
    place = table_element(f, position, table, f.stack.pop())
    r = f"%r{position}" if table.counted else f"%v{position}"
    f.append(f"{r} = load ptr, ptr {place}{IN_TABLE}")
    f.stack.append(activated(f, position, r, f"%v{position}") if table.counted else r)


def _table_set(f: FunctionBuilder, position: int, index: int) -> None:
    table = f.module.tables[index]
    element, value = f.pop(2)
    place = table_element(f, position, table, element)
    if table.counted:
        store_counted(f, position, place, value)
    else:
        # Volatile for the same reason as the store of a global.
        f.append(f"store volatile ptr {value}, ptr {place}{IN_TABLE}")


def _table_size(f: FunctionBuilder, position: int, index: int) -> None:
    f.stack.append(table_size(f, position, f.module.tables[index]))


def _table_grow(f: FunctionBuilder, position: int, index: int) -> None:
    table = f.module.tables[index]
    operands = f.pop(2)
    if table.wide:
        result = f.call_builtin(position, "table64_grow", *operands, index)
    elif table.local is None:
        result = f.call_builtin(position, "imported_table_grow", *operands, index)
    else:
        result = f.call_builtin(position, "table_grow", *operands, table.local)
    f.stack.append(result)


def _table_fill(f: FunctionBuilder, position: int, index: int) -> None:
    name = "table64_fill" if f.module.tables[index].wide else "table_fill"
    f.call_builtin(position, name, index, *f.pop(3))


def _table_copy(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    target, source = (f.module.tables[index] for index in indices)
    if target.wide or source.wide:
        operands = f.pop_copy(position, target.wide, source.wide)
        f.call_builtin(position, "table64_copy", *indices, *operands)
    else:
        f.call_builtin(position, "table_copy", *indices, *f.pop(3))


def _table_init(f: FunctionBuilder, position: int, indices: tuple[int, int]) -> None:
    segment, table = indices
    name = "table64_init" if f.module.tables[table].wide else "table_init"
    f.call_builtin(position, name, table, segment, *f.pop(3))


def _elem_drop(f: FunctionBuilder, position: int, segment: int) -> None:
    f.call_builtin(position, "elem_drop", segment)


def _ref_null(f: FunctionBuilder, _position: int, _: Any) -> None:
    f.stack.append("null")


def _ref_is_null(f: FunctionBuilder, position: int, _: Any) -> None:
    r = f"%c{position}"
    f.append(f"{r}b = icmp eq ptr {f.stack[-1]}, null\n{r} = zext i1 {r}b to i32")
    f.stack[-1] = r


def _ref_as_non_null(f: FunctionBuilder, position: int, _: Any) -> None:
    f.append(f"%i{position} = icmp eq ptr {f.stack[-1]}, null")
    f.trap_if(f"%i{position}", position, TrapCode.NULL_REFERENCE)


def _ref_func(f: FunctionBuilder, position: int, index: int) -> None:
    offset = f.module.offsets.vmctx_anyfunc(index)
    f.append(f"%v{position} = getelementptr i8, ptr %vmctx, i64 {offset}")
    f.stack.append(f"%v{position}")


HANDLERS: Final[dict[str, Handler]] = {
    "nop": _nop,
    "drop": _drop,
    "select": _select,
    "select/typed": _select,
    "local.get": local_get,
    "local.set": _local_set,
    "local.tee": _local_tee,
    "global.get": _global_get,
    "global.set": _global_set,
    "table.get": _table_get,
    "table.set": _table_set,
    "table.size": _table_size,
    "table.grow": _table_grow,
    "table.fill": _table_fill,
    "table.copy": _table_copy,
    "table.init": _table_init,
    "elem.drop": _elem_drop,
    "ref.null": _ref_null,
    "ref.is_null": _ref_is_null,
    "ref.as_non_null": _ref_as_non_null,
    "ref.func": _ref_func,
}
