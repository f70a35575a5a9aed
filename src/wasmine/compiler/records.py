"""Shorthands for native records in hand-written LLVM IR.

The runtime's IR reads and writes fields by name; offsets come from the records themselves:

    %v = get ptr Landing.store, %landing        load a field
    put ptr %v, Landing.store, %landing         store a field
    %p = at Landing.jump_buffer, %landing       address of a field

A `volatile` after `get` or `put` is passed on.
"""

from __future__ import annotations

import re
from ctypes import Structure
from itertools import count

from wasmine.abi import boundary, heap, runtime, vmcontext
from wasmine.abi.vmcontext import offset_of

RECORDS: dict[str, type[Structure]] = {
    name: record
    for module in (vmcontext, heap, runtime, boundary)
    for name, record in vars(module).items()
    if isinstance(record, type) and issubclass(record, Structure)
}

_AT = re.compile(r"^( *)(%[\w.]+) = at (\w+)\.(\w+), ([%@][\w.]+)$", re.MULTILINE)
_GET = re.compile(
    r"^( *)(%[\w.]+) = get (volatile )?(\w+) (\w+)\.(\w+), ([%@][\w.]+)$", re.MULTILINE
)
_PUT = re.compile(r"^( *)put (volatile )?(\w+) ([^,]+), (\w+)\.(\w+), ([%@][\w.]+)$", re.MULTILINE)


def expand(text: str) -> str:
    """IR text with the shorthands replaced. KeyError for a record or field that does not exist."""
    fresh = count()

    def address(record: str, field: str, base: str) -> str:
        return f"getelementptr i8, ptr {base}, i64 {offset_of(RECORDS[record], field)}"

    def at(match: re.Match[str]) -> str:
        indent, name, record, field, base = match.groups()
        return f"{indent}{name} = {address(record, field, base)}"

    def get(match: re.Match[str]) -> str:
        indent, name, volatile, kind, record, field, base = match.groups()
        pointer = f"%field.{next(fresh)}"
        return (
            f"{indent}{pointer} = {address(record, field, base)}\n"
            f"{indent}{name} = load {volatile or ''}{kind}, ptr {pointer}"
        )

    def put(match: re.Match[str]) -> str:
        indent, volatile, kind, value, record, field, base = match.groups()
        pointer = f"%field.{next(fresh)}"
        return (
            f"{indent}{pointer} = {address(record, field, base)}\n"
            f"{indent}store {volatile or ''}{kind} {value}, ptr {pointer}"
        )

    return _PUT.sub(put, _GET.sub(get, _AT.sub(at, text)))
