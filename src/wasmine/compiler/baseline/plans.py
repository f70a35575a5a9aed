"""Which stencil serves some locations best, and what is moved for it."""

from __future__ import annotations

from typing import Final, NamedTuple

from wasmine.compiler.baseline.locations import FIRST_VECTOR, PINNED, TEMPORARIES
from wasmine.compiler.baseline.templates import HoleKind, Kind, Stencil


class Operation(NamedTuple):
    """All stencils of one name."""

    types: str
    """A letter of TYPES for each location of the key: what it is."""
    has_result: bool
    stencils: dict[str, Stencil]
    """By a letter for each location but the offset: `r` register; `0` the result's register; `l` in the
    frame; `z`, `c`, `k` a constant that is zero, that fits into 32 bits, any."""


TYPES: Final = {"w": "i32", "q": "i64", "s": "f32", "d": "f64", "v": "v128", "m": "i32"}
"""The type of each kind of operand or result; `m` is an address in memory 0."""
OFFSET: Final = "o"
"""What a static offset is among these."""
_VECTORS: Final = frozenset("sdv")
# RAX is left to the moves: large constants of floats go through it.
_GENERAL_SCRATCH: Final = (11, 10, 2, 1)
ALL_VECTORS: Final = 16
"""`Library.vectors` where instructions have a VEX prefix."""
FIRST_TAKEN: Final = FIRST_VECTOR + 11
"""From this register on nothing is scratch then."""
_VECTOR_SCRATCH: Final = tuple(FIRST_VECTOR + number for number in (0, 7, 8, 9, 10))
# Without VEX, instructions reach the first eight only: others can but keep what was in one of these.
_VICTIMS: Final = tuple(FIRST_VECTOR + number for number in range(1, 7))
_REFUGES: Final = tuple(FIRST_VECTOR + number for number in range(8, 16))
_ORDINARY_GENERAL: Final = frozenset((*TEMPORARIES, *PINNED))
_ORDINARY: Final = _ORDINARY_GENERAL | {
    *range(FIRST_VECTOR + 1, FIRST_VECTOR + 7),
    *range(FIRST_TAKEN, FIRST_VECTOR + 16),
}
"""Registers that are scratch in no stencil, with all vector registers."""
_CONSTANT_LETTERS: Final = ("z", "c", "k")


def exact(operation: Operation, kinds: tuple[Kind, ...]) -> Stencil | None:
    """The stencil that takes these kinds as they are, if there is one: mostly there is."""
    result = kinds[0] if operation.has_result else None
    letters = ["r" if isinstance(kind, int) else kind for kind in kinds]
    if letters[-1] == OFFSET:
        letters.pop()
    if isinstance(result, int):
        for index in range(1, len(letters)):
            if kinds[index] == result:
                letters[index] = "0"
    return operation.stencils.get("".join(letters))


class Shape(NamedTuple):
    """Kinds, with numbers below 0 for registers that no plan depends on, from the first one on."""

    kinds: tuple[Kind, ...]
    registers: dict[Kind, int]
    """What stands for each of these registers."""

    def name(self, places: tuple[Kind, ...]) -> tuple[Kind, ...]:
        """Places of a plan for the shape, with the registers that it was made of."""
        names: dict[Kind, Kind] = {number: register for register, number in self.registers.items()}
        return tuple([names.get(place, place) for place in places])


def shape(kinds: tuple[Kind, ...], vectors: int) -> Shape:
    """Many locations have one shape, and one plan."""
    registers: dict[Kind, int] = {}
    ordinary = _ORDINARY if vectors == ALL_VECTORS else _ORDINARY_GENERAL
    shaped: list[Kind] = [
        registers.setdefault(kind, -1 - len(registers)) if kind in ordinary else kind
        for kind in kinds
    ]
    return Shape(tuple(shaped), registers)


def choose(
    operation: Operation, kinds: tuple[Kind, ...], vectors: int
) -> tuple[Stencil, Plan] | None:
    """The stencil that serves these kinds with the fewest moves, then the shortest one."""
    best: tuple[Stencil, Plan] | None = None
    least = (0, 0)
    for pattern, stencil in operation.stencils.items():
        plan = _plan(operation, kinds, pattern, stencil.uses, vectors)
        if plan is None or (plan.rescued and _leaves(stencil)):
            continue
        cost = plan.moves, len(stencil.code)
        if best is None or cost < least:
            best, least = (stencil, plan), cost
    return best


def _leaves(stencil: Stencil) -> bool:
    """Whether it may go on elsewhere, where nothing is restored."""
    return any(kind == HoleKind.TARGET for _, kind, _, _ in stencil.holes)


class Plan(NamedTuple):
    """How a stencil serves some locations."""

    moves: int
    places: tuple[Kind, ...]
    """Where the stencil has each of them; what differs is moved, before or, for a result, after."""
    rescued: tuple[tuple[int, int], ...]
    """Vector registers that have to give way, and where they are saved."""


def _plan(
    operation: Operation, kinds: tuple[Kind, ...], pattern: str, uses: int, vectors: int
) -> Plan | None:
    """How to serve these locations by a stencil of this pattern, if it can be."""
    places = list(kinds)
    free = _Scratch(uses, kinds, vectors)
    shared = [kinds[index] for index, letter in enumerate(pattern) if letter == "0"]
    # Two places in the frame, or two constants, are of one kind and not the same.
    if len(shared) > 1 and (len(set(shared)) > 1 or not isinstance(shared[0], int)):
        return None
    first = int(operation.has_result)
    if first and pattern[0] == "r":
        result: Kind | None = kinds[0]
        # The result's register must not be one that another operand is read from.
        taken = any(
            kind == result and letter != "0"
            for kind, letter in zip(kinds[1:], pattern[1:], strict=False)
        )
        if not isinstance(result, int) or taken:
            result = free.take(operation.types[0])
            if result is None:
                return None
        places[0] = result
    elif first and kinds[0] != pattern[0]:
        return None
    for index in range(first, len(pattern)):
        kind, letter = kinds[index], pattern[index]
        if letter == "0":
            places[index] = places[0]
        elif letter == "r":
            if not isinstance(kind, int):
                register = free.take(operation.types[index])
                if register is None:
                    return None
                places[index] = register
        elif kind != letter and (
            kind not in _CONSTANT_LETTERS
            or letter not in _CONSTANT_LETTERS[_CONSTANT_LETTERS.index(kind) :]
        ):
            return None
    moves = sum(kind != place for kind, place in zip(kinds, places, strict=True))
    return Plan(moves + 2 * len(free.rescued), tuple(places), tuple(free.rescued))


class _Scratch:
    """Registers that are free within a piece."""

    def __init__(self, uses: int, kinds: tuple[Kind, ...], vectors: int) -> None:
        busy = {number for number in range(32) if uses >> number & 1} | set(kinds)
        self._general = [number for number in _GENERAL_SCRATCH if number not in busy]
        scratch = _VECTOR_SCRATCH if vectors == ALL_VECTORS else _VECTOR_SCRATCH[:2]
        self._vectors = [number for number in scratch if number not in busy]
        victims = () if vectors == ALL_VECTORS else _VICTIMS
        self._victims = [number for number in victims if number not in busy]
        self._refuges = [number for number in _REFUGES if number not in busy]
        self.rescued: list[tuple[int, int]] = []

    def take(self, type_: str) -> int | None:
        """A register for a value of this type, None if there is none left."""
        if type_ not in _VECTORS:
            return self._general.pop(0) if self._general else None
        if self._vectors:
            return self._vectors.pop(0)
        if not self._victims or not self._refuges:
            return None
        victim, refuge = self._victims.pop(), self._refuges.pop()
        self.rescued.append((victim, refuge))
        return victim
