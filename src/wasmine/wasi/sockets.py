"""The sock_ functions: no descriptor is a socket that was handed in, so all are refused."""

from __future__ import annotations

from wasmine.wasi.abi import Errno
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler


@handler("sock_accept", "sock_recv", "sock_send", "sock_shutdown")
def no_socket(wasi: Context, fd: int, *_: int) -> None:
    wasi.descriptors.refuse(fd, Errno.ENOTSOCK)
