"""The custom sections `name` and `producers`.

They are no part of what a module means, so what cannot be read of them is left out and nothing is
raised.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from wasmine.errors import MalformedModule
from wasmine.wasm.reader import Reader

NameMap: TypeAlias = dict[int, str]
IndirectNameMap: TypeAlias = dict[int, NameMap]


class Names:
    """Names by index; of what lies inside a function or type, by its index first."""

    def __init__(self) -> None:
        self.module: str | None = None
        self.functions: NameMap = {}
        self.locals: IndirectNameMap = {}
        self.labels: IndirectNameMap = {}
        self.types: NameMap = {}
        self.tables: NameMap = {}
        self.memories: NameMap = {}
        self.globals: NameMap = {}
        self.elements: NameMap = {}
        self.data_segments: NameMap = {}
        self.fields: IndirectNameMap = {}
        self.tags: NameMap = {}


def read_names(content: bytes) -> Names:
    """The content of a name section, as far as it can be read."""
    names = Names()
    reader = Reader(content)
    with suppress(MalformedModule):
        while not reader.at_end:
            number = reader.byte()
            part = reader.part(reader.u32())
            if number in _SUBSECTIONS:
                attribute, read = _SUBSECTIONS[number]
                with suppress(MalformedModule):
                    read(part, names, attribute)
    return names


def _read_name(reader: Reader) -> str:
    return reader.bytes(reader.u32()).decode("utf-8", "replace")


def _read_module_name(reader: Reader, names: Names, _attribute: str) -> None:
    names.module = _read_name(reader)


def _read_map(reader: Reader, found: NameMap) -> None:
    for _ in range(reader.u32()):
        index = reader.u32()
        found[index] = _read_name(reader)


def _read_name_map(reader: Reader, names: Names, attribute: str) -> None:
    _read_map(reader, getattr(names, attribute))


def _read_indirect_map(reader: Reader, names: Names, attribute: str) -> None:
    found: IndirectNameMap = getattr(names, attribute)
    for _ in range(reader.u32()):
        _read_map(reader, found.setdefault(reader.u32(), {}))


_SUBSECTIONS: Final[dict[int, tuple[str, Callable[[Reader, Names, str], None]]]] = {
    0: ("module", _read_module_name),
    1: ("functions", _read_name_map),
    2: ("locals", _read_indirect_map),
    3: ("labels", _read_indirect_map),
    4: ("types", _read_name_map),
    5: ("tables", _read_name_map),
    6: ("memories", _read_name_map),
    7: ("globals", _read_name_map),
    8: ("elements", _read_name_map),
    9: ("data_segments", _read_name_map),
    10: ("fields", _read_indirect_map),
    11: ("tags", _read_name_map),
}


def encode_names(names: Names) -> bytes:
    """The content of a name section that says the same: parts and indices in ascending order."""
    # Few programs write one.
    from wasmine.wasm.text.encoder import indirect_name_map, name_map, section, text

    parts = []
    for number, (attribute, read) in _SUBSECTIONS.items():
        content = getattr(names, attribute)
        if read is _read_module_name:
            encoded = b"" if content is None else text(content)
        else:
            encode = indirect_name_map if read is _read_indirect_map else name_map
            encoded = encode(content)
        parts.append(section(number, encoded))
    return b"".join(parts)


def read_producers(content: bytes) -> dict[str, list[tuple[str, str]]]:
    """The content of a producers section, as far as it can be read."""
    fields: dict[str, list[tuple[str, str]]] = {}
    reader = Reader(content)
    with suppress(MalformedModule):
        for _ in range(reader.u32()):
            values = fields.setdefault(_read_name(reader), [])
            for _ in range(reader.u32()):
                name = _read_name(reader)
                values.append((name, _read_name(reader)))
    return fields
