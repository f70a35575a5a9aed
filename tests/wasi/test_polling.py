"""Waiting: poll_oneoff for clocks, host descriptors and Python objects; signals that end a wait."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from types import FrameType

import greenlet  # type: ignore[import-untyped]
import pytest

from wasmine import Engine, Module, wasi
from wasmine.wasi import Clocks, Errno
from wasmine.wasi.abi import EVENT, FdFlags

from .guest import Guest

WAITING = Path(__file__).parent / "programs" / "waiting.wasm"
CLOCK, READ, WRITE = range(3)
HANGUP = 1
# How late a slow machine may be, in seconds: nothing takes that long unless something is wrong.
PATIENCE = 30

Event = tuple[int, Errno, int, int, int]


def clock(userdata: int, timeout: int, *, clock: int = 1, absolute: bool = False) -> bytes:
    return pack("<QB7xI4xQQH6x", userdata, CLOCK, clock, timeout, 0, absolute)


def stream(userdata: int, kind: int, descriptor: int) -> bytes:
    return pack("<QB7xI28x", userdata, kind, descriptor)


def poll(guest: Guest, *subscriptions: bytes) -> list[Event]:
    """The events: userdata, errno, type, bytes, flags."""
    guest.memory.write(0, b"".join(subscriptions))
    assert guest.call("poll_oneoff", 0, 4096, len(subscriptions), 8192) is Errno.SUCCESS
    events = guest.memory[4096 : 4096 + EVENT.size * guest.u32(8192)]
    return [
        (userdata, Errno(errno), kind, count, flags)
        for userdata, errno, kind, count, flags in EVENT.iter_unpack(events)
    ]


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            try:
                os.close(end)
            except OSError:  # closed by the test
                continue


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("with_stream", [False, True])
def test_time_is_waited_for_and_never_ends_early(
    number: int, absolute: bool, with_stream: bool
) -> None:
    now = (time.time_ns, time.monotonic_ns)[number]
    with pipe() as (reading, _):
        guest = Guest(reading)
        more = [stream(2, READ, 0)] if with_stream else []
        for wait in (0, 1, 700_000, 20_300_000):
            start = now()
            timeout = start + wait if absolute else wait
            events = poll(guest, clock(1, timeout, clock=number, absolute=absolute), *more)
            assert events == [(1, 0, CLOCK, 0, 0)]
            assert wait <= now() - start < wait + PATIENCE * 10**9


def test_waiting_burns_no_time() -> None:
    with pipe() as (reading, _):
        guest = Guest(reading)
        before = time.thread_time()
        for more in ([], [stream(2, READ, 0)]):
            assert poll(guest, clock(1, 250_000_000), *more) == [(1, 0, CLOCK, 0, 0)]
        assert time.thread_time() - before < 0.05


def test_several_events_at_once() -> None:
    with pipe() as (reading, writing):
        guest = Guest(reading, stdout=writing)
        assert poll(guest, stream(1, READ, 0), stream(2, WRITE, 1), clock(3, 10**12)) == [
            (2, 0, WRITE, 1, 0)
        ]
        os.write(writing, b"abc")
        assert poll(guest, stream(1, READ, 0), stream(1, READ, 0), stream(2, WRITE, 1)) == [
            *[(1, 0, READ, 3, 0)] * 2,
            (2, 0, WRITE, 1, 0),
        ]


def test_one_that_is_wrong_does_not_spoil_the_others() -> None:
    with pipe() as (reading, writing):
        os.write(writing, b"x")
        guest = Guest(reading)
        assert poll(guest, stream(1, READ, 99), stream(2, READ, 0), clock(3, 10**12)) == [
            (1, Errno.EBADF, READ, 0, 0),
            (2, 0, READ, 1, 0),
        ]


def test_the_end_of_a_pipe_is_a_hangup() -> None:
    with pipe() as (reading, writing):
        guest = Guest(reading)
        os.write(writing, b"rest")
        os.close(writing)
        assert poll(guest, stream(1, READ, 0)) == [(1, 0, READ, 4, HANGUP)]
        assert guest.read(0) == b"rest"
        assert poll(guest, stream(1, READ, 0)) == [(1, 0, READ, 0, HANGUP)]
    with pipe() as (reading, writing):
        guest = Guest(stdout=writing)
        os.close(reading)
        assert poll(guest, stream(1, WRITE, 1)) == [(1, 0, WRITE, 1, HANGUP)]
        assert guest.errno("fd_write", 1, b"x") is Errno.EPIPE


def test_a_pipe_that_is_full() -> None:
    with pipe() as (reading, writing):
        os.set_blocking(writing, False)
        guest = Guest(stdout=writing)
        while select.select([], [writing], [], 0)[1]:
            os.write(writing, bytes(4096))
        assert poll(guest, stream(1, WRITE, 1), clock(2, 1000)) == [(2, 0, CLOCK, 0, 0)]
        os.read(reading, 1 << 20)
        assert poll(guest, stream(1, WRITE, 1), clock(2, 10**12)) == [(1, 0, WRITE, 1, 0)]


def test_what_the_host_has_closed() -> None:
    with pipe() as (reading, _):
        guest = Guest(reading)
        os.close(reading)
        assert poll(guest, stream(1, READ, 0), clock(2, 10**12)) == [(1, Errno.EBADF, READ, 0, 0)]


def test_files_and_objects_are_always_ready(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with Guest(b"some", dirs={"/": tmp_path}) as guest:
        file = guest.open(b"file")
        guest.read(file, 3)
        forever = clock(9, 2**64 - 1)
        assert poll(guest, stream(1, READ, file), stream(2, READ, 0), forever) == [
            (1, 0, READ, 7, 0),
            (2, 0, READ, 4, 0),
        ]
        guest.read(file)
        assert poll(guest, stream(1, READ, file), forever) == [(1, 0, READ, 0, 0)]
        assert poll(guest, stream(1, WRITE, 1), forever) == [(1, 0, WRITE, 1, 0)]
    unknown = Guest(lambda _: b"x")
    assert poll(unknown, stream(1, READ, 0), forever) == [(1, 0, READ, 1, 0)]


def test_a_fifo_that_the_guest_opened_waits_or_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Guest(dirs={"/": tmp_path}) as guest:
        file = guest.open(b"fifo", flags=FdFlags.NONBLOCK)
        assert guest.read(file) == b""
        with open(tmp_path / "fifo", "wb", buffering=0) as writing:
            assert guest.errno("fd_read", file, 5) is Errno.EAGAIN
            assert poll(guest, stream(1, READ, file), clock(2, 1)) == [(2, 0, CLOCK, 0, 0)]
            writing.write(b"hello")
            assert poll(guest, stream(1, READ, file), clock(2, 10**12)) == [(1, 0, READ, 5, 0)]
            guest.ask("fd_fdstat_set_flags", file, 0)
            assert guest.read(file) == b"hello"
            timer = threading.Timer(0.05, writing.write, (b"late",))
            timer.start()
            assert guest.read(file) == b"late"
            timer.join()


def test_time_that_is_not_the_host_s() -> None:
    """Then time passes at once, and streams are looked at before and afterwards."""
    now = 5

    def sleep(seconds: float) -> None:
        nonlocal now
        now += round(seconds * 1e9)
        if now > 2 * 10**12:
            os.write(writing, b"x")

    with pipe() as (reading, writing):
        guest = Guest(reading, clocks=Clocks(monotonic=lambda: now, sleep=sleep))
        hour = clock(1, 10**12 + 5, absolute=True)
        assert poll(guest, hour, stream(2, READ, 0)) == [(1, 0, CLOCK, 0, 0)]
        assert now == 10**12 + 5
        assert poll(guest, clock(1, 10**12 + 1), stream(2, READ, 0)) == [(2, 0, READ, 1, 0)]
        assert poll(guest, clock(1, 10**12), stream(2, READ, 0)) == [(2, 0, READ, 1, 0)]
        assert now == 2 * 10**12 + 6


def test_terminals() -> None:
    other_end, terminal = pty.openpty()
    guest = Guest(terminal, stdout=terminal)
    assert poll(guest, stream(1, READ, 0), stream(2, WRITE, 1)) == [(2, 0, WRITE, 1, 0)]
    os.write(other_end, b"line\n")
    assert poll(guest, stream(1, READ, 0)) == [(1, 0, READ, 5, 0)]
    assert guest.read(0) == b"line\n"
    for end in (other_end, terminal):
        os.close(end)


class Rung(Exception):
    """Raised by the alarm."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


WAITS = [("sleep", "100000"), ("read",), ("poll", "100000"), ("poll", "-1")]


@pytest.fixture(scope="module")
def waiting() -> Module:
    return Module(WAITING, engine=Engine(opt_level="none"))


@pytest.mark.parametrize("arguments", WAITS)
def test_a_signal_s_exception_ends_the_wait(waiting: Module, arguments: tuple[str, ...]) -> None:
    with pipe() as (reading, _):
        start = time.monotonic()
        with alarm(0.2), pytest.raises(Rung):
            wasi.run(waiting, ["waiting", *arguments], stdin=reading)
        assert time.monotonic() - start < PATIENCE


def test_a_signal_ends_waiting_for_connections_and_in_greenlets(waiting: Module) -> None:
    def run() -> None:
        with pipe() as (reading, _):
            wasi.run(waiting, ["waiting", "poll", "100000"], stdin=reading)

    with alarm(0.2), pytest.raises(Rung):
        greenlet.greenlet(run).switch()
    with socket.create_server(("127.0.0.1", 0)) as listener, alarm(0.2), pytest.raises(Rung):
        Guest(sockets=[listener]).ask("sock_accept", 3, 0)


def test_other_threads_wait_too(waiting: Module) -> None:
    results: list[bytes] = []
    with pipe() as (reading, writing):

        def run(*arguments: str) -> None:
            results.append(wasi.run(waiting, ["waiting", *arguments], stdin=reading).stdout)

        threads = [
            threading.Thread(target=run, args=arguments)
            for arguments in (("sleep", "50"), ("poll", "-1"), ("poll", "50"))
        ]
        for thread in threads:
            thread.start()
        threads[0].join(PATIENCE)
        threads[2].join(PATIENCE)
        os.write(writing, b"x")
        threads[1].join(PATIENCE)
    assert sorted(results) == [
        b"waiting\npoll: 0 \nevents: 0 0\n",
        b"waiting\npoll: 1 \nevents: 1 0\n",
        b"waiting\nsleep: 0 \n",
    ]


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
@pytest.mark.parametrize("arguments", WAITS)
def test_ctrl_c_ends_the_command_at_once(kind: str, arguments: tuple[str, ...]) -> None:
    ends = os.pipe() if kind == "pipe" else pty.openpty()
    reading = ends[0] if kind == "pipe" else ends[1]
    command = (sys.executable, "-m", "wasmine", "run", str(WAITING), *arguments)
    with subprocess.Popen(
        command, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        time.sleep(0.1)  # for it to wait indeed; it ends as well if it does not yet
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    for end in ends:
        os.close(end)
    assert (process.returncode, output, errors) == (130, b"", b"")
