"""Types of the text format, as the bytes they have in the binary format (specification 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasmine.types import AbstractHeapType
from wasmine.wasm.text.context import Context, FunctionShape, Parser, Space, encode_shape
from wasmine.wasm.text.encoder import signed, unsigned, vector
from wasmine.wasm.typecodes import HEAP_TYPES

HEAP_CODES: Final[dict[str, bytes]] = {name: bytes([code]) for code, name in HEAP_TYPES.items()}
_NUMBERS: Final = {"i32": b"\x7f", "i64": b"\x7e", "f32": b"\x7d", "f64": b"\x7c", "v128": b"\x7b"}
_PACKED: Final = {"i8": b"\x78", "i16": b"\x77"}
_SHORT: Final[dict[AbstractHeapType, str]] = {
    "none": "nullref",
    "nofunc": "nullfuncref",
    "noextern": "nullexternref",
    "noexn": "nullexnref",
}
_REFERENCES: Final = {
    _SHORT.get(name, f"{name}ref"): bytes([code]) for code, name in HEAP_TYPES.items()
}
_VALUES: Final = _NUMBERS | _REFERENCES
_NULLABLE: Final = b"\x63"
_NOT_NULLABLE: Final = b"\x64"


def read_heap_type(parser: Parser) -> bytes:
    """An abstract heap type or the index of a type."""
    code = HEAP_CODES.get(parser.word)
    if code is not None:
        parser.position += 1
        return code
    if not parser.at_index:
        raise parser.unexpected()
    return signed(parser.context.types.read(parser))


def read_reference(parser: Parser) -> tuple[bool, bytes]:
    """A reference type: whether it is nullable, and its heap type."""
    code = _REFERENCES.get(parser.word)
    if code is not None:
        parser.position += 1
        return True, code
    if not parser.accept_form("ref"):
        raise parser.unexpected(parser.position + (parser.word == "("))
    nullable = parser.accept("null")
    heap = read_heap_type(parser)
    parser.expect(")")
    return nullable, heap


def read_reference_type(parser: Parser) -> bytes:
    """A reference type, in its short form if it has one."""
    nullable, heap = read_reference(parser)
    if nullable and heap in HEAP_CODES.values():
        return heap
    return (_NULLABLE if nullable else _NOT_NULLABLE) + heap


def read_value_type(parser: Parser) -> bytes:
    """A value type."""
    code = _VALUES.get(parser.word)
    if code is not None:
        parser.position += 1
        return code
    return read_reference_type(parser)


def at_value_type(parser: Parser) -> bool:
    """Whether a value type follows, judging by its beginning."""
    return parser.word in _VALUES or parser.at_form("ref")


def read_value_types(parser: Parser) -> list[bytes]:
    """Value types up to a closing parenthesis, which is read too."""
    types = []
    while not parser.accept(")"):
        types.append(read_value_type(parser))
    return types


def read_declarations(parser: Parser, keyword: str, space: Space | None) -> list[bytes]:
    """All `(param ...)` or `(local ...)` that follow; named ones only with a space to define them in."""
    types: list[bytes] = []
    while parser.accept_form(keyword):
        if space is None:
            types += read_value_types(parser)
        elif parser.at_definition:
            space.define(parser)
            types.append(read_value_type(parser))
            parser.expect(")")
        else:
            new = read_value_types(parser)
            space.count += len(new)
            types += new
    return types


def read_results(parser: Parser) -> list[bytes]:
    """All `(result ...)` that follow."""
    types: list[bytes] = []
    while parser.accept_form("result"):
        types += read_value_types(parser)
    return types


def read_shape(parser: Parser, space: Space | None) -> FunctionShape:
    """Parameters and results of a function."""
    params = read_declarations(parser, "param", space)
    return tuple(params), tuple(read_results(parser))


@dataclass(slots=True)
class TypeUse:
    """What stands for a function type: an index, parameters and results, or both."""

    index: int | None
    shape: FunctionShape

    def index_in(self, context: Context) -> int:
        """The index of the type, which is added to the module if it has none yet."""
        return context.type_of_shape(self.shape) if self.index is None else self.index


_EMPTY: Final[FunctionShape] = ((), ())
_TYPE_PARTS: Final = ("type", "param", "result")


def read_type_use(parser: Parser, space: Space | None) -> TypeUse:
    """A type use; `space` gets the parameters, those of a type that is named by index too."""
    context = parser.context
    index = None
    position = parser.position
    if parser.accept_form("type"):
        position = parser.position
        index = context.types.read(parser)
        parser.expect(")")
    inline = parser.position
    shape = read_shape(parser, space)
    if index is None:
        return TypeUse(None, shape)
    if parser.position == inline:
        shape = context.shapes.get(index, _EMPTY)
        if space is not None:
            space.count += len(shape[0])
    elif parser.word == "(" and parser.words[parser.position + 1] in _TYPE_PARTS:
        raise parser.unexpected(parser.position + 1)
    elif index >= context.types.count:
        raise parser.error(f"unknown type {index}", position)
    elif context.shapes.get(index) != shape:
        raise parser.error("inline function type does not fit the type", position)
    return TypeUse(index, shape)


def _read_field_type(parser: Parser) -> bytes:
    mutable = parser.accept_form("mut")
    packed = _PACKED.get(parser.word)
    if packed is None:
        storage = read_value_type(parser)
    else:
        parser.position += 1
        storage = packed
    if mutable:
        parser.expect(")")
    return storage + bytes([mutable])


def _read_fields(parser: Parser, space: Space) -> bytes:
    fields = []
    while parser.accept_form("field"):
        if parser.at_definition:
            space.define(parser)
            fields.append(_read_field_type(parser))
            parser.expect(")")
            continue
        while not parser.accept(")"):
            fields.append(_read_field_type(parser))
            space.count += 1
    return vector(fields)


def _read_composite(parser: Parser, index: int, plain: bool) -> bytes:
    keyword = parser.keyword()
    context = parser.context
    if keyword == "func":
        shape = read_shape(parser, Space("local"))
        context.define_shape(index, shape, plain)
        definition = encode_shape(shape)
    elif keyword == "struct":
        space = context.fields[index] = Space("field")
        definition = b"\x5f" + _read_fields(parser, space)
    elif keyword == "array":
        definition = b"\x5e" + _read_field_type(parser)
    else:
        raise parser.unexpected(parser.position - 1)
    parser.expect(")")
    return definition


def _read_sub_type(parser: Parser, index: int, alone: bool) -> bytes:
    """The definition behind `(type $name`, up to and with the closing parenthesis."""
    if not parser.accept_form("sub"):
        definition = _read_composite(parser, index, alone)
        parser.expect(")")
        return definition
    final = parser.accept("final")
    supertypes = []
    while parser.at_index:
        supertypes.append(unsigned(parser.context.types.read(parser)))
    short = final and not supertypes
    definition = _read_composite(parser, index, alone and short)
    parser.expect(")")
    parser.expect(")")
    if short:
        return definition
    return (b"\x4f" if final else b"\x50") + vector(supertypes) + definition


def read_type_field(parser: Parser, index: int) -> bytes:
    """The field `(type ...)` with this index, whose parenthesis and keyword have been read."""
    parser.identifier()
    return _read_sub_type(parser, index, alone=True)


def read_recursive_field(parser: Parser, index: int) -> bytes:
    """The field `(rec ...)`, whose first type has this index."""
    definitions: list[bytes] = []
    while not parser.accept(")"):
        if parser.keyword() != "type":
            raise parser.unexpected(parser.position - 1)
        parser.identifier()
        definitions.append(_read_sub_type(parser, index + len(definitions), alone=False))
    return b"\x4e" + vector(definitions)


def read_block_type(parser: Parser) -> bytes:
    """The type of a block: nothing, one result, or the index of a function type."""
    words, position = parser.words, parser.position
    if words[position] != "(" or words[position + 1] not in _TYPE_PARTS:
        return b"\x40"
    use = read_type_use(parser, None)
    params, results = use.shape
    if use.index is None and not params and len(results) < 2:
        return results[0] if results else b"\x40"
    return signed(use.index_in(parser.context))


_ADDRESSES: Final = ("i32", "i64")


def read_limits(parser: Parser, shareable: bool) -> bytes:
    """Limits with the address type before them and, for a memory, `shared` behind them."""
    address = parser.word
    parser.position += address in _ADDRESSES
    flags = 4 if address == "i64" else 0
    bits = 64 if parser.memory64 else 32
    sizes = unsigned(parser.unsigned(bits))
    if parser.at_index:
        sizes += unsigned(parser.unsigned(bits))
        flags |= 1
    if shareable and parser.accept("shared"):
        flags |= 2
    return bytes([flags]) + sizes


def read_table_type(parser: Parser) -> bytes:
    """A table type."""
    limits = read_limits(parser, shareable=False)
    return read_reference_type(parser) + limits


def read_global_type(parser: Parser) -> bytes:
    """A global type."""
    mutable = parser.accept_form("mut")
    value = read_value_type(parser)
    if mutable:
        parser.expect(")")
    return value + bytes([mutable])
