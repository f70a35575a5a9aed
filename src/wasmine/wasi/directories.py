"""Directories that the guest holds open: those that were granted, and those below."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import Final

from wasmine.wasi.abi import DIRENT, Errno, ErrnoError, FileType, Rights
from wasmine.wasi.context import Context
from wasmine.wasi.descriptors import FILE_ABILITY, Descriptor
from wasmine.wasi.filesystem import Directory, Entry, Status, Times

DIRECTORY_ABILITY: Final = (
    Rights.FD_FDSTAT_SET_FLAGS
    | Rights.FD_SYNC
    | Rights.FD_DATASYNC
    | Rights.PATH_CREATE_DIRECTORY
    | Rights.PATH_CREATE_FILE
    | Rights.PATH_LINK_SOURCE
    | Rights.PATH_LINK_TARGET
    | Rights.PATH_OPEN
    | Rights.FD_READDIR
    | Rights.PATH_READLINK
    | Rights.PATH_RENAME_SOURCE
    | Rights.PATH_RENAME_TARGET
    | Rights.PATH_FILESTAT_GET
    | Rights.PATH_FILESTAT_SET_SIZE
    | Rights.PATH_FILESTAT_SET_TIMES
    | Rights.FD_FILESTAT_GET
    | Rights.FD_FILESTAT_SET_TIMES
    | Rights.PATH_SYMLINK
    | Rights.PATH_REMOVE_DIRECTORY
    | Rights.PATH_UNLINK_FILE
)
"""What can be done with an open directory."""


class OpenDirectory(Descriptor):
    """A directory behind a descriptor. `name` is the guest's path of one that was granted."""

    ability = DIRECTORY_ABILITY
    no_data = Errno.EISDIR
    no_position = Errno.EISDIR
    type = FileType.DIRECTORY

    def __init__(self, directory: Directory, name: bytes | None = None) -> None:
        super().__init__()
        self.directory = directory
        self.name = name
        self.inheriting = DIRECTORY_ABILITY | FILE_ABILITY
        # What was listed, as records of fd_readdir, and where in there each of them begins.
        self._records = bytearray()
        self._starts = array("Q")

    def status(self) -> Status:
        return self.directory.status()

    def set_times(self, times: Times) -> None:
        self.directory.set_times(None, times)

    def set_size(self, _size: int) -> None:
        raise ErrnoError(Errno.EISDIR)

    def sync(self, only_data: bool) -> None:
        self.directory.sync(only_data)

    def list(self, cookie: int, length: int) -> bytes:
        """Entries from a cookie on, as records and names, of which the last may be cut off.

        A cookie is a position in what the directory held when it was read from the start: whoever
        deletes and creates while listing meets each name at most once.
        """
        if cookie == 0 or not self._starts:
            self._read_entries()
        if cookie >= len(self._starts):
            return b""
        start = self._starts[cookie]
        return bytes(self._records[start : start + length])

    def _read_entries(self) -> None:
        inode = self.directory.status().inode
        # What is above a granted directory is nobody's business: ".." is the directory itself.
        here = (Entry(name, inode, FileType.DIRECTORY) for name in (b".", b".."))
        records = bytearray()
        starts = array("Q")
        for number, (name, inode, kind) in enumerate(chain(here, self.directory.entries()), 1):
            starts.append(len(records))
            records += DIRENT.pack(number, inode, len(name), kind)
            records += name
        self._records = records
        self._starts = starts

    def close(self) -> None:
        self.directory.close()


def require_directory(wasi: Context, fd: int, rights: int) -> OpenDirectory:
    """An open directory with these rights. Raises ErrnoError: EBADF, ENOTDIR or ENOTCAPABLE."""
    descriptor = wasi.descriptors.require(fd, rights)
    if not isinstance(descriptor, OpenDirectory):
        raise ErrnoError(Errno.ENOTDIR)
    return descriptor
