"""Directories and files of the host.

Every step is a system call relative to a descriptor and never follows a link, so that nothing that
happens to the tree at the same time leads out of it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from wasmine.wasi.abi import PATH_MAX, Errno, ErrnoError, FdFlags, FileType
from wasmine.wasi.descriptors import (
    FILE_ABILITY,
    Descriptor,
    file_type,
    host_status,
    signed_offset,
)
from wasmine.wasi.filesystem import Directory, Entry, Opening, Status, Times, escape, failure
from wasmine.wasi.hoststreams import bytes_available

_HELD: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENCODING: Final = sys.getfilesystemencoding()
_FLAGS: Final = {
    FdFlags.APPEND: os.O_APPEND,
    FdFlags.NONBLOCK: os.O_NONBLOCK,
    FdFlags.DSYNC: os.O_DSYNC,
    FdFlags.RSYNC: os.O_RSYNC,
    FdFlags.SYNC: os.O_SYNC,
}
# The flags of an open file that the host lets change.
_CHANGEABLE: Final = FdFlags.APPEND | FdFlags.NONBLOCK

_SYS_OPENAT2: Final = 437  # the same on all processors
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_BENEATH: Final = 0x08
# Where openat2 is missing, or forbidden, or disturbed by what happens to the tree at the same time.
# ELOOP is also what it says of a link in /proc that leads anywhere, which no path says.
_TRY_OTHERWISE: Final = frozenset(
    {errno.ENOSYS, errno.EPERM, errno.EAGAIN, errno.EINTR, errno.ELOOP}
)


class _OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class HostDirectory(Directory):
    """A directory of the host, as it is when this object is made: renaming it later changes nothing.

    `path` is a path or an open descriptor, which is not kept. With `read_only`, nothing in or below
    it can be changed. Raises OSError if it cannot be opened.
    """

    host = -1
    """Our descriptor of it; it can only be started from (O_PATH)."""

    def __init__(self, path: str | bytes | os.PathLike[str] | int, read_only: bool = False) -> None:
        self.read_only = read_only
        if isinstance(path, int):
            self.host = os.open(".", _HELD, dir_fd=path)
        else:
            self.host = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def _adopt(self, host: int) -> HostDirectory:
        """A directory of the same grant, which is to close this descriptor."""
        made = HostDirectory.__new__(HostDirectory)
        made.host = host
        made.read_only = self.read_only
        return made

    def reopen(self) -> HostDirectory:
        return self._adopt(os.dup(self.host))

    def close(self) -> None:
        host, self.host = self.host, -1
        if host >= 0:
            os.close(host)

    def __del__(self) -> None:
        self.close()

    def enter(self, name: bytes) -> HostDirectory:
        return self._adopt(os.open(name, _HELD, dir_fd=self.host))

    def descend(self, path: bytes) -> Directory:
        """In one system call where the kernel has it; it confines as `Directory.descend` does."""
        # What links have made longer than one call takes is no longer than a walk takes.
        host = _open_beneath(self.host, path) if len(path) < PATH_MAX else None
        return super().descend(path) if host is None else self._adopt(host)

    def read_link(self, name: bytes) -> bytes:
        return os.readlink(name, dir_fd=self.host)

    def open(self, name: bytes, opening: Opening) -> Descriptor | Directory:
        """A pipe waits for its other end, unless NONBLOCK is asked for; a signal can end that."""
        if opening.write or opening.truncate:
            self.check_writable()
        if self.read_only and opening.create:
            return self._open_existing(name, opening)
        host = os.open(name, _host_flags(opening), 0o666, dir_fd=self.host)
        kind = file_type(os.fstat(host).st_mode)
        if kind is FileType.DIRECTORY:
            return self._adopt(host)
        return HostFile(host, kind, FdFlags(opening.flags), self.read_only)

    def _open_existing(self, name: bytes, opening: Opening) -> Descriptor | Directory:
        """What is there may be opened with `create` where nothing can be made, if only to be read."""
        try:
            if opening.exclusive:
                self.status(name)
                raise failure(errno.EEXIST)
            opened = self.open(name, opening._replace(create=False))
        except FileNotFoundError:
            # Unless the directory itself is gone.
            raise failure(errno.EROFS if self.status().links else errno.ENOENT) from None
        if isinstance(opened, Directory):
            opened.close()
            raise failure(errno.EISDIR)
        return opened

    def status(self, name: bytes | None = None) -> Status:
        if name is None:
            return host_status(os.fstat(self.host))
        return host_status(os.stat(name, dir_fd=self.host, follow_symlinks=False))

    def set_times(self, name: bytes | None, times: Times) -> None:
        self.check_writable()
        path = name or b"."
        now = os.stat(path, dir_fd=self.host, follow_symlinks=False)
        os.utime(path, ns=_both(times, now), dir_fd=self.host, follow_symlinks=False)

    def entries(self) -> Iterator[Entry]:
        with self._readable() as host, os.scandir(host) as found:
            for entry in found:
                name = entry.name.encode(_ENCODING, "surrogateescape")
                yield Entry(name, entry.inode(), _entry_type(entry))

    def sync(self, only_data: bool) -> None:
        with self._readable() as host:
            _sync(host, only_data)

    @contextmanager
    def _readable(self) -> Iterator[int]:
        """A descriptor of this directory that it can be read from."""
        host = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.host)
        try:
            yield host
        finally:
            os.close(host)

    def make_directory(self, name: bytes) -> None:
        self.check_writable()
        os.mkdir(name, dir_fd=self.host)

    def make_link(self, name: bytes, target: bytes) -> None:
        self.check_writable()
        os.symlink(target, name, dir_fd=self.host)

    def remove_directory(self, name: bytes) -> None:
        self.check_writable()
        os.rmdir(name, dir_fd=self.host)

    def remove_file(self, name: bytes) -> None:
        self.check_writable()
        os.unlink(name, dir_fd=self.host)

    def rename(self, name: bytes, target: Directory, new_name: bytes) -> None:
        other = self._writable_with(target)
        os.rename(name, new_name, src_dir_fd=self.host, dst_dir_fd=other)

    def link(self, name: bytes, target: Directory, new_name: bytes) -> None:
        """Also refused out of a grant that is read-only: the file could be written by the new name."""
        other = self._writable_with(target)
        os.link(name, new_name, src_dir_fd=self.host, dst_dir_fd=other, follow_symlinks=False)

    def _writable_with(self, target: Directory) -> int:
        self.check_writable()
        if not isinstance(target, HostDirectory):
            raise failure(errno.EXDEV)
        target.check_writable()
        return target.host

    def __repr__(self) -> str:
        return f"<wasmine.wasi.HostDirectory{' (read-only)' * self.read_only}>"


class HostFile(Descriptor):
    """A file of the host that the guest has opened; of a grant that is read-only, or not."""

    ability = FILE_ABILITY

    def __init__(self, host: int, kind: FileType, flags: FdFlags, read_only: bool) -> None:
        super().__init__()
        self._host = host
        self._read_only = read_only
        self.type = kind
        self.flags = flags

    def read(self, buffers: Sequence[memoryview]) -> int:
        return os.readv(self._host, buffers) if buffers else 0

    def write(self, buffers: Sequence[memoryview]) -> int:
        return os.writev(self._host, buffers) if buffers else 0

    def read_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        return os.preadv(self._host, buffers, signed_offset(offset)) if buffers else 0

    def write_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        return os.pwritev(self._host, buffers, signed_offset(offset)) if buffers else 0

    def seek(self, offset: int, whence: int) -> int:
        return os.lseek(self._host, offset, whence)

    def set_flags(self, flags: FdFlags) -> None:
        if (flags ^ self.flags) & ~_CHANGEABLE:
            raise ErrnoError(Errno.ENOTSUP)
        kept = fcntl.fcntl(self._host, fcntl.F_GETFL)
        fcntl.fcntl(self._host, fcntl.F_SETFL, kept & ~_host_bits(_CHANGEABLE) | _host_bits(flags))
        self.flags = flags

    def status(self) -> Status:
        return host_status(os.fstat(self._host))

    def set_size(self, size: int) -> None:
        os.ftruncate(self._host, signed_offset(size))

    def set_times(self, times: Times) -> None:
        # The host lets the owner of a file do this, however it was opened.
        if self._read_only:
            raise failure(errno.EROFS)
        os.utime(self._host, ns=_both(times, os.fstat(self._host)))

    def allocate(self, offset: int, length: int) -> None:
        os.posix_fallocate(self._host, signed_offset(offset), signed_offset(length))

    def advise(self, offset: int, length: int, advice: int) -> None:
        os.posix_fadvise(self._host, signed_offset(offset), signed_offset(length), advice)

    def sync(self, only_data: bool) -> None:
        _sync(self._host, only_data)

    def host_descriptor(self) -> int | None:
        """Regular files never wait."""
        return None if self.type is FileType.REGULAR_FILE else self._host

    def available(self) -> int:
        return bytes_available(self._host)

    def close(self) -> None:
        host, self._host = self._host, -1
        if host >= 0:
            os.close(host)

    def __del__(self) -> None:
        self.close()


@functools.cache
def _openat2() -> Callable[..., int]:
    """openat2(2), which no function of the C library calls yet; -1 and errno where it fails."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    pointer = ctypes.POINTER(_OpenHow)
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, pointer, ctypes.c_size_t)
    return functools.partial(call, _SYS_OPENAT2)


def _open_beneath(host: int, path: bytes) -> int | None:
    """Opens a directory below another; None where that has to be done step by step.

    Raises ErrnoError(ENOTCAPABLE) for a path that leads out of it, OSError for what is no directory.
    """
    resolution = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS
    how = _OpenHow(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, resolution)
    opened = _openat2()(host, path, how, ctypes.sizeof(how))
    if opened >= 0:
        return opened
    number = ctypes.get_errno()
    if number == errno.EXDEV:
        escape()
    if number in _TRY_OTHERWISE:
        return None
    raise failure(number)


def _both(times: Times, now: os.stat_result) -> tuple[int, int]:
    """The host sets both times at once, and what stays as it is may lie before 1970."""
    return (
        now.st_atime_ns if times.accessed is None else times.accessed,
        now.st_mtime_ns if times.modified is None else times.modified,
    )


def _sync(host: int, only_data: bool) -> None:
    if only_data:
        os.fdatasync(host)
    else:
        os.fsync(host)


def _host_bits(flags: FdFlags) -> int:
    return functools.reduce(int.__or__, (_FLAGS[flag] for flag in flags), 0)


def _host_flags(opening: Opening) -> int:
    """The flags of open(2). A file that is neither read nor written is opened for reading."""
    access = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)[opening.write + (opening.write & opening.read)]
    flags = access | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    for wanted, bit in (
        (opening.create, os.O_CREAT),
        (opening.exclusive, os.O_EXCL),
        (opening.truncate, os.O_TRUNC),
        (opening.directory, os.O_DIRECTORY),
    ):
        if wanted:
            flags |= bit
    if opening.directory and not (opening.read or opening.write):
        flags |= os.O_PATH  # it need not be readable
    return flags | _host_bits(FdFlags(opening.flags))


def _entry_type(entry: os.DirEntry[str]) -> FileType:
    """A file's type by what the directory knows, or by asking for it."""
    if entry.is_file(follow_symlinks=False):
        return FileType.REGULAR_FILE
    if entry.is_dir(follow_symlinks=False):
        return FileType.DIRECTORY
    if entry.is_symlink():
        return FileType.SYMBOLIC_LINK
    try:
        return file_type(entry.stat(follow_symlinks=False).st_mode)
    except OSError:  # it is gone, or hidden
        return FileType.UNKNOWN
