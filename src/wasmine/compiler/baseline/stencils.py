"""The stencil library at run time: finished machine code for an operation and the places of its operands.

    code += library["i32.add", RSI, RDI, SLOT + 24]     # rsi = rdi + what is at [rbp + 24]

A key is a name and locations (`locations`): that of the result if there is one, those of the operands in
WebAssembly's order, and for accesses to memory the static offset, below 2**31. It may have any
location anywhere, and the result may be where operands are: what no stencil does by itself is put together
with moves through registers that are free within an instruction. What comes out is made when it is
asked for the first time: bytes of machine code that goes on behind its end, and a Piece if fields are left to
fill in.

Constants are bytes, 4 of them or as many as the type has. Those of i64 and f64 that have 4 are extended with
their sign. The only constant of v128 is zero.

Names, beside those of WebAssembly's instructions (`i32.add`, `f64.lt`, `i64.trunc_f32_s`, `f32x4.add`):

    T.move d a                      for T of i32, i64 (references too), f32, f64, v128
    T.load d address offset         of memory 0, if it is static: address is an i32; also `i32.load8_s` ...
    T.store address value offset
    T.load.raw d pointer offset     at a native address, computed and checked before; also stores and atomics,
                                    which have no other form
    C.br_if a b, C.br_unless a b    jump on what a comparison such as i32.lt_s or i64.eqz gives; also with C of
                                    i32.and, i64.and (is any bit in both?) and, with one operand, i32.nonzero
                                    and i64.nonzero
    C.select d x y a b              x if the comparison holds, else y: in general registers, all 64 bits
    T.select d x y condition        T of i64 (also for i32 and references), f32, f64, v128
    name N                          an instruction with a lane number N: `i32x4.extract_lane 3`

An i32 in a register is zero-extended. In the frame it has 4 bytes that count, as an f32 has. RAX, RCX, RDX,
R10, R11, xmm0, xmm7 to xmm10 and the flags are changed by any piece.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any, Final

from wasmine.compiler.baseline.locations import SLOT
from wasmine.compiler.baseline.plans import OFFSET, TYPES, Operation, Plan, choose, exact, shape
from wasmine.compiler.baseline.templates import (
    Kind,
    Stencil,
    Template,
    filler,
    join,
    rename,
    rescue,
    restore,
)
from wasmine.errors import InternalError

_SIGNED: Final = frozenset("wqd")
_NARROW: Final = frozenset("ws")
_MOST: Final = 1 << 15
"""Pieces that are kept: some 10 MB."""


class Library(dict[tuple[Any, ...], bytes]):
    """Pieces by key. Raises InternalError for a name that there is not."""

    def __init__(self, constants: bytes, operations: dict[str, bytes], vectors: int) -> None:
        super().__init__()
        self.vectors = vectors
        """How many vector registers a location can name, 8 or 16."""
        self.constants = constants
        """The pool; its start is to be aligned to 16."""
        self._packed = operations
        self._operations: dict[str, Operation] = {}
        self._fillers: dict[tuple[str, tuple[Kind, ...]], Callable[[list[int]], bytes]] = {}
        self._plans: dict[tuple[str, tuple[Kind, ...]], tuple[Stencil, Plan]] = {}
        self._moves: dict[tuple[str, tuple[Kind, ...]], Template] = {}

    @classmethod
    def load(cls, data: bytes) -> Library:
        """The library that `dump` wrote; to be trusted, as it has been checked by who kept it."""
        return cls(*marshal.loads(data))

    def has(self, name: str) -> bool:
        """Whether there are stencils of this name."""
        return name in self._packed

    def __missing__(self, key: tuple[Any, ...]) -> bytes:
        name = key[0]
        operation = self._operations.get(name) or self.operation(name)
        kinds, numbers = _classify(operation.types, key)
        fill = self._fillers.get((name, kinds))
        if fill is None:
            fill = self._fillers[name, kinds] = filler(self._compose(name, operation, kinds))
        piece = fill(numbers)
        if len(self) >= _MOST:
            self.clear()
        self[key] = piece
        return piece

    def operation(self, name: str) -> Operation:
        """All stencils of a name."""
        operation = self._operations.get(name)
        if operation is None:
            packed = self._packed.get(name)
            if packed is None:
                raise InternalError(f"no stencil is named {name}")
            types, has_result, rows = marshal.loads(packed)
            stencils = {pattern: Stencil._make(row) for pattern, row in rows.items()}
            operation = self._operations[name] = Operation(types, has_result, stencils)
        return operation

    def _compose(self, name: str, operation: Operation, kinds: tuple[Kind, ...]) -> Template:
        """A stencil with its registers, and the moves around it that it needs."""
        same = exact(operation, kinds)
        if same is not None:
            return rename(same, kinds)
        shaped = shape(kinds, self.vectors)
        chosen = self._plans.get((name, shaped.kinds))
        if chosen is None:
            chosen = choose(operation, shaped.kinds, self.vectors)
            if chosen is None:
                raise InternalError(f"no stencil of {name} for {kinds}")
            self._plans[name, shaped.kinds] = chosen
        stencil, plan = chosen
        places = shaped.name(plan.places)
        before = [Template(rescue(*pair), ()) for pair in plan.rescued]
        after = [Template(restore(*pair), ()) for pair in plan.rescued]
        for index, (kind, place) in enumerate(zip(kinds, places, strict=True)):
            if kind == place or not isinstance(place, int):
                continue
            type_ = operation.types[index]
            if type_ == "m" and kind == "k":
                kind = "c"  # only the sum with the offset is too large
            moved = f"{TYPES[type_]}.move"
            if index == 0 and operation.has_result:
                after.insert(0, self._moved(moved, (kind, place), (0, -1)))
            else:
                before.append(self._moved(moved, (place, kind), (-1, index)))
        return join([*before, rename(stencil, places), *after])

    def _moved(self, name: str, kinds: tuple[Kind, ...], operands: tuple[int, int]) -> Template:
        """A move; its values are those of these operands of the whole."""
        template = self._moves.get((name, kinds))
        if template is None:
            template = self._compose(name, self.operation(name), kinds)
            self._moves[name, kinds] = template
        if not template.values:
            return template
        return template._replace(
            values=tuple((*field[:2], operands[field[2]], *field[3:]) for field in template.values)
        )


def dump(constants: bytes, operations: dict[str, Operation], vectors: int) -> bytes:
    """The bytes that `Library.load` takes; `vectors` is as in Library."""
    packed = {
        operation_name: marshal.dumps(
            (
                operation.types,
                operation.has_result,
                {pattern: tuple(stencil) for pattern, stencil in operation.stencils.items()},
            )
        )
        for operation_name, operation in operations.items()
    }
    return marshal.dumps((constants, packed, vectors))


def _classify(types: str, key: tuple[Any, ...]) -> tuple[tuple[Kind, ...], list[int]]:
    """The kind of each location of a key, and the number that goes into its fields.

    One number more is the sum of a constant address and the static offset.
    """
    kinds: list[Kind] = []
    numbers: list[int] = []
    total = 0
    for type_, location in zip(types, key[1:], strict=True):
        if type(location) is int:
            if type_ == OFFSET:
                kinds.append(OFFSET)
                numbers.append(location)
            elif location < SLOT:
                kinds.append(location)
                numbers.append(0)
            else:
                kinds.append("l")
                numbers.append(location - SLOT)
            continue
        number = limit = int.from_bytes(location, "little", signed=type_ in _SIGNED)
        if type_ == "m":
            limit = total = number + key[-1]
        small = type_ in _NARROW or -(1 << 31) < limit < 1 << 31
        kinds.append(("c" if small else "k") if number else "z")
        numbers.append(number)
    numbers.append(total)
    return tuple(kinds), numbers
