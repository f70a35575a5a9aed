"""Relocatable ELF64 objects as LLVM writes them, little-endian: sections, symbols, relocations.

Only what linking needs is read, in bulk: an object has hundreds of thousands of relocations.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from wasmine.errors import InternalError

SHT_RELA = 4
SHT_NOBITS = 8
SHF_WRITE = 1
SHF_ALLOC = 2
SHF_EXECINSTR = 4
SHF_TLS = 0x400
SHN_UNDEF = 0
SHN_LORESERVE = 0xFF00
STB_LOCAL = 0
STT_FUNC = 2
STT_SECTION = 3

_SHT_SYMTAB = 2
_ET_REL = 1
_IDENTIFICATION = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QIIq")


class Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


class Symbol(NamedTuple):
    name_offset: int
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def binding(self) -> int:
        return self.info >> 4

    @property
    def kind(self) -> int:
        return self.info & 15


class ObjectFile:
    """One object. Raises InternalError if the bytes are not a relocatable object."""

    def __init__(self, data: bytes) -> None:
        if data[: len(_IDENTIFICATION)] != _IDENTIFICATION:
            raise InternalError("not a 64-bit little-endian ELF object")
        self.data = data
        try:
            self._read()
        except (struct.error, IndexError, ValueError) as error:
            raise InternalError(f"malformed ELF object: {error}") from error

    def _read(self) -> None:
        (_, kind, self.machine, _, _, _, table, _, _, _, _, _, count, names_index) = (
            _HEADER.unpack_from(self.data)
        )
        if kind != _ET_REL or names_index >= SHN_LORESERVE or not count:
            raise ValueError("not relocatable, or too many sections")
        rows = list(_SECTION.iter_unpack(self.data[table : table + count * _SECTION.size]))
        names_offset = rows[names_index][4]
        self.sections = [
            Section(
                self._string(names_offset + name), kind, flags, offset, size, link, info, align or 1
            )
            for name, kind, flags, _, offset, size, link, info, align, _ in rows
        ]
        self.symbols: list[Symbol] = []
        self._names_offset = 0
        self._relocations: dict[int, Section] = {}
        for section in self.sections:
            if section.kind == _SHT_SYMTAB:
                self.symbols = list(map(Symbol._make, _SYMBOL.iter_unpack(self.content(section))))
                self._names_offset = self.sections[section.link].offset
            elif section.kind == SHT_RELA:
                self._relocations[section.info] = section

    def content(self, section: Section) -> bytes:
        if section.kind == SHT_NOBITS:
            return bytes(section.size)
        return self.data[section.offset : section.offset + section.size]

    def relocations(self, section: int) -> Iterator[tuple[int, int, int, int]]:
        """(offset in the section, kind, index of the symbol, addend) of each relocation."""
        rela = self._relocations.get(section)
        return _RELOCATION.iter_unpack(self.content(rela) if rela else b"")

    def name(self, symbol: Symbol) -> str:
        """The symbol's name; of a section's symbol, the section's."""
        if symbol.kind == STT_SECTION:
            return self.sections[symbol.section].name
        return self._string(self._names_offset + symbol.name_offset)

    def _string(self, offset: int) -> str:
        return self.data[offset : self.data.index(0, offset)].decode()
