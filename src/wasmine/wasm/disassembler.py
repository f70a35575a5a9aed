"""A module as text that assembles back to the same bytes.

Instructions stand one in a line, indented by block, on demand behind their offset in the module.
Modules that are not valid can be shown too, as far as they can be decoded. What the text cannot say
is how an integer was written, in more bytes than it needs or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wasmine.types import GlobalType, MemoryType, TableType
from wasmine.wasm.body import decode_body
from wasmine.wasm.identifiers import Identifiers, Space, quote
from wasmine.wasm.module import ConstExpr, DataSegment, ElementSegment, Import, ModuleInfo
from wasmine.wasm.textformat import InstructionWriter, TypeWriter

_BYTES_PER_LINE: Final = 48
_ITEMS_PER_LINE: Final = 12


def disassemble(info: ModuleInfo, *, offsets: bool = False) -> Iterator[str]:
    """The lines of a whole module, of which no type index has been resolved.

    Raises MalformedModule for a body that cannot be decoded.
    """
    return Disassembler(info, offsets=offsets).module()


class Disassembler:
    """Writes a module that was decoded without resolving its type indices, or functions of it."""

    def __init__(self, info: ModuleInfo, *, offsets: bool = False) -> None:
        self._info = info
        self._offsets = offsets
        self._identifiers = Identifiers(info)
        self._types = TypeWriter(self._identifiers)
        self._code = InstructionWriter(info, self._identifiers, self._types)

    def module(self) -> Iterator[str]:
        """The lines of the whole module."""
        info = self._info
        yield f"(module{self._module_name()}"
        for line in self._fields():
            yield "  " + line
        for index in range(info.imported_functions, len(info.functions)):
            yield from self.function(index)
        for index, data_segment in enumerate(info.data_segments):
            yield from self._data_segment(index, data_segment)
        yield from self._custom_sections()
        yield ")"

    def _module_name(self) -> str:
        name = self._identifiers.names.module
        if name is None:
            return ""
        return Space({0: name}).declare(0) if name else f" (@name {quote(name)})"

    def function(self, index: int) -> Iterator[str]:
        """The lines of the function with this index, which is not imported.

        Raises MalformedModule or InvalidModule if its body cannot be decoded.
        """
        type_ = self._info.function_type(self._info.functions[index])
        body = decode_body(self._info, index - self._info.imported_functions)
        yield f"  {self._function(index)}"
        first = len(type_.params)
        if locals_ := self._types.declared("local", body.locals[first:], first):
            yield f"   {locals_}"
        for offset, line in self._code.body(body, self._identifiers.labels(index)):
            yield f"  (;@{offset:06x};)   {line}" if self._offsets else f"    {line}"
        yield "  )"

    def _function(self, index: int) -> str:
        """A function with its type, and the parenthesis that its body closes."""
        type_index = self._info.functions[index]
        self._identifiers.enter(index)
        signature = self._types.signature(self._info.function_type(type_index))
        name = self._identifiers.functions.head(index)
        return f"(func{name} (type {self._identifiers.types[type_index]}){signature}"

    def _fields(self) -> Iterator[str]:
        """Everything but function bodies, data segments and custom sections."""
        info = self._info
        yield from self._type_section()
        passed = dict.fromkeys(("func", "table", "memory", "global", "tag"), 0)
        for entry in info.imports:
            described = self._external(entry, passed[entry.kind])
            passed[entry.kind] += 1
            yield f"(import {quote(entry.module)} {quote(entry.name)} {described})"
        for index, table in enumerate(info.table_initializers, info.imported_tables):
            value = "" if table is None else f" {self._code.expression(table)}"
            yield f"{self._table(index, info.tables[index])}{value})"
        for index in range(info.imported_memories, len(info.memories)):
            yield f"{self._memory(index, info.memories[index])})"
        for index in range(info.imported_tags, len(info.tags)):
            yield f"{self._tag(index)})"
        for index, initializer in enumerate(info.global_initializers, info.imported_globals):
            initial = self._code.expression(initializer)
            yield f"{self._global(index, info.globals[index])} {initial})"
        spaces = self._spaces()
        for export in info.exports:
            name = spaces[export.kind][export.index]
            yield f"(export {quote(export.name)} ({export.kind} {name}))"
        if info.start is not None:
            yield f"(start {self._identifiers.functions[info.start]})"
        for index, segment in enumerate(info.elements):
            yield from self._element_segment(index, segment)

    def _spaces(self) -> dict[str, Space]:
        names = self._identifiers
        return {
            "func": names.functions,
            "table": names.tables,
            "memory": names.memories,
            "global": names.globals,
            "tag": names.tags,
        }

    # --- types

    def _type_section(self) -> Iterator[str]:
        index = 0
        for first, count in self._info.rec_groups:
            yield from map(self._type, range(index, first))
            index = first + count
            yield "(rec"
            yield from (f"  {self._type(member)}" for member in range(first, index))
            yield ")"
        yield from map(self._type, range(index, len(self._info.types)))

    def _type(self, index: int) -> str:
        text = self._types.composite(self._info.types[index].composite, index)
        declared = self._info.subtypes.get(index)
        if declared is not None:
            above = map(self._identifiers.types.__getitem__, declared.supertypes)
            text = f"({' '.join(['sub', *(['final'] if declared.final else []), *above, text])})"
        return f"(type{self._identifiers.types.head(index)} {text})"

    # --- imports, and what they and definitions have in common: all but the last parenthesis

    def _external(self, entry: Import, index: int) -> str:
        match entry.type:
            case TableType():
                return f"{self._table(index, entry.type)})"
            case MemoryType():
                return f"{self._memory(index, entry.type)})"
            case GlobalType():
                return f"{self._global(index, entry.type)})"
            case _:
                return f"{self._function(index) if entry.kind == 'func' else self._tag(index)})"

    def _table(self, index: int, type_: TableType) -> str:
        size = str(type_).removeprefix("table ").removesuffix(f" {type_.element}")
        element = self._types.value(type_.element)
        return f"(table{self._identifiers.tables.head(index)} {size} {element}"

    def _memory(self, index: int, type_: MemoryType) -> str:
        size = str(type_).removeprefix("memory ")
        return f"(memory{self._identifiers.memories.head(index)} {size}"

    def _global(self, index: int, type_: GlobalType) -> str:
        value = self._types.value(type_.value)
        shown = f"(mut {value})" if type_.mutable else value
        return f"(global{self._identifiers.globals.head(index)} {shown}"

    def _tag(self, index: int) -> str:
        type_index = self._info.tags[index]
        signature = self._types.function(self._info.function_type(type_index))
        name = self._identifiers.tags.head(index)
        return f"(tag{name} (type {self._identifiers.types[type_index]}){signature}"

    # --- segments and custom sections

    def _element_segment(self, index: int, segment: ElementSegment) -> Iterator[str]:
        words = [f"(elem{self._identifiers.elements.head(index)}"]
        if segment.mode == "declarative":
            words.append("declare")
        if segment.offset is not None:
            if segment.has_table:
                words.append(f"(table {self._identifiers.tables[segment.table]})")
            words.append(self._offset(segment.offset))
        if segment.has_expressions:
            words.append(self._types.value(segment.type))
            items = [f"(item {self._code.expression(item)})" for item in segment.items]
        else:
            words.append("func")
            # each is the expression `ref.func`
            items = [self._code.expression(item).split(" ", 1)[1] for item in segment.items]
        if len(items) <= _ITEMS_PER_LINE:
            yield f"{' '.join([*words, *items])})"
            return
        yield " ".join(words)
        for start in range(0, len(items), _ITEMS_PER_LINE):
            yield f"  {' '.join(items[start : start + _ITEMS_PER_LINE])}"
        yield ")"

    def _offset(self, expression: ConstExpr) -> str:
        return f"(offset {self._code.expression(expression)})"

    def _data_segment(self, index: int, segment: DataSegment) -> Iterator[str]:
        words = [f"(data{self._identifiers.data_segments.head(index)}"]
        if segment.offset is not None:
            if segment.memory:
                words.append(f"(memory {self._identifiers.memories[segment.memory]})")
            words.append(self._offset(segment.offset))
        yield from self._bytes(" ".join(words), segment.start, segment.end)

    def _bytes(self, head: str, start: int, end: int) -> Iterator[str]:
        """A field whose content is these bytes of the module."""
        data = self._info.data
        if end - start <= _BYTES_PER_LINE:
            yield f"  {head} {quote(data[start:end])})"
            return
        yield f"  {head}"
        for position in range(start, end, _BYTES_PER_LINE):
            yield f"    {quote(data[position : min(position + _BYTES_PER_LINE, end)])}"
        yield "  )"

    def _custom_sections(self) -> Iterator[str]:
        """Sections without a meaning, but for the name section where identifiers say it."""
        place = "(before first)"
        custom = iter(self._info.custom_sections)
        for part in self._info.sections:
            if part.number:
                place = _PLACES[part.number]
                continue
            section = next(custom)
            if section is self._identifiers.section:
                place = "(after last)"  # the name section comes before those that are last
                continue
            yield from self._bytes(
                f"(@custom {quote(section.name)} {place}", section.start, section.end
            )


_PLACES: Final = {
    1: "(after type)",
    2: "(after import)",
    3: "(after func)",
    4: "(after table)",
    5: "(after memory)",
    6: "(after global)",
    7: "(after export)",
    8: "(after start)",
    9: "(after elem)",
    10: "(after code)",
    11: "(after data)",
    12: "(before code)",
    13: "(after tag)",
}
"""Where a custom section stands that follows the section with this number."""
