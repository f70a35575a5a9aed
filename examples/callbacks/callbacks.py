"""Calls back from WebAssembly into Python: a sort in wasm that asks Python which of two is first.

Run it with `python examples/callbacks/callbacks.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from wasmine import Instance, Module

MODULE = Module(Path(__file__).with_suffix(".wasm"))


def wasm_sorted(items: Sequence[str], compare: Callable[[str, str], int]) -> list[str]:
    """The items in order; compare is negative, zero or positive. The module sees only indices."""

    def compare_indices(a: int, b: int) -> int:
        return compare(items[a], items[b])

    exports = Instance(MODULE, {"env": {"compare": compare_indices}}).exports
    if len(items) > exports.capacity():
        raise ValueError(f"more than {exports.capacity()} items")
    order = exports.memory.read(exports.sort(len(items)), 4 * len(items))
    return [items[index] for index in struct.unpack(f"<{len(items)}I", order)]


def main() -> None:
    """Sorts words in two orders, and shows that a Python exception passes through wasm."""
    words = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
    print("by letters:", *wasm_sorted(words, lambda a, b: (a > b) - (a < b)))
    print("by length: ", *wasm_sorted(words, lambda a, b: len(a) - len(b)))

    def refuse(a: str, b: str) -> int:
        raise LookupError(f"cannot order {a!r} and {b!r}")

    try:
        wasm_sorted(words, refuse)
    except LookupError as error:
        print("raised in a callback:", error)


if __name__ == "__main__":
    main()
