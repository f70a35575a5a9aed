"""What a script (.wast) consists of: commands, the actions in them, and the values they compare.

Identifiers keep their dollar sign. A module stays source until it is asked for its bytes, so that an error
in it shows where a script expects it.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, runtime_checkable

from wasmine.frozen import Frozen
from wasmine.types import AbstractHeapType, ValType

NanPattern: TypeAlias = Literal["nan:canonical", "nan:arithmetic"]
LaneShape: TypeAlias = Literal["i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2"]


class Constant(Frozen):
    """A number or vector, as argument or expected result: `bits` as unsigned, vectors little endian."""

    type: ValType
    bits: int


class Nan(Frozen):
    """Any canonical or arithmetic NaN of the type f32 or f64."""

    type: ValType
    pattern: NanPattern


class Lanes(Frozen):
    """A vector of floats of which some lanes are NaN patterns, the others unsigned bits."""

    shape: LaneShape
    lanes: tuple[int | NanPattern, ...]


class NullReference(Frozen):
    """`(ref.null heap)`; without a heap type any null, and a number for a type index."""

    heap: AbstractHeapType | int | None


class HostReference(Frozen):
    """The host's reference with this number: `(ref.extern n)` or, inside the any hierarchy, `(ref.host n)`."""

    kind: Literal["extern", "host"]
    number: int


class AnyReference(Frozen):
    """A reference to anything of this kind: `(ref.func)`, `(ref.i31)`, `(ref.extern)` without a number ..."""

    kind: AbstractHeapType


class Either(Frozen):
    """Any of these results."""

    alternatives: tuple[Result, ...]


Argument: TypeAlias = Constant | NullReference | HostReference
Result: TypeAlias = Argument | Nan | Lanes | AnyReference | Either


class Invoke(Frozen):
    """A call of an exported function, of the latest module where `module` is None."""

    module: str | None
    name: str
    arguments: tuple[Argument, ...]


class Get(Frozen):
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


class Command(Frozen):
    """One form of a script; line and column count from 1."""

    line: int
    column: int


class ModuleCommand(Command):
    """A module to compile and, unless it is a `definition`, to instantiate under its name."""

    source: ModuleSource
    name: str | None
    definition: bool


class InstanceCommand(Command):
    """`(module instance $name $module)`: instantiates a definition, the latest where `module` is None."""

    name: str | None
    module: str | None


class Register(Command):
    """Makes the exports of an instance (the latest where `module` is None) importable as `name`."""

    name: str
    module: str | None


class ActionCommand(Command):
    """An action whose results are dropped."""

    action: Action


class AssertReturn(Command):
    """The action returns these."""

    action: Action
    results: tuple[Result, ...]


class AssertTrap(Command):
    """The action, or the instantiation of the module, traps with this message."""

    subject: Action | ModuleSource
    message: str


class AssertExhaustion(Command):
    """The action runs out of a resource."""

    action: Action
    message: str


class AssertException(Command):
    """The action throws an exception."""

    action: Action


class AssertModule(Command):
    """The module is refused with this message; the class says at what stage."""

    source: ModuleSource
    message: str


class AssertMalformed(AssertModule):
    """It cannot be parsed or decoded."""


class AssertInvalid(AssertModule):
    """It is not valid."""


class AssertUnlinkable(AssertModule):
    """Its imports do not fit."""


class AssertMalformedCustom(AssertModule):
    """A custom section or annotation in it is malformed."""


class AssertInvalidCustom(AssertModule):
    """A custom section or annotation in it is not valid."""


class Thread(Command):
    """Commands that run in a thread of their own, in which these modules are shared (threads proposal)."""

    name: str
    shared: tuple[str, ...]
    commands: tuple[Command, ...]


class Wait(Command):
    """Waits until the thread has ended."""

    name: str
