"""The operand stack and the open blocks of a function body under validation.

Dead code needs no rules of its own. A block puts a floor under its operands; a floor equals no
type, so no instruction reaches below it. Behind a branch the floor is replaced by an open floor,
from which any number of operands of any type can be taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from wasmine.errors import InvalidModule
from wasmine.types import FunctionType, RefType, ValType, matches, ref
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import BY_NAME

FLOOR: Final = ValType("floor")
OPEN_FLOOR: Final = ValType("open floor")
UNKNOWN: Final = ValType("unknown")
"""The type of an operand in dead code that can have any type."""
UNKNOWN_REFERENCE: Final = RefType("(ref bot)", False, "none")
"""The type of one that can have any reference type; not the one that `ref` gives for this heap type."""

_LOOP: Final = BY_NAME["loop"].index

Types: TypeAlias = tuple[ValType, ...]


def text(types: Types) -> str:
    """Types as the specification's messages write them."""
    return f"[{' '.join(map(str, types))}]"


def fits(type_: ValType, required: ValType) -> bool:
    """Whether an operand may stand where this type is required."""
    if type_ is UNKNOWN_REFERENCE:
        return required.is_ref
    return type_ is UNKNOWN or matches(type_, required)


def not_null(type_: RefType) -> RefType:
    """The type of the references of a type that are not null."""
    return type_ if not type_.nullable else ref(type_.heap, nullable=False)


class Block:
    """A structured instruction that is open, or the function itself."""

    __slots__ = ("code", "floor", "label", "locals_set", "type")

    def __init__(self, code: int, type_: FunctionType, floor: int, locals_set: int) -> None:
        self.code = code
        self.type = type_
        self.floor = floor
        """Where on the stack its floor is."""
        self.locals_set = locals_set
        """How many locals without a default had been set before it."""
        self.label = type_.params if code == _LOOP else type_.results
        """Types of the operands that a branch to this block takes."""


class Operands:
    """Where validation of one body stands."""

    __slots__ = ("blocks", "info", "locals", "locals_set", "locals_unset", "stack")

    def __init__(self, info: ModuleInfo, locals_: list[ValType], unset: Iterable[int] = ()) -> None:
        self.info = info
        self.locals = locals_
        self.locals_unset = set(unset)
        """Locals that cannot be read yet, as they have no default value."""
        self.locals_set: list[int] = []
        """Those that were set since, for as long as the block is open that sets them."""
        self.stack: list[ValType] = []
        self.blocks: list[Block] = []

    def open(self, code: int, type_: FunctionType) -> None:
        """Enters a block whose parameters were popped."""
        self.blocks.append(Block(code, type_, len(self.stack), len(self.locals_set)))
        self.stack.append(FLOOR)
        self.stack += type_.params

    def close(self) -> Block:
        """Leaves the innermost block, whose results must be all that is on the stack."""
        block = self.blocks[-1]
        results = block.type.results
        self.pop(results)
        if len(self.stack) != block.floor + 1:
            found = text(self._top(len(self.stack)) + results)
            raise InvalidModule(
                f"type mismatch: block requires {text(results)} but stack has {found}"
            )
        self.stack.pop()
        if len(self.locals_set) > block.locals_set:
            self.locals_unset.update(self.locals_set[block.locals_set :])
            del self.locals_set[block.locals_set :]
        return self.blocks.pop()

    def set_local(self, index: int) -> None:
        """From here on to the end of the block the local has a value."""
        if index in self.locals_unset:
            self.locals_unset.remove(index)
            self.locals_set.append(index)

    def require(self, types: Types) -> int:
        """How many operands of these types are on the stack; fewer than required in dead code.

        Raises InvalidModule if there are others or too few.
        """
        stack = self.stack
        count = len(types)
        if tuple(stack[len(stack) - count :]) == types:
            return count
        for found in range(count):
            actual, expected = stack[-1 - found], types[-1 - found]
            if actual is OPEN_FLOOR:
                return found
            if actual is not expected and not fits(actual, expected):
                raise InvalidModule(
                    f"type mismatch: instruction requires {text(types)}"
                    f" but stack has {text(self._top(count))}"
                )
        return count

    def pop(self, types: Types) -> None:
        """Takes operands of these types. Raises InvalidModule if there are others or too few."""
        del self.stack[len(self.stack) - self.require(types) :]

    def pop_any(self) -> ValType:
        """Takes an operand of any type, which is UNKNOWN in dead code."""
        actual = self.stack[-1]
        if actual is OPEN_FLOOR:
            return UNKNOWN
        if actual is FLOOR:
            raise InvalidModule("type mismatch: instruction requires an operand but stack has []")
        return self.stack.pop()

    def pop_reference(self, type_: RefType | None = None) -> RefType:
        """Takes a reference, of this type if one is given, and returns the type that it has."""
        if type_ is not None:
            self.require((type_,))
        actual = self.pop_any()
        if isinstance(actual, RefType):
            return actual
        if actual is UNKNOWN:
            return UNKNOWN_REFERENCE
        raise InvalidModule(
            f"type mismatch: instruction requires a reference but stack has {text((actual,))}"
        )

    def label(self, depth: int) -> Block:
        """The block that a branch with this label index leaves."""
        if depth >= len(self.blocks):
            raise InvalidModule(f"unknown label {depth}")
        return self.blocks[-1 - depth]

    def end_reachable(self) -> None:
        """What follows in this block is dead."""
        del self.stack[self.blocks[-1].floor :]
        self.stack.append(OPEN_FLOOR)

    def _top(self, count: int) -> Types:
        """The topmost operands of the innermost block, at most `count`."""
        available = len(self.stack) - self.blocks[-1].floor - 1
        return tuple(self.stack[len(self.stack) - min(count, available) :])
