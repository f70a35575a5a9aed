"""The path_ functions and fd_readdir: there is no directory to start from, so all are refused."""

from __future__ import annotations

from wasmine.wasi.abi import Errno
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler


@handler(
    "fd_readdir",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_unlink_file",
)
def below_descriptor(wasi: Context, fd: int, *_: int) -> None:
    wasi.descriptors.refuse(fd, Errno.ENOTDIR)


@handler("path_symlink")
def path_symlink(wasi: Context, _path: int, _length: int, fd: int, *_: int) -> None:
    wasi.descriptors.refuse(fd, Errno.ENOTDIR)
