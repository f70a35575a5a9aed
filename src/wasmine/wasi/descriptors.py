"""What a descriptor number of the guest stands for, and the table of those numbers."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Final

from wasmine.wasi.abi import MAX_U64, Errno, ErrnoError, FdFlags, FileType, Rights
from wasmine.wasi.filesystem import Status, Times

_FILE_TYPES: Final = {
    stat.S_IFBLK: FileType.BLOCK_DEVICE,
    stat.S_IFCHR: FileType.CHARACTER_DEVICE,
    stat.S_IFDIR: FileType.DIRECTORY,
    stat.S_IFREG: FileType.REGULAR_FILE,
    stat.S_IFSOCK: FileType.SOCKET_STREAM,
    stat.S_IFLNK: FileType.SYMBOLIC_LINK,
}

# What a program may hold open: one that opens without end holds no memory of the host without end.
_MOST_DESCRIPTORS: Final = 1 << 13
_STANDARD_STREAMS: Final = 3

FILE_ABILITY: Final = (
    Rights.FD_DATASYNC
    | Rights.FD_READ
    | Rights.FD_SEEK
    | Rights.FD_FDSTAT_SET_FLAGS
    | Rights.FD_SYNC
    | Rights.FD_TELL
    | Rights.FD_WRITE
    | Rights.FD_ADVISE
    | Rights.FD_ALLOCATE
    | Rights.FD_FILESTAT_GET
    | Rights.FD_FILESTAT_SET_SIZE
    | Rights.FD_FILESTAT_SET_TIMES
    | Rights.POLL_FD_READWRITE
)
"""What can be done with an open file."""


def file_type(mode: int) -> FileType:
    """The type that `st_mode` names; pipes are UNKNOWN, WASI has no number for them."""
    return _FILE_TYPES.get(stat.S_IFMT(mode), FileType.UNKNOWN)


class Descriptor:
    """Something that the guest holds open. The base can do nothing: subclasses add what they can.

    Buffers are views of guest memory and must not be kept. Offsets and sizes are in bytes. OSError
    becomes the guest's errno.
    """

    ability = Rights(0)
    """The rights that mean something here: what lacks among them is refused, others are errors."""
    no_data = Errno.EBADF
    """Why nothing can be read or written."""
    no_position = Errno.ESPIPE
    """Why there is no place to go to."""

    inheriting = Rights(0)
    flags = FdFlags(0)
    type = FileType.UNKNOWN

    def __init__(self) -> None:
        self.rights = self.ability

    @property
    def rights(self) -> Rights:
        """What may be done with it."""
        return self._rights

    @rights.setter
    def rights(self, rights: Rights) -> None:
        self._rights = rights
        self.lacking = self.ability.value & ~rights.value
        """Of what could be done, the rights to what may not be. A number: flags take their time."""

    def read(self, _buffers: Sequence[memoryview]) -> int:
        """Fills the buffers in order; returns the bytes read, 0 at the end."""
        raise ErrnoError(self.no_data)

    def write(self, _buffers: Sequence[memoryview]) -> int:
        """Writes the buffers in order; returns the bytes written."""
        raise ErrnoError(self.no_data)

    def read_at(self, _buffers: Sequence[memoryview], _offset: int) -> int:
        """Like `read`, from an offset; leaves the position alone."""
        raise ErrnoError(self.no_position)

    def write_at(self, _buffers: Sequence[memoryview], _offset: int) -> int:
        """Like `write`, at an offset; leaves the position alone."""
        raise ErrnoError(self.no_position)

    def seek(self, _offset: int, _whence: int) -> int:
        """Moves the position, by a Whence; returns the new one."""
        raise ErrnoError(self.no_position)

    def set_flags(self, flags: FdFlags) -> None:
        """A stream always appends, and what never waits is non-blocking: no other flag can be had."""
        if flags & ~(FdFlags.APPEND | FdFlags.NONBLOCK):
            raise ErrnoError(Errno.ENOTSUP)
        self.flags = flags

    def status(self) -> Status:
        """About the file behind it; all zero but the type where there is no file."""
        return Status(0, 0, self.type, 0, 0, 0, 0, 0)

    def set_size(self, _size: int) -> None:
        raise ErrnoError(Errno.EINVAL)

    def set_times(self, _times: Times) -> None:
        raise ErrnoError(Errno.EINVAL)

    def allocate(self, _offset: int, _length: int) -> None:
        """Makes sure that there is room for these bytes; the file grows if it is shorter."""
        raise ErrnoError(self.no_position)

    def advise(self, _offset: int, _length: int, _advice: int) -> None:
        """Says how these bytes will be used, by a number that WASI and Linux share."""
        raise ErrnoError(self.no_position)

    def sync(self, only_data: bool) -> None:  # noqa: ARG002
        """Waits until what was written is on the disk."""
        raise ErrnoError(Errno.EINVAL)

    def host_descriptor(self) -> int | None:
        """The host's descriptor to wait on; None means that reads and writes never wait."""
        return None

    def available(self) -> int:
        """The bytes that can be read without waiting, or 1 where nobody knows."""
        return 1

    def close(self) -> None:
        """Lets go of what the guest opened. What the host handed in stays open for the host."""


def host_status(result: os.stat_result) -> Status:
    """What a program may know of the host's record of a file."""
    return Status(
        result.st_dev,
        result.st_ino,
        file_type(result.st_mode),
        result.st_nlink,
        result.st_size,
        *(time & MAX_U64 for time in (result.st_atime_ns, result.st_mtime_ns, result.st_ctime_ns)),
    )


def signed_offset(value: int) -> int:
    """An offset or size that Linux can take. Raises ErrnoError(EINVAL) for 2^63 and more."""
    if value >= 1 << 63:
        raise ErrnoError(Errno.EINVAL)
    return value


class DescriptorTable:
    """The guest's descriptor numbers."""

    def __init__(self, descriptors: Sequence[Descriptor | None]) -> None:
        self._entries = {
            number: entry for number, entry in enumerate(descriptors) if entry is not None
        }
        # No lower number is given out.
        self._lowest = _STANDARD_STREAMS

    def __getitem__(self, number: int) -> Descriptor:
        """The descriptor of this number. Raises ErrnoError(EBADF) when there is none."""
        try:
            return self._entries[number]
        except KeyError:
            raise ErrnoError(Errno.EBADF) from None

    def require(self, number: int, rights: int) -> Descriptor:
        """The descriptor, unless it lacks rights. Raises ErrnoError: EBADF or ENOTCAPABLE.

        What such a descriptor could never do is not refused here: it has an errno of its own.
        """
        descriptor = self._entries.get(number)
        if descriptor is None:
            raise ErrnoError(Errno.EBADF)
        missing = descriptor.lacking & rights
        if missing:
            # As in POSIX, where a file is open for reading, writing, or both.
            one_way = missing & (Rights.FD_READ | Rights.FD_WRITE)
            raise ErrnoError(Errno.EBADF if one_way else Errno.ENOTCAPABLE)
        return descriptor

    def add(self, descriptor: Descriptor) -> int:
        """Gives a descriptor the lowest number that is free. Raises ErrnoError(EMFILE).

        The numbers of the standard streams are not given out again when they are closed: a program
        that goes on printing, as yosys does, would print into the next file that it opens.
        """
        for number in range(self._lowest, _MOST_DESCRIPTORS):
            if number not in self._entries:
                self._entries[number] = descriptor
                self._lowest = number + 1
                return number
        raise ErrnoError(Errno.EMFILE)

    def close(self, number: int) -> None:
        """Forgets a number and closes what the guest opened."""
        descriptor = self[number]
        self._free(number)
        descriptor.close()

    def _free(self, number: int) -> None:
        del self._entries[number]
        if number >= _STANDARD_STREAMS:
            self._lowest = min(self._lowest, number)

    def close_all(self) -> None:
        """Closes what the guest has left open."""
        while self._entries:
            self.close(next(reversed(self._entries)))

    def renumber(self, source: int, target: int) -> None:
        """Moves a descriptor over another, which is closed. Both must be open."""
        entry, replaced = self[source], self[target]
        if source == target:
            return
        self._free(source)
        self._entries[target] = entry
        replaced.close()
