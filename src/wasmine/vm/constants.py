"""The value of constant expressions (specification, 3.4.13), when a module is instantiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from wasmine.errors import UnsupportedFeature
from wasmine.types import DefinedType, StructType
from wasmine.vm import objects
from wasmine.vm.globals import GlobalCell
from wasmine.vm.heap import Held
from wasmine.vm.objects import Allocator
from wasmine.wasm.module import ConstExpr
from wasmine.wasm.opcodes import by_name

_ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}
_WIDTHS: Final = {"i32": 32, "i64": 64}
_I32_CONST: Final = by_name("i32.const")
_FUNCTION: Final = by_name("ref.func")


class Evaluator:
    """Evaluates the constant expressions of one instance.

    Objects that they make are held by this, until the values are where they belong.
    """

    def __init__(
        self,
        types: Sequence[DefinedType],
        globals_: Sequence[GlobalCell],
        function_reference: Callable[[int], int],
        allocator: Allocator,
    ) -> None:
        """`globals_` may grow later."""
        self._types = types
        self._globals = globals_
        self._function_reference = function_reference
        self._allocator = allocator
        self._held: list[Held] = []

    def __call__(self, expression: ConstExpr) -> int:  # noqa: C901, PLR0912 - a case for each
        """The bits of the value of a validated expression; of a reference its address, 0 for null.

        Raises Trap if there is no room for an object.
        """
        (opcode, immediate), *more = expression.instructions
        if not more and isinstance(immediate, int):  # nearly all are one of these
            if opcode is _I32_CONST:
                return immediate & 0xFFFF_FFFF
            if opcode is _FUNCTION:
                return self._function_reference(immediate)
        stack: list[int] = []
        for opcode, immediate in expression.instructions:
            kind, _, operation = opcode.name.partition(".")
            match kind, operation, immediate:
                case "i32" | "i64", "const", int(value):
                    stack.append(value & (1 << _WIDTHS[kind]) - 1)
                case "f32" | "f64", "const", int(bits):
                    stack.append(bits)
                case "v128", "const", int(bits):
                    stack.append(bits)
                case "global", "get", int(index):
                    stack.append(self._globals[index].get_bits())
                case "ref", "null", _:
                    stack.append(0)
                case "ref", "func", int(index):
                    stack.append(self._function_reference(index))
                case "ref", "i31", _:
                    stack.append(objects.i31(stack.pop()))
                case "any", "convert_extern", _:
                    stack.append(self._allocator.internalize(stack.pop()))
                case "extern", "convert_any", _:
                    stack.append(objects.convert(stack.pop()))
                case "struct" | "array", _, _:
                    stack.append(self._make(operation, immediate, stack))
                case "i32" | "i64", "add" | "sub" | "mul", _:
                    b, a = stack.pop(), stack.pop()
                    stack.append(_ARITHMETIC[operation](a, b) & (1 << _WIDTHS[kind]) - 1)
                case _:
                    raise UnsupportedFeature(
                        f"{opcode.name} in a constant expression needs the {opcode.feature} proposal",
                        expression.offset,
                    )
        return stack.pop()

    def let_go(self) -> None:
        """Hold no object any more: the values are where they belong."""
        self._held.clear()

    def _make(self, operation: str, immediate: Any, stack: list[int]) -> int:
        """The object that an instruction makes of its operands."""
        held = self._allocate(operation, immediate, stack)
        self._held.append(held)
        return held.address

    def _allocate(self, operation: str, immediate: Any, stack: list[int]) -> Held:
        allocator = self._allocator
        if operation == "new_fixed":
            index, count = immediate
            return allocator.array_of(self._types[index], _pop(stack, count))
        type_ = self._types[immediate]
        match operation, type_.composite:
            case "new", StructType(fields):
                return allocator.struct(type_, _pop(stack, len(fields)))
            case "new_default", StructType(fields):
                return allocator.struct(type_, [0] * len(fields))
            case "new", _:
                value, count = _pop(stack, 2)
                return allocator.filled_array(type_, value, count)
            case _:
                return allocator.array(type_, stack.pop())


def _pop(stack: list[int], count: int) -> list[int]:
    start = len(stack) - count
    values = stack[start:]
    del stack[start:]
    return values
