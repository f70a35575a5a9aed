"""A file of the cache: written once, checked whenever it is opened.

A file, little-endian:

    header     HEADER; its checksum (CRC-32, which misses no damage of up to 32 neighbouring bits)
               covers all that follows the checksum
    places     PLACE for each part: offset and length
    parts      each at a multiple of ALIGNMENT, so that code can be mapped from there
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import stat
import time
from collections.abc import Iterable, Sequence
from struct import Struct
from types import TracebackType
from typing import Final, Self, TypeAlias
from zlib import crc32

from wasmine.errors import ResourceError
from wasmine.frozen import Frozen
from wasmine.vm.code import map_view

Buffer: TypeAlias = bytes | bytearray | memoryview

MAGIC: Final = b"\0wasmin\1"
HEADER: Final = Struct("<8sIIQ32s")  # magic, checksum, parts, length of the file, digest
PLACE: Final = Struct("<QQ")
ALIGNMENT: Final = mmap.PAGESIZE
UNFINISHED: Final = re.compile(r"new-\d+-[0-9a-f]{16}")
"""The names of files while they are written."""
_CHECKED_FROM: Final = 12  # behind magic and checksum
TOUCH_SECONDS: Final = 3600
"""How old the time of the last use in a file may become before it is brought up to date."""

PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR
"""The permissions of all files."""
_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATING: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Key(Frozen):
    """What an entry is found by."""

    kind: str
    digest: bytes

    @property
    def name(self) -> str:
        """The name of the entry's file."""
        return f"{self.kind}-{self.digest.hex()}"


class Entry:
    """A file of the cache that has been found undamaged; it is open until `close`.

    What `part` gave stays mapped afterwards.
    """

    def __init__(self, fd: int, content: memoryview, places: Sequence[tuple[int, int]]) -> None:
        self.fd: Final = fd
        self._open = True
        self._content = content
        self._places = places

    def __len__(self) -> int:
        """How many parts it has."""
        return len(self._places)

    def offset(self, part: int) -> int:
        """Where a part begins in the file: a multiple of the page size."""
        return self._places[part][0]

    def part(self, part: int) -> memoryview:
        """The bytes of a part, in mapped memory."""
        offset, length = self._places[part]
        return self._content[offset : offset + length]

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._open:
            self._open = False
            os.close(self.fd)

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def refusal(status: os.stat_result) -> str | None:
    """Why a directory or file with this status is not used."""
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by other users"
    return None


def read(directory: int, key: Key) -> Entry | None:
    """The entry of this key in a directory, or None if there is none or its file is anything else."""
    try:
        fd = os.open(key.name, _READING, dir_fd=directory)
    except OSError:
        return None
    entry = None
    try:
        entry = _checked(fd, key)
    finally:
        if entry is None:
            os.close(fd)
    return entry


def _checked(fd: int, key: Key) -> Entry | None:
    """The entry in an open file, or None if the file is anything else."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size < HEADER.size or refusal(status):
        return None
    try:
        magic, checksum, count, size, digest = HEADER.unpack(os.pread(fd, HEADER.size, 0))
        if (magic, size, digest) != (MAGIC, status.st_size, key.digest):
            return None
        content = map_view(fd, 0, size)
    except (OSError, ResourceError):
        return None
    if crc32(content[_CHECKED_FROM:]) != checksum:
        return None
    places = list(PLACE.iter_unpack(content[HEADER.size : HEADER.size + count * PLACE.size]))
    now = time.time()
    if abs(now - status.st_mtime) > TOUCH_SECONDS:
        with contextlib.suppress(OSError):  # the file system is read-only
            os.utime(fd, (now, now))
    return Entry(fd, content, places)


def lay_out(key: Key, parts: Sequence[Buffer]) -> tuple[int, list[tuple[int, Buffer]]]:
    """The size of the file for these parts, and what to write where."""
    end = HEADER.size + len(parts) * PLACE.size
    pieces: list[tuple[int, Buffer]] = []
    for part in parts:
        start = (end + ALIGNMENT - 1) & -ALIGNMENT
        pieces.append((start, part))
        end = start + len(part)
    table = b"".join(PLACE.pack(start, len(part)) for start, part in pieces)
    head = HEADER.pack(MAGIC, 0, len(parts), end, key.digest) + table
    checksum = crc32(head[_CHECKED_FROM:])
    filled = len(head)
    for start, part in pieces:
        checksum = crc32(part, crc32(bytes(start - filled), checksum))
        filled = start + len(part)
    head = HEADER.pack(MAGIC, checksum, len(parts), end, key.digest) + table
    return end, [(0, head), *pieces]


def write(directory: int, name: str, size: int, pieces: Iterable[tuple[int, Buffer]]) -> None:
    """Make a file of this size, in place of what has its name: pieces at these places, else zeros.

    Nobody sees it before it is complete. Raises OSError.
    """
    temporary = f"new-{os.getpid()}-{os.urandom(8).hex()}"
    fd = os.open(temporary, _CREATING, PRIVATE, dir_fd=directory)
    try:
        try:
            os.ftruncate(fd, size)
            for start, piece in pieces:
                _write_piece(fd, start, memoryview(piece))
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _write_piece(fd: int, start: int, piece: memoryview) -> None:
    while piece:
        written = os.pwrite(fd, piece, start)
        start += written
        piece = piece[written:]
