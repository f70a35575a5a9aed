"""What is done with a module, the same in every engine, and what can be seen of it."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Final, Protocol, TypeAlias

from wasmine.errors import TrapCode
from wasmine.types import FunctionType, ValType

LIMITS: Final = frozenset(
    f"trap: {code.message}"
    for code in (TrapCode.STACK_OVERFLOW, TrapCode.OUT_OF_MEMORY, TrapCode.ALLOCATION_TOO_LARGE)
)
"""Where the stack and the heap end is each engine's own affair."""
_UNREACHABLE: Final = "trap: unreachable"
FRAMES: Final = "frames: "
"""What events begin with that tell which functions were active."""
UNKNOWN: Final = "?"
_FRAMES: Final = 20
"""wasmtime tells of so many."""
Place: TypeAlias = tuple[int, int | None]
"""A function, and the offset in the module of the instruction that it was at, if that is known."""
_INSTANCES: Final = 5
"""Instances that one script makes at most."""

_FLOATS: Final = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 1e-310, 1e-45, 3.4028234663852886e38, 1e39, 1e300),
    *(2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0),
    *(2.0**63, -(2.0**63), 2.0**64, 9007199254740993.0, math.pi, math.inf, -math.inf, math.nan),
)
_OBJECTS: Final = (None, "an object", "another object")


class HostError(Exception):
    """What host functions raise now and then."""


class Guest(Protocol):
    """A module in one engine. All values are Python's: signed integers, floats, objects."""

    def instantiate(self, host: Callable[[str, FunctionType], Callable[..., Any]]) -> None:
        """A new instance, all of whose functions are imported from `host`."""

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Call an exported function: None, one result, or a sequence of results."""

    def state(self) -> Iterable[tuple[str, object]]:
        """The contents of everything that is exported."""

    def reason(self, error: Exception) -> str | None:
        """Why code trapped, in wasmine's words; None for an error that is no trap."""

    def frames(self, error: Exception) -> list[Place] | None:
        """The functions that were active at a trap, innermost first; None where that is not known."""


def value_of(type_: ValType, random: Random) -> Any:
    """A value of a type, more often than not an edge case."""
    name = type_.name
    if name in ("i32", "i64"):
        width = int(name[1:])
        edge = 1 << random.randrange(width)
        value = random.choice((0, 1, 2, -1, -2, edge, -edge, edge - 1, random.getrandbits(width)))
        return ((value + (1 << width - 1)) % (1 << width)) - (1 << width - 1)
    if name in ("f32", "f64"):
        number = random.choice((*_FLOATS, random.gauss(0.0, 1000.0)))
        return single(number) if name == "f32" else number
    return None if name == "funcref" else random.choice(_OBJECTS)


def single(value: float) -> float:
    """The nearest f32."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def shown(type_: ValType, value: Any) -> str:
    """A value as text that is equal exactly where the values are the same."""
    if type_.name == "funcref":
        return "null" if value is None else "a function"
    if type_.name == "externref" and value not in _OBJECTS:
        # wasmtime's package has no values for objects of WebAssembly that went to this hierarchy.
        return "None"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    return repr(value)


def all_shown(types: tuple[ValType, ...], values: Any) -> str:
    """All results of a call, however many there are."""
    if len(types) == 1:
        return shown(types[0], values)
    return ", ".join(shown(type_, value) for type_, value in zip(types, values or (), strict=True))


class Script:
    """Everything that happens to one module, determined by the seed and the module's exports."""

    def __init__(self, seed: int, functions: dict[str, FunctionType]) -> None:
        self._seed = seed
        self._functions = functions

    def run(self, guest: Guest) -> list[str]:
        """What can be seen, event by event; two engines must see the same."""
        events: list[str] = []
        names = [name for name in self._functions for _ in range(3)]
        Random(self._seed).shuffle(names)
        for turn in range(_INSTANCES):
            random = Random(self._seed + turn)
            instantiate = functools.partial(guest.instantiate, _Host(events))
            outcome = self._guarded(guest, instantiate, (), events)
            if outcome.startswith(("trap", "raised")):
                break
            events += _state(guest)
            # A trap at `unreachable` may mean that no fuel is left, so that nothing else runs.
            while names and outcome != _UNREACHABLE:
                outcome = self._call(guest, names.pop(), random, events)
            events += _state(guest)
            if not names:
                break
        return events

    def _call(self, guest: Guest, name: str, random: Random, events: list[str]) -> str:
        type_ = self._functions[name]
        arguments = [value_of(kind, random) for kind in type_.params]
        events.append(f"call {name}{arguments}")
        return self._guarded(guest, lambda: guest.call(name, arguments), type_.results, events)

    @staticmethod
    def _guarded(
        guest: Guest, action: Callable[[], Any], results: tuple[ValType, ...], events: list[str]
    ) -> str:
        """What came of an action, which is an event; so are the frames of a trap."""
        try:
            events.append("returned " + all_shown(results, action()))
        except HostError as error:
            events.append(f"raised {error}")
        except Exception as error:
            reason = guest.reason(error)
            if reason is None:
                raise
            events += [f"trap: {reason}", FRAMES + _shown_frames(guest.frames(error))]
            return events[-2]
        return events[-1]


def _shown_frames(frames: list[Place] | None) -> str:
    if frames is None:
        return UNKNOWN
    return " ".join(
        f"{index}:{UNKNOWN if place is None else hex(place)}" for index, place in frames[:_FRAMES]
    )


def same_frames(ours: str, theirs: str) -> bool:
    """Whether two events tell of the same frames, as far as they are known."""
    pairs = [event.removeprefix(FRAMES).split() for event in (ours, theirs)]
    return [UNKNOWN] in pairs or (
        len(pairs[0]) == len(pairs[1])
        and all(
            mine[0] == other[0] and (mine[2] == other[2] or UNKNOWN in (mine[2], other[2]))
            for mine, other in zip(
                *([each.partition(":") for each in e] for e in pairs), strict=True
            )
        )
    )


def _state(guest: Guest) -> Iterator[str]:
    return (f"{name} = {content}" for name, content in guest.state())


class _Host:
    """Host functions that record how they are called, and answer with edge cases."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self._calls = 0

    def __call__(self, name: str, type_: FunctionType) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            self._calls += 1
            self._events.append(f"host {name}({all_shown(type_.params, _one(arguments))})")
            random = Random(self._calls)
            if self._calls % 13 == 0:
                raise HostError(name)
            return _one(tuple(value_of(kind, random) for kind in type_.results))

        return function


def _one(values: tuple[Any, ...]) -> Any:
    """Values as functions return them: none is None, one is bare."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values
