"""Instructions that cannot be reached are dropped, by both compilers, before any handler sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from wasmine.wasm.opcodes import BY_NAME, OPCODES

END: Final = BY_NAME["end"].index
_ELSE: Final = BY_NAME["else"].index
_DELEGATE: Final = BY_NAME["delegate"].index
_CATCHES: Final = frozenset(BY_NAME[name].index for name in ("catch", "catch_all"))
OPENING: Final = frozenset(opcode.index for opcode in OPCODES if "blocktype" in opcode.immediates)

Steps: TypeAlias = Iterator[tuple[int, int, Any, *tuple[Any, ...]]]
"""Position, opcode index and immediate of the instructions that are left; more may follow."""

State = TypeVar("State")


class BlockEnds(NamedTuple, Generic[State]):
    """What a compiler does where the block may end, or be entered, that has become unreachable.

    The first two say whether control goes on behind the end of the block.
    """

    end: Callable[[State, int], bool]
    delegate: Callable[[State, int, Any], bool]
    catch: Callable[[State, int, Any], None]
    else_: Callable[[State], None]


def skip(state: State, steps: Steps, ends: BlockEnds[State]) -> None:
    """Drop what cannot be reached, up to where control comes in again or the body ends."""
    depth = 0
    for position, code, immediate, *_ in steps:
        if code in OPENING:
            depth += 1
        elif code == END:
            if depth:
                depth -= 1
            elif ends.end(state, position):
                return
        elif code == _DELEGATE:
            if depth:
                depth -= 1
            elif ends.delegate(state, position, immediate):
                return
        elif depth:
            continue
        elif code == _ELSE:
            ends.else_(state)
            return
        elif code in _CATCHES:
            ends.catch(state, position, immediate)
            return
