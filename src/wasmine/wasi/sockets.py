"""The sock_ functions: no descriptor is a socket that was handed in, so all are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from wasmine.wasi.abi import Errno, ErrnoError
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler


@handler("sock_accept")
def sock_accept(wasi: Context, fd: int, flags: int) -> int:  # noqa: ARG001
    _refuse(wasi, fd)


@handler("sock_recv")
def sock_recv(
    wasi: Context,
    fd: int,
    ri_data: Sequence[memoryview],
    ri_flags: int,  # noqa: ARG001
) -> tuple[int, int]:
    _refuse(wasi, fd)


@handler("sock_send")
def sock_send(
    wasi: Context,
    fd: int,
    si_data: Sequence[memoryview],
    si_flags: int,  # noqa: ARG001
) -> int:
    _refuse(wasi, fd)


@handler("sock_shutdown")
def sock_shutdown(wasi: Context, fd: int, how: int) -> None:  # noqa: ARG001
    _refuse(wasi, fd)


def _refuse(wasi: Context, fd: int) -> NoReturn:
    wasi.descriptors[fd]
    raise ErrnoError(Errno.ENOTSOCK)
