"""Exceptions in both directions: a parser in WebAssembly throws, Python catches, and vice versa.

Run it with `python examples/exceptions/exceptions.py`.

A tag tells one kind of exception from another. The module exports one, for what is malformed, and
imports one, which the host throws for names that it does not know; the module catches that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wasmine import FunctionType, Instance, Module, Tag, WasmException


class Calculator:
    """Sums texts such as "12,x,-5", where `variables` says what names stand for."""

    def __init__(self, variables: Mapping[str, int]) -> None:
        self._variables = variables
        self._unknown = Tag(FunctionType())
        host = {"lookup": self._lookup, "unknown": self._unknown}
        module = Module(Path(__file__).with_suffix(".wat"))
        self._exports = Instance(module, {"host": host}).exports

    def _lookup(self, address: int, length: int) -> int:
        name = self._exports.memory.read_string(address, length)
        if name not in self._variables:
            raise WasmException(self._unknown)
        return self._variables[name]

    def sum(self, text: str, default: int = 0) -> int:
        """The sum; unknown names count as `default`. Raises ValueError for malformed text."""
        self._exports.memory.write_string(0, f"{text}\0")
        try:
            result: int = self._exports.sum(default)
        except WasmException as exception:
            if exception.tag is not self._exports.malformed:
                raise
            offset, character = exception.payload
            what = repr(chr(character)) if character else "the end"
            raise ValueError(f"{text!r}: {what} at offset {offset}") from exception
        return result


def main() -> None:
    """Sums what is well-formed and what is not."""
    calculator = Calculator({"x": 30, "answer": 42, "broken": 2**40})
    for text in ("12,-5", "x,answer,-2", "x,nobody", "1,,2", "3-4", "x,"):
        try:
            print(f"{text:12} {calculator.sum(text, default=1000)}")
        except ValueError as error:
            print(f"{text:12} {error}")
    try:
        calculator.sum("broken")
    except OverflowError as error:
        print("what is no WasmException passes through:", error)


if __name__ == "__main__":
    main()
