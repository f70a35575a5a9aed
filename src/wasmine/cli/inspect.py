"""`wasmine validate` and `wasmine inspect`: what a module consists of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TextIO

from wasmine.cli.common import (
    OK,
    Arguments,
    Command,
    add_features,
    add_file,
    features,
    read_module,
    write,
)
from wasmine.wasm.decoder import decode
from wasmine.wasm.module import Kind, ModuleInfo
from wasmine.wasm.validator import validate, validate_module

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_features(parser)
    add_file(parser)


def _validate(arguments: Arguments, *_: TextIO) -> int:
    validate(read_module(arguments.file), features(arguments))
    return OK


def _inspect(arguments: Arguments, stdout: TextIO, _stderr: TextIO) -> int:
    info = decode(read_module(arguments.file), features(arguments))
    validate_module(info)
    write(stdout, _describe(arguments.file, info))
    return OK


# fmt: off
_SECTIONS: Final = (
    "custom", "type", "import", "function", "table", "memory", "global", "export", "start",
    "element", "code", "data", "data count", "tag",
)
# fmt: on


def _describe(path: str, info: ModuleInfo) -> Iterator[str]:
    yield f"{path}: {len(info.data):,} bytes"
    if info.names.module:
        yield f"name: {info.names.module}"
    for field, tools in info.producers.items():
        yield f"{field}: {', '.join(f'{name} {version}'.strip() for name, version in tools)}"
    yield from _block("sections", _describe_sections(info))
    yield from _block("imports", _describe_imports(info))
    exports = (f"{e.name}  {_type_of(info, e.kind, e.index)}" for e in info.exports)
    yield from _block("exports", exports)
    local = len(info.functions) - info.imported_functions
    code = sum(body.end - body.start for body in info.bodies)
    named = len(info.names.functions)
    yield f"functions: {local:,}, {code:,} bytes; {info.imported_functions:,} imported; {named:,} named"
    if info.start is not None:
        yield f"start: function {info.start}"
    for name, types in (
        ("tables", info.tables),
        ("memories", info.memories),
        ("globals", info.globals),
    ):
        yield from _block(name, (f"{index}  {type_}" for index, type_ in enumerate(types)))
    size = sum(segment.end - segment.start for segment in info.data_segments)
    yield f"data segments: {len(info.data_segments):,}, {size:,} bytes"
    items = sum(len(segment.items) for segment in info.elements)
    yield f"element segments: {len(info.elements):,}, {items:,} elements"


def _block(title: str, lines: Iterator[str]) -> Iterator[str]:
    """A title and indented lines; nothing when there are none."""
    for number, line in enumerate(lines):
        if number == 0:
            yield f"{title}:"
        yield f"  {line}"


def _describe_sections(info: ModuleInfo) -> Iterator[str]:
    custom = iter(info.custom_sections)
    for section in info.sections:
        name = _SECTIONS[section.number] if section.number else f'custom "{next(custom).name}"'
        yield f"{name:<24} {section.end - section.start:>12,} bytes at {section.start:#x}"


def _describe_imports(info: ModuleInfo) -> Iterator[str]:
    passed = Counter[Kind]()
    for entry in info.imports:
        yield f"{entry.module}.{entry.name}  {_type_of(info, entry.kind, passed[entry.kind])}"
        passed[entry.kind] += 1


def _type_of(info: ModuleInfo, kind: Kind, index: int) -> str:
    """The kind and type of something by its index, imports first."""
    match kind:
        case "func":
            return f"func {info.function_type(info.functions[index])}"
        case "table":
            return str(info.tables[index])
        case "memory":
            return str(info.memories[index])
        case "global":
            return str(info.globals[index])
        case "tag":
            return f"tag {info.function_type(info.tags[index])}"


VALIDATE: Final = Command(
    "validate", "Check a module; says nothing when it is valid.", _arguments, _validate
)
INSPECT: Final = Command(
    "inspect", "Show what a module imports, exports and consists of.", _arguments, _inspect
)
