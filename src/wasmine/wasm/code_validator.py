"""Validation of function bodies (specification 3.4, algorithm in its appendix).

The loop applies one rule to all instructions whose type is in the opcode table: operands are
compared with the top of the stack by identity and replaced by the results. Whatever does not match
there, and every other instruction, goes to the functions of `rules`.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final, TypeAlias, cast

from wasmine.errors import CompileError
from wasmine.types import F32, F64, I32, I64, V128, FunctionType, ValType
from wasmine.wasm import aggregates, flow, rules
from wasmine.wasm.body import Body
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode
from wasmine.wasm.operands import FLOOR, Operands
from wasmine.wasm.rules import Rule, check_known, check_select, typed_rule

# How the loop checks an instruction.
_LOCAL_GET, _PUSH, _BINARY, _LOCAL_SET, _UNARY, _LOCAL_TEE, _LOAD, _STORE, _SELECT, _RULE = range(
    10
)

_Row: TypeAlias = tuple[int, ValType, ValType, ValType, int, Rule]
"""How to check; first operand, second operand, result; natural alignment; the rule in full."""

_VARIABLES: Final = {
    "local.get": _LOCAL_GET,
    "local.set": _LOCAL_SET,
    "local.tee": _LOCAL_TEE,
    "select": _SELECT,
}
_BLOCK: Final = BY_NAME["block"].index
_NUMBERS: Final = ("i32", "i64", "f32", "f64", "v128")


RULES: Final[dict[str, Rule]] = {**rules.RULES, **flow.RULES, **aggregates.RULES}
"""By name of the instruction, for those whose type is not in the table."""


def rule_of(opcode: Opcode) -> Rule:
    """The rule for an instruction."""
    return RULES.get(opcode.name) or typed_rule(opcode)


def _row(opcode: Opcode) -> _Row:
    rule = rule_of(opcode)
    if opcode.name in RULES:
        how = _VARIABLES.get(opcode.name, _RULE)
        return how, FLOOR, FLOOR, FLOOR, 0, rule
    params, results = opcode.params or (), opcode.results or ()
    # an atomic access must be aligned exactly, which the loop does not see
    atomic = opcode.feature == "threads"
    how = _RULE if atomic else _shape(opcode.immediates, len(params), len(results))
    first, second, *_ = (*params, FLOOR, FLOOR)
    result, *_ = (*results, FLOOR)
    return how, first, second, result, opcode.access.bit_length() - 1, rule


def _shape(immediates: tuple[str, ...], params: int, results: int) -> int:
    """How the loop can check an instruction with so many operands and results."""
    if not immediates and results == 1 and params in (1, 2):
        return _UNARY if params == 1 else _BINARY
    if immediates == ("memarg",):
        if (params, results) == (1, 1):
            return _LOAD
        if (params, results) == (2, 0):
            return _STORE
    if immediates and immediates[0] in _NUMBERS:
        return _PUSH
    return _RULE


_ROWS: Final = [_row(opcode) for opcode in OPCODES]


def validate_body(info: ModuleInfo, local_index: int, body: Body) -> None:  # noqa: C901, PLR0912, PLR0915
    """Checks a decoded function body, counted from the first function that is not imported.

    The module itself was checked before. Puts the type of its operands in the place of the
    immediate that a `select` without a type lacks. Raises InvalidModule or UnsupportedFeature, with
    the offset of the instruction and the index of the function.
    """
    unset = _unset_locals(body)
    operands = Operands(info, body.locals, unset)
    stack, locals_, immediates = operands.stack, body.locals, cast("list[Any]", body.immediates)
    push, pop, rows = stack.append, stack.pop, _ROWS
    # no offset is below 0: accesses to no memory, or to one of 64 bits, are left to the rule in full;
    # from the first local without a default on, the rules keep track of which are set
    local_count = unset[0] if unset else len(locals_)
    plain = bool(info.memories) and info.memories[0].address is I32
    offset_bound = 1 << 32 if plain else 0
    position = 0
    try:
        if unset is not _NONE:
            for type_ in body.declared:
                check_known(type_)
        _enter_function(operands, local_index)
        for position, code, immediate in zip(count(), body.codes, immediates):
            how, first, second, result, alignment, rule = rows[code]
            if how == _LOCAL_GET and immediate < local_count:
                push(locals_[immediate])
            elif how == _PUSH:
                push(result)
            elif how >= _LOAD:
                if (
                    how == _LOAD
                    and stack[-1] is first
                    and immediate[0] <= alignment
                    and immediate[1] < offset_bound
                    and not immediate[2]
                ):
                    stack[-1] = result
                elif (
                    how == _STORE
                    and stack[-1] is second
                    and stack[-2] is first
                    and immediate[0] <= alignment
                    and immediate[1] < offset_bound
                    and not immediate[2]
                ):
                    pop()
                    pop()
                elif how == _SELECT:
                    immediates[position] = check_select(operands)
                else:
                    rule(operands, immediate, code)
            elif how == _BINARY and stack[-1] is second and stack[-2] is first:
                pop()
                stack[-1] = result
            elif how == _LOCAL_SET and immediate < local_count and stack[-1] is locals_[immediate]:
                pop()
            elif how == _UNARY and stack[-1] is first:
                stack[-1] = result
            elif how == _LOCAL_TEE and immediate < local_count and stack[-1] is locals_[immediate]:
                pass
            else:
                rule(operands, immediate, code)
    except CompileError as error:
        if error.offset is None:
            error.offset = body.offsets[position]
        info.blame(error, info.imported_functions + local_index)
        raise


def operands_before(info: ModuleInfo, local_index: int, body: Body, position: int) -> list[ValType]:
    """The types of all operands when an instruction of a valid body, which can be reached, begins."""
    operands = Operands(info, body.locals, _unset_locals(body))
    _enter_function(operands, local_index)
    for code, immediate in zip(body.codes[:position], body.immediates, strict=False):
        *_, rule = _ROWS[code]
        rule(operands, immediate, code)
    return [type_ for type_ in operands.stack if type_ is not FLOOR]


_NUMBER_TYPES: Final = {I32, I64, F32, F64, V128}
_NONE: Final[list[int]] = []
"""Of locals that are all numbers, with which there is nothing to check."""


def _unset_locals(body: Body) -> list[int]:
    """Locals without a default value, in order: what a function must set before it reads."""
    if body.declared <= _NUMBER_TYPES:
        return _NONE
    first = len(body.locals) - body.declared_count
    return [
        index for index, type_ in enumerate(body.locals[first:], first) if not type_.is_defaultable
    ]


def _enter_function(operands: Operands, local_index: int) -> None:
    """Opens the block that the function is."""
    info = operands.info
    type_ = info.function_type(info.functions[info.imported_functions + local_index])
    operands.open(_BLOCK, FunctionType((), type_.results))
