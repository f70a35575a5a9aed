"""Vectors: what takes or gives a v128. The meaning is in the stencils; operands and lanes are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.locations import FIRST_VECTOR, VECTOR, Location, class_of
from wasmine.compiler.baseline.memories import MemArg, place, pop_many
from wasmine.compiler.baseline.shuffles import shuffle
from wasmine.compiler.baseline.state import FunctionState
from wasmine.wasm.opcodes import OPCODES, Opcode

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

_ONES: Final = (1 << 128) - 1


def _operands(f: FunctionState, classes: tuple[int, ...]) -> list[Location]:
    """The last operands, popped: constants in registers, all others wherever they are."""
    values = pop_many(f, len(classes))
    return [
        value if type(value) is int else f.in_register(value, class_)
        for value, class_ in zip(values, classes, strict=True)
    ]


def _plain(opcode: Opcode) -> Handler:
    """The handler of an instruction that is a stencil, or one for each lane number."""
    name = opcode.name
    classes = tuple(map(class_of, opcode.params or ()))
    (type_,) = opcode.results or ()
    result_class = class_of(type_)

    def plain(f: FunctionState, _position: int, lane: int | None) -> None:
        values = _operands(f, classes)
        f.release(*values)
        result = f.take(result_class)
        f.emit((name if lane is None else f"{name} {lane}", result, *values))
        f.push(result)

    return plain


def _shift(opcode: Opcode) -> Handler:
    """A count that is known is a part of the stencil's name."""
    name = opcode.name
    plain = _plain(opcode)
    width = 128 // int(name[: name.index(".")].partition("x")[2])

    def shift(f: FunctionState, position: int, _: Any) -> None:
        count = f.stack[-1]
        if isinstance(count, int):
            plain(f, position, None)
            return
        f.pop()
        value = f.pop()
        f.release(value)
        result = f.take(VECTOR)
        f.emit((f"{name} {count[0] % width}", result, value))
        f.push(result)

    return shift


def _constant(f: FunctionState, _position: int, value: int) -> None:
    result = f.result_vector()
    number = result - FIRST_VECTOR
    if not value:
        f.add(asm.xor_x(number, number))
    elif value == _ONES:
        f.add(asm.ones_x(number, number))
    else:
        f.load_literal(result, value.to_bytes(16, "little"))
    f.push(result)


def _shuffle(f: FunctionState, _position: int, chosen: bytes) -> None:
    a, b = (f.in_register(value, VECTOR) for value in pop_many(f, 2))
    f.push(shuffle(f, a, b, chosen))


# --- memory ----------------------------------------------------------------------------------------


def _load_lane(opcode: Opcode) -> Handler:
    name, size = opcode.name, opcode.access

    def load_lane(f: FunctionState, position: int, immediate: tuple[MemArg, int]) -> None:
        memarg, lane = immediate
        vector = f.pop()
        suffix, register, offset = place(f, position, memarg, size)
        f.release(register, vector)
        result = f.result_vector()
        f.locate(position)
        f.emit((f"{name}{suffix} {lane}", result, register, vector, offset))
        f.push(result)

    return load_lane


def _store_lane(opcode: Opcode) -> Handler:
    name, size = opcode.name, opcode.access

    def store_lane(f: FunctionState, position: int, immediate: tuple[MemArg, int]) -> None:
        memarg, lane = immediate
        vector = f.pop()
        suffix, register, offset = place(f, position, memarg, size)
        f.locate(position)
        f.emit((f"{name}{suffix} {lane}", register, vector, offset))
        f.release(register, vector)

    return store_lane


def _handler(opcode: Opcode) -> Handler | None:
    """The handler of an instruction on vectors, None for those that are a stencil without more ado."""
    _, _, operation = opcode.name.partition(".")
    params = [class_of(type_) for type_ in opcode.params or ()]
    if opcode.immediates == ("memarg",):
        return None
    if opcode.access:
        return (_load_lane if operation.startswith("load") else _store_lane)(opcode)
    if opcode.name in _SPECIAL:
        return _SPECIAL[opcode.name]
    if operation in ("shl", "shr_s", "shr_u"):
        return _shift(opcode)
    if opcode.immediates or len(params) > 2 or len({*params}) > 1:
        return _plain(opcode)
    return None


_SPECIAL: Final[dict[str, Handler]] = {"v128.const": _constant, "i8x16.shuffle": _shuffle}

HANDLERS: Final[dict[str, Handler]] = {
    opcode.name: handler
    for opcode in OPCODES
    if opcode.feature in ("simd", "relaxed-simd") and (handler := _handler(opcode))
}
"""Instructions of both proposals that have more to them than operands of one kind."""
