"""Validation of constant expressions (specification 3.3, "Constant Expressions")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from wasmine.errors import CompileError, InvalidModule
from wasmine.types import RefType, ValType, ref
from wasmine.wasm.features import SUPPORTED, check_type_supported, is_subtype, unsupported
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.opcodes import BY_NAME, Opcode
from wasmine.wasm.operands import text

_TYPED: Final = frozenset(
    BY_NAME[f"{type_}.{operation}"]
    for type_, operations in {
        "i32": ("const", "add", "sub", "mul"),
        "i64": ("const", "add", "sub", "mul"),
        "f32": ("const",),
        "f64": ("const",),
        "v128": ("const",),
    }.items()
    for operation in operations
)
"""Constant instructions whose type is in the opcode table, those of `extended-const` included."""


def check_constant(info: ModuleInfo, expression: ConstExpr, type_: ValType, globals_: int) -> None:
    """Requires a constant expression of this type, using at most the first `globals_` globals.

    Raises InvalidModule or UnsupportedFeature with the offset of the expression.
    """
    stack: list[ValType] = []
    try:
        for opcode, immediate in expression.instructions:
            if opcode in _TYPED:
                _apply(stack, opcode)
            elif opcode.name in _RULES:
                stack.append(_RULES[opcode.name](info, immediate, globals_))
            elif opcode.feature not in SUPPORTED:
                raise unsupported(f"instruction {opcode.mnemonic}", opcode.feature)
            else:
                raise InvalidModule(f"constant expression required, not {opcode.mnemonic}")
        if len(stack) != 1 or not _matches(stack[0], type_):
            raise InvalidModule(
                f"type mismatch: constant expression requires {text((type_,))}"
                f" but stack has {text(tuple(stack))}"
            )
    except CompileError as error:
        error.offset = expression.offset
        raise


def _matches(found: ValType, required: ValType) -> bool:
    if isinstance(found, RefType) and isinstance(required, RefType):
        return is_subtype(found, required)
    return found is required


def _apply(stack: list[ValType], opcode: Opcode) -> None:
    params, results = opcode.params or (), opcode.results or ()
    top = tuple(stack[len(stack) - len(params) :]) if len(params) <= len(stack) else tuple(stack)
    if top != params:
        raise InvalidModule(
            f"type mismatch: instruction requires {text(params)} but stack has {text(top)}"
        )
    del stack[len(stack) - len(params) :]
    stack += results


def _global(info: ModuleInfo, index: int, globals_: int) -> ValType:
    if index >= globals_:
        raise InvalidModule(f"unknown global {index}")
    type_ = info.globals[index]
    if type_.mutable:
        raise InvalidModule(f"constant expression required, global {index} is mutable")
    return type_.value


def _null(_info: ModuleInfo, type_: RefType, _globals: int) -> ValType:
    check_type_supported(type_)
    return type_


def _function(info: ModuleInfo, index: int, _globals: int) -> ValType:
    if index >= len(info.functions):
        raise InvalidModule(f"unknown function {index}")
    return ref("func", nullable=False)


_RULES: Final[dict[str, Callable[[ModuleInfo, Any, int], ValType]]] = {
    "global.get": _global,
    "ref.null": _null,
    "ref.func": _function,
}
"""The other constant instructions: they have no operands and one result."""
