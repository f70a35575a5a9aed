"""The sock_ functions: what can be done with a socket that was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wasmine.wasi.abi import (
    ROFLAGS_RECV_DATA_TRUNCATED,
    Errno,
    ErrnoError,
    FdFlags,
    RiFlags,
    Rights,
)
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler

if TYPE_CHECKING:
    from wasmine.wasi.hostsockets import HostSocket


@handler("sock_accept")
def sock_accept(wasi: Context, fd: int, flags: int) -> int:
    entry = _require_socket(wasi, fd, Rights.SOCK_ACCEPT)
    if flags not in (0, FdFlags.NONBLOCK):
        raise ErrnoError(Errno.EINVAL)
    accepted = entry.accept(FdFlags(flags))
    try:
        return wasi.descriptors.add(accepted)
    except ErrnoError:
        accepted.close()
        raise


@handler("sock_recv")
def sock_recv(
    wasi: Context, fd: int, ri_data: Sequence[memoryview], ri_flags: int
) -> tuple[int, int]:
    entry = _require_socket(wasi, fd, Rights.FD_READ)
    if ri_flags >= RiFlags.RECV_WAITALL << 1:
        raise ErrnoError(Errno.EINVAL)
    count, truncated = entry.receive(ri_data, RiFlags(ri_flags))
    return count, ROFLAGS_RECV_DATA_TRUNCATED if truncated else 0


@handler("sock_send")
def sock_send(wasi: Context, fd: int, si_data: Sequence[memoryview], si_flags: int) -> int:
    """No flags are defined."""
    entry = _require_socket(wasi, fd, Rights.FD_WRITE)
    if si_flags:
        raise ErrnoError(Errno.EINVAL)
    return entry.send(si_data)


@handler("sock_shutdown")
def sock_shutdown(wasi: Context, fd: int, how: int) -> None:
    _require_socket(wasi, fd, Rights.SOCK_SHUTDOWN).shutdown(how)


def _require_socket(wasi: Context, fd: int, rights: Rights) -> HostSocket:
    """A socket with these rights. Raises ErrnoError: EBADF, ENOTSOCK or ENOTCAPABLE."""
    from wasmine.wasi.hostsockets import HostSocket  # only few of the programs that ask have one

    entry = wasi.descriptors.require(fd, rights)
    if not isinstance(entry, HostSocket):
        raise ErrnoError(Errno.ENOTSOCK)
    return entry
