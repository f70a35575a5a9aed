"""The same random calls on a directory of the host and on one in memory, which must tell the same."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from wasmine.wasi import HostDirectory, Link, MemoryDirectory
from wasmine.wasi.abi import ErrnoError, FdFlags, FileType, FstFlags, OFlags, Rights
from wasmine.wasi.contents import PIECE
from wasmine.wasi.filesystem import Status
from wasmine.wasi.memorytree import MemoryTree
from wasmine.wasi.preview1 import ROWS

from .guest import ALL, ROOT, Guest

GRANTS: Final = (ROOT, ROOT + 1, ROOT + 2)
"""The top, a directory in it, and another that must not be changed."""

_NAMES: Final = (b"a", b"b", b"c", b"inner", b"fixed", b"..", b".", b"", b"n" * 255, b"n" * 256)
_WEIGHTS: Final = (40, 40, 40, 9, 4, 12, 5, 5, 1, 1)
_RIGHTS: Final = (
    *[ALL] * 9,
    *[ALL & ~Rights.FD_WRITE] * 3,
    ALL & ~Rights.FD_READ,
    Rights.FD_READDIR,
    Rights.FD_WRITE | Rights.FD_SEEK,
    ALL & ~(Rights.FD_WRITE | Rights.FD_READ | Rights.FD_READDIR),
    Rights(0),
)
_OFFSETS: Final = (0, 1, 7, 100, PIECE - 2, PIECE, PIECE + 5, 2 * PIECE + 1, 1 << 63, (1 << 64) - 1)
_LENGTHS: Final = (0, 1, 5, 40, 4096, PIECE + 9)
# Times that a program sets are long ago, so that they can be told from those of the clock.
_LONG_AGO: Final = 10**17

# What a call is given, by the kind that the row says.
_VALUES: Final[dict[str, Callable[[random.Random], Any]]] = {
    "lookupflags": lambda numbers: numbers.randrange(2),
    "path": lambda numbers: _path(numbers),
    "oflags": lambda numbers: numbers.choice((*[0, OFlags.CREAT] * 9, *range(17))),
    "rights": lambda numbers: numbers.choice(_RIGHTS),
    "fdflags": lambda numbers: numbers.choice((*[0] * 40, *[FdFlags.APPEND] * 10, *range(33))),
    "fstflags": lambda numbers: numbers.choice((FstFlags.ATIM, FstFlags.MTIM, *range(17))),
    "time": lambda numbers: numbers.randrange(_LONG_AGO),
    "u64": lambda numbers: numbers.choice(_OFFSETS),
    "s64": lambda numbers: numbers.choice((-(1 << 63), -PIECE, -3, -1, *_OFFSETS[:-2])),
    "whence": lambda numbers: numbers.randrange(4),
    "advice": lambda numbers: numbers.randrange(7),
    "buffer": lambda numbers: numbers.choice(_LENGTHS),
    "iovs": lambda numbers: numbers.choice(_LENGTHS),
    "ciovs": lambda numbers: numbers.randbytes(numbers.choice(_LENGTHS)),
}
# Calls that a run makes more often than others, so that there is something to be told.
_OFTEN: Final = ("path_open", "path_rename", "path_link", "fd_write", "fd_read", "fd_seek")
_SELDOM: Final = ("fd_close", "fd_renumber", "fd_fdstat_set_rights", "fd_sync", "fd_datasync")
_CALLS: Final = [
    name
    for name, row in ROWS.items()
    if name.startswith(("fd_", "path_")) and not name.startswith("fd_prestat")
    for _ in range(8 if name in _OFTEN else 1 if name in _SELDOM else 4)
]


def _path(numbers: random.Random) -> bytes:
    depth = numbers.choice((1, 1, 1, 1, 1, 2, 2, 3))
    return b"/".join(numbers.choices(_NAMES, _WEIGHTS, k=depth))


class Rivals:
    """Two guests with the same grants, one on the host and one in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("inner", "fixed"):
            (directory / name).mkdir()
            (directory / name / "a").write_bytes(b"content")
        # Not every file system of a host counts these, or keeps those times.
        self._counts_folders = directory.stat().st_nlink == 4
        self._keeps_access = not os.statvfs(directory).f_flag & (os.ST_NOATIME | os.ST_NODIRATIME)
        self.files = MemoryDirectory.load(directory)
        self.host = Guest(
            dirs={
                "/": directory,
                "/inner": directory / "inner",
                "/fixed": HostDirectory(directory / "fixed", read_only=True),
            }
        )
        self.memory = Guest(
            dirs={
                "/": self.files,
                "/inner": self.files["inner"],
                "/fixed": MemoryTree(self.files["fixed"].folder, read_only=True),
            }
        )

    def close(self) -> None:
        self.host.close()
        self.memory.close()

    def step(self, numbers: random.Random) -> tuple[str, Sequence[Any], Any, Any]:
        """A random call, and what it says in both."""
        name = numbers.choice(_CALLS)
        arguments = [
            self._descriptor(numbers, name) if kind == "fd" else _VALUES[kind](numbers)
            for kind in ROWS[name].kinds
        ]
        told = [self._told(guest, name, arguments) for guest in (self.host, self.memory)]
        return name, arguments, *told

    def _descriptor(self, numbers: random.Random, name: str) -> int:
        """Mostly one that such a call is meant for. Those that were granted are never closed."""
        entries = self.memory.descriptors._entries.items()
        opened = [fd for fd, entry in entries if entry.type is FileType.REGULAR_FILE]
        folders = [fd for fd, entry in entries if entry.type is FileType.DIRECTORY]
        if name in ("fd_close", "fd_renumber"):
            return numbers.choice([fd for fd in (*opened, *folders) if fd not in GRANTS] or [-1])
        suitable = [*folders, ROOT, ROOT] if name.startswith("path_") else opened or folders
        return numbers.choice(suitable if numbers.random() < 0.9 else range(ROOT, ROOT + 9))

    def _told(self, guest: Guest, name: str, arguments: Sequence[Any]) -> Any:
        """What a call says, as far as it is the same for every file system."""
        try:
            if name == "fd_readdir":
                return sorted((entry.name, entry.type) for entry in guest.list(arguments[0]))
            result = guest.ask(name, *arguments)
        except ErrnoError as error:
            return error.errno
        return self._comparable(Status(*result)) if name.endswith("filestat_get") else result

    def _comparable(self, status: Status) -> Status:
        """Without numbers of devices and inodes, the time that it is, and what a directory takes."""
        folder = status.type == FileType.DIRECTORY
        return Status(
            device=0,
            inode=0,
            type=status.type,
            links=status.links if self._counts_folders or not folder else 0,
            size=0 if folder else status.size,
            accessed=min(status.accessed, _LONG_AGO) if self._keeps_access else 0,
            modified=min(status.modified, _LONG_AGO),
            changed=0,
        )


def host_tree(directory: str | Path) -> dict[str, Any]:
    """What `MemoryDirectory.to_dict` returns for a directory of the host."""
    result: dict[str, Any] = {}
    for entry in os.scandir(directory):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            result[entry.name] = host_tree(entry.path)
        elif stat.S_ISLNK(mode):
            result[entry.name] = Link(os.readlink(entry.path))
        else:
            result[entry.name] = Path(entry.path).read_bytes()
    return result


def same_files(directory: Path, files: MemoryDirectory) -> tuple[set[Any], set[Any]]:
    """For each file that has several names, these names; in the host, and in memory."""
    host: dict[int, set[str]] = {}
    for here, folders, names in os.walk(directory):
        for name in folders + names:
            status = os.lstat(os.path.join(here, name))
            if not stat.S_ISDIR(status.st_mode):
                path = os.path.relpath(os.path.join(here, name), directory)
                host.setdefault(status.st_ino, set()).add(path)
    memory: dict[int, set[str]] = {}
    for path, value in files.walk():
        if not isinstance(value, MemoryDirectory):
            parent, _, name = path.rpartition("/")
            holder = files[parent] if parent else files
            memory.setdefault(holder.status(name.encode()).inode, set()).add(path)
    return set(map(frozenset, host.values())), set(map(frozenset, memory.values()))
