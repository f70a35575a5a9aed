"""Immediates of instructions, from text to bytes: one function for each kind in the table of opcodes.

A function is made for each instruction. It reads what follows the mnemonic, and gives all bytes of the
instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from wasmine.wasm.immediates import MEMORY_FLAG
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode
from wasmine.wasm.text.context import Context, Space
from wasmine.wasm.text.cursor import is_index
from wasmine.wasm.text.encoder import opcode_bytes, signed, unsigned, vector
from wasmine.wasm.text.keywords import FLOAT, UNSIGNED
from wasmine.wasm.text.numbers import float_bits, integer_bits, parse_integer
from wasmine.wasm.text.scope import CodeParser
from wasmine.wasm.text.types import (
    read_block_type,
    read_heap_type,
    read_reference,
    read_results,
    read_type_use,
)
from wasmine.wasm.text.vectors import read_vector

Reader: TypeAlias = Callable[[CodeParser], bytes]

_SPACES: Final[dict[str, Callable[[Context], Space]]] = {
    "func": lambda context: context.functions,
    "type": lambda context: context.types,
    "table": lambda context: context.tables,
    "memory": lambda context: context.memories,
    "global": lambda context: context.globals,
    "tag": lambda context: context.tags,
    "data": lambda context: context.data,
    "elem": lambda context: context.elements,
}
"""By kind of immediate: the indices of modules."""

_MAY_BE_LEFT_OUT: Final = frozenset(["table", "memory"])


def _read_local(parser: CodeParser) -> bytes:
    return unsigned(parser.locals.read(parser))


def read_label(parser: CodeParser) -> bytes:
    """A label, as number of blocks outward."""
    return unsigned(parser.labels.read(parser))


def _read_labels(parser: CodeParser) -> bytes:
    labels = [read_label(parser)]
    while parser.at_index:
        labels.append(read_label(parser))
    return vector(labels[:-1]) + labels[-1]


def _read_lanes(parser: CodeParser) -> bytes:
    """The sixteen lanes of a shuffle."""
    lanes = bytearray()
    position = parser.position
    while FLOAT.fullmatch(parser.word):
        value = parse_integer(parser.word)
        if value is None or not 0 <= value < 256:
            raise parser.error("i8 constant out of range")
        lanes.append(value)
        parser.position += 1
    if len(lanes) != 16:
        raise parser.error("invalid lane length", position)
    return bytes(lanes)


def _integer(width: int) -> Reader:
    def read(parser: CodeParser) -> bytes:
        bits = parser.number(integer_bits, width)
        return signed(bits - (1 << width) if bits >> (width - 1) else bits)

    return read


def _float(width: int) -> Reader:
    return lambda parser: parser.number(float_bits, width).to_bytes(width // 8, "little")


def _read_cast(parser: CodeParser) -> bytes:
    label = read_label(parser)
    (from_null, from_heap), (to_null, to_heap) = read_reference(parser), read_reference(parser)
    return bytes([from_null + 2 * to_null]) + label + from_heap + to_heap


_CATCHES: Final = {"catch": 0, "catch_ref": 1, "catch_all": 2, "catch_all_ref": 3}


def read_catches(parser: CodeParser) -> bytes:
    catches = []
    while parser.word == "(" and parser.words[parser.position + 1] in _CATCHES:
        kind = _CATCHES[parser.keyword()]
        tag = unsigned(parser.context.tags.read(parser)) if kind < 2 else b""
        catches.append(bytes([kind]) + tag + read_label(parser))
        parser.expect(")")
    return vector(catches)


def _read_setting(parser: CodeParser, prefix: str) -> int | None:
    """The number after `offset=` or `align=`; None if that does not follow."""
    word = parser.word
    if not word.startswith(prefix):
        return None
    number = word[len(prefix) :]
    if UNSIGNED.fullmatch(number) is None:
        raise parser.unexpected()
    value = parse_integer(number)
    if value is None or value >> 64:
        raise parser.error("i64 constant out of range")
    parser.position += 1
    return value


def _read_memory_argument(opcode: Opcode) -> Reader:
    """Reads `memory? offset=n? align=n?`; without alignment it is that of the access."""
    natural = opcode.access.bit_length() - 1
    lane_follows = "lane" in opcode.immediates

    def read(parser: CodeParser) -> bytes:
        memory = 0
        if parser.at_index and not (lane_follows and _stands_alone(parser)):
            memory = parser.context.memories.read(parser)
        offset = _read_setting(parser, "offset=") or 0
        place = parser.position
        alignment = _read_setting(parser, "align=")
        flags = natural
        if alignment is not None:
            if alignment == 0 or alignment & (alignment - 1):
                raise parser.error("alignment must be a power of two", place)
            flags = alignment.bit_length() - 1
        if memory:
            return unsigned(flags | MEMORY_FLAG) + unsigned(memory) + unsigned(offset)
        return unsigned(flags) + unsigned(offset)

    return read


def _stands_alone(parser: CodeParser) -> bool:
    """Whether the index that follows is the last of the instruction's immediates."""
    following = parser.words[parser.position + 1]
    return not (is_index(following) or following.startswith(("offset=", "align=")))


def _space_reader(kind: str) -> Reader:
    space = _SPACES[kind]
    if kind in _MAY_BE_LEFT_OUT:
        return lambda parser: unsigned(space(parser.context).optional(parser))
    return lambda parser: unsigned(space(parser.context).read(parser))


def _read_data(parser: CodeParser) -> bytes:
    parser.context.uses_data = True
    return unsigned(parser.context.data.read(parser))


_READERS: Final[dict[str, Reader]] = {
    **{kind: _space_reader(kind) for kind in _SPACES},
    "data": _read_data,
    "blocktype": read_block_type,
    "label": read_label,
    "labels": _read_labels,
    "local": _read_local,
    "count": lambda parser: unsigned(parser.unsigned()),
    "lane": lambda parser: bytes([parser.unsigned(8)]),
    "lanes": _read_lanes,
    "i32": _integer(32),
    "i64": _integer(64),
    "f32": _float(32),
    "f64": _float(64),
    "v128": lambda parser: read_vector(parser).to_bytes(16, "little"),
    "ref_null": read_heap_type,
    "cast": _read_cast,
    "catches": read_catches,
    "zero": lambda _parser: b"\0",
}
"""By kind of immediate; a memory argument depends on the instruction."""


def _read_indirect(parser: CodeParser) -> bytes:
    """The immediates `type,table`: the text format has the table first, and may leave it out."""
    table = unsigned(parser.context.tables.optional(parser))
    return unsigned(read_type_use(parser, None).index_in(parser.context)) + table


def _read_field(parser: CodeParser) -> bytes:
    type_ = parser.context.types.read(parser)
    return unsigned(type_) + unsigned(parser.context.field_space(type_).read(parser))


def _segment_first(segment: str, target: str) -> Reader:
    """Reads `target? segment`, which the binary format has in the other order."""
    read_target, read_segment = _READERS[target], _READERS[segment]

    def read(parser: CodeParser) -> bytes:
        into = b"\0" if _stands_alone(parser) else read_target(parser)
        return read_segment(parser) + into

    return read


def _both_or_none(kind: str) -> Reader:
    """Reads two indices, or none for twice 0."""
    read_index = _READERS[kind]

    def read(parser: CodeParser) -> bytes:
        if not parser.at_index:
            return b"\0\0"
        first = read_index(parser)
        if not parser.at_index:
            raise parser.unexpected()
        return first + read_index(parser)

    return read


_COMBINED: Final[dict[tuple[str, ...], Reader]] = {
    ("type", "table"): _read_indirect,
    ("type", "field"): _read_field,
    ("data", "memory"): _segment_first("data", "memory"),
    ("elem", "table"): _segment_first("elem", "table"),
    ("memory", "memory"): _both_or_none("memory"),
    ("table", "table"): _both_or_none("table"),
}
"""Immediates that the text format has in another order, or may leave out together."""


def _immediates_reader(opcode: Opcode) -> Reader:
    kinds = opcode.immediates
    if kinds in _COMBINED:
        return _COMBINED[kinds]
    readers = [
        _read_memory_argument(opcode) if kind == "memarg" else _READERS[kind] for kind in kinds
    ]
    if len(readers) == 1:
        return readers[0]
    return lambda parser: b"".join([read(parser) for read in readers])


def _instruction_reader(opcode: Opcode) -> Reader:
    code, read = opcode_bytes(opcode), _immediates_reader(opcode)
    return lambda parser: code + read(parser)


def _literal_reader(opcode: Opcode) -> Reader:
    """For constants: most literals occur many times in a module."""
    code, read = opcode_bytes(opcode), _immediates_reader(opcode)

    def read_literal(parser: CodeParser) -> bytes:
        key = (opcode.name, parser.words[parser.position])
        data = parser.literals.get(key)
        if data is None:
            data = parser.literals[key] = code + read(parser)
        else:
            parser.position += 1
        return data

    return read_literal


def _read_select(parser: CodeParser) -> bytes:
    if not parser.at_form("result"):
        return opcode_bytes(BY_NAME["select"])
    return opcode_bytes(BY_NAME["select/typed"]) + vector(read_results(parser))


def _nullable_reader(name: str) -> Reader:
    """For the two opcodes that share a name: whether the target is nullable decides."""
    codes = opcode_bytes(BY_NAME[name]), opcode_bytes(BY_NAME[f"{name}/null"])

    def read(parser: CodeParser) -> bytes:
        nullable, heap = read_reference(parser)
        return codes[nullable] + heap

    return read


STRUCTURE: Final = frozenset(
    ["block", "loop", "if", "else", "end", "try", "try_table", "catch", "catch_all", "delegate"]
)
"""Mnemonics that open, divide and close blocks."""

SIMPLE: Final = {
    opcode.mnemonic: opcode_bytes(opcode)
    for opcode in OPCODES
    if not opcode.immediates and opcode.mnemonic not in {*STRUCTURE, "select"}
}
"""Instructions without immediates: their bytes."""

WITH_IMMEDIATES: Final[dict[str, Reader]] = {
    **{
        opcode.mnemonic: (
            _literal_reader(opcode)
            if opcode.immediates[0] in ("i32", "i64", "f32", "f64")
            else _instruction_reader(opcode)
        )
        for opcode in OPCODES
        if opcode.immediates and "/" not in opcode.name and "ref" not in opcode.immediates
        if opcode.mnemonic not in STRUCTURE
    },
    "select": _read_select,
    "ref.test": _nullable_reader("ref.test"),
    "ref.cast": _nullable_reader("ref.cast"),
}
"""The other ones: what reads their immediates and gives all their bytes."""
