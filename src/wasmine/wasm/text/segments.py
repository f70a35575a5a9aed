"""Element and data segments: their lists, and the shortest of the forms that say the same."""

from __future__ import annotations

from typing import Final, Literal

from wasmine.frozen import Frozen
from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.text.encoder import END, opcode_bytes, sized, unsigned, vector
from wasmine.wasm.text.instructions import Code
from wasmine.wasm.text.scope import CodeParser
from wasmine.wasm.text.types import HEAP_CODES, at_value_type, read_reference_type

_FUNCREF: Final = HEAP_CODES["func"]


class SegmentPlace(Frozen):
    """Where a segment goes; `index` is None if the table or memory is left out, which means number 0."""

    mode: Literal["active", "passive", "declared"]
    index: int | None = None
    offset: bytes = b""


class Elements(Frozen):
    """The elements of a segment: function indices, or expressions of a type."""

    items: list[bytes]
    type: bytes | None


def read_element_list(parser: CodeParser, bare: bool) -> Elements:
    """`func` and indices, or a type and expressions; `bare` if the indices may stand alone."""
    if at_value_type(parser):
        type_ = read_reference_type(parser)
        return Elements(_read_expressions(parser), type_)
    if not parser.accept("func") and not bare:
        raise parser.unexpected()
    return Elements(_read_indices(parser), None)


def read_inline_elements(parser: CodeParser, type_: bytes) -> Elements:
    """What a table begins with: indices of functions, or expressions of the table's type."""
    if parser.word == "(":
        return Elements(_read_expressions(parser), type_)
    items = _read_indices(parser)
    if type_ == _FUNCREF:
        return Elements(items, None)
    function = opcode_bytes(BY_NAME["ref.func"])
    return Elements([function + item + END for item in items], type_)


def _read_indices(parser: CodeParser) -> list[bytes]:
    functions = parser.context.functions
    indices = []
    while parser.at_index:
        indices.append(unsigned(functions.read(parser)))
    return indices


def _read_expressions(parser: CodeParser) -> list[bytes]:
    expressions = []
    while parser.word == "(":
        code = bytearray()
        if parser.accept_form("item"):
            Code(parser, code).sequence()
            parser.expect(")")
        else:
            Code(parser, code).folded()
        expressions.append(bytes(code + END))
    return expressions


def encode_elements(place: SegmentPlace, elements: Elements) -> bytes:
    """An element segment. The flags: 1 not active, 2 table given or declared, 4 expressions."""
    type_ = elements.type
    kind = b"\0" if type_ is None else type_
    flags = 0 if type_ is None else 4
    items = vector(elements.items)
    if place.mode != "active":
        flags |= 3 if place.mode == "declared" else 1
        return bytes([flags]) + kind + items
    if place.index is None and type_ in (None, _FUNCREF):
        return bytes([flags]) + place.offset + items
    return bytes([flags | 2]) + unsigned(place.index or 0) + place.offset + kind + items


def encode_data(place: SegmentPlace, content: bytes) -> bytes:
    """A data segment."""
    if place.mode != "active":
        return b"\1" + sized(content)
    if not place.index:
        return b"\0" + place.offset + sized(content)
    return b"\2" + unsigned(place.index) + place.offset + sized(content)
