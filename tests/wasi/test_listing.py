"""fd_readdir: every name once, from any cookie, into any buffer, while names come and go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import FileType
from wasmine.wasi.filesystem import Entry

from .guest import ROOT, Guest, whole_entries

MANY = 100_000


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "listed"
    place.mkdir()
    yield place
    shutil.rmtree(place)


class Many(HostDirectory):
    """Reports more names than a test wants to make, and counts how often it is asked."""

    asked = 0

    def reopen(self) -> HostDirectory:
        return type(self)(self.host)

    def entries(self) -> Iterator[Entry]:
        type(self).asked += 1
        return (Entry(b"name%d" % number, number, FileType.REGULAR_FILE) for number in range(MANY))


def test_100_000_entries_are_read_once(directory: Path) -> None:
    Many.asked = 0
    with Guest(dirs={"/": Many(directory)}) as guest:
        names = [entry.name for entry in guest.list(size=4096)]
        assert names == [b".", b"..", *(b"name%d" % number for number in range(MANY))]
        assert Many.asked == 1


def test_every_kind_is_told(directory: Path) -> None:
    (directory / "file").touch()
    (directory / "directory").mkdir()
    (directory / "link").symlink_to("file")
    os.mkfifo(directory / "pipe")
    with Guest(dirs={"/": directory}) as guest:
        found = {entry.name: entry for entry in guest.list()}
        for name, kind in {
            *((b"file", FileType.REGULAR_FILE), (b"directory", FileType.DIRECTORY)),
            *((b"link", FileType.SYMBOLIC_LINK), (b"pipe", FileType.UNKNOWN)),
            *((b".", FileType.DIRECTORY), (b"..", FileType.DIRECTORY)),
        }:
            assert found.pop(name).type is kind
        assert not found


def test_tiny_buffers_and_any_cookie(directory: Path) -> None:
    for number in range(20):
        (directory / ("n" * (number + 1))).touch()
    with Guest(dirs={"/": directory}) as guest:
        whole = guest.ask("fd_readdir", ROOT, 4096, 0)
        entries = whole_entries(whole)
        assert len(entries) == 22
        for size in range(130):
            assert guest.ask("fd_readdir", ROOT, size, 0) == whole[:size]
        for size in (60, 64, 100, 1000):
            assert list(guest.list(size=size)) == [entry for _, entry in entries]
        start = 0
        for cookie, entry in entries:
            start += 24 + len(entry.name)
            assert guest.ask("fd_readdir", ROOT, 4096, cookie) == whole[start:]
        for cookie in (23, 1000, 2**31, 2**32, 2**63, 2**64 - 1):
            assert guest.ask("fd_readdir", ROOT, 4096, cookie) == b""
    with Guest(dirs={"/": directory}) as guest:  # the first call need not begin at the start
        assert guest.ask("fd_readdir", ROOT, 4096, 2) == whole[24 * 2 + 3 :]


def test_names_that_come_and_go(directory: Path) -> None:
    names = {b"%03d" % number for number in range(300)}
    for name in names:
        (directory / os.fsdecode(name)).touch()
    with Guest(dirs={"/": directory}) as guest:
        seen = []
        for number, entry in enumerate(guest.list(size=100)):
            seen.append(entry.name)
            if number % 3 == 0:
                guest.errno("path_unlink_file", ROOT, b"%03d" % (number // 3))
            guest.errno("path_create_directory", ROOT, b"new%d" % number)
        assert len(seen) == len(set(seen))
        staying = {entry.name for entry in guest.list()} & names
        assert len(staying) < 300
        assert staying <= set(seen)
        assert b"new5" in {entry.name for entry in guest.list()}


def test_a_directory_that_is_deleted_meanwhile(directory: Path) -> None:
    (directory / "inner").mkdir()
    with Guest(dirs={"/": directory}) as guest:
        held = guest.open(b"inner")
        (directory / "inner").rmdir()
        assert [entry.name for entry in guest.list(held)] == [b".", b".."]
        assert guest.errno("path_create_directory", held, b"x") is Errno.ENOENT
