"""The rules of instructions whose type depends on the context (specification 3.3).

Each function is bound to its rows of the opcode table by name. It gets the operands, the immediate
and the index of the instruction in the table, and raises InvalidModule without a place, which the
caller adds. Here are operands, variables, tables and memories; control is in `flow`, and what came
with garbage collection in `aggregates`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wasmine.errors import InternalError, InvalidModule
from wasmine.types import (
    I32,
    I64,
    GlobalType,
    MemoryType,
    RefType,
    TableType,
    ValType,
    matches,
    ref,
)
from wasmine.wasm.module import ElementSegment, ModuleInfo
from wasmine.wasm.opcodes import Opcode
from wasmine.wasm.operands import UNKNOWN, Operands, not_null, text

Rule: TypeAlias = Callable[[Operands, Any, int], None]

_I32: Final = (I32,)


class Rules(dict[str, Rule]):
    """Rules by the name of their instruction."""

    def of(self, *names: str) -> Callable[[Rule], Rule]:
        """A decorator that makes a function the rule of these instructions."""

        def bind(function: Rule) -> Rule:
            self.update(dict.fromkeys(names, function))
            return function

        return bind


RULES: Final = Rules()


def check_known(type_: ValType) -> None:
    """Raises InvalidModule for a reference to a type that the module has not."""
    if isinstance(type_, RefType) and isinstance(type_.heap, int):
        raise InvalidModule(f"unknown type {type_.heap}")


# Operands and variables


@RULES.of("drop")
def _check_drop(operands: Operands, _: None, _code: int) -> None:
    operands.pop_any()


def check_select(operands: Operands) -> ValType:
    """Checks a `select` without a type. Returns the type, i32 if dead code leaves it open."""
    operands.pop(_I32)
    second = operands.pop_any()
    first = operands.pop_any()
    if first.is_ref or second.is_ref:
        raise InvalidModule(
            f"type mismatch: select without a type requires numbers but stack has"
            f" {text((first, second))}"
        )
    if first is not second and UNKNOWN not in (first, second):
        raise InvalidModule(f"type mismatch: operands of select are {text((first, second))}")
    type_ = second if first is UNKNOWN else first
    operands.stack.append(type_)
    return I32 if type_ is UNKNOWN else type_


@RULES.of("select")
def _check_select_untyped(operands: Operands, _: None, _code: int) -> None:
    check_select(operands)


@RULES.of("select/typed")
def _check_select_typed(operands: Operands, type_: ValType, _code: int) -> None:
    check_known(type_)
    operands.pop((type_, type_, I32))
    operands.stack.append(type_)


def local(operands: Operands, index: int) -> ValType:
    """The type of a local."""
    if index >= len(operands.locals):
        raise InvalidModule(f"unknown local {index}")
    return operands.locals[index]


@RULES.of("local.get")
def _check_local_get(operands: Operands, index: int, _code: int) -> None:
    type_ = local(operands, index)
    if index in operands.locals_unset:
        raise InvalidModule(f"uninitialized local {index}")
    operands.stack.append(type_)


@RULES.of("local.set")
def _check_local_set(operands: Operands, index: int, _code: int) -> None:
    operands.pop((local(operands, index),))
    operands.set_local(index)


@RULES.of("local.tee")
def _check_local_tee(operands: Operands, index: int, _code: int) -> None:
    type_ = local(operands, index)
    operands.pop((type_,))
    operands.set_local(index)
    operands.stack.append(type_)


def _global(operands: Operands, index: int) -> GlobalType:
    if index >= len(operands.info.globals):
        raise InvalidModule(f"unknown global {index}")
    return operands.info.globals[index]


@RULES.of("global.get")
def _check_global_get(operands: Operands, index: int, _code: int) -> None:
    operands.stack.append(_global(operands, index).value)


@RULES.of("global.set")
def _check_global_set(operands: Operands, index: int, _code: int) -> None:
    type_ = _global(operands, index)
    if not type_.mutable:
        raise InvalidModule(f"immutable global {index}")
    operands.pop((type_.value,))


# References and tables


@RULES.of("ref.null")
def _check_ref_null(operands: Operands, type_: RefType, _code: int) -> None:
    check_known(type_)
    operands.stack.append(type_)


@RULES.of("ref.is_null")
def _check_ref_is_null(operands: Operands, _: None, _code: int) -> None:
    operands.pop_reference()
    operands.stack.append(I32)


@RULES.of("ref.as_non_null")
def _check_ref_as_non_null(operands: Operands, _: None, _code: int) -> None:
    operands.stack.append(not_null(operands.pop_reference()))


@RULES.of("ref.func")
def _check_ref_func(operands: Operands, index: int, _code: int) -> None:
    operands.stack.append(function_reference(operands.info, index))
    if index not in operands.info.declared_functions:
        raise InvalidModule(f"undeclared function reference {index}")


def function_reference(info: ModuleInfo, index: int) -> RefType:
    """The type of a reference to a function."""
    if index >= len(info.functions):
        raise InvalidModule(f"unknown function {index}")
    return ref(info.types[info.functions[index]], nullable=False)


def table_type(operands: Operands, index: int) -> TableType:
    if index >= len(operands.info.tables):
        raise InvalidModule(f"unknown table {index}")
    return operands.info.tables[index]


def element_segment(operands: Operands, index: int) -> ElementSegment:
    if index >= len(operands.info.elements):
        raise InvalidModule(f"unknown elem segment {index}")
    return operands.info.elements[index]


@RULES.of("table.get")
def _check_table_get(operands: Operands, table: int, _code: int) -> None:
    type_ = table_type(operands, table)
    operands.pop((type_.address,))
    operands.stack.append(type_.element)


@RULES.of("table.set")
def _check_table_set(operands: Operands, table: int, _code: int) -> None:
    type_ = table_type(operands, table)
    operands.pop((type_.address, type_.element))


@RULES.of("table.size")
def _check_table_size(operands: Operands, table: int, _code: int) -> None:
    operands.stack.append(table_type(operands, table).address)


@RULES.of("table.grow")
def _check_table_grow(operands: Operands, table: int, _code: int) -> None:
    type_ = table_type(operands, table)
    operands.pop((type_.element, type_.address))
    operands.stack.append(type_.address)


@RULES.of("table.fill")
def _check_table_fill(operands: Operands, table: int, _code: int) -> None:
    type_ = table_type(operands, table)
    operands.pop((type_.address, type_.element, type_.address))


@RULES.of("table.copy")
def _check_table_copy(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    target, source = (table_type(operands, table) for table in immediate)
    _check_element_types(source.element, target.element)
    _pop_copy(operands, target.address, source.address)


def _pop_copy(operands: Operands, target: ValType, source: ValType) -> None:
    """Takes the operands of a copy between two address spaces: the smaller one bounds the length."""
    operands.pop((target, source, I64 if target is source is I64 else I32))


@RULES.of("table.init")
def _check_table_init(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    segment, table = immediate
    target = table_type(operands, table)
    _check_element_types(element_segment(operands, segment).type, target.element)
    operands.pop((target.address, I32, I32))


def _check_element_types(source: RefType, target: RefType) -> None:
    if not matches(source, target):
        raise InvalidModule(f"type mismatch: elements of type {source} in a table of {target}")


# Memories


@RULES.of("memory.init")
def _check_memory_init(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    segment, memory = immediate
    address = _memory(operands, memory).address
    check_data(operands, segment)
    operands.pop((address, I32, I32))


@RULES.of("memory.size")
def _check_memory_size(operands: Operands, memory: int, _code: int) -> None:
    operands.stack.append(_memory(operands, memory).address)


@RULES.of("memory.grow")
def _check_memory_grow(operands: Operands, memory: int, _code: int) -> None:
    address = _memory(operands, memory).address
    operands.pop((address,))
    operands.stack.append(address)


@RULES.of("memory.fill")
def _check_memory_fill(operands: Operands, memory: int, _code: int) -> None:
    address = _memory(operands, memory).address
    operands.pop((address, I32, address))


@RULES.of("memory.copy")
def _check_memory_copy(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    target, source = (_memory(operands, memory).address for memory in immediate)
    _pop_copy(operands, target, source)


def _memory(operands: Operands, memory: int) -> MemoryType:
    if memory >= len(operands.info.memories):
        raise InvalidModule(f"unknown memory {memory}")
    return operands.info.memories[memory]


# Instructions whose type is in the table


def _check_memarg(operands: Operands, opcode: Opcode, memarg: tuple[int, int, int]) -> None:
    alignment, offset, memory = memarg
    address = _memory(operands, memory).address
    if 1 << alignment > opcode.access:
        raise InvalidModule(f"alignment must not be larger than natural: 2**{alignment}")
    if opcode.feature == "threads" and 1 << alignment < opcode.access:
        raise InvalidModule(f"atomic alignment must be natural: 2**{alignment}")
    if address is I32 and offset >> 32:
        raise InvalidModule(f"offset out of range: {offset}")


def check_data(operands: Operands, segment: int) -> None:
    # what the data count section promises: the segments themselves come after the code
    if segment >= (operands.info.data_count or 0):
        raise InvalidModule(f"unknown data segment {segment}")


def _check_elem(operands: Operands, _opcode: Opcode, segment: int) -> None:
    element_segment(operands, segment)


def _check_lane(_operands: Operands, opcode: Opcode, lane: int) -> None:
    if lane >= opcode.lanes:
        raise InvalidModule(f"invalid lane index {lane}")


def _check_lanes(_operands: Operands, opcode: Opcode, lanes: bytes) -> None:
    for lane in lanes:
        _check_lane(_operands, opcode, lane)


_Check: TypeAlias = Callable[[Operands, Opcode, Any], None]

_CHECKS: Final[dict[str, _Check | None]] = {
    "memarg": _check_memarg,
    "data": lambda operands, _opcode, segment: check_data(operands, segment),
    "elem": _check_elem,
    "lane": _check_lane,
    "lanes": _check_lanes,
    "i32": None,
    "i64": None,
    "f32": None,
    "f64": None,
    "v128": None,
    "zero": None,
}
"""By kind of immediate: what makes it valid, None if any value is."""


def typed_rule(opcode: Opcode) -> Rule:
    """The rule for an instruction whose type is in the table."""
    params, results = opcode.params, opcode.results
    if params is None or results is None:
        raise InternalError(f"no validation rule for {opcode.name}")
    checks = [_CHECKS[kind] for kind in opcode.immediates]
    if "memarg" in opcode.immediates:
        return _access_rule(opcode, checks)

    def check(operands: Operands, immediate: Any, _code: int) -> None:
        values = immediate if len(checks) > 1 else (immediate,)
        for check_value, value in zip(checks, values, strict=False):
            if check_value is not None:
                check_value(operands, opcode, value)
        operands.pop(params)
        operands.stack += results

    return check


def _access_rule(opcode: Opcode, checks: list[_Check | None]) -> Rule:
    """The rule for an access to memory: the table has the type for addresses of 32 bits."""
    params, results = opcode.params or (), opcode.results or ()
    by_address = {I32: params, I64: (I64, *params[1:])}

    def check(operands: Operands, immediate: Any, _code: int) -> None:
        values = immediate if len(checks) > 1 else (immediate,)
        for check_value, value in zip(checks, values, strict=True):
            if check_value is not None:
                check_value(operands, opcode, value)
        operands.pop(by_address[operands.info.memories[values[0][2]].address])
        operands.stack += results

    return check
