"""Which stencils are made: for each recipe the patterns of locations that are worth one.

What is not here is put together with moves (`stencils`), so that a pattern is worth a stencil where
it saves more than that, or is frequent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from wasmine.compiler.baseline import atomicrecipes, recipes, vectorrecipes
from wasmine.compiler.baseline.locations import FIRST_VECTOR
from wasmine.compiler.baseline.plans import OFFSET
from wasmine.compiler.lanes import Row

GENERAL_OPERANDS: Final = (8, 9, 14)
GENERAL_RESULT: Final = 15
VECTOR_OPERANDS: Final = (1, 2, 3, 4)
VECTOR_RESULT: Final = 5
_LETTERS: Final = {"i32": "w", "i64": "q", "float": "s", "double": "d"}
_INTEGERS: Final = frozenset("wqm")
_VECTORS: Final = frozenset("sdv")
_COUNTED: Final = re.compile(r"i(32|64)\.(shl|shr_s|shr_u|rotl|rotr)$")
_FOLDED: Final = re.compile(r"i(32|64)\.(add|sub|mul|and|or|xor)$")


class Draft(NamedTuple):
    """A stencil that is to be made."""

    name: str
    pattern: str
    row: Row
    types: str
    """As in Operation."""

    @property
    def has_result(self) -> bool:
        return self.row.result != "void"

    @property
    def width(self) -> int:
        """Bits of an operation on integers."""
        return 32 if self.name.startswith("i32") else 64

    @property
    def magic(self) -> int:
        """What stands for a constant that LLVM must see to choose the instruction; 0 if it need not.

        It is looked for in the code then.
        """
        if self.pattern[-1] != "c":
            return 0
        if _COUNTED.match(self.name):
            return 13
        if not _FOLDED.match(self.name):
            return 0
        # An i64 with zeros in its upper half would be taken for less than that.
        return 0x5A3C_1E77 if self.width == 32 else -0x5A3C_1E77

    @property
    def places(self) -> list[int | None]:
        """The canonical register of each location, as the library numbers them."""
        general, vectors = iter(GENERAL_OPERANDS), iter(VECTOR_OPERANDS)
        found: list[int | None] = []
        for index, (letter, type_) in enumerate(zip(self.pattern, self.types, strict=False)):
            vector = type_ in _VECTORS
            if letter == "0":
                found.append(found[0])
            elif letter != "r":
                found.append(None)
            elif index == 0 and self.has_result:
                found.append(VECTOR_RESULT + FIRST_VECTOR if vector else GENERAL_RESULT)
            else:
                found.append(next(vectors) + FIRST_VECTOR if vector else next(general))
        return found


def _letter(type_: str, access: str) -> str:
    """The library's letter for an LLVM type."""
    if type_ == "ptr":
        return access
    return _LETTERS.get(type_, "v")


def _patterns(name: str, types: str, has_result: bool) -> tuple[str, ...]:
    """The patterns worth a stencil."""
    operands = types[has_result:].removesuffix(OFFSET)
    if name.endswith(".move"):
        return _MOVES[types[0]]
    if types[-1] == OFFSET:
        return tuple(_access_patterns(operands, has_result))
    if name.endswith(".select"):
        tests = "r" * (len(operands) - 2)
        lasts = [tests]
        if len(tests) == 2 and types[-1] != "d" and types[-1] != "s":
            lasts += ["rl", "rc"]
        elif len(tests) == 2:
            lasts.append("rl")
        return tuple(f"r{values}{last}" for values in ("0r", "r0") for last in lasts)
    if not has_result:
        return tuple(_branch_patterns(operands))
    return tuple(_result_patterns(name, operands))


_MOVES: Final = {
    "w": ("rr", "rl", "lr", "rz", "rc"),
    "q": ("rr", "rl", "lr", "rz", "rc", "rk", "lc"),
    "s": ("rr", "rl", "lr", "rz", "rc"),
    "d": ("rr", "rl", "lr", "rz", "rk"),
    "v": ("rr", "rl", "lr", "rz"),
}


def _access_patterns(operands: str, has_result: bool) -> Iterator[str]:
    first = "r" if has_result else ""
    for address in "rc" if operands[0] == "m" else "r":
        yield first + address + "r" * len(operands[1:])
        if operands[1:] in ("w", "q") and not has_result:
            yield address + "c"


def _branch_patterns(operands: str) -> Iterator[str]:
    plain = "r" * len(operands)
    yield plain
    if len(operands) == 2:
        yield "rl"
        if operands[0] in _INTEGERS:
            yield from ("lr", "rc", "lc")
    elif operands[0] in _INTEGERS:
        yield "l"


def _result_patterns(name: str, operands: str) -> Iterator[str]:
    plain = "r" * len(operands)
    yield f"r{plain}"
    if len(operands) == 1:
        yield "rl"
    elif len(operands) == 2:
        yield "rrl"
        # Division wants its operands in registers anyway.
        if operands[0] in _INTEGERS and ".div" not in name and ".rem" not in name:
            yield "rrc"


def aliases(draft: Draft) -> list[str]:
    """The patterns of the same operation whose result is where operands were."""
    pattern, types = draft.pattern, draft.types
    if not draft.has_result or "0" in pattern or pattern[0] != "r" or draft.name.endswith(".move"):
        return []
    same = [
        index
        for index in range(1, len(pattern))
        if pattern[index] == "r" and (types[index] in _VECTORS) == (types[0] in _VECTORS)
    ]
    found = [pattern[:index] + "0" + pattern[index + 1 :] for index in same]
    return [*found, "r00"] if len(same) == 2 and pattern == "rrr" else found


def drafts() -> Iterator[Draft]:
    plain = {**recipes.RECIPES, **vectorrecipes.RECIPES}
    accesses = {**recipes.ACCESSES, **vectorrecipes.ACCESSES}
    for name, row in plain.items():
        yield from _drafts_of(name, row, "")
    for name, row in accesses.items():
        yield from _drafts_of(name, row, "m")
    for name, row in {**accesses, **atomicrecipes.ACCESSES}.items():
        stem, _, lane = name.partition(" ")
        yield from _drafts_of(f"{stem}.raw {lane}".rstrip(), row, "q")


def _drafts_of(name: str, row: Row, access: str) -> Iterator[Draft]:
    has_result = row.result != "void"
    types = "".join(_letter(type_, access) for type_ in row.operands)
    if has_result:
        types = _letter(row.result, access) + types
    if access:
        types += OFFSET
    for pattern in _patterns(name, types, has_result):
        if name == "i32.move" and pattern in ("rr", "lr", "rc"):
            # What has zeros in its upper half already is copied whole.
            yield Draft(name, pattern, recipes.RECIPES["i64.move"], types)
        else:
            yield Draft(name, pattern, row, types)
