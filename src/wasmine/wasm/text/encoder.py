"""The binary format, written: integers, vectors, sections and names (specification 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from wasmine.wasm.opcodes import BY_NAME, Opcode

HEADER: Final = b"\0asm\1\0\0\0"
END: Final = bytes([BY_NAME["end"].number])
_SHORT: Final = [bytes([value]) for value in range(0x80)]


def unsigned(value: int) -> bytes:
    """An unsigned integer in as few bytes as possible."""
    if value < 0x80:
        return _SHORT[value]
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def signed(value: int) -> bytes:
    """A signed integer in as few bytes as possible."""
    data = bytearray()
    while not -0x40 <= value < 0x40:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value & 0x7F)
    return bytes(data)


def sized(data: bytes | bytearray) -> bytes:
    """Bytes behind their number."""
    return unsigned(len(data)) + data


def text(string: str) -> bytes:
    """A name."""
    return sized(string.encode())


def vector(items: Iterable[bytes]) -> bytes:
    """Items behind their number."""
    items = list(items)
    return unsigned(len(items)) + b"".join(items)


def opcode_bytes(opcode: Opcode) -> bytes:
    """The opcode, with its prefix if it has one."""
    if opcode.prefix:
        return bytes([opcode.prefix]) + unsigned(opcode.number)
    return bytes([opcode.number])


def section(number: int, content: bytes) -> bytes:
    """A section; nothing if it has no content."""
    return bytes([number]) + sized(content) if content else b""


def vector_section(number: int, items: list[bytes]) -> bytes:
    """A section that is a vector; nothing if the vector is empty."""
    return section(number, vector(items)) if items else b""


def custom_section(name: str, content: bytes) -> bytes:
    """A custom section."""
    return section(0, text(name) + content)


def name_map(names: Mapping[int, str]) -> bytes:
    """Names by index, for the name section; nothing if there are none."""
    return vector(unsigned(index) + text(names[index]) for index in sorted(names)) if names else b""


def indirect_name_map(names: Mapping[int, Mapping[int, str]]) -> bytes:
    """Names by two indices, for the name section; nothing if there are none."""
    maps = [(index, name_map(names[index])) for index in sorted(names)]
    items = [unsigned(index) + content for index, content in maps if content]
    return vector(items) if items else b""
