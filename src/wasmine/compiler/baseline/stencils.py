"""The stencil library at run time: finished machine code for an operation and the places of its operands.

    code += library["i32.add", RSI, RDI, SLOT + 24]     # rsi = rdi + what is at [rbp + 24]

A key is a name and locations (`locations`): that of the result if there is one, those of the operands in
WebAssembly's order, and for accesses to memory the static offset, below 2**31. It may have any
location anywhere, and the result may be where operands are: what no stencil does by itself is put together
with moves through registers that are free within an instruction. What comes out is a Piece, which is made
when it is asked for the first time.

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
from typing import Any, Final, NamedTuple, TypeAlias

from wasmine.compiler.baseline.locations import FIRST_VECTOR, SLOT
from wasmine.errors import InternalError


class HoleKind:
    """What a field of a piece is to hold the distance to; `number` says which."""

    TARGET: Final = 0
    """Where the branch leads."""
    TRAP: Final = 1
    """Code that traps; `number` is the TrapCode."""
    CONSTANT: Final = 2
    """A place in the library's pool of constants, in bytes."""


class Hole(NamedTuple):
    """A field of 4 bytes for a distance, counted from the end of the instruction."""

    offset: int
    kind: int
    """A HoleKind."""
    number: int
    trailing: int
    """Bytes of the instruction behind the field; a jump has none."""


class Piece(bytes):
    """Machine code that goes on behind its end, and the fields that are left to fill in."""

    holes: tuple[Hole, ...] = ()


class Field:
    """Where a register's number goes in an instruction."""

    RM: Final = 0
    """The low three bits of ModRM, of SIB, or of the opcode."""
    REG: Final = 1
    """The next three bits of ModRM or of SIB."""
    REX_B: Final = 2
    REX_X: Final = 3
    REX_R: Final = 4
    VEX_B: Final = 5
    VEX_X: Final = 6
    VEX_R: Final = 7
    """One bit each, of the number's fourth; inverted in VEX."""
    VEX_V: Final = 8
    """Four bits, inverted."""
    HIGH: Final = 9
    """The upper half of the last byte."""


BITS: Final[dict[int, tuple[int, ...]]] = {
    Field.RM: tuple(n & 7 for n in range(16)),
    Field.REG: tuple((n & 7) << 3 for n in range(16)),
    Field.REX_B: tuple(n >> 3 for n in range(16)),
    Field.REX_X: tuple(n >> 3 << 1 for n in range(16)),
    Field.REX_R: tuple(n >> 3 << 2 for n in range(16)),
    Field.VEX_B: tuple((n >> 3 ^ 1) << 5 for n in range(16)),
    Field.VEX_X: tuple((n >> 3 ^ 1) << 6 for n in range(16)),
    Field.VEX_R: tuple((n >> 3 ^ 1) << 7 for n in range(16)),
    Field.VEX_V: tuple((n ^ 15) << 3 for n in range(16)),
    Field.HIGH: tuple(n << 4 for n in range(16)),
}
"""What is or-ed into the byte, by field and register."""


class ValueKind:
    """How an operand's number goes into a field, and what becomes of the field if it is small."""

    PLAIN: Final = 0
    DISPLACEMENT: Final = 1
    """`at` is where the instruction's ModRM is: it may say that there is one byte, or none."""
    IMMEDIATE: Final = 2
    """`at` is where the ModRM is, and the opcode before it has a form with one byte."""


class Value(NamedTuple):
    """A field for a constant, an offset, or the place of an operand in the frame."""

    offset: int
    size: int
    operand: int
    """Which location of the key, from 0."""
    sign: int
    """1, or -1 if the field holds the number's negative."""
    addend: int
    kind: int
    """A ValueKind."""
    at: int


class Stencil(NamedTuple):
    """Code with all fields of registers and values empty, as the generator writes it."""

    code: bytes
    registers: tuple[tuple[tuple[int, int], ...], ...]
    """For each location of the key, the fields (offset, Field) that its register goes to."""
    values: tuple[tuple[int, ...], ...]
    holes: tuple[tuple[int, int, int, int], ...]
    uses: int
    """The scratch registers that it changes, a bit each; from bit 16 on vector registers."""
    prefixes: tuple[int, ...]
    """Where VEX prefixes of three bytes are that have a form with two for the first eight registers."""


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
_SIGNED: Final = frozenset("wqd")
_NARROW: Final = frozenset("ws")
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
LONG_VEX: Final = 0xC4
_SHORT_VEX: Final = 0xC5
_HIGH_REGISTERS: Final = 0x60
"""The bits of a long VEX prefix that a short one has not; they are set if they are not needed."""
_SHORT_FORMS: Final = {0x81: 0x83, 0x69: 0x6B}
_CONSTANT_LETTERS: Final = ("z", "c", "k")
_MOST: Final = 1 << 15
"""Pieces that are kept: some 10 MB."""

_BYTES: Final = {number: number.to_bytes(1, "little", signed=True) for number in range(-128, 128)}
_MASKS: Final = {size: (1 << 8 * size) - 1 for size in (1, 4, 8)}

Kind: TypeAlias = int | str
"""Of a location: a register's number, `l`, `z`, `c`, `k`, or `o` for an offset."""


class Template(NamedTuple):
    """Code whose registers are known, but not the values."""

    code: bytes
    values: tuple[Value, ...]
    """Sorted from the last to the first."""
    holes: tuple[Hole, ...]


class Library(dict[tuple[Any, ...], Piece]):
    """Pieces by key. Raises InternalError for a name that there is not."""

    def __init__(self, constants: bytes, operations: dict[str, bytes], vectors: int) -> None:
        super().__init__()
        self.vectors = vectors
        """How many vector registers a location can name, 8 or 16."""
        self.constants = constants
        """The pool; its start is to be aligned to 16."""
        self._packed = operations
        self._operations: dict[str, Operation] = {}
        self._templates: dict[tuple[str, tuple[Kind, ...]], Template] = {}

    @classmethod
    def load(cls, data: bytes) -> Library:
        """The library that `dump` wrote; to be trusted, as it has been checked by who kept it."""
        return cls(*marshal.loads(data))

    def has(self, name: str) -> bool:
        """Whether there are stencils of this name."""
        return name in self._packed

    def __missing__(self, key: tuple[Any, ...]) -> Piece:
        name = key[0]
        operation = self._operations.get(name) or self.operation(name)
        kinds, numbers = _classify(operation.types, key)
        template = self._templates.get((name, kinds))
        if template is None:
            template = self._templates[name, kinds] = self._compose(name, operation, kinds)
        piece = _fill(template, numbers)
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
        exact = _exact(operation, kinds)
        if exact is not None:
            return rename(exact, kinds)
        best: _Plan | None = None
        least = (0, 0)
        for pattern, stencil in operation.stencils.items():
            plan = _plan(operation, kinds, pattern, stencil.uses, self.vectors)
            if plan is None or (plan.rescued and _leaves(stencil)):
                continue
            cost = plan.moves, len(stencil.code)
            if best is None or cost < least:
                best, chosen, least = plan, stencil, cost
        if best is None:
            raise InternalError(f"no stencil of {name} for {kinds}")
        before = [_plain(rescue(*pair)) for pair in best.rescued]
        after = [_plain(restore(*pair)) for pair in best.rescued]
        for index, (kind, place) in enumerate(zip(kinds, best.places, strict=True)):
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
        return _join([*before, rename(chosen, best.places), *after])

    def _moved(self, name: str, kinds: tuple[Kind, ...], operands: tuple[int, int]) -> Template:
        """A move; its values are those of these operands of the whole."""
        template = self._compose(name, self.operation(name), kinds)
        values = tuple(value._replace(operand=operands[value.operand]) for value in template.values)
        return template._replace(values=values)


def _leaves(stencil: Stencil) -> bool:
    """Whether it may go on elsewhere, where nothing is restored."""
    return any(kind == HoleKind.TARGET for _, kind, _, _ in stencil.holes)


def _plain(code: bytes) -> Template:
    return Template(code, (), ())


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
        if type_ == OFFSET:
            kinds.append(OFFSET)
            numbers.append(location)
        elif not isinstance(location, int):
            number = limit = int.from_bytes(location, "little", signed=type_ in _SIGNED)
            if type_ == "m":
                limit = total = number + key[-1]
            small = type_ in _NARROW or -(1 << 31) < limit < 1 << 31
            kinds.append(("c" if small else "k") if number else "z")
            numbers.append(number)
        elif location < SLOT:
            kinds.append(location)
            numbers.append(0)
        else:
            kinds.append("l")
            numbers.append(location - SLOT)
    numbers.append(total)
    return tuple(kinds), numbers


def _exact(operation: Operation, kinds: tuple[Kind, ...]) -> Stencil | None:
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


class _Plan(NamedTuple):
    """How a stencil serves some locations."""

    moves: int
    places: tuple[Kind, ...]
    """Where the stencil has each of them; what differs is moved, before or, for a result, after."""
    rescued: tuple[tuple[int, int], ...]
    """Vector registers that have to give way, and where they are saved."""


def _plan(
    operation: Operation, kinds: tuple[Kind, ...], pattern: str, uses: int, vectors: int
) -> _Plan | None:
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
    return _Plan(moves + 2 * len(free.rescued), tuple(places), tuple(free.rescued))


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


def rename(stencil: Stencil, places: tuple[Kind, ...]) -> Template:
    """The stencil with its registers filled in."""
    code = bytearray(stencil.code)
    for place, fields in zip(places, stencil.registers, strict=True):
        if isinstance(place, int):
            number = place & 15
            for offset, field in fields:
                code[offset] |= BITS[field][number]
    values = [Value._make(row) for row in stencil.values]
    holes = [Hole._make(row) for row in stencil.holes]
    for start in reversed(stencil.prefixes):
        if code[start + 1] & _HIGH_REGISTERS == _HIGH_REGISTERS:
            code[start : start + 3] = (
                _SHORT_VEX,
                code[start + 1] & 0x80 | code[start + 2] & 0x7F,
            )
            values = [
                value._replace(
                    offset=value.offset - (value.offset > start), at=value.at - (value.at > start)
                )
                for value in values
            ]
            holes = [hole._replace(offset=hole.offset - (hole.offset > start)) for hole in holes]
    return Template(bytes(code), tuple(sorted(values, reverse=True)), tuple(holes))


def _join(parts: list[Template]) -> Template:
    """One template from several in a row."""
    code = b""
    values: list[Value] = []
    holes: list[Hole] = []
    for part in parts:
        start = len(code)
        values += (
            value._replace(offset=value.offset + start, at=value.at + start)
            for value in part.values
        )
        holes += (hole._replace(offset=hole.offset + start) for hole in part.holes)
        code += part.code
    return Template(code, tuple(sorted(values, reverse=True)), tuple(holes))


def _fill(template: Template, numbers: list[int]) -> Piece:
    """The template with its values filled in, in as few bytes as they need."""
    holes = template.holes
    if not template.values:
        return _finished(template.code, holes)
    code = bytearray(template.code)
    for offset, size, operand, sign, addend, kind, at in template.values:
        number = numbers[operand] * sign + addend
        if kind and -128 <= number < 128:
            kept = _shorten(code, kind, at, number)
            code[offset : offset + 4] = _BYTES[number] if kept else b""
            if holes:
                holes = tuple(
                    hole._replace(offset=hole.offset - 4 + kept) if hole.offset > offset else hole
                    for hole in holes
                )
        else:
            code[offset : offset + size] = (number & _MASKS[size]).to_bytes(size, "little")
    return _finished(code, holes)


def _finished(code: bytes | bytearray, holes: tuple[Hole, ...]) -> Piece:
    piece = Piece(code)
    if holes:
        piece.holes = holes
    return piece


def _shorten(code: bytearray, kind: int, at: int, number: int) -> int:
    """Make an instruction with four bytes for a number one with fewer; how many."""
    if kind == ValueKind.IMMEDIATE:
        code[at - 1] = _SHORT_FORMS[code[at - 1]]
        return 1
    # Without a displacement, the base register 5 would mean something else.
    base = code[at + 1] if code[at] & 7 == 4 else code[at]
    if not number and base & 7 != 5:
        code[at] ^= 0x80
        return 0
    code[at] ^= 0xC0
    return 1


def rescue(register: int, refuge: int) -> bytes:
    """movaps refuge, register: from the first eight vector registers to the others."""
    return bytes((0x44, 0x0F, 0x28, 0xC0 | (refuge & 7) << 3 | register & 7))


def restore(register: int, refuge: int) -> bytes:
    """movaps register, refuge."""
    return bytes((0x41, 0x0F, 0x28, 0xC0 | (register & 7) << 3 | refuge & 7))
