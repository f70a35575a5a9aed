"""The fd_ functions: what can be done with an open descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wasmine.wasi.abi import MAX_U64, PREOPENTYPE_DIR, Errno, ErrnoError, FdFlags, FstFlags, Rights
from wasmine.wasi.context import Context
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.directories import OpenDirectory, require_directory
from wasmine.wasi.filesystem import Status, Times
from wasmine.wasi.preview1 import handler

# Of the calls that programs make most: plain numbers, for flags take longer than all the rest.
_READ: Final = Rights.FD_READ.value
_WRITE: Final = Rights.FD_WRITE.value
_SEEK: Final = Rights.FD_SEEK.value
_TELL: Final = Rights.FD_TELL.value
_READ_AT: Final = _READ | _SEEK
_WRITE_AT: Final = _WRITE | _SEEK


@handler("fd_read")
def fd_read(wasi: Context, fd: int, iovs: Sequence[memoryview]) -> int:
    return wasi.descriptors.require(fd, _READ).read(iovs)


@handler("fd_write")
def fd_write(wasi: Context, fd: int, iovs: Sequence[memoryview]) -> int:
    return wasi.descriptors.require(fd, _WRITE).write(iovs)


@handler("fd_pread")
def fd_pread(wasi: Context, fd: int, iovs: Sequence[memoryview], offset: int) -> int:
    return wasi.descriptors.require(fd, _READ_AT).read_at(iovs, offset)


@handler("fd_pwrite")
def fd_pwrite(wasi: Context, fd: int, iovs: Sequence[memoryview], offset: int) -> int:
    return wasi.descriptors.require(fd, _WRITE_AT).write_at(iovs, offset)


@handler("fd_seek")
def fd_seek(wasi: Context, fd: int, offset: int, whence: int) -> int:
    if whence > 2:
        raise ErrnoError(Errno.EINVAL)
    return wasi.descriptors.require(fd, _SEEK).seek(offset, whence)


@handler("fd_tell")
def fd_tell(wasi: Context, fd: int) -> int:
    return wasi.descriptors.require(fd, _TELL).seek(0, 1)


@handler("fd_close")
def fd_close(wasi: Context, fd: int) -> None:
    wasi.descriptors.close(fd)


@handler("fd_renumber")
def fd_renumber(wasi: Context, fd: int, to: int) -> None:
    wasi.descriptors.renumber(fd, to)


@handler("fd_fdstat_get")
def fd_fdstat_get(wasi: Context, fd: int) -> tuple[int, int, int, int]:
    entry = wasi.descriptors[fd]
    return entry.type, entry.flags, entry.rights, entry.inheriting


@handler("fd_fdstat_set_flags")
def fd_fdstat_set_flags(wasi: Context, fd: int, flags: int) -> None:
    if flags >= FdFlags.SYNC << 1:
        raise ErrnoError(Errno.EINVAL)
    wasi.descriptors.require(fd, Rights.FD_FDSTAT_SET_FLAGS).set_flags(FdFlags(flags))


@handler("fd_fdstat_set_rights")
def fd_fdstat_set_rights(wasi: Context, fd: int, base: int, inheriting: int) -> None:
    """Rights can be given up and never gained."""
    entry = wasi.descriptors[fd]
    if base & ~entry.rights or inheriting & ~entry.inheriting:
        raise ErrnoError(Errno.ENOTCAPABLE)
    entry.rights = Rights(base)
    entry.inheriting = Rights(inheriting)


@handler("fd_filestat_get")
def fd_filestat_get(wasi: Context, fd: int) -> Status:
    return wasi.descriptors.require(fd, Rights.FD_FILESTAT_GET).status()


@handler("fd_filestat_set_size")
def fd_filestat_set_size(wasi: Context, fd: int, size: int) -> None:
    wasi.descriptors.require(fd, Rights.FD_FILESTAT_SET_SIZE).set_size(size)


@handler("fd_filestat_set_times")
def fd_filestat_set_times(wasi: Context, fd: int, atim: int, mtim: int, fst_flags: int) -> None:
    descriptor = wasi.descriptors.require(fd, Rights.FD_FILESTAT_SET_TIMES)
    descriptor.set_times(new_times(wasi, atim, mtim, fst_flags))


def new_times(wasi: Context, accessed: int, modified: int, flags: int) -> Times:
    """What times are to be set. Raises ErrnoError(EINVAL) for flags that contradict each other."""
    both = (FstFlags.ATIM | FstFlags.ATIM_NOW, FstFlags.MTIM | FstFlags.MTIM_NOW)
    if flags >= FstFlags.MTIM_NOW << 1 or any(flags & pair == pair for pair in both):
        raise ErrnoError(Errno.EINVAL)
    now = wasi.clocks.realtime() & MAX_U64
    return Times(
        accessed if flags & FstFlags.ATIM else now if flags & FstFlags.ATIM_NOW else None,
        modified if flags & FstFlags.MTIM else now if flags & FstFlags.MTIM_NOW else None,
    )


@handler("fd_advise")
def fd_advise(wasi: Context, fd: int, offset: int, length: int, advice: int) -> None:
    if advice > 5:
        raise ErrnoError(Errno.EINVAL)
    wasi.descriptors.require(fd, Rights.FD_ADVISE).advise(offset, length, advice)


@handler("fd_allocate")
def fd_allocate(wasi: Context, fd: int, offset: int, length: int) -> None:
    wasi.descriptors.require(fd, Rights.FD_ALLOCATE).allocate(offset, length)


@handler("fd_sync")
def fd_sync(wasi: Context, fd: int) -> None:
    wasi.descriptors.require(fd, Rights.FD_SYNC).sync(only_data=False)


@handler("fd_datasync")
def fd_datasync(wasi: Context, fd: int) -> None:
    wasi.descriptors.require(fd, Rights.FD_DATASYNC).sync(only_data=True)


@handler("fd_prestat_get")
def fd_prestat_get(wasi: Context, fd: int) -> tuple[int, int]:
    return PREOPENTYPE_DIR, len(_granted_name(wasi.descriptors[fd]))


@handler("fd_prestat_dir_name")
def fd_prestat_dir_name(wasi: Context, fd: int, path: memoryview) -> None:
    name = _granted_name(wasi.descriptors[fd])
    if len(path) < len(name):
        raise ErrnoError(Errno.ENAMETOOLONG)
    path[: len(name)] = name


def _granted_name(descriptor: Descriptor) -> bytes:
    """Raises ErrnoError(EBADF), which ends the search for granted directories of every libc."""
    if not isinstance(descriptor, OpenDirectory) or descriptor.name is None:
        raise ErrnoError(Errno.EBADF)
    return descriptor.name


@handler("fd_readdir")
def fd_readdir(wasi: Context, fd: int, buf: memoryview, cookie: int) -> int:
    data = require_directory(wasi, fd, Rights.FD_READDIR).list(cookie, len(buf))
    buf[: len(data)] = data
    return len(data)
