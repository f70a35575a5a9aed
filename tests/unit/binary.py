"""Modules put together byte by byte, for tests of what no assembler writes."""

from __future__ import annotations

HEADER = b"\0asm\1\0\0\0"


def unsigned(value: int) -> bytes:
    """LEB128 in the fewest bytes."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + unsigned(value >> 7)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + unsigned(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    return unsigned(len(text.encode())) + text.encode()


def functions(*bodies: bytes) -> bytes:
    """A module of functions without parameters and results; each body begins with its locals."""
    code = vector([unsigned(len(body)) + body for body in bodies])
    types = section(1, b"\1\x60\0\0")
    return HEADER + types + section(3, vector([b"\0"] * len(bodies))) + section(10, code)


def function(code: bytes) -> bytes:
    """A module of one function with this code, which its final `end` is added to."""
    return functions(b"\0" + code + b"\x0b")
