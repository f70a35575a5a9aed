"""The attacker has an accomplice, who exchanges directories and links while paths are walked.

That the attack is one is shown by directories that check first and act afterwards: they are caught.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import ErrnoError, FdFlags, OFlags, Rights
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.filesystem import Directory, Opening, escape, failure
from wasmine.wasi.hostfiles import HostFile

from .guest import ALL, ROOT, Guest
from .host import World, use_walk

LONG_ENOUGH = 1.5
"""Seconds of attack; most naive directories are caught in a third of it."""
AT_MOST = 60

Round = Callable[[Guest], Iterator[object]]
"""Attempts, each of which yields what it has seen, or raises ErrnoError."""


class CheckedPaths(HostDirectory):
    """Finds out where a path leads, and then goes there."""

    def reopen(self) -> HostDirectory:
        return type(self)(self.host)

    def descend(self, path: bytes) -> Directory:
        here = os.readlink(f"/proc/self/fd/{self.host}")
        there = os.path.join(here, os.fsdecode(path))
        if os.path.commonpath([here, os.path.realpath(there)]) != here:
            escape()
        return HostDirectory(there)


class CheckedNames(CheckedPaths):
    """Goes step by step, and looks at each name before it goes there."""

    def descend(self, path: bytes) -> Directory:
        return Directory.descend(self, path)

    def enter(self, name: bytes) -> HostDirectory:
        if stat.S_ISLNK(os.lstat(name, dir_fd=self.host).st_mode):
            raise failure(40)
        return CheckedNames(self._go(name, os.O_PATH | os.O_DIRECTORY))

    def open(self, name: bytes, opening: Opening) -> Descriptor | Directory:
        status = os.lstat(name, dir_fd=self.host)
        if stat.S_ISLNK(status.st_mode):
            raise failure(40)
        return HostFile(self._go(name, os.O_RDONLY), self.status(name).type, FdFlags(0), False)

    def _go(self, name: bytes, flags: int) -> int:
        return os.open(name, flags, dir_fd=self.host)


class CountedSteps(CheckedPaths):
    """Counts how deep it is, and takes ".." for the way back."""

    def descend(self, path: bytes) -> Directory:
        here: HostDirectory = HostDirectory(self.host)
        depth = 0
        for name in path.split(b"/"):
            depth += -1 if name == b".." else 1
            if depth < 0:
                escape()
            here = here.enter(name)
        return here


@contextmanager
def exchanging(first: Path, second: Path) -> Iterator[None]:
    """Somebody else exchanges two names as fast as can be.

    Threads of Python would take turns; two processes do not.
    """
    script = Path(__file__).with_name("exchange.py")
    command = [sys.executable, *map(str, (script, first, second))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.stdin.close()
    assert process.returncode == 0


def attack(
    directory: HostDirectory,
    names: tuple[Path, Path],
    rounds: Round,
    has_leaked: Callable[[object], bool],
    seconds: float,
) -> tuple[bool, Counter[Errno]]:
    """Whether a program got what it should not, at which the attack ends, and how it fared."""
    fared: Counter[Errno] = Counter()
    end = time.monotonic() + seconds
    with Guest(dirs={"/": directory}) as guest, exchanging(*names):
        while time.monotonic() < end or fared[Errno.SUCCESS] < 100:
            for seen in rounds(guest):
                fared[seen if isinstance(seen, Errno) else Errno.SUCCESS] += 1
                if has_leaked(seen):
                    return True, fared
    return False, fared


def attempted(*calls: Callable[[], object]) -> Iterator[object]:
    for call in calls:
        try:
            yield call()
        except ErrnoError as error:
            yield error.errno


def looking(guest: Guest) -> Iterator[object]:
    """All the ways to learn something of what is behind `spot`."""

    def content(path: bytes, oflags: int = 0) -> bytes:
        fd = guest.open(path, oflags)
        try:
            return guest.read(fd) if not oflags else b"%d" % guest.fd_status(fd).inode
        finally:
            guest.ask("fd_close", fd)

    yield from attempted(
        lambda: content(b"spot/file"),
        lambda: guest.status(b"spot/file").inode,
        lambda: guest.status(b"spot/dir/.", follow=True).inode,
        lambda: guest.ask("path_readlink", ROOT, b"spot/pointer", 100),
        lambda: content(b"spot/dir", OFlags.DIRECTORY),
        lambda: content(b"spot/dir/../dir/file"),
    )


def changing(guest: Guest) -> Iterator[object]:
    """All the ways to change something there."""

    def make() -> None:
        guest.ask("fd_close", guest.open(b"spot/new", OFlags.CREAT, ALL))

    ask = guest.ask
    yield from attempted(
        make,
        lambda: ask("path_rename", ROOT, b"spot/new", ROOT, b"spot/renamed"),
        lambda: ask("path_link", ROOT, 0, b"spot/renamed", ROOT, b"spot/linked"),
        lambda: ask("path_filestat_set_times", ROOT, 0, b"spot/file", 5, 5, 5),
        lambda: ask("path_unlink_file", ROOT, b"spot/renamed"),
        lambda: ask("path_unlink_file", ROOT, b"spot/linked"),
        lambda: ask("path_create_directory", ROOT, b"spot/made"),
        lambda: ask("path_symlink", b"x", ROOT, b"spot/made/link"),
        lambda: ask("path_unlink_file", ROOT, b"spot/made/link"),
        lambda: ask("path_remove_directory", ROOT, b"spot/made"),
        lambda: ask("fd_close", guest.open(b"spot/file", OFlags.TRUNC, ALL)),
    )


def leaf(guest: Guest) -> Iterator[object]:
    def content() -> bytes:
        fd = guest.open(b"leaf", rights=Rights.FD_READ)
        try:
            return guest.read(fd)
        finally:
            guest.ask("fd_close", fd)

    yield from attempted(content, lambda: guest.status(b"leaf", follow=True).inode)


def moved(guest: Guest) -> Iterator[object]:
    yield from attempted(
        lambda: guest.status(b"dir/sub/../../file").inode,
        lambda: guest.status(b"dir/sub/back/dir/sub/back/file", follow=True).inode,
    )


def scene(world: World, rounds: Round) -> tuple[tuple[Path, Path], Callable[[object], bool]]:
    """What is exchanged, and how a leak looks."""
    inodes = {path.lstat().st_ino for path in world.outside.rglob("*")}
    secrets = {b"secret", b"secret-target", *(b"%d" % inode for inode in inodes)}
    inside = world.granted / "spot"

    def learned(seen: object) -> bool:
        return seen in secrets or (seen in inodes and not isinstance(seen, Errno))

    def state() -> object:
        return sorted(os.listdir(world.outside)), (world.outside / "file").stat().st_mtime_ns

    before = state()
    if rounds is moved:
        (world.granted / "dir" / "sub" / "back").symlink_to("../..")
        (world.outside / "dir" / "sub" / "back").symlink_to("../..")
        secret = {(world.outside / "file").stat().st_ino}
        exchanged = world.granted / "dir" / "sub", world.outside / "dir" / "sub"
        return exchanged, lambda seen: seen in secret and not isinstance(seen, Errno)
    if rounds is leaf:
        (world.granted / "leaf").write_text("inside")
        world.link("leaf-link", "../outside/file")
        return (world.granted / "leaf", world.granted / "leaf-link"), learned
    World(world.base / "more").granted.rename(inside)
    world.link("link", "../outside")
    exchanged = inside, world.granted / "link"
    return exchanged, learned if rounds is looking else lambda _: state() != before


@pytest.mark.parametrize("rounds", [looking, changing, leaf, moved], ids=lambda it: it.__name__)
@pytest.mark.parametrize("walk", ["openat2", "steps"])
def test_a_race_is_not_won(
    walk: str, rounds: Round, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_walk(monkeypatch, walk)
    names, has_leaked = scene(world, rounds)
    directory = HostDirectory(world.granted)
    leaked, fared = attack(directory, names, rounds, has_leaked, LONG_ENOUGH)
    assert not leaked
    assert set(fared) <= {
        *(Errno.SUCCESS, Errno.ENOTCAPABLE, Errno.ENOENT),
        # a name that was a link when it was tried, and none when the link was to be read
        *(Errno.ENOTDIR, Errno.ELOOP),
        # what an earlier round could not remove
        *(Errno.EEXIST, Errno.ENOTEMPTY),
    }


@pytest.mark.parametrize(
    ("naive", "rounds"),
    [
        (CheckedPaths, looking),
        (CheckedPaths, changing),
        (CheckedNames, looking),
        (CheckedNames, changing),
        (CheckedNames, leaf),
        (CountedSteps, moved),
    ],
    ids=lambda it: it.__name__,
)
def test_a_naive_directory_is_caught(
    naive: type[HostDirectory], rounds: Round, world: World
) -> None:
    names, has_leaked = scene(world, rounds)
    leaked, fared = attack(naive(world.granted), names, rounds, has_leaked, AT_MOST)
    assert leaked, fared
