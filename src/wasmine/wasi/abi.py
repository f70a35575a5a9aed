"""The numbers and record layouts of WASI preview 1, as the interface description prints them.

Knows no file, clock or memory. Names are those of POSIX where POSIX has one.
"""

from __future__ import annotations

import errno
from enum import IntEnum, IntFlag
from functools import cache
from io import UnsupportedOperation
from struct import Struct
from typing import Final


class Errno(IntEnum):
    """What every function but proc_exit returns."""

    SUCCESS = 0
    E2BIG = 1
    EACCES = 2
    EADDRINUSE = 3
    EADDRNOTAVAIL = 4
    EAFNOSUPPORT = 5
    EAGAIN = 6
    EALREADY = 7
    EBADF = 8
    EBADMSG = 9
    EBUSY = 10
    ECANCELED = 11
    ECHILD = 12
    ECONNABORTED = 13
    ECONNREFUSED = 14
    ECONNRESET = 15
    EDEADLK = 16
    EDESTADDRREQ = 17
    EDOM = 18
    EDQUOT = 19
    EEXIST = 20
    EFAULT = 21
    EFBIG = 22
    EHOSTUNREACH = 23
    EIDRM = 24
    EILSEQ = 25
    EINPROGRESS = 26
    EINTR = 27
    EINVAL = 28
    EIO = 29
    EISCONN = 30
    EISDIR = 31
    ELOOP = 32
    EMFILE = 33
    EMLINK = 34
    EMSGSIZE = 35
    EMULTIHOP = 36
    ENAMETOOLONG = 37
    ENETDOWN = 38
    ENETRESET = 39
    ENETUNREACH = 40
    ENFILE = 41
    ENOBUFS = 42
    ENODEV = 43
    ENOENT = 44
    ENOEXEC = 45
    ENOLCK = 46
    ENOLINK = 47
    ENOMEM = 48
    ENOMSG = 49
    ENOPROTOOPT = 50
    ENOSPC = 51
    ENOSYS = 52
    ENOTCONN = 53
    ENOTDIR = 54
    ENOTEMPTY = 55
    ENOTRECOVERABLE = 56
    ENOTSOCK = 57
    ENOTSUP = 58
    ENOTTY = 59
    ENXIO = 60
    EOVERFLOW = 61
    EOWNERDEAD = 62
    EPERM = 63
    EPIPE = 64
    EPROTO = 65
    EPROTONOSUPPORT = 66
    EPROTOTYPE = 67
    ERANGE = 68
    EROFS = 69
    ESPIPE = 70
    ESRCH = 71
    ESTALE = 72
    ETIMEDOUT = 73
    ETXTBSY = 74
    EXDEV = 75
    ENOTCAPABLE = 76


@cache
def _from_host() -> dict[int | None, Errno]:
    return {getattr(errno, code.name): code for code in Errno if hasattr(errno, code.name)}


class ErrnoError(Exception):
    """A WASI function ends with this errno; the guest sees the number, the host nothing."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno)
        self.errno = errno


def errno_of(error: OSError) -> Errno:
    """The errno that tells the guest about a host's error; EIO where WASI has no such number."""
    if isinstance(error, UnsupportedOperation):  # read from a file open for writing, say
        return Errno.EBADF
    return _from_host().get(error.errno, Errno.EIO)


class ClockId(IntEnum):
    REALTIME = 0
    MONOTONIC = 1
    PROCESS_CPUTIME = 2
    THREAD_CPUTIME = 3


class FileType(IntEnum):
    UNKNOWN = 0
    BLOCK_DEVICE = 1
    CHARACTER_DEVICE = 2
    DIRECTORY = 3
    REGULAR_FILE = 4
    SOCKET_DGRAM = 5
    SOCKET_STREAM = 6
    SYMBOLIC_LINK = 7


class FdFlags(IntFlag):
    APPEND = 1 << 0
    DSYNC = 1 << 1
    NONBLOCK = 1 << 2
    RSYNC = 1 << 3
    SYNC = 1 << 4


class Rights(IntFlag):
    """What may be done with a descriptor."""

    FD_DATASYNC = 1 << 0
    FD_READ = 1 << 1
    FD_SEEK = 1 << 2
    FD_FDSTAT_SET_FLAGS = 1 << 3
    FD_SYNC = 1 << 4
    FD_TELL = 1 << 5
    FD_WRITE = 1 << 6
    FD_ADVISE = 1 << 7
    FD_ALLOCATE = 1 << 8
    PATH_CREATE_DIRECTORY = 1 << 9
    PATH_CREATE_FILE = 1 << 10
    PATH_LINK_SOURCE = 1 << 11
    PATH_LINK_TARGET = 1 << 12
    PATH_OPEN = 1 << 13
    FD_READDIR = 1 << 14
    PATH_READLINK = 1 << 15
    PATH_RENAME_SOURCE = 1 << 16
    PATH_RENAME_TARGET = 1 << 17
    PATH_FILESTAT_GET = 1 << 18
    PATH_FILESTAT_SET_SIZE = 1 << 19
    PATH_FILESTAT_SET_TIMES = 1 << 20
    FD_FILESTAT_GET = 1 << 21
    FD_FILESTAT_SET_SIZE = 1 << 22
    FD_FILESTAT_SET_TIMES = 1 << 23
    PATH_SYMLINK = 1 << 24
    PATH_REMOVE_DIRECTORY = 1 << 25
    PATH_UNLINK_FILE = 1 << 26
    POLL_FD_READWRITE = 1 << 27
    SOCK_SHUTDOWN = 1 << 28
    SOCK_ACCEPT = 1 << 29


class LookupFlags(IntFlag):
    SYMLINK_FOLLOW = 1 << 0


class OFlags(IntFlag):
    """How path_open opens."""

    CREAT = 1 << 0
    DIRECTORY = 1 << 1
    EXCL = 1 << 2
    TRUNC = 1 << 3


class FstFlags(IntFlag):
    """Which times are set: to a value that is given, or to the time that it is."""

    ATIM = 1 << 0
    ATIM_NOW = 1 << 1
    MTIM = 1 << 2
    MTIM_NOW = 1 << 3


class Whence(IntEnum):
    SET = 0
    CUR = 1
    END = 2


class EventType(IntEnum):
    CLOCK = 0
    FD_READ = 1
    FD_WRITE = 2


class RiFlags(IntFlag):
    RECV_PEEK = 1 << 0
    RECV_WAITALL = 1 << 1


class SdFlags(IntFlag):
    RD = 1 << 0
    WR = 1 << 1


SUBSCRIPTION_CLOCK_ABSTIME: Final = 1
EVENT_FD_READWRITE_HANGUP: Final = 1
ROFLAGS_RECV_DATA_TRUNCATED: Final = 1
PREOPENTYPE_DIR: Final = 0

# More buffers than this in one call are EINVAL, as POSIX has it; wasi-libc's IOV_MAX agrees.
IOV_MAX: Final = 1024
# Longer paths are refused, as by Linux.
PATH_MAX: Final = 4096
MAX_U32: Final = 0xFFFFFFFF
MAX_U64: Final = 0xFFFFFFFFFFFFFFFF

U16: Final = Struct("<H")
U32: Final = Struct("<I")
U64: Final = Struct("<Q")
IOVEC: Final = Struct("<II")  # address, length
FDSTAT: Final = Struct("<BxHxxxxQQ")  # file type, flags, rights, inheriting rights
# device, inode, file type, links, size, access / modification / change time
FILESTAT: Final = Struct("<QQB7xQQQQQ")
FILESTAT_UNSTABLE: Final = Struct("<QQB3xIQQQQ")
PRESTAT: Final = Struct("<B3xI")  # type, length of the name
DIRENT: Final = Struct("<QQIB3x")  # cookie of the next entry, inode, length of the name, file type
# userdata, event type, then the clock (id, timeout, precision, flags) or the descriptor
SUBSCRIPTION: Final = Struct("<QB7x32s")
SUBSCRIPTION_UNSTABLE: Final = Struct("<QB7x40s")
SUBSCRIPTION_CLOCK: Final = Struct("<IxxxxQQHxxxxxx")
SUBSCRIPTION_CLOCK_UNSTABLE: Final = Struct("<8xIxxxxQQHxxxxxx")
EVENT: Final = Struct("<QHBxxxxxQHxxxxxx")  # userdata, errno, event type, bytes, flags
