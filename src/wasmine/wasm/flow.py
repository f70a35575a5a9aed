"""The rules of control instructions: blocks, branches, calls, exceptions."""

from __future__ import annotations

from typing import Final, TypeAlias

from wasmine.errors import InvalidModule
from wasmine.types import (
    FUNCREF,
    I32,
    FunctionType,
    RefType,
    ValType,
    matches,
    ref,
    types_match,
)
from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.operands import Block, Operands, not_null, text
from wasmine.wasm.rules import Rules, check_known, table_type

RULES: Final = Rules()

_I32: Final = (I32,)
_IF: Final = BY_NAME["if"].index


@RULES.of("unreachable")
def _check_unreachable(operands: Operands, _: None, _code: int) -> None:
    operands.end_reachable()


@RULES.of("nop")
def _check_nop(_operands: Operands, _: None, _code: int) -> None:
    """Typed in the table, but frequent enough in some modules for the shortest way."""


@RULES.of("block", "loop", "try")
def _check_block(operands: Operands, type_: FunctionType, code: int) -> None:
    _check_block_type(type_)
    operands.pop(type_.params)
    operands.open(code, type_)


def _check_block_type(type_: FunctionType) -> None:
    for result in type_.results:
        check_known(result)


@RULES.of("if")
def _check_if(operands: Operands, type_: FunctionType, code: int) -> None:
    _check_block_type(type_)
    operands.pop((*type_.params, I32))
    operands.open(code, type_)


@RULES.of("else")
def _check_else(operands: Operands, _: None, code: int) -> None:
    operands.open(code, operands.close().type)


@RULES.of("end")
def _check_end(operands: Operands, _: None, _code: int) -> None:
    block = operands.close()
    if block.code == _IF and not types_match(block.type.params, block.type.results):
        raise InvalidModule(
            f"type mismatch: if without else requires {text(block.type.results)}"
            f" but has {text(block.type.params)}"
        )
    operands.stack += block.type.results


@RULES.of("br")
def _check_br(operands: Operands, label: int, _code: int) -> None:
    operands.pop(operands.label(label).label)
    operands.end_reachable()


@RULES.of("br_if")
def _check_br_if(operands: Operands, label: int, _code: int) -> None:
    types = operands.label(label).label
    operands.pop(_I32)
    if types:
        operands.pop(types)
        operands.stack += types


@RULES.of("br_table")
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


@RULES.of("return")
def _check_return(operands: Operands, _: None, _code: int) -> None:
    operands.pop(operands.blocks[0].label)
    operands.end_reachable()


@RULES.of("call")
def _check_call(operands: Operands, index: int, _code: int) -> None:
    type_ = _function(operands, index)
    operands.pop(type_.params)
    operands.stack += type_.results


def _function(operands: Operands, index: int) -> FunctionType:
    info = operands.info
    if index >= len(info.functions):
        raise InvalidModule(f"unknown function {index}")
    return info.function_type(info.functions[index])


@RULES.of("call_indirect")
def _check_call_indirect(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    type_ = _indirect_callee(operands, immediate)
    operands.pop(type_.params)
    operands.stack += type_.results


def _indirect_callee(operands: Operands, immediate: tuple[int, int]) -> FunctionType:
    """The type of a function in a table, whose index is taken."""
    type_index, table = immediate
    from_ = table_type(operands, table)
    if not matches(from_.element, FUNCREF):
        raise InvalidModule(
            f"type mismatch: call_indirect requires [funcref] but table has {from_.element}"
        )
    type_ = operands.info.function_type(type_index)
    operands.pop((from_.address,))
    return type_


@RULES.of("call_ref")
def _check_call_ref(operands: Operands, type_index: int, _code: int) -> None:
    type_ = _referred_callee(operands, type_index)
    operands.pop(type_.params)
    operands.stack += type_.results


def _referred_callee(operands: Operands, type_index: int) -> FunctionType:
    """The type of a function to which a reference is taken."""
    type_ = operands.info.function_type(type_index)
    operands.pop((ref(operands.info.types[type_index]),))
    return type_


@RULES.of("return_call")
def _check_return_call(operands: Operands, index: int, _code: int) -> None:
    _tail_call(operands, _function(operands, index))


@RULES.of("return_call_indirect")
def _check_return_call_indirect(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    _tail_call(operands, _indirect_callee(operands, immediate))


@RULES.of("return_call_ref")
def _check_return_call_ref(operands: Operands, type_index: int, _code: int) -> None:
    _tail_call(operands, _referred_callee(operands, type_index))


def _tail_call(operands: Operands, type_: FunctionType) -> None:
    results = operands.blocks[0].label
    if not types_match(type_.results, results):
        raise InvalidModule(
            f"type mismatch: function returns {text(results)} but callee {text(type_.results)}"
        )
    operands.pop(type_.params)
    operands.end_reachable()


# Branches that depend on a reference


@RULES.of("br_on_null")
def _check_br_on_null(operands: Operands, label: int, _code: int) -> None:
    types = operands.label(label).label
    type_ = operands.pop_reference()
    operands.pop(types)
    operands.stack += (*types, not_null(type_))


@RULES.of("br_on_non_null")
def _check_br_on_non_null(operands: Operands, label: int, _code: int) -> None:
    *types, last = operands.label(label).label or (I32,)
    if not isinstance(last, RefType):
        raise InvalidModule(
            f"type mismatch: label {label} of br_on_non_null does not take a reference"
        )
    operands.pop((*types, ref(last.heap)))
    operands.stack += types


# Exceptions


def _tag_params(operands: Operands, index: int) -> tuple[ValType, ...]:
    """What an exception with this tag carries."""
    if index >= len(operands.info.tags):
        raise InvalidModule(f"unknown tag {index}")
    return operands.info.function_type(operands.info.tags[index]).params


@RULES.of("throw")
def _check_throw(operands: Operands, tag: int, _code: int) -> None:
    operands.pop(_tag_params(operands, tag))
    operands.end_reachable()


@RULES.of("throw_ref")
def _check_throw_ref(operands: Operands, _: None, _code: int) -> None:
    operands.pop((ref("exn"),))
    operands.end_reachable()


_Catches: TypeAlias = tuple[tuple[int, int | None, int], ...]


@RULES.of("try_table")
def _check_try_table(
    operands: Operands, immediate: tuple[FunctionType, _Catches], code: int
) -> None:
    type_, catches = immediate
    _check_block_type(type_)
    operands.pop(type_.params)
    for kind, tag, label in catches:
        types = () if tag is None else _tag_params(operands, tag)
        if kind & 1:
            types = (*types, _EXCEPTION)
        taken = operands.label(label).label
        if not types_match(types, taken):
            raise InvalidModule(
                f"type mismatch: catch gives {text(types)} but label takes {text(taken)}"
            )
    operands.open(code, type_)


_EXCEPTION: Final = ref("exn", nullable=False)
_TRY: Final = BY_NAME["try"].index
_CATCH: Final = BY_NAME["catch"].index
_CATCH_ALL: Final = BY_NAME["catch_all"].index


@RULES.of("catch")
def _check_catch(operands: Operands, tag: int, code: int) -> None:
    block = _close_try(operands, (_TRY, _CATCH), "catch")
    operands.open(code, FunctionType(_tag_params(operands, tag), block.type.results))


@RULES.of("catch_all")
def _check_catch_all(operands: Operands, _: None, code: int) -> None:
    block = _close_try(operands, (_TRY, _CATCH), "catch_all")
    operands.open(code, FunctionType((), block.type.results))


@RULES.of("delegate")
def _check_delegate(operands: Operands, label: int, _code: int) -> None:
    block = _close_try(operands, (_TRY,), "delegate")
    operands.label(label)
    operands.stack += block.type.results


def _close_try(operands: Operands, codes: tuple[int, ...], name: str) -> Block:
    if operands.blocks[-1].code not in codes:
        raise InvalidModule(f"misplaced {name}")
    return operands.close()


@RULES.of("rethrow")
def _check_rethrow(operands: Operands, label: int, _code: int) -> None:
    if operands.label(label).code not in (_CATCH, _CATCH_ALL):
        raise InvalidModule(f"invalid rethrow label {label}")
    operands.end_reachable()
