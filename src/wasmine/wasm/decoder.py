"""From bytes to `ModuleInfo`: the sections of a module, but not the bodies of its functions."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import FUNCREF, GlobalType, MemoryType, RefType, TableType, ref
from wasmine.wasm import limits
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.immediates import read_constant_expression
from wasmine.wasm.module import (
    ConstExpr,
    CustomSection,
    DataSegment,
    DataSegments,
    ElementSegment,
    Export,
    FunctionItems,
    Import,
    Kind,
    ModuleInfo,
    Section,
)
from wasmine.wasm.opcodes import by_name
from wasmine.wasm.reader import IntegerError, Reader, read_signed, read_unsigned
from wasmine.wasm.typecodes import (
    read_element_type,
    read_global_type,
    read_memory_type,
    read_rec_type,
    read_table_type,
)

MAGIC: Final = b"\0asm"
VERSION: Final = b"\1\0\0\0"

MANY_SEGMENTS: Final = 5000
"""From here on finding all data segments takes longer than asking whether they are known."""

_LONGEST_U32: Final = 5
_PLAIN: Final = bytes((0, by_name("i32.const").code))
"""How nearly all data segments begin."""
_END: Final = by_name("end").code


def decode(
    data: bytes,
    features: Features = DEFAULT,
    *,
    resolve: bool = True,
    find_data: Callable[[], DataSegments | None] | None = None,
) -> ModuleInfo:
    """Reads the sections of a module that may use these features.

    Without `resolve`, type indices stay as they are written, for printing. Raises MalformedModule
    with the offset of what is wrong, or InvalidModule where only a later proposal allows it.
    If there are MANY_SEGMENTS or more, `find_data` may give those that were found before in the same bytes.
    """
    if len(data) > limits.MODULE_SIZE:
        raise MalformedModule(f"module too large: {len(data)} bytes", 0)
    reader = Reader(data)
    if reader.bytes(4) != MAGIC:
        raise MalformedModule("magic header not detected", 0)
    if reader.bytes(4) != VERSION:
        raise MalformedModule("unknown binary version", 4)
    info = ModuleInfo(data, features, resolve)
    info.find_data = find_data
    last = 0
    try:
        while not reader.at_end:
            last = _read_section(reader, info, last)
    except MalformedModule:
        _check_bodies(info)
        raise
    _check_counts(info, len(data))
    return info


def _check_bodies(info: ModuleInfo) -> None:
    """Raises the error of a function body in a module with an error behind its bodies.

    A body that is longer than its size says is found here: what follows is taken for a section.
    """
    from wasmine.wasm.body import decode_body

    for local_index in range(min(len(info.bodies), len(info.functions) - info.imported_functions)):
        # a body that is only invalid is well-formed: not the error that is looked for
        with suppress(InvalidModule):
            decode_body(info, local_index)


def _read_section(reader: Reader, info: ModuleInfo, last: int) -> int:
    """Reads one section after the one at place `last` in the order. Returns its own place."""
    offset = reader.offset
    section = reader.byte()
    if section != 0 and section not in _SECTIONS:
        raise MalformedModule("malformed section id", offset)
    if section in _PROPOSALS:
        info.features.require(_PROPOSALS[section], "malformed section id", offset)
    size = reader.u32()
    if size > len(reader.data) - reader.position:
        raise MalformedModule("length out of bounds", reader.offset)
    info.sections.append(Section(section, reader.position, reader.position + size))
    if section == 0:
        _read_custom(reader, info, size)
        return last
    end = reader.position + size
    place = _ORDER.index(section) + 1
    if place <= last:
        raise MalformedModule("unexpected content after last section", offset)
    # as in the specification, what a section holds may run over its end and be wrong there
    _SECTIONS[section](reader, info)
    if reader.position != end:
        raise reader.error("section size mismatch")
    return place


def _check_counts(info: ModuleInfo, offset: int) -> None:
    if len(info.bodies) != len(info.functions) - info.imported_functions:
        raise MalformedModule("function and code section have inconsistent lengths", offset)
    if info.data_count is not None and info.data_count != len(info.data_segments):
        raise MalformedModule("data count and data section have inconsistent lengths", offset)


def _read_custom(reader: Reader, info: ModuleInfo, size: int) -> None:
    # The section may be most of the module: no more of it is copied than its name takes.
    start = reader.position
    length = reader.part(min(size, _LONGEST_U32)).u32()
    reader.position = start
    part = reader.part(min(size, _LONGEST_U32 + length))
    name = part.name(limits.NAME_SIZE, "name of a custom section")
    reader.position = start + size
    info.custom_sections.append(CustomSection(name, part.offset, reader.offset))


def _read_types(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.TYPES, "types")):
        read_rec_type(reader, info)


def _read_imports(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.IMPORTS, "imports")):
        module = reader.name(limits.NAME_SIZE, "module name")
        name = reader.name(limits.NAME_SIZE, "import name")
        kind = _read_kind(reader, info, "import")
        info.imports.append(Import(module, name, kind, _read_import_type(reader, info, kind)))
    info.imported_functions = len(info.functions)
    info.imported_tables = len(info.tables)
    info.imported_memories = len(info.memories)
    info.imported_globals = len(info.globals)
    info.imported_tags = len(info.tags)


def _read_import_type(
    reader: Reader, info: ModuleInfo, kind: Kind
) -> int | TableType | MemoryType | GlobalType:
    """The type of an import, which also begins the index space of its kind."""
    info.places[kind].append(reader.offset)
    match kind:
        case "func":
            info.functions.append(reader.u32())
            return info.functions[-1]
        case "table":
            info.tables.append(read_table_type(reader, info))
            return info.tables[-1]
        case "memory":
            info.memories.append(read_memory_type(reader, info))
            return info.memories[-1]
        case "global":
            info.globals.append(read_global_type(reader, info))
            return info.globals[-1]
        case "tag":
            info.tags.append(_read_tag(reader))
            return info.tags[-1]


_KINDS: Final[tuple[Kind, ...]] = ("func", "table", "memory", "global", "tag")


_EXCEPTIONS: Final = ("exceptions", "legacy-exceptions")
"""Tags came with either."""


def _read_kind(reader: Reader, info: ModuleInfo, what: str) -> Kind:
    code = reader.byte()
    phrase = f"malformed {what} kind"
    if code >= len(_KINDS):
        raise reader.error(phrase, back=1)
    if _KINDS[code] == "tag":
        info.features.require(_EXCEPTIONS, phrase, reader.offset - 1)
    return _KINDS[code]


def _read_tag(reader: Reader) -> int:
    if reader.byte():
        raise reader.error("malformed tag attribute", back=1)
    return reader.u32()


def _read_functions(reader: Reader, info: ModuleInfo) -> None:
    # Only whole modules have this section, so that positions are offsets.
    types, places = reader.u32s(reader.count(limits.FUNCTIONS, "functions"))
    info.functions += types
    info.places["func"].extend(places)


def _read_tables(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.TABLES, "tables")):
        initializer = None
        info.places["table"].append(reader.offset)
        if reader.data[reader.position : reader.position + 2] == b"\x40\x00":
            info.features.require("function-references", "malformed reference type", reader.offset)
            reader.position += 2
            info.tables.append(read_table_type(reader, info))
            initializer = read_constant_expression(reader, info)
        else:
            info.tables.append(read_table_type(reader, info))
        info.table_initializers.append(initializer)


def _read_memories(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.MEMORIES, "memories")):
        info.places["memory"].append(reader.offset)
        info.memories.append(read_memory_type(reader, info))


def _read_tags(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.TAGS, "tags")):
        info.places["tag"].append(reader.offset)
        info.tags.append(_read_tag(reader))


def _read_globals(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.GLOBALS, "globals")):
        info.places["global"].append(reader.offset)
        info.globals.append(read_global_type(reader, info))
        info.global_initializers.append(read_constant_expression(reader, info))


def _read_exports(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.EXPORTS, "exports")):
        info.places["export"].append(reader.offset)
        name = reader.name(limits.NAME_SIZE, "export name")
        kind = _read_kind(reader, info, "export")
        info.exports.append(Export(name, kind, reader.u32()))


def _read_start(reader: Reader, info: ModuleInfo) -> None:
    info.places["start"].append(reader.offset)
    info.start = reader.u32()


# Bits of the number before an element segment. Two of them have two meanings.
_PASSIVE_OR_DECLARATIVE: Final = 1
_HAS_TABLE: Final = 2
_DECLARATIVE: Final = 2
_EXPRESSIONS: Final = 4


def _read_elements(reader: Reader, info: ModuleInfo) -> None:
    for _ in range(reader.count(limits.ELEMENT_SEGMENTS, "element segments")):
        info.elements.append(_read_element_segment(reader, info))


def _read_element_segment(reader: Reader, info: ModuleInfo) -> ElementSegment:
    start = reader.offset
    flags = reader.u32()
    phrase = "malformed elements segment kind"
    if flags > 7:
        raise MalformedModule(phrase, start)
    if flags:
        passive = flags & (_PASSIVE_OR_DECLARATIVE | _HAS_TABLE) == _PASSIVE_OR_DECLARATIVE
        more = () if passive else ("reference-types",)
        info.features.require(("bulk-memory", *more), phrase, start)
    mode: Literal["active", "passive", "declarative"] = "active"
    table, offset = 0, None
    if flags & _PASSIVE_OR_DECLARATIVE:
        mode = "declarative" if flags & _DECLARATIVE else "passive"
    else:
        table = reader.u32() if flags & _HAS_TABLE else 0
        offset = read_constant_expression(reader, info)
    type_: RefType = FUNCREF if flags & _EXPRESSIONS else ref("func", nullable=False)
    if flags & (_PASSIVE_OR_DECLARATIVE | _HAS_TABLE):
        if flags & _EXPRESSIONS:
            type_ = read_element_type(reader, info)
        elif reader.byte():
            raise reader.error("malformed element kind", back=1)
    count = reader.count(limits.SEGMENT_ELEMENTS, "elements of a segment")
    items: Sequence[ConstExpr]
    if flags & _EXPRESSIONS:
        items = [read_constant_expression(reader, info) for _ in range(count)]
    else:
        items = _read_function_items(reader, info, count)
    return ElementSegment(flags, mode, type_, table, offset, items)


def _read_function_items(reader: Reader, info: ModuleInfo, count: int) -> FunctionItems:
    start = reader.offset
    return FunctionItems(array("I", reader.u32s(count)[0]), info.data, start)


def _read_data_count(reader: Reader, info: ModuleInfo) -> None:
    info.data_count = reader.count(limits.DATA_SEGMENTS, "data segments")


def _read_code(reader: Reader, info: ModuleInfo) -> None:
    count = reader.count(limits.FUNCTIONS, "functions")
    add_start, add_end = info.bodies.starts.append, info.bodies.ends.append
    data, largest = reader.data, limits.FUNCTION_SIZE
    for _ in range(count):
        position = reader.position
        # In place, for the sake of modules with a hundred thousand functions.
        size = data[position] if position < len(data) else 0x80
        if size < 0x80:
            reader.position = start = position + 1
        else:
            size = reader.u32()
            start = reader.position
            if size > largest:
                raise reader.error(f"function too large: {size} bytes", back=1)
        reader.skip(size)
        add_start(start)
        add_end(start + size)


def _read_data(reader: Reader, info: ModuleInfo) -> None:
    count = reader.count(limits.DATA_SEGMENTS, "data segments")
    known = info.find_data() if info.find_data and count >= MANY_SEGMENTS else None
    if known is not None and len(known) == count:
        info.data_segments = known
        reader.position = known.ends[-1]
        return
    for _ in range(count):
        if not _read_plain_data_segment(reader, info):
            info.data_segments.append(_read_data_segment(reader, info))


def _read_plain_data_segment(reader: Reader, info: ModuleInfo) -> bool:
    """Reads an active segment at an `i32.const`; False, and nothing read, if the next one is anything
    else or malformed."""
    data, position = reader.data, reader.position
    if data[position : position + 2] != _PLAIN:
        return False
    try:
        address, end = read_signed(data, position + 2, 32)
        if data[end] != _END:
            return False
        size, start = read_unsigned(data, end + 1, 32)
    except (IntegerError, IndexError):
        return False
    end = start + size
    if end > len(data):
        return False
    info.data_segments.append_plain(address & 0xFFFF_FFFF, position + 1, start, end)
    reader.position = end
    return True


def _read_data_segment(reader: Reader, info: ModuleInfo) -> DataSegment:
    start = reader.offset
    flags = reader.u32()
    phrase = "malformed data segment kind"
    if flags > 2:
        raise MalformedModule(phrase, start)
    if flags:
        more = ("multi-memory",) if flags == 2 else ()
        info.features.require(("bulk-memory", *more), phrase, start)
    memory = reader.u32() if flags == 2 else 0
    offset = None if flags == 1 else read_constant_expression(reader, info)
    size = reader.u32()
    start = reader.position
    reader.skip(size)
    mode: Literal["active", "passive"] = "passive" if flags == 1 else "active"
    return DataSegment(mode, memory, offset, start, start + size)


_SECTIONS: Final[dict[int, Callable[[Reader, ModuleInfo], None]]] = {
    1: _read_types,
    2: _read_imports,
    3: _read_functions,
    4: _read_tables,
    5: _read_memories,
    6: _read_globals,
    7: _read_exports,
    8: _read_start,
    9: _read_elements,
    10: _read_code,
    11: _read_data,
    12: _read_data_count,
    13: _read_tags,
}
_ORDER: Final = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
"""The identifiers of the sections other than custom ones, in the order that modules keep."""
_PROPOSALS: Final[dict[int, str | tuple[str, ...]]] = {12: "bulk-memory", 13: _EXCEPTIONS}
"""The proposals one of which is needed for a section."""
