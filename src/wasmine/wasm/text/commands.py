"""What a script (.wast) consists of: commands, the actions in them, and the values they compare.

Identifiers keep their dollar sign. A module stays source until it is asked for its bytes, so that an error
in it shows where a script expects it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from wasmine.types import AbstractHeapType, ValType

NanPattern: TypeAlias = Literal["nan:canonical", "nan:arithmetic"]
LaneShape: TypeAlias = Literal["i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or vector, as argument or expected result: `bits` as unsigned, vectors little endian."""

    type: ValType
    bits: int


@dataclass(frozen=True, slots=True)
class Nan:
    """Any canonical or arithmetic NaN of the type f32 or f64."""

    type: ValType
    pattern: NanPattern


@dataclass(frozen=True, slots=True)
class Lanes:
    """A vector of floats of which some lanes are NaN patterns, the others unsigned bits."""

    shape: LaneShape
    lanes: tuple[int | NanPattern, ...]


@dataclass(frozen=True, slots=True)
class NullReference:
    """`(ref.null heap)`; without a heap type any null, and a number for a type index."""

    heap: AbstractHeapType | int | None


@dataclass(frozen=True, slots=True)
class HostReference:
    """The host's reference with this number: `(ref.extern n)` or, inside the any hierarchy, `(ref.host n)`."""

    kind: Literal["extern", "host"]
    number: int


@dataclass(frozen=True, slots=True)
class AnyReference:
    """A reference to anything of this kind: `(ref.func)`, `(ref.i31)`, `(ref.extern)` without a number ..."""

    kind: AbstractHeapType


@dataclass(frozen=True, slots=True)
class Either:
    """Any of these results."""

    alternatives: tuple[Result, ...]


Argument: TypeAlias = Constant | NullReference | HostReference
Result: TypeAlias = Argument | Nan | Lanes | AnyReference | Either


@dataclass(frozen=True, slots=True)
class Invoke:
    """A call of an exported function, of the latest module where `module` is None."""

    module: str | None
    name: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Get:
    """The value of an exported global."""

    module: str | None
    name: str


Action: TypeAlias = Invoke | Get


@runtime_checkable
class ModuleSource(Protocol):
    """A module in a script."""

    @property
    def kind(self) -> Literal["text", "binary", "quote"]:
        """How it is written."""

    def encode(self) -> bytes:
        """Its bytes in the binary format. Raises MalformedText if it is text that is malformed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One form of a script; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ModuleCommand(Command):
    """A module to compile and, unless it is a `definition`, to instantiate under its name."""

    source: ModuleSource
    name: str | None
    definition: bool


@dataclass(frozen=True, slots=True)
class InstanceCommand(Command):
    """`(module instance $name $module)`: instantiates a definition, the latest where `module` is None."""

    name: str | None
    module: str | None


@dataclass(frozen=True, slots=True)
class Register(Command):
    """Makes the exports of an instance (the latest where `module` is None) importable as `name`."""

    name: str
    module: str | None


@dataclass(frozen=True, slots=True)
class ActionCommand(Command):
    """An action whose results are dropped."""

    action: Action


@dataclass(frozen=True, slots=True)
class AssertReturn(Command):
    """The action returns these."""

    action: Action
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class AssertTrap(Command):
    """The action, or the instantiation of the module, traps with this message."""

    subject: Action | ModuleSource
    message: str


@dataclass(frozen=True, slots=True)
class AssertExhaustion(Command):
    """The action runs out of a resource."""

    action: Action
    message: str


@dataclass(frozen=True, slots=True)
class AssertException(Command):
    """The action throws an exception."""

    action: Action


@dataclass(frozen=True, slots=True)
class AssertModule(Command):
    """The module is refused with this message; the class says at what stage."""

    source: ModuleSource
    message: str


@dataclass(frozen=True, slots=True)
class AssertMalformed(AssertModule):
    """It cannot be parsed or decoded."""


@dataclass(frozen=True, slots=True)
class AssertInvalid(AssertModule):
    """It is not valid."""


@dataclass(frozen=True, slots=True)
class AssertUnlinkable(AssertModule):
    """Its imports do not fit."""


@dataclass(frozen=True, slots=True)
class AssertMalformedCustom(AssertModule):
    """A custom section or annotation in it is malformed."""


@dataclass(frozen=True, slots=True)
class AssertInvalidCustom(AssertModule):
    """A custom section or annotation in it is not valid."""


@dataclass(frozen=True, slots=True)
class Thread(Command):
    """Commands that run in a thread of their own, in which these modules are shared (threads proposal)."""

    name: str
    shared: tuple[str, ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Wait(Command):
    """Waits until the thread has ended."""

    name: str
