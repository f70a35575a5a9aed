"""Whatever a program can do with one path."""

from __future__ import annotations

from collections.abc import Callable

from wasmine.wasi import Errno
from wasmine.wasi.abi import FstFlags, OFlags, Rights

from .guest import ALL, ROOT, Guest

READ = Rights.FD_READ
WRITE = Rights.FD_READ | Rights.FD_WRITE
TIMES = (5, 5, FstFlags.ATIM | FstFlags.MTIM)

Attempt = Callable[[Guest, bytes], Errno]
"""One thing to do with a path."""


def opening(oflags: OFlags | int, rights: Rights, follow: int = 1) -> Attempt:
    return lambda guest, path: guest.errno("path_open", ROOT, follow, path, oflags, rights, ALL, 0)


ATTEMPTS: dict[str, Attempt] = {
    "open": opening(0, READ),
    "open a directory": opening(OFlags.DIRECTORY, Rights.FD_READDIR),
    "open without following": opening(0, READ, follow=0),
    "write": opening(0, WRITE),
    "create": opening(OFlags.CREAT, WRITE),
    "create anew": opening(OFlags.CREAT | OFlags.EXCL, WRITE),
    "truncate": opening(OFlags.TRUNC, WRITE),
    "status": lambda guest, path: guest.errno("path_filestat_get", ROOT, 1, path),
    "status of a link": lambda guest, path: guest.errno("path_filestat_get", ROOT, 0, path),
    "times": lambda guest, path: guest.errno("path_filestat_set_times", ROOT, 1, path, *TIMES),
    "times of a link": lambda guest, path: guest.errno(
        "path_filestat_set_times", ROOT, 0, path, *TIMES
    ),
    "make a directory": lambda guest, path: guest.errno("path_create_directory", ROOT, path),
    "remove a directory": lambda guest, path: guest.errno("path_remove_directory", ROOT, path),
    "remove a file": lambda guest, path: guest.errno("path_unlink_file", ROOT, path),
    "read a link": lambda guest, path: guest.errno("path_readlink", ROOT, path, 100),
    "make a link": lambda guest, path: guest.errno("path_symlink", b"file", ROOT, path),
    "link from": lambda guest, path: guest.errno("path_link", ROOT, 1, path, ROOT, b"stolen"),
    "link to": lambda guest, path: guest.errno("path_link", ROOT, 0, b"file", ROOT, path),
    "rename from": lambda guest, path: guest.errno("path_rename", ROOT, path, ROOT, b"stolen"),
    "rename to": lambda guest, path: guest.errno("path_rename", ROOT, b"file", ROOT, path),
}
