"""The Image: machine code that runs wherever it is mapped, and what is known about it.

Analogous to a shared library without a dynamic linker. `code` holds the functions and after them
their constants; it contains no address, so it can be mapped read-only straight from a file. What
lies outside is reached through the address table: one 8-byte cell for each name in `slots`, on the
page behind `code`, which whoever maps the image fills in. This module knows the record and its
serialised form; it knows neither how images are made nor how they are mapped.

The serialised form, little-endian, in this order (sizes are in the header):

    header       HEADER; its first digest covers everything in front of `code` but the digest itself
    functions    FUNCTION for each function, sorted by start
    names        the functions' names, then the slots', in UTF-8, each ended by a zero byte
    padding      zeros up to a multiple of `page`
    code         and zeros up to a multiple of `page`
    frames       see `unwind`; the header's second digest covers `code` and all that follows
    lines        see `wasm_offset`
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from struct import Struct
from typing import NamedTuple

from wasmine.abi.digest import blake2b
from wasmine.abi.linetable import PcTable, read_line_programs
from wasmine.abi.unwind import FrameTable
from wasmine.errors import DeserializeError, InternalError
from wasmine.frozen import Frozen

MAGIC = b"\0wasmine"
FORMAT_VERSION = 2
SLOT_SIZE = 8

_PREFIX = Struct("<8sII")  # magic, format version, zero
_DIGEST_SIZE = 32
# digest of code and what follows; machine, page, functions, slots;
# sizes of names, code, text, frames, lines
_SIZES = Struct(f"<{_DIGEST_SIZE}s4I5Q")
_SIZES_OFFSET = _PREFIX.size + _DIGEST_SIZE
HEADER_SIZE = _SIZES_OFFSET + _SIZES.size
_FUNCTION = Struct("<3I")  # start, size, frame size


class FunctionExtent(NamedTuple):
    """A function's place in an image, in bytes from the start of its code."""

    name: str
    start: int
    size: int
    frame_size: int
    """The largest distance in the function from the stack pointer to the canonical frame address
    (the stack pointer before the call instruction pushed anything); 0 where it is not constant."""


class Header(NamedTuple):
    """What the first HEADER_SIZE bytes of a serialised image say: counts, and sizes in bytes."""

    body_digest: bytes
    machine: int
    page: int
    functions: int
    slots: int
    names_size: int
    code_size: int
    text_size: int
    frames_size: int
    lines_size: int

    @property
    def names_offset(self) -> int:
        return HEADER_SIZE + self.functions * _FUNCTION.size

    @property
    def code_offset(self) -> int:
        return round_up(self.names_offset + self.names_size, self.page)

    @property
    def frames_offset(self) -> int:
        return self.code_offset + round_up(self.code_size, self.page)

    @property
    def total_size(self) -> int:
        return self.frames_offset + self.frames_size + self.lines_size

    @classmethod
    def read(cls, data: bytes | memoryview) -> Header:
        """The header at the start of `data`, of which only HEADER_SIZE bytes are looked at.

        Raises DeserializeError if they are not the header of an image of this format.
        """
        if bytes(data[: len(MAGIC)]) != MAGIC[: len(data)]:
            raise DeserializeError("not a compiled module: the magic number is missing")
        if len(data) < HEADER_SIZE:
            raise DeserializeError(
                f"truncated: {len(data)} bytes where a header of {HEADER_SIZE} is needed"
            )
        _, version, _ = _PREFIX.unpack_from(data)
        if version != FORMAT_VERSION:
            raise DeserializeError(
                f"compiled by another version: image format {version}, expected {FORMAT_VERSION}"
            )
        header = cls(*_SIZES.unpack_from(data, _SIZES_OFFSET))
        if header.page < 4096 or header.page & (header.page - 1):
            raise DeserializeError(f"corrupt: a page size of {header.page}")
        return header


class Image(Frozen, namespace=True):
    """Position-independent machine code with the tables that describe it."""

    machine: int
    """The processor, as ELF numbers it (e_machine)."""
    page: int
    """The address table starts at the first multiple of this at or behind the end of `code`."""
    code: bytes | memoryview
    text_size: int
    """How much of `code` is instructions; constants follow."""
    functions: tuple[FunctionExtent, ...]
    """Sorted by start."""
    slots: tuple[str, ...]
    """What the cells of the address table are to hold the addresses of."""
    frames: bytes
    """A FrameTable, packed."""
    lines: bytes
    """The line programs, packed: see `linetable`."""

    @property
    def table_offset(self) -> int:
        """Where the address table starts, in bytes from the start of the code."""
        return round_up(len(self.code), self.page)

    @property
    def table_size(self) -> int:
        return len(self.slots) * SLOT_SIZE

    def function_at(self, offset: int) -> FunctionExtent | None:
        """The function whose instructions cover `offset`; for a return address pass it minus one,
        because a call that does not return may be the last instruction of its function."""
        position = bisect_right(self._starts, offset) - 1
        if position < 0:
            return None
        function = self.functions[position]
        return function if offset < function.start + function.size else None

    def extent(self, name: str) -> FunctionExtent:
        """The function of that name; the first, if several objects have a local function of it.

        Raises InternalError if there is none.
        """
        try:
            return self.functions[self._positions[name]]
        except KeyError:
            raise InternalError(f"the image has no function {name!r}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def wasm_offset(self, offset: int) -> int | None:
        """The byte offset in the module of the instruction that the code at `offset` came from.

        None where it is unknown. For a return address pass it minus one: the row of the call ends
        where the call does. The first look-up decodes the table of the whole image.
        """
        return self._line_table.find(offset) or None

    def frame_size_at(self, offset: int) -> int | None:
        """The bytes from the stack pointer to the canonical frame address when the instruction at
        `offset` is about to run; None where that is unknown.

        Unlike the function's `frame_size` this holds everywhere: LLVM moves a prologue behind the
        early exits of a function, and code there faults or calls before the frame is complete.
        For a return address pass it minus one.
        """
        row = self.frame_table.find(offset)
        return row.size - 1 if row is not None and row.size else None

    @cached_property
    def _starts(self) -> list[int]:
        return [function.start for function in self.functions]

    @cached_property
    def _positions(self) -> dict[str, int]:
        positions: dict[str, int] = {}
        for index, function in enumerate(self.functions):
            positions.setdefault(function.name, index)
        return positions

    @cached_property
    def _line_table(self) -> PcTable:
        return read_line_programs(self.lines)

    @cached_property
    def frame_table(self) -> FrameTable:
        """The frames, decoded."""
        return FrameTable.unpack(self.frames)

    def to_bytes(self) -> bytes:
        """The serialised form. If it is placed at a multiple of `page` in a file, its code can be
        mapped from there."""
        names = _join([function.name for function in self.functions]) + _join(self.slots)
        body = b"".join(
            (
                self.code,
                bytes(self.table_offset - len(self.code)),
                self.frames,
                self.lines,
            )
        )
        header = Header(
            blake2b(body, digest_size=_DIGEST_SIZE).digest(),
            self.machine,
            self.page,
            len(self.functions),
            len(self.slots),
            len(names),
            len(self.code),
            self.text_size,
            len(self.frames),
            len(self.lines),
        )
        head = b"".join(
            (
                _SIZES.pack(*header),
                *(_FUNCTION.pack(*function[1:]) for function in self.functions),
                names,
                bytes(header.code_offset - header.names_offset - len(names)),
            )
        )
        prefix = _PREFIX.pack(MAGIC, FORMAT_VERSION, 0)
        return b"".join((prefix, _head_digest(prefix, head), head, body))

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, *, verify: bool = True) -> Image:
        """The image with this serialised form.

        A memoryview must be of bytes; the code is then a part of it and nothing is copied.
        With `verify` off the digest of code and tables is left unchecked (the one of header and
        names never is), so that the pages of a large image are read only when they are needed.
        Raises DeserializeError, saying what is wrong.
        """
        header = Header.read(data)
        view = memoryview(data)
        if len(view) < header.code_offset:
            raise DeserializeError(
                f"truncated: {len(view)} bytes where {header.code_offset} are needed"
            )
        digest = bytes(view[_PREFIX.size : _SIZES_OFFSET])
        head = view[_SIZES_OFFSET : header.code_offset]
        if _head_digest(view[: _PREFIX.size], head) != digest:
            raise DeserializeError("corrupt: the header does not match its checksum")
        if len(view) != header.total_size:
            state = "truncated" if len(view) < header.total_size else "corrupt"
            raise DeserializeError(
                f"{state}: {len(view)} bytes where {header.total_size} are expected"
            )
        body = view[header.code_offset :]
        if verify and blake2b(body, digest_size=_DIGEST_SIZE).digest() != header.body_digest:
            raise DeserializeError("corrupt: the code does not match its checksum")
        return cls._assemble(header, data)

    @classmethod
    def _assemble(cls, header: Header, data: bytes | memoryview) -> Image:
        names_end = header.names_offset + header.names_size
        names = bytes(data[header.names_offset : names_end]).decode().split("\0")
        rows = _FUNCTION.iter_unpack(data[HEADER_SIZE : header.names_offset])
        lines_offset = header.frames_offset + header.frames_size
        return cls(
            machine=header.machine,
            page=header.page,
            code=data[header.code_offset : header.code_offset + header.code_size],
            text_size=header.text_size,
            functions=tuple(
                FunctionExtent(name, *row) for name, row in zip(names, rows, strict=False)
            ),
            slots=tuple(names[header.functions : -1]),
            frames=bytes(data[header.frames_offset : lines_offset]),
            lines=bytes(data[lines_offset : header.total_size]),
        )


def round_up(size: int, multiple: int) -> int:
    """The smallest number at or above `size` that `multiple`, a power of two, divides."""
    return (size + multiple - 1) & -multiple


def _join(names: Sequence[str]) -> bytes:
    return b"".join(name.encode() + b"\0" for name in names)


def _head_digest(prefix: bytes | memoryview, head: bytes | memoryview) -> bytes:
    digest = blake2b(prefix, digest_size=_DIGEST_SIZE)
    digest.update(head)
    return digest.digest()
