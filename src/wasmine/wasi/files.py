"""The fd_ functions: what can be done with an open descriptor.

The only descriptors are streams: whatever needs a position or a size says so.
"""

from __future__ import annotations

from wasmine.wasi.abi import (
    FDSTAT,
    FILESTAT,
    FILESTAT_UNSTABLE,
    Errno,
    ErrnoError,
    FdFlags,
    Rights,
)
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import UNSTABLE, handler


@handler("fd_read")
def fd_read(wasi: Context, fd: int, iovs: int, iovs_len: int, nread: int) -> None:
    descriptor = wasi.descriptors.require(fd, Rights.FD_READ)
    buffers = wasi.memory.buffers(iovs, iovs_len)
    wasi.memory.check(nread, 4)  # data must not get lost for want of a place for their number
    wasi.memory.write_u32(nread, descriptor.read(buffers))


@handler("fd_write")
def fd_write(wasi: Context, fd: int, iovs: int, iovs_len: int, nwritten: int) -> None:
    descriptor = wasi.descriptors.require(fd, Rights.FD_WRITE)
    buffers = wasi.memory.buffers(iovs, iovs_len)
    wasi.memory.check(nwritten, 4)
    wasi.memory.write_u32(nwritten, descriptor.write(buffers))


@handler("fd_close")
def fd_close(wasi: Context, fd: int) -> None:
    wasi.descriptors.close(fd)


@handler("fd_renumber")
def fd_renumber(wasi: Context, fd: int, to: int) -> None:
    wasi.descriptors.renumber(fd, to)


@handler("fd_fdstat_get")
def fd_fdstat_get(wasi: Context, fd: int, stat: int) -> None:
    entry = wasi.descriptors[fd]
    wasi.memory.write(stat, FDSTAT.pack(entry.type, entry.flags, entry.rights, entry.inheriting))


@handler("fd_fdstat_set_flags")
def fd_fdstat_set_flags(wasi: Context, fd: int, flags: int) -> None:
    """A stream always appends, so that flag means nothing; no other can be had."""
    wasi.descriptors.require(fd, Rights.FD_FDSTAT_SET_FLAGS)
    if flags & ~FdFlags.APPEND:
        raise ErrnoError(Errno.ENOTSUP)


@handler("fd_fdstat_set_rights")
def fd_fdstat_set_rights(wasi: Context, fd: int, base: int, inheriting: int) -> None:
    """Rights can be given up and never gained."""
    entry = wasi.descriptors[fd]
    if base & ~entry.rights or inheriting & ~entry.inheriting:
        raise ErrnoError(Errno.ENOTCAPABLE)
    entry.rights = Rights(base)
    entry.inheriting = Rights(inheriting)


@handler("fd_filestat_get")
def fd_filestat_get(wasi: Context, fd: int, stat: int) -> None:
    kind, links, numbers = _status(wasi, fd)
    device, inode, *rest = numbers
    wasi.memory.write(stat, FILESTAT.pack(device, inode, kind, links, *rest))


@handler("fd_filestat_get", snapshot=UNSTABLE)
def fd_filestat_get_unstable(wasi: Context, fd: int, stat: int) -> None:
    kind, links, numbers = _status(wasi, fd)
    device, inode, *rest = numbers
    wasi.memory.write(stat, FILESTAT_UNSTABLE.pack(device, inode, kind, links, *rest))


def _status(wasi: Context, fd: int) -> tuple[int, int, tuple[int, ...]]:
    """File type, links, and: device, inode, size, access, modification and change time.

    All zero but the type for a stream that is no file. The host's device and inode numbers are not
    the program's business; a stream has none of its own.
    """
    entry = wasi.descriptors.require(fd, Rights.FD_FILESTAT_GET)
    status = entry.status()
    if status is None:
        return entry.type, 0, (0, 0, 0, 0, 0, 0)
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return entry.type, 1, (0, 0, status.st_size, *times)


@handler("fd_seek", "fd_tell", "fd_pread", "fd_pwrite", "fd_advise", "fd_allocate")
def no_position(wasi: Context, fd: int, *_: int) -> None:
    wasi.descriptors.refuse(fd, Errno.ESPIPE)


@handler("fd_datasync", "fd_sync", "fd_filestat_set_size", "fd_filestat_set_times")
def no_storage(wasi: Context, fd: int, *_: int) -> None:
    wasi.descriptors.refuse(fd, Errno.EINVAL)


@handler("fd_prestat_get", "fd_prestat_dir_name")
def no_directory(wasi: Context, fd: int, *_: int) -> None:
    """EBADF ends the search for granted directories with which every libc begins."""
    wasi.descriptors.refuse(fd, Errno.EBADF)
