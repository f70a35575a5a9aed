"""How immediates are written in the binary format: one function for each kind in the table.

`body` has a faster way for the kinds that are frequent in function bodies; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import RefType, ValType, ref
from wasmine.wasm import limits
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.opcodes import PREFIXES, Opcode, by_code, by_name
from wasmine.wasm.reader import Reader
from wasmine.wasm.typecodes import read_block_type, read_heap_type, read_val_type

ImmediateReader: TypeAlias = Callable[[Reader, ModuleInfo], object]

MEMORY_FLAG: Final = 0x40
"""In the alignment of a memory argument: a memory index follows."""


def read_memarg(reader: Reader, info: ModuleInfo) -> tuple[int, int, int]:
    """(alignment exponent, offset, memory index)"""
    offset = reader.offset
    alignment = reader.u32()
    memory = 0
    if alignment >= MEMORY_FLAG:
        phrase = "malformed memop flags"
        if alignment >= 2 * MEMORY_FLAG:
            raise MalformedModule(phrase, offset)
        info.features.require("multi-memory", phrase, offset)
        alignment -= MEMORY_FLAG
        memory = reader.u32()
    return alignment, reader.unsigned(64), memory


def _read_index(reader: Reader, _info: ModuleInfo) -> int:
    return reader.u32()


def _read_data_index(reader: Reader, info: ModuleInfo) -> int:
    # the rule is for function bodies, which are read after the sections
    if info.data_count is None and info.bodies:
        raise reader.error("data count section required")
    return reader.u32()


def _read_labels(reader: Reader, _info: ModuleInfo) -> tuple[tuple[int, ...], int]:
    count = reader.count(limits.BRANCH_TABLE, "labels")
    return tuple([reader.u32() for _ in range(count)]), reader.u32()


def _read_types(reader: Reader, info: ModuleInfo) -> ValType:
    offset = reader.offset
    types = [
        read_val_type(reader, info) for _ in range(reader.count(limits.RESULTS, "result types"))
    ]
    if len(types) != 1:
        raise InvalidModule("invalid result arity", offset)
    return types[0]


def _read_cast(reader: Reader, info: ModuleInfo) -> tuple[int, RefType, RefType]:
    flags = reader.byte()
    if flags > 3:
        raise reader.error("malformed br_on_cast flags", back=1)
    label = reader.u32()
    operand = ref(read_heap_type(reader, info), bool(flags & 1))
    return label, operand, ref(read_heap_type(reader, info), bool(flags & 2))


def _read_catches(reader: Reader, _info: ModuleInfo) -> tuple[tuple[int, int | None, int], ...]:
    catches = []
    for _ in range(reader.count(limits.CATCHES, "catch clauses")):
        kind = reader.byte()
        if kind > 3:
            raise reader.error("malformed catch clause", back=1)
        tag = reader.u32() if kind < 2 else None
        catches.append((kind, tag, reader.u32()))
    return tuple(catches)


def _read_zero(reader: Reader, _info: ModuleInfo) -> None:
    if reader.byte():
        raise reader.error("zero byte expected", back=1)


READERS: Final[dict[str, ImmediateReader]] = {
    "blocktype": read_block_type,
    "label": _read_index,
    "labels": _read_labels,
    "func": _read_index,
    "type": _read_index,
    "table": _read_index,
    "memory": _read_index,
    "global": _read_index,
    "local": _read_index,
    "tag": _read_index,
    "data": _read_data_index,
    "elem": _read_index,
    "field": _read_index,
    "count": _read_index,
    "lane": lambda reader, _info: reader.byte(),
    "lanes": lambda reader, _info: reader.bytes(16),
    "memarg": read_memarg,
    "i32": lambda reader, _info: reader.signed(32),
    "i64": lambda reader, _info: reader.signed(64),
    "f32": lambda reader, _info: int.from_bytes(reader.bytes(4), "little"),
    "f64": lambda reader, _info: int.from_bytes(reader.bytes(8), "little"),
    "v128": lambda reader, _info: int.from_bytes(reader.bytes(16), "little"),
    "ref_null": lambda reader, info: ref(read_heap_type(reader, info), nullable=True),
    "ref": lambda reader, info: ref(read_heap_type(reader, info), nullable=False),
    "types": _read_types,
    "cast": _read_cast,
    "catches": _read_catches,
    "zero": _read_zero,
}


def _several(kinds: tuple[str, ...]) -> ImmediateReader:
    readers = [READERS[kind] for kind in kinds]
    return lambda reader, info: tuple([read(reader, info) for read in readers])


def immediate_reader(opcode: Opcode) -> ImmediateReader | None:
    """What reads the immediates of an instruction; None if it has none."""
    kinds = opcode.immediates
    if len(kinds) > 1:
        return _several(kinds)
    return READERS[kinds[0]] if kinds else None


def read_opcode(reader: Reader, info: ModuleInfo) -> Opcode:
    """The opcode of the next instruction."""
    offset = reader.offset
    prefix, number = 0, reader.byte()
    if number in PREFIXES:
        prefix, number = number, reader.u32()
    opcode = by_code(prefix, number)
    if opcode is None or not info.features.has(opcode.feature):
        raise illegal_opcode(prefix, number, offset)
    return opcode


def illegal_opcode(prefix: int, number: int, offset: int) -> MalformedModule:
    """The error for an instruction that there is not, or whose proposal is off."""
    text = f"illegal opcode {prefix:02x} {number:02x}" if prefix else f"illegal opcode {number:02x}"
    opcode = by_code(prefix, number)
    if opcode is not None:
        text += f": {opcode.mnemonic} needs the {opcode.feature} proposal, which is off"
    return MalformedModule(text, offset)


_END: Final = by_name("end")
_CLOSING: Final = {_END, by_name("delegate")}


def read_constant_expression(reader: Reader, info: ModuleInfo) -> ConstExpr:
    """Instructions up to the `end` that closes them, constant or not."""
    start = reader.offset
    instructions: list[tuple[Opcode, object]] = []
    depth = 0
    while True:
        opcode = read_opcode(reader, info)
        if depth == 0 and opcode is _END:
            return ConstExpr(tuple(instructions), start)
        read = immediate_reader(opcode)
        immediate = None
        if read:
            # only instructions that are not constant can be invalid here, which is for later
            with suppress(InvalidModule):
                immediate = read(reader, info)
        instructions.append((opcode, immediate))
        depth += ("blocktype" in opcode.immediates) - (opcode in _CLOSING)
        if len(instructions) > limits.EXPRESSION_SIZE:
            raise MalformedModule("constant expression too long", start)
