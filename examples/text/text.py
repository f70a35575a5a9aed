"""Compiles formulas of Python to WebAssembly: a module is written as text, and no tool is needed.

Run it with `python examples/text/text.py`.

Python's own parser takes a formula apart; each node becomes an instruction of the text format.
"""

from __future__ import annotations

import ast
import math
from array import array
from collections.abc import Iterable

from wasmine import Instance, Module

OPERATORS = {ast.Add: "f64.add", ast.Sub: "f64.sub", ast.Mult: "f64.mul", ast.Div: "f64.div"}
FUNCTIONS = {"sqrt": "f64.sqrt", "abs": "f64.abs", "min": "f64.min", "max": "f64.max"}

# The loop around every formula: x is what memory has at $p, the result takes its place.
TEMPLATE = """
(module
  (memory (export "memory") 1)
  (func $formula (export "formula") (param $x f64) (result f64)
    {body})
  (func (export "map") (param $count i32) (local $p i32) (local $end i32)
    (local.set $end (i32.shl (local.get $count) (i32.const 3)))
    (loop $next
      (if (i32.lt_u (local.get $p) (local.get $end))
        (then
          (f64.store (local.get $p) (call $formula (f64.load (local.get $p))))
          (local.set $p (i32.add (local.get $p) (i32.const 8)))
          (br $next))))))
"""


def instruction(node: ast.AST) -> str:
    """A node of Python's syntax tree as a folded instruction. Raises SyntaxError for others."""
    match node:
        case ast.Expression(body):
            return instruction(body)
        case ast.Name("x"):
            return "(local.get $x)"
        case ast.Constant(int() | float() as number):
            return f"(f64.const {float(number)})"
        case ast.UnaryOp(ast.USub(), operand):
            return f"(f64.neg {instruction(operand)})"
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            return f"({OPERATORS[type(operator)]} {instruction(left)} {instruction(right)})"
        case ast.Call(ast.Name(name), arguments) if name in FUNCTIONS:
            return f"({FUNCTIONS[name]} {' '.join(map(instruction, arguments))})"
    raise SyntaxError(f"not in the language of formulas: {ast.unparse(node)}")


class Formula:
    """A function of x, as machine code: `Formula("3*x*x - 1")(2.0)`."""

    def __init__(self, text: str) -> None:
        body = instruction(ast.parse(text, mode="eval"))
        self._exports = Instance(Module(TEMPLATE.format(body=body))).exports

    def __call__(self, x: float) -> float:
        result: float = self._exports.formula(x)
        return result

    def map(self, values: Iterable[float]) -> list[float]:
        """The results for many values, in one call."""
        data = array("d", values)
        memory = self._exports.memory
        if (missing := len(data) * 8 - memory.data_size) > 0:
            memory.grow(-(-missing // 65536))
        memory.write(0, data)
        self._exports.map(len(data))
        results: list[float] = memory.float64_view()[: len(data)].tolist()
        return results


def main() -> None:
    """Compiles a few formulas and compares them with Python."""
    for text in ("3*x*x - 2*x + 1", "sqrt(abs(x)) / (1 + x*x)", "max(-1, min(x / 2, 1))"):
        formula = Formula(text)
        values = [number / 100 for number in range(-20_000, 20_000)]
        names = {"sqrt": math.sqrt, "abs": abs, "min": min, "max": max}
        code = compile(text, "formula", "eval")
        same = formula.map(values) == [eval(code, names, {"x": x}) for x in values]
        print(f"{text:26} at 2: {formula(2.0):<20}", "as in Python" if same else "DIFFERENT")
    try:
        Formula("x ** 2")
    except SyntaxError as error:
        print(error)


if __name__ == "__main__":
    main()
