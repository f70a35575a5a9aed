"""The sections of a module while its fields are read, and the module that they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from wasmine.wasm.text.context import Context
from wasmine.wasm.text.encoder import (
    HEADER,
    custom_section,
    indirect_name_map,
    name_map,
    section,
    sized,
    text,
    unsigned,
    vector,
    vector_section,
)
from wasmine.wasm.text.instructions import HINT

SECTIONS: Final = {
    "type": 1,
    "import": 2,
    "func": 3,
    "table": 4,
    "memory": 5,
    "tag": 13,
    "global": 6,
    "export": 7,
    "start": 8,
    "elem": 9,
    "datacount": 12,
    "code": 10,
    "data": 11,
}
"""The sections in their order, by the names that `@custom` has for them, with their numbers."""


@dataclass
class Sections:
    """Entries of sections, encoded."""

    entries: dict[str, list[bytes]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    start: bytes | None = None
    custom: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    """Custom sections by place: `before` or `after`, and the name of a section, `first` or `last`."""
    hints: list[bytes] = field(default_factory=list)
    module_name: str | None = None
    local_names: dict[int, dict[int, str]] = field(default_factory=dict)
    label_names: dict[int, dict[int, str]] = field(default_factory=dict)

    def encode(self, context: Context, names: bool) -> bytes:
        """The module, with a name section if that is wanted and has something in it."""
        pieces = [HEADER, *self._custom("before", "first")]
        for name, number in SECTIONS.items():
            pieces += self._custom("before", name)
            if name == "code" and self.hints:
                pieces.append(custom_section(HINT, vector(self.hints)))
            pieces.append(self._section(name, number, context))
            pieces += self._custom("after", name)
        content = self._names(context) if names else b""
        if content:
            pieces.append(custom_section("name", content))
        pieces += self._custom("after", "last")
        return b"".join(pieces)

    def _custom(self, order: str, place: str) -> list[bytes]:
        return self.custom.get((order, place), [])

    def _section(self, name: str, number: int, context: Context) -> bytes:
        match name:
            case "type":
                return vector_section(number, self.entries[name] + context.implicit)
            case "start":
                return section(number, self.start or b"")
            case "datacount":
                return section(number, unsigned(context.data.count)) if context.uses_data else b""
            case _:
                return vector_section(number, self.entries[name])

    def _names(self, context: Context) -> bytes:
        module = text(self.module_name) if self.module_name is not None else b""
        fields = {index: space.names for index, space in context.fields.items()}
        subsections = [
            module,
            name_map(context.functions.names),
            indirect_name_map(self.local_names),
            indirect_name_map(self.label_names),
            name_map(context.types.names),
            name_map(context.tables.names),
            name_map(context.memories.names),
            name_map(context.globals.names),
            name_map(context.elements.names),
            name_map(context.data.names),
            indirect_name_map(fields),
            name_map(context.tags.names),
        ]
        return b"".join(
            bytes([number]) + sized(content)
            for number, content in enumerate(subsections)
            if content
        )
