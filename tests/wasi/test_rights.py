"""Read-only grants and rights: each function with what it needs, and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import FdFlags, FstFlags, OFlags, Rights
from wasmine.wasi.descriptors import FILE_ABILITY
from wasmine.wasi.directories import DIRECTORY_ABILITY

from .guest import ALL, ROOT, Guest
from .host import World, snapshot

TIMES = (5, 5, FstFlags.ATIM | FstFlags.MTIM)
BOTH = Rights.FD_READ | Rights.FD_WRITE

Call = Callable[[Guest, int], Errno]


class Need(NamedTuple):
    """What a function needs: on a file, on a directory, or on the second of two directories."""

    rights: Rights
    call: Call
    on: str = "directory"


def ask(name: str, *values: object) -> Call:
    """The function, with the descriptor in question as its first argument."""
    return lambda guest, fd: guest.errno(name, fd, *values)


def opens(oflags: int, rights: int = Rights.FD_READ) -> Call:
    return ask("path_open", 0, b"file", oflags, rights, 0, 0)


NEEDS = {
    "fd_advise": Need(Rights.FD_ADVISE, ask("fd_advise", 0, 0, 0), "file"),
    "fd_allocate": Need(Rights.FD_ALLOCATE, ask("fd_allocate", 0, 1), "file"),
    "fd_datasync": Need(Rights.FD_DATASYNC, ask("fd_datasync"), "file"),
    "fd_fdstat_set_flags": Need(
        Rights.FD_FDSTAT_SET_FLAGS, ask("fd_fdstat_set_flags", FdFlags.APPEND), "file"
    ),
    "fd_filestat_get": Need(Rights.FD_FILESTAT_GET, ask("fd_filestat_get"), "file"),
    "fd_filestat_set_size": Need(
        Rights.FD_FILESTAT_SET_SIZE, ask("fd_filestat_set_size", 3), "file"
    ),
    "fd_filestat_set_times": Need(
        Rights.FD_FILESTAT_SET_TIMES, ask("fd_filestat_set_times", *TIMES), "file"
    ),
    "fd_pread": Need(Rights.FD_READ | Rights.FD_SEEK, ask("fd_pread", 3, 0), "file"),
    "fd_pwrite": Need(Rights.FD_WRITE | Rights.FD_SEEK, ask("fd_pwrite", b"abc", 0), "file"),
    "fd_read": Need(Rights.FD_READ, ask("fd_read", 3), "file"),
    "fd_seek": Need(Rights.FD_SEEK, ask("fd_seek", 1, 0), "file"),
    "fd_sync": Need(Rights.FD_SYNC, ask("fd_sync"), "file"),
    "fd_tell": Need(Rights.FD_TELL, ask("fd_tell"), "file"),
    "fd_write": Need(Rights.FD_WRITE, ask("fd_write", b"abc"), "file"),
    "fd_readdir": Need(Rights.FD_READDIR, ask("fd_readdir", 100, 0)),
    "sync of a directory": Need(Rights.FD_SYNC, ask("fd_sync")),
    "datasync of a directory": Need(Rights.FD_DATASYNC, ask("fd_datasync")),
    "status of a directory": Need(Rights.FD_FILESTAT_GET, ask("fd_filestat_get")),
    "times of a directory": Need(
        Rights.FD_FILESTAT_SET_TIMES, ask("fd_filestat_set_times", *TIMES)
    ),
    "path_create_directory": Need(
        Rights.PATH_CREATE_DIRECTORY, ask("path_create_directory", b"new")
    ),
    "path_filestat_get": Need(Rights.PATH_FILESTAT_GET, ask("path_filestat_get", 0, b"file")),
    "path_filestat_set_times": Need(
        Rights.PATH_FILESTAT_SET_TIMES, ask("path_filestat_set_times", 0, b"file", *TIMES)
    ),
    "path_open": Need(Rights.PATH_OPEN, opens(0)),
    "path_open, to create": Need(Rights.PATH_OPEN | Rights.PATH_CREATE_FILE, opens(OFlags.CREAT)),
    "path_open, to truncate": Need(
        Rights.PATH_OPEN | Rights.PATH_FILESTAT_SET_SIZE, opens(OFlags.TRUNC)
    ),
    "path_readlink": Need(Rights.PATH_READLINK, ask("path_readlink", b"pointer", 100)),
    "path_remove_directory": Need(
        Rights.PATH_REMOVE_DIRECTORY, ask("path_remove_directory", b"empty")
    ),
    "path_unlink_file": Need(Rights.PATH_UNLINK_FILE, ask("path_unlink_file", b"file")),
    "path_link, from": Need(Rights.PATH_LINK_SOURCE, ask("path_link", 0, b"file", ROOT, b"new")),
    "path_link, to": Need(
        Rights.PATH_LINK_TARGET,
        lambda guest, fd: guest.errno("path_link", ROOT, 0, b"file", fd, b"new"),
    ),
    "path_rename, from": Need(Rights.PATH_RENAME_SOURCE, ask("path_rename", b"file", ROOT, b"new")),
    "path_rename, to": Need(
        Rights.PATH_RENAME_TARGET,
        lambda guest, fd: guest.errno("path_rename", ROOT, b"file", fd, b"new"),
    ),
    "path_symlink": Need(
        Rights.PATH_SYMLINK, lambda guest, fd: guest.errno("path_symlink", b"x", fd, b"new")
    ),
}


def prepared(world: World, on: str) -> tuple[Guest, int]:
    """A guest and another descriptor of a file, or of the granted directory."""
    (world.granted / "empty").mkdir()
    guest = Guest(dirs={"/": world.granted})
    return guest, guest.open(b"file" if on == "file" else b".", 0, ALL if on == "file" else ~BOTH)


@pytest.mark.parametrize("name", NEEDS)
def test_a_function_needs_its_rights_and_no_others(name: str, world: World) -> None:
    need = NEEDS[name]
    guest, fd = prepared(world, need.on)
    inheriting = 0 if need.on == "file" else FILE_ABILITY
    assert guest.errno("fd_fdstat_set_rights", fd, need.rights, inheriting) is Errno.SUCCESS
    assert need.call(guest, fd) is Errno.SUCCESS
    guest.close()


@pytest.mark.parametrize("name", NEEDS)
def test_without_a_right_a_function_is_refused(name: str, world: World) -> None:
    need = NEEDS[name]
    before = snapshot(world.granted)
    for right in need.rights:
        guest, fd = prepared(world, need.on)
        ability = FILE_ABILITY if need.on == "file" else DIRECTORY_ABILITY
        inheriting = 0 if need.on == "file" else FILE_ABILITY
        kept = ability & ~right
        assert guest.errno("fd_fdstat_set_rights", fd, kept, inheriting) is Errno.SUCCESS
        expected = Errno.EBADF if right & BOTH else Errno.ENOTCAPABLE
        assert need.call(guest, fd) is expected, right
        # what was given up does not come back
        assert guest.errno("fd_fdstat_set_rights", fd, ability, 0) is Errno.ENOTCAPABLE
        assert guest.errno("fd_fdstat_set_rights", fd, kept | right, 0) is Errno.ENOTCAPABLE
        assert need.call(guest, fd) is expected, right
        guest.close()
        (world.granted / "empty").rmdir()
    after = snapshot(world.granted)
    assert {name: after[name] for name in after if name != "."} == {
        name: before[name] for name in before if name != "."
    }


def test_every_right_of_files_and_directories_is_tried() -> None:
    tried = Rights(0)
    for need in NEEDS.values():
        tried |= need.rights
    assert (FILE_ABILITY | DIRECTORY_ABILITY) & ~tried == Rights.POLL_FD_READWRITE


def rights_of(guest: Guest, fd: int) -> tuple[Rights, Rights]:
    *_, rights, inheriting = guest.ask("fd_fdstat_get", fd)
    return Rights(rights), Rights(inheriting)


def test_what_a_directory_does_not_pass_on_cannot_be_had(world: World) -> None:
    with Guest(dirs={"/": world.granted}) as guest:
        kept = Rights.FD_READ | Rights.PATH_OPEN | Rights.FD_READDIR
        fd = guest.open(b"dir", OFlags.DIRECTORY, DIRECTORY_ABILITY, inheriting=kept)
        assert rights_of(guest, fd) == (DIRECTORY_ABILITY, kept)
        deeper = guest.open(b"sub", OFlags.DIRECTORY, ALL & ~BOTH, fd=fd)
        assert rights_of(guest, deeper) == (kept & DIRECTORY_ABILITY, kept)
        again = guest.open(b".", OFlags.DIRECTORY, ALL & ~BOTH, fd=fd)
        assert rights_of(guest, again) == (kept & DIRECTORY_ABILITY, kept)
        for start in (fd, deeper, again):
            assert rights_of(guest, guest.open(b"file", fd=start)) == (Rights.FD_READ, Rights(0))
            arguments = (start, 1, b"file", 0, BOTH, 0, 0)
            assert guest.errno("path_open", *arguments) is Errno.ENOTCAPABLE
        assert guest.errno("path_unlink_file", deeper, b"file") is Errno.ENOTCAPABLE
        assert guest.errno("path_unlink_file", fd, b"file") is Errno.SUCCESS


def test_a_file_has_the_rights_that_were_asked_for(world: World) -> None:
    with Guest(dirs={"/": world.granted}) as guest:
        fd = guest.open(b"file", rights=Rights.FD_READ | Rights.FD_TELL)
        assert rights_of(guest, fd) == (Rights.FD_READ | Rights.FD_TELL, Rights(0))
        assert guest.errno("fd_write", fd, b"x") is Errno.EBADF
        assert guest.errno("fd_seek", fd, 0, 0) is Errno.ENOTCAPABLE
        assert guest.errno("fd_filestat_get", fd) is Errno.ENOTCAPABLE
        # opened for writing by the host, so that only the rights stand before it
        fd = guest.open(b"file", rights=BOTH)
        assert guest.errno("fd_fdstat_set_rights", fd, Rights.FD_READ, 0) is Errno.SUCCESS
        assert guest.errno("fd_write", fd, b"x") is Errno.EBADF
        assert guest.errno("fd_filestat_set_size", fd, 0) is Errno.ENOTCAPABLE


def test_nothing_in_a_read_only_grant_changes(world: World) -> None:
    """Nor is anything that would change it half done."""
    before = snapshot(world.granted)
    granted = HostDirectory(world.granted, read_only=True)
    (world.base / "other").mkdir()
    with Guest(dirs={"/": granted, "/other": world.base / "other"}) as guest:
        file = guest.open(b"dir/file", rights=ALL & ~Rights.FD_WRITE)
        directory = guest.open(b"dir")
        empty = guest.open(b"dir/sub", OFlags.DIRECTORY)
        refused: dict[str, Call] = {
            "write": ask("path_open", 1, b"file", 0, BOTH, 0, 0),
            "only write": ask("path_open", 1, b"file", 0, Rights.FD_WRITE, 0, 0),
            "truncate": ask("path_open", 1, b"file", OFlags.TRUNC, Rights.FD_READ, 0, 0),
            "create": ask("path_open", 1, b"new", OFlags.CREAT, Rights.FD_READ, 0, 0),
            "create, write": ask("path_open", 1, b"new", OFlags.CREAT, BOTH, 0, 0),
            "create anew": ask("path_open", 1, b"new", OFlags.CREAT | OFlags.EXCL, 0, 0, 0),
            "times": ask("path_filestat_set_times", 0, b"file", *TIMES),
            "times of itself": ask("path_filestat_set_times", 0, b".", *TIMES),
            "make a directory": ask("path_create_directory", b"new"),
            "remove a directory": ask("path_remove_directory", b"sub"),
            "remove a file": ask("path_unlink_file", b"file"),
            "rename": ask("path_rename", b"file", ROOT, b"new"),
            "rename away": ask("path_rename", b"file", ROOT + 1, b"new"),
            "link": ask("path_link", 0, b"file", ROOT, b"new"),
            "link away": ask("path_link", 0, b"file", ROOT + 1, b"new"),
            "symlink": lambda guest, fd: guest.errno("path_symlink", b"file", fd, b"new"),
        }
        for name, call in refused.items():
            for fd in (ROOT, directory, empty):
                assert call(guest, fd) is Errno.EROFS, name
        for fd in (file, directory, ROOT):
            assert guest.errno("fd_filestat_set_times", fd, *TIMES) is Errno.EROFS
        for name, values in {
            "fd_write": (b"x",),
            "fd_pwrite": (b"x", 0),
            "fd_filestat_set_size": (0,),
            "fd_allocate": (0, 100),
        }.items():
            assert guest.errno(name, file, *values) in {Errno.EBADF, Errno.EINVAL}, name
        both = OFlags.CREAT | OFlags.EXCL
        assert guest.errno("path_open", ROOT, 1, b"file", both, 0, 0, 0) is Errno.EEXIST
        assert guest.read(guest.open(b"file", OFlags.CREAT, Rights.FD_READ)) == b"inside"
    assert snapshot(world.granted) == before


def test_another_grant_of_the_same_tree_may_be_written(world: World) -> None:
    closed = HostDirectory(world.granted, read_only=True)
    with Guest(dirs={"/closed": closed, "/open": world.granted}) as guest:
        reading = guest.open(b"file")
        guest.ask("fd_write", guest.open(b"file", 0, BOTH, fd=ROOT + 1), b"INS")
        assert guest.read(reading) == b"INSide"
