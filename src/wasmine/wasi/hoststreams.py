"""Streams that are descriptors of the host: read straight into guest memory, written straight from it.

The open file behind such a descriptor is shared with others, with the shell for one: it is never
made non-blocking. For a program that wants it so, calls are made that do not wait.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Sequence
from typing import Final

from wasmine.wasi.abi import Errno, ErrnoError, FdFlags, FileType, Rights
from wasmine.wasi.descriptors import Descriptor, file_type, host_status
from wasmine.wasi.filesystem import Status

_COMMON: Final = Rights.FD_FILESTAT_GET | Rights.FD_FDSTAT_SET_FLAGS | Rights.POLL_FD_READWRITE
INPUT_RIGHTS: Final = Rights.FD_READ | _COMMON
OUTPUT_RIGHTS: Final = Rights.FD_WRITE | _COMMON
POSITION_RIGHTS: Final = Rights.FD_SEEK | Rights.FD_TELL

# What POSIX promises of a pipe that can be written: so many bytes find room, all or none.
_PIPE_BUF: Final = 4096
# How the kernel refuses calls that do not wait, for terminals say, or as a whole.
_NO_SUCH_CALL: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE})


class _HostStream(Descriptor):
    """A descriptor of the host. `file` is the Python file it came from, if any.

    The file is kept, for its descriptor's number would be another's once it is closed.
    """

    def __init__(self, host: int, file: io.IOBase | None = None) -> None:
        mode = os.fstat(host).st_mode
        self.type = file_type(mode)
        if self.may_be_sought(mode) and _has_position(host):
            self.ability |= POSITION_RIGHTS
        super().__init__()
        self._host = host
        self._file = file
        self._patient = True

    def may_be_sought(self, mode: int) -> bool:
        """Whether the program may move the position, if there is one. `mode` is st_mode.

        The null device has one; a program takes devices without for terminals.
        """
        return stat.S_ISCHR(mode)

    def host_descriptor(self) -> int:
        """Raises ErrnoError(EBADF) once the file is closed."""
        if self._file is not None and self._file.closed:
            raise ErrnoError(Errno.EBADF)
        return self._host

    def set_flags(self, flags: FdFlags) -> None:
        super().set_flags(flags)
        self._patient = FdFlags.NONBLOCK not in flags or self.type is FileType.REGULAR_FILE

    def seek(self, offset: int, whence: int) -> int:
        if not self.ability & POSITION_RIGHTS:
            raise ErrnoError(self.no_position)
        return os.lseek(self.host_descriptor(), offset, whence)

    def status(self) -> Status:
        """The host's device and inode numbers are not the program's business."""
        return host_status(os.fstat(self.host_descriptor()))._replace(device=0, inode=0, links=1)

    def available(self) -> int:
        return bytes_available(self._host)


class HostInput(_HostStream):
    """A descriptor that is read. That of a file can be sought: its position is the host's too."""

    ability = INPUT_RIGHTS

    def may_be_sought(self, mode: int) -> bool:
        return stat.S_ISREG(mode) or super().may_be_sought(mode)

    def read(self, buffers: Sequence[memoryview]) -> int:
        host = self.host_descriptor()
        if not buffers:
            return 0
        while self._patient:
            try:
                return os.readv(host, buffers)
            except BlockingIOError:  # whoever shares the open file has made it non-blocking
                is_ready(host, to_read=True, timeout=None)
        try:
            return os.preadv(host, buffers, -1, os.RWF_NOWAIT)
        except OSError as error:
            _check_missing(error)
        _check_ready(host, to_read=True)
        return os.readv(host, buffers)

    def read_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        if not self.ability & POSITION_RIGHTS:
            raise ErrnoError(self.no_position)
        if offset >= 1 << 63:
            raise ErrnoError(Errno.EINVAL)
        return os.preadv(self.host_descriptor(), buffers, offset) if buffers else 0


class HostOutput(_HostStream):
    """A descriptor that is written, after what the Python file still holds.

    That of a file cannot be sought: what was written before, by others too, is not the program's.
    """

    ability = OUTPUT_RIGHTS

    def write(self, buffers: Sequence[memoryview]) -> int:
        host = self.host_descriptor()
        if self._file is not None:
            self._file.flush()
        if not buffers:
            return 0
        while self._patient:
            try:
                return os.writev(host, buffers)
            except BlockingIOError:  # whoever shares the open file has made it non-blocking
                is_ready(host, to_read=False, timeout=None)
        try:
            return os.pwritev(host, buffers, -1, os.RWF_NOWAIT)
        except OSError as error:
            _check_missing(error)
        _check_ready(host, to_read=False)
        return os.writev(host, _first(buffers, _PIPE_BUF))


def is_ready(host: int, to_read: bool, timeout: int | None = 0) -> bool:
    """Whether a descriptor can be read or written, or says why not, within so many milliseconds."""
    import select  # only few programs need it

    poll = select.poll()
    poll.register(host, select.POLLIN if to_read else select.POLLOUT)
    return bool(poll.poll(timeout))


def bytes_available(host: int) -> int:
    """How many bytes can be read without waiting; 1 where the host does not say."""
    import fcntl  # only few programs need it
    import termios

    try:
        count = fcntl.ioctl(host, termios.FIONREAD, bytes(4))
    except OSError:
        return 1
    return max(0, int.from_bytes(count, sys.byteorder, signed=True))


def _check_ready(host: int, to_read: bool) -> None:
    """Raises ErrnoError(EAGAIN) for what would wait."""
    if not is_ready(host, to_read):
        raise ErrnoError(Errno.EAGAIN)


def _check_missing(error: OSError) -> None:
    """Raises the error unless it says that this call cannot be had."""
    if error.errno not in _NO_SUCH_CALL:
        raise error


def _first(buffers: Sequence[memoryview], room: int) -> list[memoryview]:
    """As much of the buffers as there is room for."""
    pieces = []
    for buffer in buffers:
        pieces.append(buffer[:room])
        room -= len(pieces[-1])
    return pieces


def _has_position(host: int) -> bool:
    try:
        os.lseek(host, 0, os.SEEK_CUR)
    except OSError:
        return False
    return True
