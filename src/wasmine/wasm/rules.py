"""The rules of instructions whose type depends on the context (specification 3.3).

Each function is bound to its rows of the opcode table by name. It gets the operands, the immediate
and the index of the instruction in the table, and raises InvalidModule without a place, which the
caller adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wasmine.errors import InternalError, InvalidModule
from wasmine.types import (
    FUNCREF,
    I32,
    I64,
    FunctionType,
    GlobalType,
    MemoryType,
    RefType,
    TableType,
    ValType,
)
from wasmine.wasm.features import check_type_supported, is_subtype
from wasmine.wasm.module import ElementSegment
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode
from wasmine.wasm.operands import UNKNOWN, Operands, text

Rule: TypeAlias = Callable[[Operands, Any, int], None]

_I32: Final = (I32,)
_IF: Final = BY_NAME["if"].index

RULES: Final[dict[str, Rule]] = {}
"""By name of the instruction."""


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def bind(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return bind


# Control


@_rule("unreachable")
def _check_unreachable(operands: Operands, _: None, _code: int) -> None:
    operands.end_reachable()


@_rule("nop")
def _check_nop(_operands: Operands, _: None, _code: int) -> None:
    """Typed in the table, but frequent enough in some modules for the shortest way."""


@_rule("block", "loop")
def _check_block(operands: Operands, type_: FunctionType, code: int) -> None:
    _check_block_type(type_)
    operands.pop(type_.params)
    operands.open(code, type_)


def _check_block_type(type_: FunctionType) -> None:
    for result in type_.results:
        check_type_supported(result)


@_rule("if")
def _check_if(operands: Operands, type_: FunctionType, code: int) -> None:
    _check_block_type(type_)
    operands.pop((*type_.params, I32))
    operands.open(code, type_)


@_rule("else")
def _check_else(operands: Operands, _: None, code: int) -> None:
    operands.open(code, operands.close().type)


@_rule("end")
def _check_end(operands: Operands, _: None, _code: int) -> None:
    block = operands.close()
    if block.code == _IF and block.type.params != block.type.results:
        raise InvalidModule(
            f"type mismatch: if without else requires {text(block.type.results)}"
            f" but has {text(block.type.params)}"
        )
    operands.stack += block.type.results


@_rule("br")
def _check_br(operands: Operands, label: int, _code: int) -> None:
    operands.pop(operands.label(label).label)
    operands.end_reachable()


@_rule("br_if")
def _check_br_if(operands: Operands, label: int, _code: int) -> None:
    types = operands.label(label).label
    operands.pop(_I32)
    if types:
        operands.pop(types)
        operands.stack += types


@_rule("br_table")
def _check_br_table(operands: Operands, immediate: tuple[tuple[int, ...], int], _code: int) -> None:
    labels, default = immediate
    operands.pop(_I32)
    types = operands.label(default).label
    operands.require(types)
    checked = {id(types)}
    for label in labels:
        other = operands.label(label).label
        if id(other) in checked:
            continue
        if len(other) != len(types):
            raise InvalidModule(
                f"type mismatch: labels of br_table require {text(types)} and {text(other)}"
            )
        operands.require(other)
        checked.add(id(other))
    operands.end_reachable()


@_rule("return")
def _check_return(operands: Operands, _: None, _code: int) -> None:
    operands.pop(operands.blocks[0].label)
    operands.end_reachable()


@_rule("call")
def _check_call(operands: Operands, index: int, _code: int) -> None:
    info = operands.info
    if index >= len(info.functions):
        raise InvalidModule(f"unknown function {index}")
    type_ = info.function_type(info.functions[index])
    operands.pop(type_.params)
    operands.stack += type_.results


@_rule("call_indirect")
def _check_call_indirect(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    type_index, table = immediate
    table_type = _table(operands, table)
    if table_type.element is not FUNCREF:
        raise InvalidModule(
            f"type mismatch: call_indirect requires [funcref] but table has {table_type.element}"
        )
    type_ = operands.info.function_type(type_index)
    operands.pop((table_type.address,))
    operands.pop(type_.params)
    operands.stack += type_.results


# Operands and variables


@_rule("drop")
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


@_rule("select")
def _check_select_untyped(operands: Operands, _: None, _code: int) -> None:
    check_select(operands)


@_rule("select/typed")
def _check_select_typed(operands: Operands, type_: ValType, _code: int) -> None:
    check_type_supported(type_)
    operands.pop((type_, type_, I32))
    operands.stack.append(type_)


def local(operands: Operands, index: int) -> ValType:
    """The type of a local."""
    if index >= len(operands.locals):
        raise InvalidModule(f"unknown local {index}")
    return operands.locals[index]


@_rule("local.get")
def _check_local_get(operands: Operands, index: int, _code: int) -> None:
    operands.stack.append(local(operands, index))


@_rule("local.set")
def _check_local_set(operands: Operands, index: int, _code: int) -> None:
    operands.pop((local(operands, index),))


@_rule("local.tee")
def _check_local_tee(operands: Operands, index: int, _code: int) -> None:
    type_ = local(operands, index)
    operands.pop((type_,))
    operands.stack.append(type_)


def _global(operands: Operands, index: int) -> GlobalType:
    if index >= len(operands.info.globals):
        raise InvalidModule(f"unknown global {index}")
    return operands.info.globals[index]


@_rule("global.get")
def _check_global_get(operands: Operands, index: int, _code: int) -> None:
    operands.stack.append(_global(operands, index).value)


@_rule("global.set")
def _check_global_set(operands: Operands, index: int, _code: int) -> None:
    type_ = _global(operands, index)
    if not type_.mutable:
        raise InvalidModule(f"immutable global {index}")
    operands.pop((type_.value,))


# References and tables


@_rule("ref.null")
def _check_ref_null(operands: Operands, type_: RefType, _code: int) -> None:
    check_type_supported(type_)
    operands.stack.append(type_)


@_rule("ref.is_null")
def _check_ref_is_null(operands: Operands, _: None, _code: int) -> None:
    type_ = operands.pop_any()
    if not type_.is_ref and type_ is not UNKNOWN:
        raise InvalidModule(
            f"type mismatch: instruction requires a reference but stack has {text((type_,))}"
        )
    operands.stack.append(I32)


@_rule("ref.func")
def _check_ref_func(operands: Operands, index: int, _code: int) -> None:
    if index >= len(operands.info.functions):
        raise InvalidModule(f"unknown function {index}")
    if index not in operands.info.declared_functions:
        raise InvalidModule(f"undeclared function reference {index}")
    operands.stack.append(FUNCREF)


def _table(operands: Operands, index: int) -> TableType:
    if index >= len(operands.info.tables):
        raise InvalidModule(f"unknown table {index}")
    return operands.info.tables[index]


def _element_segment(operands: Operands, index: int) -> ElementSegment:
    if index >= len(operands.info.elements):
        raise InvalidModule(f"unknown elem segment {index}")
    return operands.info.elements[index]


@_rule("table.get")
def _check_table_get(operands: Operands, table: int, _code: int) -> None:
    type_ = _table(operands, table)
    operands.pop((type_.address,))
    operands.stack.append(type_.element)


@_rule("table.set")
def _check_table_set(operands: Operands, table: int, _code: int) -> None:
    type_ = _table(operands, table)
    operands.pop((type_.address, type_.element))


@_rule("table.size")
def _check_table_size(operands: Operands, table: int, _code: int) -> None:
    operands.stack.append(_table(operands, table).address)


@_rule("table.grow")
def _check_table_grow(operands: Operands, table: int, _code: int) -> None:
    type_ = _table(operands, table)
    operands.pop((type_.element, type_.address))
    operands.stack.append(type_.address)


@_rule("table.fill")
def _check_table_fill(operands: Operands, table: int, _code: int) -> None:
    type_ = _table(operands, table)
    operands.pop((type_.address, type_.element, type_.address))


@_rule("table.copy")
def _check_table_copy(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    target, source = (_table(operands, table) for table in immediate)
    _check_element_types(source.element, target.element)
    _pop_copy(operands, target.address, source.address)


def _pop_copy(operands: Operands, target: ValType, source: ValType) -> None:
    """Takes the operands of a copy between two address spaces: the smaller one bounds the length."""
    operands.pop((target, source, I64 if target is source is I64 else I32))


@_rule("table.init")
def _check_table_init(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    segment, table = immediate
    target = _table(operands, table)
    _check_element_types(_element_segment(operands, segment).type, target.element)
    operands.pop((target.address, I32, I32))


def _check_element_types(source: RefType, target: RefType) -> None:
    if not is_subtype(source, target):
        raise InvalidModule(f"type mismatch: elements of type {source} in a table of {target}")


# Memories


@_rule("memory.init")
def _check_memory_init(operands: Operands, immediate: tuple[int, int], code: int) -> None:
    segment, memory = immediate
    address = _memory(operands, memory).address
    _check_data(operands, OPCODES[code], segment)
    operands.pop((address, I32, I32))


@_rule("memory.size")
def _check_memory_size(operands: Operands, memory: int, _code: int) -> None:
    operands.stack.append(_memory(operands, memory).address)


@_rule("memory.grow")
def _check_memory_grow(operands: Operands, memory: int, _code: int) -> None:
    address = _memory(operands, memory).address
    operands.pop((address,))
    operands.stack.append(address)


@_rule("memory.fill")
def _check_memory_fill(operands: Operands, memory: int, _code: int) -> None:
    address = _memory(operands, memory).address
    operands.pop((address, I32, address))


@_rule("memory.copy")
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


def _check_data(operands: Operands, _opcode: Opcode, segment: int) -> None:
    # what the data count section promises: the segments themselves come after the code
    if segment >= (operands.info.data_count or 0):
        raise InvalidModule(f"unknown data segment {segment}")


def _check_elem(operands: Operands, _opcode: Opcode, segment: int) -> None:
    _element_segment(operands, segment)


def _check_lane(_operands: Operands, opcode: Opcode, lane: int) -> None:
    if lane >= opcode.lanes:
        raise InvalidModule(f"invalid lane index {lane}")


def _check_lanes(_operands: Operands, opcode: Opcode, lanes: bytes) -> None:
    for lane in lanes:
        _check_lane(_operands, opcode, lane)


_Check: TypeAlias = Callable[[Operands, Opcode, Any], None]

_CHECKS: Final[dict[str, _Check | None]] = {
    "memarg": _check_memarg,
    "data": _check_data,
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
