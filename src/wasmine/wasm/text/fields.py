"""The fields of a module (specification 6.6), read twice.

The first pass gives every identifier its index and finds out where fields are; the types are next; then
the fields are encoded in their order, which is also that in which types without definition are added.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Final

from wasmine.errors import InvalidModule
from wasmine.frozen import Frozen
from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.text.annotations import check_annotations_read, take_custom_sections
from wasmine.wasm.text.context import Space
from wasmine.wasm.text.encoder import END, opcode_bytes, sized, text, unsigned, vector
from wasmine.wasm.text.instructions import HINT, Code
from wasmine.wasm.text.lexer import Tokens
from wasmine.wasm.text.scope import CodeParser
from wasmine.wasm.text.sections import Sections
from wasmine.wasm.text.segments import (
    SegmentPlace,
    encode_data,
    encode_elements,
    read_element_list,
    read_inline_elements,
)
from wasmine.wasm.text.types import (
    at_value_type,
    read_declarations,
    read_global_type,
    read_limits,
    read_recursive_field,
    read_reference_type,
    read_table_type,
    read_type_field,
    read_type_use,
)

_KINDS: Final = {"func": 0, "table": 1, "memory": 2, "global": 3, "tag": 4}
"""What can be imported and exported, with its number in the binary format."""

_PAGE: Final = 0x10000


class _Field(Frozen):
    """A field that the first pass has found: where its first word is, and the index it defines."""

    keyword: str
    position: int
    index: int


class ModuleReader:
    """Reads the fields of one module and gives its bytes."""

    def __init__(self, tokens: Tokens, position: int, memory64: bool) -> None:
        self.parser = CodeParser(tokens, position, memory64)
        self.sections = Sections()
        self._fields: list[_Field] = []
        self._defined: str | None = None
        """The kind of the last definition that is no import."""
        context = self.parser.context
        self._spaces: dict[str, Space] = {
            "func": context.functions,
            "table": context.tables,
            "memory": context.memories,
            "global": context.globals,
            "tag": context.tags,
            "elem": context.elements,
            "data": context.data,
        }

    def read(self, end: str, names: bool) -> bytes:
        """The module whose fields, behind the word `module` if there is one, go up to the token `end`."""
        parser = self.parser
        first = parser.position
        parser.annotations = {
            position: list(found)
            for position, found in parser.tokens.annotations.items()
            if position >= first
        }
        name = parser.identifier()
        self.sections.module_name = parser.take_name("module") or (name and name[1:])
        self._find_fields()
        if parser.word != end:
            raise parser.unexpected()
        last = parser.position
        for position in [position for position in parser.annotations if position > last]:
            del parser.annotations[position]
        entries = self.sections.entries["type"]
        for field in self._fields:
            parser.position = field.position + 1
            if field.keyword == "type":
                entries.append(read_type_field(parser, field.index))
            elif field.keyword == "rec":
                entries.append(read_recursive_field(parser, field.index))
        for field in self._fields:
            if field.keyword in _FIELDS:
                parser.position = field.position + 1
                parser.begin_scope()
                _FIELDS[field.keyword](self, field.index)
                parser.expect(")")
        check_annotations_read(parser)
        parser.position = last
        return self.sections.encode(parser.context, names)

    # first pass

    def _find_fields(self) -> None:
        parser = self.parser
        while True:
            take_custom_sections(parser, self.sections)
            if parser.word != "(":
                return
            start = parser.position
            keyword = parser.keyword()
            self._fields.append(_Field(keyword, start + 1, self._define(keyword)))
            parser.position = start
            parser.skip()

    def _define(self, keyword: str) -> int:
        """Gives what a field defines its index; 0 if it defines nothing."""
        parser = self.parser
        if keyword == "type":
            return parser.context.types.define(parser)
        if keyword == "rec":
            return self._define_group()
        if keyword == "import":
            parser.name()
            parser.name()
            kind = parser.keyword()
            if kind not in _KINDS:
                raise parser.unexpected(parser.position - 1)
            return self._define_import(kind)
        if keyword in _KINDS:
            return self._define_own(keyword)
        if keyword in self._spaces:
            return self._spaces[keyword].define(parser)
        if keyword not in _FIELDS:
            raise parser.unexpected(parser.position - 1)
        return 0

    def _define_group(self) -> int:
        parser = self.parser
        types = parser.context.types
        first = types.count
        while parser.word == "(":
            start = parser.position
            if parser.keyword() != "type":
                raise parser.unexpected(start + 1)
            types.define(parser)
            parser.position = start
            parser.skip()
        return first

    def _define_import(self, kind: str) -> int:
        if self._defined is not None:
            first = "function" if self._defined == "func" else self._defined
            message = f"import after {first} (imports come before all that is defined)"
            raise self.parser.error(message, self.parser.position - 1)
        return self._spaces[kind].define(self.parser)

    def _define_own(self, kind: str) -> int:
        """A definition, which may be an import all the same, and may have a segment inside."""
        parser = self.parser
        start = parser.position
        parser.identifier()
        while parser.at_form("export"):
            parser.skip()
        if parser.at_form("import"):
            parser.position = start
            return self._define_import(kind)
        if kind in ("table", "memory") and parser.word in ("i32", "i64"):
            parser.position += 1
        if kind == "table" and at_value_type(parser):
            if parser.word == "(":
                parser.skip()
            else:
                parser.position += 1
            parser.context.elements.count += parser.at_form("elem")
        elif kind == "memory":
            parser.context.data.count += parser.at_form("data")
        self._defined = kind
        parser.position = start
        return self._spaces[kind].define(parser)

    # second pass: each method reads a field up to its closing parenthesis

    def _add(self, section: str, entry: bytes) -> None:
        self.sections.entries[section].append(entry)

    def _read_definition_head(self, kind: str, index: int) -> bool:
        """Identifier, exports and import of a definition; whether it is an import, which is then added."""
        parser = self.parser
        parser.identifier()
        while parser.accept_form("export"):
            self._add("export", text(parser.name()) + bytes([_KINDS[kind]]) + unsigned(index))
            parser.expect(")")
        if not parser.accept_form("import"):
            return False
        names = text(parser.name()) + text(parser.name())
        parser.expect(")")
        self._add("import", names + self._read_extern_type(kind, index))
        return True

    def _read_extern_type(self, kind: str, index: int) -> bytes:
        """The type of something that is imported, behind the number of its kind."""
        parser = self.parser
        number = bytes([_KINDS[kind]])
        match kind:
            case "func":
                type_ = self._read_function_type()
                self._add_local_names(index)
                return number + unsigned(type_)
            case "table":
                return number + read_table_type(parser)
            case "memory":
                return number + read_limits(parser, shareable=True)
            case "global":
                return number + read_global_type(parser)
            case _:
                return number + b"\0" + unsigned(self._read_function_type())

    def _read_function_type(self) -> int:
        parser = self.parser
        return read_type_use(parser, parser.locals).index_in(parser.context)

    def _add_local_names(self, function: int) -> None:
        if self.parser.locals.names:
            self.sections.local_names[function] = self.parser.locals.names

    def read_import(self, index: int) -> None:
        parser = self.parser
        names = text(parser.name()) + text(parser.name())
        kind = parser.keyword()
        parser.identifier()
        self._add("import", names + self._read_extern_type(kind, index))
        parser.expect(")")

    def read_function(self, index: int) -> None:
        parser = self.parser
        start = parser.position
        if self._read_definition_head("func", index):
            return
        self._add("func", unsigned(self._read_function_type()))
        types = read_declarations(parser, "local", parser.locals)
        groups = [unsigned(len(list(group))) + type_ for type_, group in groupby(types)]
        body = bytearray(vector(groups))
        code = Code(parser, body)
        code.sequence()
        self._add("code", sized(body + END))
        if code.hints:
            hints = vector(unsigned(offset) + b"\1" + bytes([hint]) for offset, hint in code.hints)
            self.sections.hints.append(unsigned(index) + hints)
        if parser.annotations:
            self._check_hints_read(index, start)
        self._add_local_names(index)
        if parser.labels.names:
            self.sections.label_names[index] = parser.labels.names

    def _check_hints_read(self, function: int, start: int) -> None:
        """Raises InvalidModule if a branch hint in the function is no branch's."""
        for position, found in self.parser.annotations.items():
            inside = start <= position <= self.parser.position
            if inside and any(annotation.name == HINT for annotation in found):
                raise InvalidModule(f"@{HINT} annotation: invalid target", function=function)

    def _read_expression(self) -> bytes:
        """Instructions up to a closing parenthesis, as a constant expression."""
        code = bytearray()
        Code(self.parser, code).sequence()
        return bytes(code + END)

    def read_table(self, index: int) -> None:
        parser = self.parser
        if self._read_definition_head("table", index):
            return
        position = parser.position
        address = parser.word
        parser.position += address in _ZERO
        if not at_value_type(parser):
            parser.position = position
            type_ = read_table_type(parser)
            if parser.word != ")":
                type_ = b"\x40\0" + type_ + self._read_expression()
            self._add("table", type_)
            return
        element = read_reference_type(parser)
        if not parser.accept_form("elem"):
            raise parser.unexpected()
        elements = read_inline_elements(parser, element)
        parser.expect(")")
        self._add("table", element + _exactly(len(elements.items), address))
        place = SegmentPlace("active", index, _ZERO.get(address, _ZERO["i32"]))
        self._add("elem", encode_elements(place, elements))

    def read_memory(self, index: int) -> None:
        parser = self.parser
        if self._read_definition_head("memory", index):
            return
        position = parser.position
        address = parser.word
        parser.position += address in _ZERO
        if not parser.accept_form("data"):
            parser.position = position
            self._add("memory", read_limits(parser, shareable=True))
            return
        content = parser.strings()
        parser.expect(")")
        self._add("memory", _exactly(-(-len(content) // _PAGE), address))
        place = SegmentPlace("active", index, _ZERO.get(address, _ZERO["i32"]))
        self._add("data", encode_data(place, content))

    def read_global(self, index: int) -> None:
        if not self._read_definition_head("global", index):
            self._add("global", read_global_type(self.parser) + self._read_expression())

    def read_tag(self, index: int) -> None:
        if not self._read_definition_head("tag", index):
            self._add("tag", b"\0" + unsigned(self._read_function_type()))

    def read_export(self, _index: int) -> None:
        parser = self.parser
        name = text(parser.name())
        kind = parser.keyword()
        if kind not in _KINDS:
            raise parser.unexpected(parser.position - 1)
        number = bytes([_KINDS[kind]])
        self._add("export", name + number + unsigned(self._spaces[kind].read(parser)))
        parser.expect(")")

    def read_start(self, _index: int) -> None:
        if self.sections.start is not None:
            raise self.parser.error("multiple start sections", self.parser.position - 1)
        self.sections.start = unsigned(self._spaces["func"].read(self.parser))

    def _read_place(self, target: str) -> SegmentPlace:
        """Where a segment belongs, if that is said: `(table x)? (offset ...)` or the like."""
        parser = self.parser
        index = None
        if parser.accept_form(target):
            index = self._spaces[target].read(parser)
            parser.expect(")")
        elif parser.at_index:
            index = self._spaces[target].read(parser)  # as in the first version of the format
        if parser.accept_form("offset"):
            offset = self._read_expression()
            parser.expect(")")
        elif index is not None or (parser.word == "(" and not parser.at_form("ref")):
            code = bytearray()
            Code(parser, code).folded()
            offset = bytes(code + END)
        else:
            return SegmentPlace("passive")
        return SegmentPlace("active", index, offset)

    def read_elements(self, _index: int) -> None:
        parser = self.parser
        parser.identifier()
        bare = False
        if parser.accept("declare"):
            place = SegmentPlace("declared")
        else:
            bare = not parser.at_form("table")
            place = self._read_place("table")
        bare = bare and place.mode == "active"
        self._add("elem", encode_elements(place, read_element_list(parser, bare)))

    def read_data(self, _index: int) -> None:
        parser = self.parser
        parser.identifier()
        place = self._read_place("memory")
        self._add("data", encode_data(place, parser.strings()))


_ZERO: Final = {
    address: opcode_bytes(BY_NAME[f"{address}.const"]) + b"\0" + END for address in ("i32", "i64")
}
"""By address type: the offset of segments that are written inside a table or memory."""


def _exactly(size: int, address: str) -> bytes:
    """Limits for one size only."""
    return bytes([5 if address == "i64" else 1]) + unsigned(size) + unsigned(size)


_FIELDS: Final[dict[str, Callable[[ModuleReader, int], None]]] = {
    "import": ModuleReader.read_import,
    "func": ModuleReader.read_function,
    "table": ModuleReader.read_table,
    "memory": ModuleReader.read_memory,
    "global": ModuleReader.read_global,
    "tag": ModuleReader.read_tag,
    "export": ModuleReader.read_export,
    "start": ModuleReader.read_start,
    "elem": ModuleReader.read_elements,
    "data": ModuleReader.read_data,
}
"""By keyword of the field; types are read before."""

FIELDS: Final = frozenset([*_FIELDS, "type", "rec"])
"""The keywords of all fields."""
