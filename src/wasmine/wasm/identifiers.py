"""How a module's text calls things: identifiers from the name section, numbers where there are none.

Identifiers and `(@name "...")` annotations say exactly what a name section says if that section is
written the way assemblers do. Any other one is shown as the custom section that it is, and its names
only as comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import StructType
from wasmine.wasm.body import decode_body, decode_locals
from wasmine.wasm.module import CustomSection, ModuleInfo
from wasmine.wasm.names import NameMap, Names, encode_names
from wasmine.wasm.opcodes import OPCODES


def quote(text: str | bytes) -> str:
    """A string of the text format."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return f'"{"".join(map(_CHARACTERS.__getitem__, data))}"'


_CHARACTERS: Final = [
    chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:02x}"
    for byte in range(256)
]


def comment(name: str | None) -> str:
    """A name behind an index, as a comment; nothing without a name."""
    if name is None:
        return ""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in name)
    shown = shown.replace(";)", "; )").replace("(;", "( ;")
    return f" (;{shown}{' ' if shown.endswith('(') else ''};)"


_PLAIN: Final = frozenset(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-./:<=>?@\\^_`|~"
)


def identifier(name: str) -> str:
    """The identifier of this name, which is not empty."""
    return f"${name}" if _PLAIN.issuperset(name) else f"${quote(name)}"


class Space(dict[int, str]):
    """What the text calls the members of an index space; a number where nothing better is known."""

    def __init__(self, names: NameMap | None = None, comments: NameMap | None = None) -> None:
        super().__init__()
        self._known: dict[int, str] = {}
        self.fill(names or {}, comments or {})

    def fill(self, names: NameMap, comments: Mapping[int, str]) -> None:
        """Forgets everything and takes these: names for identifiers, comments behind numbers."""
        self.clear()
        self._known = {}
        taken: set[str] = set()
        for index, name in names.items():
            unique = name
            while not unique or unique in taken:
                unique += f"#{index}"
            taken.add(unique)
            self._known[index] = identifier(unique)
            if unique != name:
                self._known[index] += f" (@name {quote(name)})"
            self[index] = identifier(unique)
        for index, name in comments.items():
            self.setdefault(index, f"{index}{comment(name)}")

    def __missing__(self, index: int) -> str:
        text = self[index] = str(index)
        return text

    def declare(self, index: int) -> str:
        """What stands where it is declared, after a space; nothing without an identifier."""
        known = self._known.get(index)
        return "" if known is None else f" {known}"

    def head(self, index: int) -> str:
        """Like `declare`, and its number and what else is known of it as comments."""
        if index in self._known:
            return f" {self._known[index]} (;{index};)"
        known = self[index].partition(" ")[2]
        return f" (;{index};){known and ' '}{known}"


class Identifiers:
    """The index spaces of a module. `names` says what stands in the name section."""

    def __init__(self, info: ModuleInfo) -> None:
        self.section = _expressible(info)
        """The name section, if identifiers say all that it says."""
        self.names = info.names if self.section else Names()
        others = Names() if self.section else info.names
        public = {
            index: name
            for index in range(len(info.functions))
            if (name := info.function_name(index)) is not None
        }
        self.functions = Space(self.names.functions, public)
        self.tables = Space(self.names.tables, others.tables)
        self.memories = Space(self.names.memories, others.memories)
        self.globals = Space(self.names.globals, others.globals)
        self.tags = Space(self.names.tags, others.tags)
        self.types = Space(self.names.types, others.types)
        self.elements = Space(self.names.elements, others.elements)
        self.data_segments = Space(self.names.data_segments, others.data_segments)
        self.locals = Space()
        """Of one function at a time: see `enter`."""
        self._other_locals = others.locals
        self._fields: dict[int, Space] = {}

    def enter(self, function: int) -> None:
        """Makes `locals` those of the function with this index."""
        self.locals.fill(self.names.locals.get(function, {}), self._other_locals.get(function, {}))

    def labels(self, function: int) -> NameMap:
        """The names of a function's blocks, by their number in the order of the text."""
        return self.names.labels.get(function, {})

    def fields(self, type_index: int) -> Space:
        """The fields of a struct type."""
        known = self._fields.get(type_index)
        if known is None:
            known = self._fields[type_index] = Space(self.names.fields.get(type_index))
        return known


def _expressible(info: ModuleInfo) -> CustomSection | None:
    """The name section, if what it says can be said with identifiers and annotations."""
    section = next((each for each in info.custom_sections if each.name == "name"), None)
    if section is None:
        return None
    behind = max([0, *(part.end for part in info.sections if part.number)]) <= section.start
    content = info.data[section.start : section.end]
    exact = behind and content and encode_names(info.names) == content
    return section if exact and _in_range(info) else None


def _in_range(info: ModuleInfo) -> bool:
    """Whether everything that has a name exists, so that the name has a place in the text."""
    names = info.names
    spaces: list[tuple[NameMap, int]] = [
        (names.functions, len(info.functions)),
        (names.types, len(info.types)),
        (names.tables, len(info.tables)),
        (names.memories, len(info.memories)),
        (names.globals, len(info.globals)),
        (names.elements, len(info.elements)),
        (names.data_segments, len(info.data_segments)),
        (names.tags, len(info.tags)),
    ]
    for index, fields in names.fields.items():
        type_ = info.types[index].composite if index < len(info.types) else None
        spaces.append((fields, len(type_.fields) if isinstance(type_, StructType) else 0))
    try:
        spaces += ((each, _locals(info, index)) for index, each in names.locals.items())
        spaces += ((each, _blocks(info, index)) for index, each in names.labels.items())
    except (IndexError, MalformedModule, InvalidModule):
        return False
    return all(max(each, default=-1) < size for each, size in spaces)


def _locals(info: ModuleInfo, function: int) -> int:
    """The number of a function's parameters and locals."""
    if function < info.imported_functions:
        return len(info.function_type(info.functions[function]).params)
    return len(decode_locals(info, function - info.imported_functions))


_OPENING: Final = {opcode.index for opcode in OPCODES if "blocktype" in opcode.immediates}


def _blocks(info: ModuleInfo, function: int) -> int:
    """The number of blocks in a function."""
    if function < info.imported_functions:
        return 0
    body = decode_body(info, function - info.imported_functions)
    return sum(map(_OPENING.__contains__, body.codes))
