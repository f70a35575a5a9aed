"""Host directories where they are unusual: names, depths, pipes, devices, permissions, descriptors."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import ErrnoError, FdFlags, FileType, FstFlags, OFlags, Rights

from .attempts import ATTEMPTS
from .guest import ALL, ROOT, Guest
from .host import World, open_descriptors

READ = Rights.FD_READ
SEARCH = Rights.PATH_OPEN | Rights.PATH_FILESTAT_GET


@pytest.fixture
def guest(world: World) -> Iterator[Guest]:
    with Guest(dirs={"/": world.granted}) as guest:
        yield guest


@pytest.mark.usefixtures("every_walk")
def test_names(guest: Guest, world: World) -> None:
    longest = b"n" * 255
    for name in (b"a\nb", b" ", b"...", b"\\", "ü€".encode(), b"-", b"%2e%2e", longest, b"..\\x"):
        for path in (name, b"dir/" + name, b"dir/../" + name):
            assert ATTEMPTS["create"](guest, path) is Errno.SUCCESS
            assert guest.status(path).type is FileType.REGULAR_FILE
    assert os.path.exists(world.granted / "dir" / "%2e%2e")
    for attempt in ATTEMPTS.values():
        for prefix in (b"", b"dir/", b"dir/../"):
            assert attempt(guest, prefix + longest + b"n") in {
                *(Errno.ENAMETOOLONG, Errno.ENOENT),
            }
            assert attempt(guest, prefix + b"a\0b") is Errno.EINVAL
            assert attempt(guest, prefix + b"\xff") is Errno.EILSEQ
            assert attempt(guest, prefix + b"\xed\xa0\x80") is Errno.EILSEQ
        assert attempt(guest, b"") is Errno.ENOENT
        assert attempt(guest, longest + b"n/x") in {Errno.ENAMETOOLONG, Errno.ENOENT}


def test_names_that_are_no_text_are_listed(guest: Guest, world: World) -> None:
    (Path(os.fsdecode(os.fsencode(world.granted) + b"/\xff\n"))).touch()
    assert b"\xff\n" in {entry.name for entry in guest.list()}


@pytest.mark.usefixtures("every_walk")
def test_long_paths(guest: Guest, world: World) -> None:
    inode = (world.granted / "file").stat().st_ino
    for path in (
        b"./" * 2045 + b"file",
        b"dir/../" * 584 + b"file",
        b"dir//////../" * 340 + b"file",
    ):
        assert len(path) < 4096
        assert guest.status(path).inode == inode
    assert guest.status(b"dir" + b"/" * 4000).type is FileType.DIRECTORY
    for path in (b"./" * 2046 + b"file", b"dir/../" * 10_000, b"a" * 4096, b"dir/" * 100_000):
        for attempt in ATTEMPTS.values():
            assert attempt(guest, path) is Errno.ENAMETOOLONG


@pytest.mark.usefixtures("every_walk")
def test_deep_trees(guest: Guest) -> None:
    depth = 600
    held = ROOT
    for _ in range(depth):
        guest.ask("path_create_directory", held, b"d")
        following = guest.open(b"d", fd=held)
        if held != ROOT:
            guest.ask("fd_close", held)
        held = following
    bottom = guest.fd_status(held).inode
    down, up = b"d/" * depth, b"../" * depth
    assert guest.status(down).inode == bottom
    assert guest.status(down + up + b"file").type is FileType.REGULAR_FILE
    assert guest.errno("path_filestat_get", ROOT, 0, down + up + b"..") is Errno.ENOTCAPABLE
    assert guest.errno("path_filestat_get", held, 0, b"..") is Errno.ENOTCAPABLE


@pytest.mark.usefixtures("every_walk")
def test_numbers_of_links(guest: Guest, world: World) -> None:
    """Forty are followed, as by Linux, wherever they are in the path."""
    for number in range(45):
        world.link(f"file{number + 1}", f"file{number}" if number else "file")
        world.link(f"dir{number + 1}", f"./dir{number}" if number else "dir")
    world.link("self", "self")
    world.link("ping", "dir/../pong")
    world.link("pong", "ping")
    for most, expected in ((40, Errno.SUCCESS), (41, Errno.ELOOP), (45, Errno.ELOOP)):
        for path in (b"file%d" % most, b"dir%d/file" % most, b"dir%d" % most, b"dir%d/" % most):
            assert guest.errno("path_filestat_get", ROOT, 1, path) is expected, path
    for path in (b"self", b"ping", b"self/", b"self/x", b"ping/x", b"ping/.."):
        for attempt in ("open", "status", "write"):
            assert ATTEMPTS[attempt](guest, path) is Errno.ELOOP, path


@pytest.mark.usefixtures("every_walk")
def test_links_whose_paths_are_long_together(guest: Guest, world: World) -> None:
    """Each is shorter than a path may be, and what they are joined to is not."""
    world.link("dir/long", "./" * 2000 + "../file")
    path = b"dir/../" * 400 + b"dir/long"
    assert guest.status(path, follow=True).inode == (world.granted / "file").stat().st_ino


def test_pipes(guest: Guest, world: World) -> None:
    os.mkfifo(world.granted / "pipe")
    assert guest.status(b"pipe").type is FileType.UNKNOWN
    reading = guest.open(b"pipe", rights=READ, flags=FdFlags.NONBLOCK)
    writing = guest.open(b"pipe", rights=Rights.FD_WRITE, flags=FdFlags.NONBLOCK)
    assert guest.ask("fd_write", writing, b"through") == 7
    assert guest.read(reading) == b"through"
    assert guest.errno("fd_read", reading, 5) is Errno.EAGAIN
    assert guest.errno("fd_seek", reading, 0, 0) in {Errno.ESPIPE, Errno.ENOTCAPABLE}
    guest.ask("fd_close", reading)
    arguments = (ROOT, 1, b"pipe", 0, Rights.FD_WRITE, 0, FdFlags.NONBLOCK)
    assert guest.errno("path_open", *arguments) is Errno.ENXIO


def test_waiting_for_a_pipe_can_be_interrupted(guest: Guest, world: World) -> None:
    class Interrupt(Exception):
        pass

    def raise_(*_: object) -> None:
        raise Interrupt

    os.mkfifo(world.granted / "pipe")
    before = open_descriptors()
    previous = signal.signal(signal.SIGALRM, raise_)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Interrupt):
            guest.open(b"pipe", rights=READ)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert open_descriptors() == before


def test_sockets_and_devices(guest: Guest, world: World) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(world.granted / "socket"))
        assert guest.status(b"socket").type is FileType.SOCKET_STREAM
        assert ATTEMPTS["open"](guest, b"socket") is Errno.ENXIO
        assert ATTEMPTS["write"](guest, b"socket") is Errno.ENXIO
    with Guest(dirs={"/dev": "/dev"}) as other:
        null = other.open(b"null", rights=ALL)
        assert other.fd_status(null).type is FileType.CHARACTER_DEVICE
        assert other.ask("fd_write", null, b"away") == 4
        assert other.read(null) == b""
        assert len(other.read(other.open(b"zero"), 1000)) == 1000


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may do nothing, where tests are run by one who may do all."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("every_walk")
def test_what_the_host_does_not_permit(guest: Guest, world: World) -> None:
    sealed, searched = world.granted / "sealed", world.granted / "searched"
    for place in (sealed, searched):
        (place / "dir").mkdir(parents=True)
        (place / "file").write_text("text")
    os.chmod(searched / "dir", 0o711)
    os.chmod(searched, 0o711)
    os.chmod(sealed, 0o700 if os.geteuid() == 0 else 0)
    if os.geteuid():
        os.chmod(searched, 0o111)
    try:
        with nobody():
            for attempt in ("open", "write", "status", "read a link", "make a directory"):
                assert ATTEMPTS[attempt](guest, b"sealed/file") is Errno.EACCES
                assert ATTEMPTS[attempt](guest, b"sealed/dir/../file") is Errno.EACCES
            assert guest.read(guest.open(b"searched/file")) == b"text"
            assert guest.read(guest.open(b"searched/dir/../file")) == b"text"
            assert ATTEMPTS["make a directory"](guest, b"searched/new") is Errno.EACCES
            # one that can only be searched can be opened for that, and not be listed
            arguments = (ROOT, 1, b"searched", OFlags.DIRECTORY)
            assert guest.errno("path_open", *arguments, Rights.FD_READDIR, 0, 0) is Errno.EACCES
            held = guest.open(b"searched", OFlags.DIRECTORY, SEARCH)
            assert guest.read(guest.open(b"file", fd=held)) == b"text"
            assert guest.errno("fd_readdir", held, 100, 0) is Errno.ENOTCAPABLE
    finally:
        os.chmod(sealed, 0o755)
        os.chmod(searched, 0o755)


def test_times_beyond_what_files_have(guest: Guest, world: World) -> None:
    both = FstFlags.ATIM | FstFlags.MTIM
    for time in (0, 1, 2**31 * 10**9, 2**63 - 1, 2**63, 2**64 - 1):
        path_ = guest.errno("path_filestat_set_times", ROOT, 0, b"file", time, time, both)
        fd = guest.open(b"file", rights=ALL)
        assert path_ is guest.errno("fd_filestat_set_times", fd, time, time, both)
        assert path_ in {Errno.SUCCESS, Errno.EINVAL, Errno.EOVERFLOW}
        guest.ask("fd_close", fd)
    os.utime(world.granted / "file", ns=(-(10**18), -(10**18)))
    before = guest.status(b"file")
    for name, *arguments in (
        ("path_filestat_set_times", ROOT, 0, b"file"),
        ("fd_filestat_set_times", guest.open(b"file", rights=ALL)),
    ):
        guest.ask(name, *arguments, 7, 0, FstFlags.ATIM)
        status = guest.status(b"file")
        assert (status.accessed, status.modified) == (7, before.modified)
    assert before.modified == 2**64 - 10**18


def test_sizes_and_offsets_beyond_what_files_have(guest: Guest) -> None:
    fd = guest.open(b"file", rights=ALL)
    huge = (2**63, 2**64 - 1)
    for size in (*huge, 2**63 - 1):
        assert guest.errno("fd_filestat_set_size", fd, size) in {Errno.EINVAL, Errno.EFBIG}
        assert guest.errno("fd_allocate", fd, size, 1) in {Errno.EINVAL, Errno.EFBIG}
        assert guest.errno("fd_allocate", fd, 1, size) in {Errno.EINVAL, Errno.EFBIG}
        assert guest.errno("fd_pwrite", fd, b"x", size) in {Errno.EINVAL, Errno.EFBIG}
    for offset in huge:
        assert guest.errno("fd_pread", fd, 1, offset) is Errno.EINVAL
        assert guest.errno("fd_advise", fd, offset, 1, 0) is Errno.EINVAL
    for offset in (-(2**63), -1):
        assert guest.errno("fd_seek", fd, offset, 0) is Errno.EINVAL
        assert guest.errno("fd_seek", fd, offset, 1) is Errno.EINVAL
    assert guest.ask("fd_seek", fd, 2**40, 0) == 2**40
    assert guest.errno("fd_seek", fd, 2**63 - 1, 1) in {Errno.EINVAL, Errno.EOVERFLOW}
    assert guest.fd_status(fd).size == len("inside")


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """So many more descriptors than are open now can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open("/", os.O_PATH)]
    while held[-1] > len(held) + open_descriptors():
        held.append(os.open("/", os.O_PATH))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1 + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for number in held:
            os.close(number)


def as_many_as_possible(guest: Guest) -> tuple[list[int], Errno]:
    """The descriptors that could be opened, and why there are no more."""
    opened = []
    try:
        while True:
            opened.append(guest.open(b"file"))
    except ErrnoError as error:
        return opened, error.errno


@pytest.mark.parametrize("spare", [0, 1, 2, 5])
@pytest.mark.usefixtures("every_walk")
def test_the_host_runs_out_of_descriptors(spare: int, guest: Guest) -> None:
    before = open_descriptors()
    answers = {Errno.SUCCESS, Errno.EMFILE}
    with few_descriptors(spare):
        opened, errno_ = as_many_as_possible(guest)
        assert errno_ is Errno.EMFILE
        assert len(opened) == spare
        for path in (b"file", b"dir/file", b"dir/sub/../file", b"dir/sub"):
            for attempt in ("open", "open a directory", "status", "read a link", "make a link"):
                errno_ = ATTEMPTS[attempt](guest, path)
                assert errno_ in answers | {Errno.EINVAL, Errno.EEXIST, Errno.ENOTDIR}, path
        assert guest.errno("fd_readdir", ROOT, 100, 0) is Errno.EMFILE
    for fd in opened:
        guest.ask("fd_close", fd)
    assert open_descriptors() == before
    assert ATTEMPTS["status"](guest, b"dir/sub/../file") is Errno.SUCCESS


def test_a_program_runs_out_of_descriptors(guest: Guest) -> None:
    held = open_descriptors()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[0] < 10_000:
        pytest.skip("the host's own limit comes first")
    opened, errno_ = as_many_as_possible(guest)
    assert errno_ is Errno.EMFILE
    assert 8000 < len(opened) == open_descriptors() - held
    guest.ask("fd_close", 4000)
    assert guest.open(b"file") == 4000
    guest.close()
    assert open_descriptors() == held - 1


@pytest.mark.usefixtures("every_walk")
def test_no_descriptor_is_lost(guest: Guest, world: World) -> None:
    world.link("out", "../outside")
    world.link("loop", "loop")
    world.link("in", "dir/sub")
    before = open_descriptors()
    paths = (b"file", b"dir/sub/../file", b"in/file", b"out/file", b"loop/x", b"no/x", b"file/x")
    for _ in range(10):
        for path in (*paths, b"..", b"dir/", b"in/", b"x" * 300, b"dir/.", b"../x", b"new"):
            for name, attempt in ATTEMPTS.items():
                if name.startswith("rename") or ("directory" in name and "make" not in name):
                    continue
                attempt(guest, path)
        for fd in {*range(2, 400)} - {ROOT}:
            guest.errno("fd_close", fd)
    assert open_descriptors() == before
    assert guest.errno("fd_readdir", ROOT, 4096, 0) is Errno.SUCCESS
    assert open_descriptors() == before


def test_closing_what_is_left(world: World) -> None:
    before = open_descriptors()
    with Guest(dirs={"/": world.granted, "/b": HostDirectory(world.outside)}) as guest:
        for _ in range(50):
            guest.open(b"file")
            guest.open(b"dir")
            guest.ask("fd_renumber", guest.open(b"dir"), ROOT + 2)
    assert open_descriptors() == before


SECCOMP = """
import ctypes, errno, os, struct, sys

# load the number of the system call; is it openat2? then this errno, else go ahead
program = struct.pack("<" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 437,
    0x06, 0, 0, 0x00050000 | getattr(errno, sys.argv[2]), 0x06, 0, 0, 0x7FFF0000)
code = ctypes.create_string_buffer(program)
filter_ = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.addressof(filter_), 0, 0):
    sys.exit(77)

from wasmine.wasi import hostfiles
from wasmine.wasi.abi import ErrnoError

directory = hostfiles.HostDirectory(sys.argv[1])
assert hostfiles._open_beneath(directory.host, b"dir") is None
print(directory.descend(b"dir/sub/..").status(b"file").size)
for path in (b"..", b"out", b"dir/../.."):
    try:
        directory.descend(path)
    except ErrnoError as error:
        print(error.errno.name)
"""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_the_system_call_is_forbidden(number: int, world: World) -> None:
    """As in containers."""
    world.link("out", "../outside")
    command = [sys.executable, "-c", SECCOMP, str(world.granted), errno.errorcode[number]]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode == 77:
        pytest.skip("system calls cannot be filtered here")
    assert (done.stdout, done.stderr) == ("6\n" + "ENOTCAPABLE\n" * 3, "")
