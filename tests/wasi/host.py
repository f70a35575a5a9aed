"""What the tests of host directories share: the ways of walking, a tree with a world around it."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wasmine.wasi import hostfiles

WALKS = ("openat2", "steps", "ENOSYS", "EPERM", "EAGAIN")
"""With the system call, without it, and where it fails as it does in old kernels and containers."""

Snapshot = dict[str, tuple[object, ...]]


def use_walk(monkeypatch: pytest.MonkeyPatch, walk: str) -> None:
    """Makes host directories resolve paths in one of these ways."""
    if walk == "steps":
        monkeypatch.setattr(hostfiles, "_open_beneath", lambda _host, _path: None)
    elif walk != "openat2":

        def refuse(*_: object) -> int:
            ctypes.set_errno(getattr(errno, walk))
            return -1

        monkeypatch.setattr(hostfiles, "_openat2", lambda: refuse)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def snapshot(directory: Path) -> Snapshot:
    """All that a program could have changed below a directory, itself included."""
    found: Snapshot = {}
    for path in (directory, *sorted(directory.rglob("*"))):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(directory))] = (
            *(status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns),
            content,
        )
    return found


class World:
    """A directory that is granted, and what is beside it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.granted = base / "granted"
        self.outside = base / "outside"
        for place, text in ((self.granted, "inside"), (self.outside, "secret")):
            (place / "dir" / "sub").mkdir(parents=True)
            for path in (place / "file", place / "dir" / "file", place / "dir" / "sub" / "file"):
                path.write_text(text)
            (place / "pointer").symlink_to(f"{text}-target")

    def link(self, name: str, target: str | Path) -> None:
        (self.granted / name).symlink_to(target)

    def is_outside(self, inode: int) -> bool:
        return inode in {path.lstat().st_ino for path in (self.base, *self.outside.rglob("*"))}

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Fails if what is beside the granted directory is not as it was."""
        before = snapshot(self.outside), sorted(os.listdir(self.base))
        yield
        assert (snapshot(self.outside), sorted(os.listdir(self.base))) == before
