"""The value of constant expressions (specification, 3.4.13), when a module is instantiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from wasmine.errors import UnsupportedFeature
from wasmine.vm.globals import GlobalCell
from wasmine.wasm.module import ConstExpr

_ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}
_WIDTHS: Final = {"i32": 32, "i64": 64}


def evaluate(
    expression: ConstExpr, globals_: Sequence[GlobalCell], function_reference: Callable[[int], int]
) -> int:
    """The bits of the value of a validated expression; of a reference its address, 0 for null."""
    stack: list[int] = []
    for opcode, immediate in expression.instructions:
        kind, _, operation = opcode.name.partition(".")
        match kind, operation, immediate:
            case "i32" | "i64", "const", int(value):
                stack.append(value & (1 << _WIDTHS[kind]) - 1)
            case "f32" | "f64" | "v128", "const", int(bits):
                stack.append(bits)
            case "global", "get", int(index):
                stack.append(globals_[index].get_bits())
            case "ref", "null", _:
                stack.append(0)
            case "ref", "func", int(index):
                stack.append(function_reference(index))
            case "i32" | "i64", "add" | "sub" | "mul", _:
                b, a = stack.pop(), stack.pop()
                stack.append(_ARITHMETIC[operation](a, b) & (1 << _WIDTHS[kind]) - 1)
            case _:
                raise UnsupportedFeature(
                    f"{opcode.name} in a constant expression needs the {opcode.feature} proposal",
                    expression.offset,
                )
    return stack.pop()
