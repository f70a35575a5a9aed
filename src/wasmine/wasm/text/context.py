"""What the identifiers of a module stand for, and its function types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from wasmine.errors import MalformedText
from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.encoder import vector
from wasmine.wasm.text.lexer import Annotation, Tokens

FunctionShape: TypeAlias = tuple[tuple[bytes, ...], tuple[bytes, ...]]
"""Encoded types of the parameters and of the results."""

FUNCTION: Final = b"\x60"


class Space:
    """The indices of one kind, and the identifiers for them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.count = 0
        self.indices: dict[str, int] = {}
        self.names: dict[int, str] = {}
        """For the name section: identifiers without their dollar sign."""

    def define(self, parser: Parser) -> int:
        """A new index, with the identifier and the annotation `@name` that stand here, if any."""
        position = parser.position
        identifier = parser.identifier()
        index = self.count
        self.count += 1
        if identifier is not None:
            if identifier in self.indices:
                raise parser.error(f"duplicate {self.kind} {identifier}", position)
            self.indices[identifier] = index
            self.names[index] = identifier[1:]
        if parser.annotations:
            name = parser.take_name(self.kind)
            if name is not None:
                self.names[index] = name
        return index

    def read(self, parser: Cursor) -> int:
        """Reads an index or an identifier."""
        word = parser.words[parser.position]
        if word in self.indices:
            parser.position += 1
            return self.indices[word]
        position = parser.position
        identifier = parser.identifier()
        if identifier is None:
            return parser.unsigned()
        if identifier not in self.indices:
            raise parser.error(f"unknown {self.kind} {identifier}", position)
        return self.indices[identifier]

    def optional(self, parser: Cursor) -> int:
        """Reads an index if one follows; 0 otherwise."""
        return self.read(parser) if parser.at_index else 0


@dataclass
class Context:
    """The index spaces of a module, and its types."""

    types: Space = field(default_factory=lambda: Space("type"))
    functions: Space = field(default_factory=lambda: Space("func"))
    tables: Space = field(default_factory=lambda: Space("table"))
    memories: Space = field(default_factory=lambda: Space("memory"))
    globals: Space = field(default_factory=lambda: Space("global"))
    tags: Space = field(default_factory=lambda: Space("tag"))
    elements: Space = field(default_factory=lambda: Space("elem"))
    data: Space = field(default_factory=lambda: Space("data"))
    fields: dict[int, Space] = field(default_factory=dict)
    """Of struct types, by type index."""
    shapes: dict[int, FunctionShape] = field(default_factory=dict)
    """Of the function types, by type index."""
    plain: dict[FunctionShape, int] = field(default_factory=dict)
    """The first type with this shape that a type use without index means."""
    implicit: list[bytes] = field(default_factory=list)
    """Definitions of types that stand in no field of the module, behind those that do."""
    uses_data: bool = False
    """Whether an instruction names a data segment."""

    def define_shape(self, index: int, shape: FunctionShape, plain: bool) -> None:
        """Notes a function type; `plain` if it is final, without supertype and in no group."""
        self.shapes[index] = shape
        if plain:
            self.plain.setdefault(shape, index)

    def type_of_shape(self, shape: FunctionShape) -> int:
        """The index of the function type, which is added if there is none yet."""
        index = self.plain.get(shape)
        if index is None:
            index = self.types.count
            self.types.count += 1
            self.define_shape(index, shape, plain=True)
            self.implicit.append(encode_shape(shape))
        return index

    def field_space(self, type_index: int) -> Space:
        """The fields of a struct type; an empty space for any other index."""
        return self.fields.get(type_index) or Space("field")


def encode_shape(shape: FunctionShape) -> bytes:
    """The definition of a function type."""
    return FUNCTION + vector(shape[0]) + vector(shape[1])


class Parser(Cursor):
    """A cursor in a module, with what its identifiers mean and the annotations that nobody has read yet."""

    def __init__(self, tokens: Tokens, position: int, memory64: bool) -> None:
        super().__init__(tokens, position)
        self.memory64 = memory64
        """Whether the sizes in limits may have more than 32 bits, which is for validation to check."""
        self.context = Context()
        self.annotations: dict[int, list[Annotation]] = {}

    @property
    def at_definition(self) -> bool:
        """Whether an identifier or a `@name` follows."""
        if self.words[self.position].startswith("$"):
            return True
        found = self.annotations.get(self.position, ())
        return any(annotation.name == "name" for annotation in found)

    def take_annotations(self, name: str) -> Sequence[Annotation]:
        """The annotations of this name before the next token, which count as read from now on."""
        found = self.annotations.get(self.position)
        if found is None:
            return ()
        taken = [annotation for annotation in found if annotation.name == name]
        found[:] = [annotation for annotation in found if annotation.name != name]
        return taken

    def take_name(self, kind: str) -> str | None:
        """What `@name` before the next token says, if it is there."""
        taken = self.take_annotations("name")
        if not taken:
            return None
        if len(taken) > 1:
            raise self.annotation_error(taken[1], f"@name annotation: multiple {kind}")
        content = self.content(taken[0])
        name = content.name()
        content.expect(")")
        return name

    def content(self, annotation: Annotation) -> Cursor:
        """What reads the tokens of an annotation, up to and with its closing parenthesis."""
        return Cursor(Tokens.of(self.tokens, annotation))

    def annotation_error(self, annotation: Annotation, message: str) -> MalformedText:
        """An error about an annotation."""
        return self.tokens.error_at(message, annotation.start, f"@{annotation.name}")
