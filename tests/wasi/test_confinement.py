"""The attacker: a program reaches nothing but what was granted, whichever way paths are walked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import FileType, Rights

from .attempts import ATTEMPTS
from .guest import ROOT, Guest
from .host import World, snapshot

READ = Rights.FD_READ
FOLLOWING = ("open", "write", "create", "truncate", "status", "times", "link from")

# What leads out of the granted directory, to the one beside it.
EXITS = (
    *(b"../outside", b"./../outside", b".//..//outside", b"dir/../../outside"),
    *(b"dir/sub/../../../outside", b"../granted/../outside", b"dir/sub/../../.././outside"),
    *(b"absolute", b"up/outside", b"out", b"chain", b"dir/out", b"inner/out", b"around/out"),
    *(b"out/../outside", b"dir/../out", b"dir/slashed", b"dotted", b"back"),
)


@pytest.fixture
def trapped(world: World) -> World:
    """A tree full of links that lead out of it."""
    world.link("absolute", world.outside)
    world.link("up", "..")
    world.link("out", "../outside")
    world.link("chain", "chain1")
    world.link("chain1", "dir/../chain2")
    world.link("chain2", "dir/out")
    world.link("dir/out", "../../outside")
    world.link("dir/slashed", "../../outside/")
    world.link("inner", "dir")
    world.link("around", "dir/sub/../../inner/.")
    world.link("dotted", "dir/../../outside/.")
    world.link("back", "../granted/../outside")
    return world


@pytest.mark.usefixtures("every_walk")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_beyond_the_granted_directory(trapped: World, attempt: str) -> None:
    with Guest(dirs={"/": trapped.granted}) as guest, trapped.unharmed():
        inside = snapshot(trapped.granted)
        for exit_ in EXITS:
            for rest in (b"/file", b"/dir/file", b"/dir/sub/new", b"/pointer", b"/dir/.", b"/.."):
                assert ATTEMPTS[attempt](guest, exit_ + rest) is Errno.ENOTCAPABLE, exit_ + rest
        for path in (b"..", b"../", b"/", b"//", b"/.", b"../.", b"dir/../..", b"../granted"):
            assert ATTEMPTS[attempt](guest, path) is Errno.ENOTCAPABLE, path
        whole = os.fsencode(trapped.granted)
        for path in (whole, whole + b"/file", b"/etc/passwd", b"//file", b"/file"):
            assert ATTEMPTS[attempt](guest, path) is Errno.ENOTCAPABLE, path
        assert snapshot(trapped.granted) == inside


@pytest.mark.usefixtures("every_walk")
@pytest.mark.parametrize("attempt", FOLLOWING)
def test_links_at_the_end_that_lead_out(trapped: World, attempt: str) -> None:
    trapped.link("file-out", "../outside/file")
    trapped.link("new-out", "../outside/new")
    trapped.link("absolute-file", trapped.outside / "file")
    trapped.link("to-file-out", "dir/../file-out")
    with Guest(dirs={"/": trapped.granted}) as guest, trapped.unharmed():
        for path in (b"file-out", b"new-out", b"absolute-file", b"to-file-out", b"absolute", b"up"):
            assert ATTEMPTS[attempt](guest, path) is Errno.ENOTCAPABLE, path
            assert ATTEMPTS[attempt](guest, path + b"/") is Errno.ENOTCAPABLE, path
        assert guest.errno("path_open", ROOT, 0, b"file-out", 0, READ, 0, 0) is Errno.ELOOP
        assert ATTEMPTS["create anew"](guest, b"new-out") is Errno.EEXIST


@pytest.mark.usefixtures("every_walk")
def test_links_that_stay_inside_are_followed(trapped: World) -> None:
    trapped.link("dir/sub/home", "../../file")
    trapped.link("dir/sub/top", "../..")
    inode = (trapped.granted / "file").stat().st_ino
    with Guest(dirs={"/": trapped.granted}) as guest:
        for path in (b"inner/sub/home", b"around/sub/home", b"inner/sub/top/file", b"dir/../file"):
            assert guest.status(path, follow=True).inode == inode
        assert guest.read(guest.open(b"around/sub/top/dir/sub/home")) == b"inside"
        assert guest.status(b"inner").type is FileType.SYMBOLIC_LINK
        assert guest.status(b"inner/").type is FileType.DIRECTORY
        assert guest.errno("path_filestat_get", ROOT, 0, b"dir/sub/home/") is Errno.ENOTDIR


@pytest.mark.usefixtures("every_walk")
def test_links_of_proc(world: World) -> None:
    """They lead anywhere and are no paths: not even with all of the host's files granted."""
    held = os.open(world.outside, os.O_RDONLY)
    reading, writing = os.pipe()
    world.link("root", "/proc/self/root")
    try:
        with Guest(dirs={"/p": "/proc/self", "/g": world.granted, "/": "/"}) as guest:
            names = (f"fd/{held}", "root", "cwd", "root/etc", f"task/{os.getpid()}/root", "exe")
            for fd, prefix in ((ROOT, ""), (ROOT + 2, f"proc/{os.getpid()}/")):
                for name in names:
                    for rest in ("", "/", "/file", "/.."):
                        path = os.fsencode(prefix + name + rest)
                        errno = guest.errno("path_filestat_get", fd, 1, path)
                        assert errno is Errno.ENOTCAPABLE, path
            assert guest.errno("path_open", ROOT, 0, b"fd/%d" % held, 0, 0, 0, 0) is Errno.ELOOP
            assert guest.errno("path_filestat_get", ROOT + 1, 1, b"root/x") is Errno.ENOTCAPABLE
            # named "pipe:[123]"
            assert guest.errno("path_open", ROOT, 1, b"fd/%d" % reading, 0, 0, 0, 0) is Errno.ENOENT
            assert guest.status(b"root").type is FileType.SYMBOLIC_LINK
    finally:
        for number in (held, reading, writing):
            os.close(number)


@pytest.mark.usefixtures("every_walk")
def test_mount_points() -> None:
    """What is mounted below belongs to the grant; what it is mounted on does not belong to its own."""
    with Guest(dirs={"/": "/", "/proc": "/proc"}) as guest:
        root = os.stat("/").st_ino
        assert guest.status(b"proc/..").inode == root
        assert guest.status(b"proc/self").type is FileType.SYMBOLIC_LINK
        assert guest.status(b"proc/self/..").inode == os.stat("/proc").st_ino
        assert guest.errno("path_filestat_get", ROOT, 0, b"proc/../..") is Errno.ENOTCAPABLE
        assert guest.errno("path_filestat_get", ROOT + 1, 0, b"..") is Errno.ENOTCAPABLE


@pytest.mark.usefixtures("every_walk")
def test_a_directory_that_is_moved_out_takes_nothing_along(world: World) -> None:
    with Guest(dirs={"/": world.granted}) as guest:
        held = guest.open(b"dir/sub")
        guest.ask("path_create_directory", held, b"x")
        (world.granted / "dir" / "sub").rename(world.outside / "moved")
        with world.unharmed():
            assert guest.read(guest.open(b"file", fd=held)) == b"inside"
            for path in (b"..", b"../file", b"./..", b"x/../..", b"../moved/file"):
                errno = guest.errno("path_open", held, 1, path, 0, READ, 0, 0)
                assert errno is Errno.ENOTCAPABLE, path
        entries = {entry.name: entry.inode for entry in guest.list(held)}
        assert entries[b".."] == entries[b"."]


@pytest.mark.usefixtures("every_walk")
def test_the_granted_directory_may_be_moved_or_deleted(world: World) -> None:
    with Guest(dirs={"/": world.granted}) as guest:
        world.granted.rename(world.outside / "moved")
        assert guest.read(guest.open(b"dir/file")) == b"inside"
        assert guest.errno("path_filestat_get", ROOT, 0, b"../file") is Errno.ENOTCAPABLE
        shutil.rmtree(world.outside / "moved")
        assert [entry.name for entry in guest.list()] == [b".", b".."]
        assert ATTEMPTS["create"](guest, b"new") is Errno.ENOENT
        assert ATTEMPTS["make a directory"](guest, b"new") is Errno.ENOENT
        assert ATTEMPTS["open"](guest, b"dir/file") is Errno.ENOENT
        assert ATTEMPTS["status"](guest, b".") is Errno.SUCCESS
        assert ATTEMPTS["status"](guest, b"..") is Errno.ENOTCAPABLE


def test_the_host_may_close_what_it_granted(world: World) -> None:
    number = os.open(world.granted, os.O_RDONLY)
    directory = HostDirectory(number)
    guest = Guest(dirs={"/": directory})
    os.close(number)
    directory.close()
    os.close(os.open(world.outside, os.O_RDONLY))
    assert guest.read(guest.open(b"file")) == b"inside"
    with pytest.raises(OSError, match="Bad file descriptor"):
        directory.descend(b"dir")
    held = guest.descriptors[ROOT]
    guest.close()
    assert ATTEMPTS["open"](guest, b"file") is Errno.EBADF
    with pytest.raises(OSError, match="Bad file descriptor"):
        held.status()


def test_links_to_files_between_grants(world: World) -> None:
    """A name can be given to a file where both ends may be changed, and only there."""
    open_, closed = HostDirectory(world.granted), HostDirectory(world.outside, read_only=True)
    with Guest(dirs={"/a": open_, "/b": world.outside / "dir", "/c": closed}) as guest:
        first, second, third = range(ROOT, ROOT + 3)

        def link(old: int, new: int) -> Errno:
            return guest.errno("path_link", old, 0, b"file", new, b"linked")

        assert link(first, second) is Errno.SUCCESS
        assert (world.outside / "dir" / "linked").read_text() == "inside"
        with world.unharmed():
            assert link(first, third) is Errno.EROFS
            assert link(third, first) is Errno.EROFS
            assert link(third, third) is Errno.EROFS
            assert guest.errno("path_rename", third, b"file", first, b"x") is Errno.EROFS
            assert guest.errno("path_rename", first, b"file", third, b"x") is Errno.EROFS
        assert guest.errno("path_rename", first, b"dir", second, b"moved") is Errno.SUCCESS
        assert guest.errno("path_filestat_get", second, 0, b"moved/..") is Errno.SUCCESS
        assert guest.errno("path_filestat_get", second, 0, b"moved/../..") is Errno.ENOTCAPABLE


def test_grants_on_different_devices(world: World, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system is all there is")
    with Guest(dirs={"/a": world.granted, "/b": other}) as guest:
        for name in ("path_link", "path_rename"):
            flags = (0,) if name == "path_link" else ()
            errno = guest.errno(name, ROOT, *flags, b"file", ROOT + 1, b"wasmine-never-made")
            assert errno is Errno.EXDEV


def test_a_grant_keeps_what_it_is_under_other_numbers(world: World) -> None:
    closed = HostDirectory(world.outside, read_only=True)
    with Guest(dirs={"/open": world.granted, "/closed": closed}) as guest, world.unharmed():
        held = guest.open(b"dir", fd=ROOT + 1)
        guest.ask("fd_renumber", ROOT + 1, ROOT)
        assert guest.ask("fd_prestat_dir_name", ROOT, 7) == b"/closed"
        assert guest.errno("fd_prestat_get", ROOT + 1) is Errno.EBADF
        assert ATTEMPTS["create"](guest, b"new") is Errno.EROFS
        assert ATTEMPTS["open"](guest, b"../granted/file") is Errno.ENOTCAPABLE
        guest.ask("fd_renumber", held, ROOT)
        assert ATTEMPTS["create"](guest, b"new") is Errno.EROFS
        assert ATTEMPTS["open"](guest, b"../file") is Errno.ENOTCAPABLE
        guest.ask("fd_close", ROOT)
        assert guest.errno("fd_prestat_get", ROOT) is Errno.EBADF
        assert ATTEMPTS["open"](guest, b"file") is Errno.EBADF
