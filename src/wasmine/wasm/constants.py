"""Validation of constant expressions (specification 3.3, "Constant Expressions")."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

from wasmine.errors import CompileError, InvalidModule
from wasmine.types import F32, F64, I32, I64, V128, FunctionType, ValType
from wasmine.wasm.code_validator import rule_of
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode
from wasmine.wasm.operands import Operands
from wasmine.wasm.rules import function_reference

_PROPOSALS: Final = {
    BY_NAME[name]: proposal
    for proposal, names in {
        "mvp": ("i32.const", "i64.const", "f32.const", "f64.const", "v128.const", "global.get"),
        "reference-types": ("ref.null", "ref.func"),
        "extended-const": ("i32.add", "i32.sub", "i32.mul", "i64.add", "i64.sub", "i64.mul"),
        "gc": (
            *("ref.i31", "struct.new", "struct.new_default"),
            *("array.new", "array.new_default", "array.new_fixed"),
            *("any.convert_extern", "extern.convert_any"),
        ),
    }.items()
    for name in names
}
"""The instructions that are constant, and what made them so."""

_NUMBERS: Final = {BY_NAME[f"{type_}.const"]: type_ for type_ in (I32, I64, F32, F64, V128)}
"""Most expressions are one of these, which needs no stack to be checked."""

_Instructions: TypeAlias = tuple[tuple[Opcode, Any], ...]
_RULES: Final = [rule_of(opcode) if opcode in _PROPOSALS else None for opcode in OPCODES]
_BLOCK: Final = BY_NAME["block"].index
_GLOBAL: Final = BY_NAME["global.get"]
_FUNCTION: Final = BY_NAME["ref.func"]


def check_constant(info: ModuleInfo, expression: ConstExpr, type_: ValType, globals_: int) -> None:
    """Requires a constant expression of this type, using at most the first `globals_` globals.

    Raises InvalidModule with the offset of the expression.
    """
    if len(expression.instructions) == 1 and _NUMBERS.get(expression.instructions[0][0]) is type_:
        return
    operands = Operands(info, [])
    try:
        operands.open(_BLOCK, FunctionType((), (type_,)))
        for opcode, immediate in cast("_Instructions", expression.instructions):
            if opcode is _GLOBAL:
                operands.stack.append(_global(info, immediate, globals_))
            elif opcode is _FUNCTION:
                operands.stack.append(function_reference(info, immediate))
            else:
                _check(operands, opcode, immediate)
        operands.close()
    except CompileError as error:
        error.offset = expression.offset
        raise


def _check(operands: Operands, opcode: Opcode, immediate: object) -> None:
    rule = _RULES[opcode.index]
    if rule is None:
        raise InvalidModule(f"constant expression required, not {opcode.mnemonic}")
    operands.info.features.require(
        _PROPOSALS[opcode],
        f"constant expression required, not {opcode.mnemonic}",
        error=InvalidModule,
    )
    rule(operands, immediate, opcode.index)


def _global(info: ModuleInfo, index: int, globals_: int) -> ValType:
    phrase = f"unknown global {index}"
    if index >= globals_:
        raise InvalidModule(phrase)
    if index >= info.imported_globals:
        info.features.require("gc", phrase, error=InvalidModule)
    type_ = info.globals[index]
    if type_.mutable:
        raise InvalidModule(f"constant expression required, global {index} is mutable")
    return type_.value
