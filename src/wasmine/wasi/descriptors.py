"""What a descriptor number of the guest stands for, and the table of those numbers."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NoReturn

from wasmine.wasi.abi import Errno, ErrnoError, FdFlags, FileType, Rights

_FILE_TYPES = {
    stat.S_IFBLK: FileType.BLOCK_DEVICE,
    stat.S_IFCHR: FileType.CHARACTER_DEVICE,
    stat.S_IFDIR: FileType.DIRECTORY,
    stat.S_IFREG: FileType.REGULAR_FILE,
    stat.S_IFSOCK: FileType.SOCKET_STREAM,
    stat.S_IFLNK: FileType.SYMBOLIC_LINK,
}


def file_type(mode: int) -> FileType:
    """The type that `st_mode` names; pipes are UNKNOWN, WASI has no number for them."""
    return _FILE_TYPES.get(stat.S_IFMT(mode), FileType.UNKNOWN)


class Descriptor:
    """Something that the guest holds open. The base can do nothing: subclasses add what they can.

    Buffers are views of guest memory and must not be kept. OSError becomes the guest's errno.
    """

    rights = Rights(0)
    inheriting = Rights(0)
    flags = FdFlags(0)
    type = FileType.UNKNOWN

    def read(self, _buffers: Sequence[memoryview]) -> int:
        """Fills the buffers in order; returns the bytes read, 0 at the end."""
        raise ErrnoError(Errno.EBADF)

    def write(self, _buffers: Sequence[memoryview]) -> int:
        """Writes the buffers in order; returns the bytes written."""
        raise ErrnoError(Errno.EBADF)

    def host_descriptor(self) -> int | None:
        """The host's descriptor to wait on; None means that reads and writes never wait."""
        return None

    def status(self) -> os.stat_result | None:
        """The host's record about the file behind it; None where there is no file."""
        host = self.host_descriptor()
        return None if host is None else os.fstat(host)


class DescriptorTable:
    """The guest's descriptor numbers."""

    def __init__(self, descriptors: Sequence[Descriptor | None]) -> None:
        self._entries = {
            number: entry for number, entry in enumerate(descriptors) if entry is not None
        }

    def __getitem__(self, number: int) -> Descriptor:
        """The descriptor of this number. Raises ErrnoError(EBADF) when there is none."""
        try:
            return self._entries[number]
        except KeyError:
            raise ErrnoError(Errno.EBADF) from None

    def require(self, number: int, rights: Rights) -> Descriptor:
        """The descriptor, if it has these rights. Raises ErrnoError(EBADF) otherwise."""
        descriptor = self[number]
        if rights not in descriptor.rights:
            raise ErrnoError(Errno.EBADF)
        return descriptor

    def refuse(self, number: int, errno: Errno) -> NoReturn:
        """Raises ErrnoError: EBADF for a number that is not open, `errno` for one that is."""
        raise ErrnoError(errno if number in self._entries else Errno.EBADF)

    def close(self, number: int) -> None:
        """Forgets a number. What the host handed in stays open for the host."""
        del self._entries[self._present(number)]

    def renumber(self, source: int, target: int) -> None:
        """Moves a descriptor over another, which is closed. Both must be open."""
        self._present(target)
        entry = self[source]
        del self._entries[source]
        self._entries[target] = entry

    def _present(self, number: int) -> int:
        if number not in self._entries:
            raise ErrnoError(Errno.EBADF)
        return number
