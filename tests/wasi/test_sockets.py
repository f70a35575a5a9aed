"""Sockets that are handed in: connections, datagrams, listening ones, and what breaks them."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasmine import Engine, Module, wasi
from wasmine.wasi import Errno
from wasmine.wasi.abi import FdFlags, FileType, RiFlags, Rights, SdFlags

from .guest import Guest
from .test_polling import PATIENCE, READ, WRITE, clock, poll, stream

SERVE = Path(__file__).parent / "programs" / "serve.wasm"
SOCKET = 3
LARGE = bytes(range(256)) * 8192

Pair = tuple[Guest, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A program with one end of a connection, and the other end."""
    mine, theirs = socket.socketpair()
    mine.settimeout(PATIENCE)
    with mine, theirs, Guest(sockets=[theirs]) as guest:
        yield guest, mine


@pytest.fixture
def datagrams() -> Iterator[Pair]:
    mine, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    with mine, theirs, Guest(sockets=[theirs]) as guest:
        yield guest, mine


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=PATIENCE)


def receive(guest: Guest, length: int, flags: int = 0) -> tuple[bytes, int]:
    """What sock_recv gives, and its flags."""
    guest.put_iovs(0, (100, length // 2), (100 + length // 2, length - length // 2))
    assert guest.call("sock_recv", SOCKET, 0, 2, flags, 16, 20) is Errno.SUCCESS
    return guest.memory[100 : 100 + guest.u32(16)], guest.u32(20) & 0xFFFF


def test_bytes_go_both_ways(pair: Pair) -> None:
    guest, mine = pair
    assert guest.ask("sock_send", SOCKET, b"hello", 0) == 5
    assert guest.ask("fd_write", SOCKET, b", you") == 5
    assert mine.recv(100) == b"hello, you"
    mine.sendall(b"answer")
    assert receive(guest, 4, RiFlags.RECV_PEEK) == (b"answ", 0)
    assert receive(guest, 4) == (b"answ", 0)
    assert guest.read(SOCKET) == b"er"
    mine.shutdown(socket.SHUT_WR)
    assert guest.read(SOCKET) == b""
    assert receive(guest, 0) == (b"", 0)


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_waiting_for_all(timeout: float | None) -> None:
    """Whatever timeout the host's socket has, and that is left as it is."""
    mine, theirs = socket.socketpair()
    theirs.settimeout(timeout)
    with mine, theirs, Guest(sockets=[theirs]) as guest:
        mine.sendall(b"ab")
        timers = [threading.Timer(0.05 * n, mine.sendall, (b"cd",)) for n in (1, 2)]
        for timer in timers:
            timer.start()
        assert receive(guest, 6, RiFlags.RECV_WAITALL) == (b"abcdcd", 0)
        for timer in timers:
            timer.join()
        mine.sendall(b"xyz")
        mine.close()
        assert receive(guest, 6, RiFlags.RECV_WAITALL) == (b"xyz", 0)
        assert theirs.gettimeout() == timeout
        assert os.get_blocking(theirs.fileno()) is (timeout is None)


@pytest.mark.parametrize("timeout", [None, 0])
def test_waiting_or_not_is_the_guest_s_choice(timeout: float | None) -> None:
    mine, theirs = socket.socketpair()
    theirs.settimeout(timeout)
    with mine, theirs, Guest(sockets=[theirs]) as guest:
        guest.ask("fd_fdstat_set_flags", SOCKET, FdFlags.NONBLOCK)
        assert guest.ask("fd_fdstat_get", SOCKET)[1] == FdFlags.NONBLOCK
        assert guest.errno("fd_read", SOCKET, 10) is Errno.EAGAIN
        assert guest.errno("sock_recv", SOCKET, 10, RiFlags.RECV_WAITALL) is Errno.EAGAIN
        while guest.errno("fd_write", SOCKET, bytes(50_000)) is Errno.SUCCESS:
            continue
        assert guest.errno("fd_write", SOCKET, b"x") is Errno.EAGAIN
        assert os.get_blocking(theirs.fileno()) is (timeout is None)
        guest.ask("fd_fdstat_set_flags", SOCKET, 0)
        timer = threading.Timer(0.05, mine.sendall, (b"late",))
        timer.start()
        assert guest.read(SOCKET) == b"late"
        timer.join()


def test_python_s_default_timeout_is_not_the_guest_s() -> None:
    mine, theirs = socket.socketpair()
    socket.setdefaulttimeout(0.01)
    try:
        with mine, theirs, Guest(sockets=[theirs]) as guest:
            assert os.get_blocking(theirs.fileno())
            timer = threading.Timer(0.1, mine.sendall, (b"late",))
            timer.start()
            assert guest.read(SOCKET) == b"late"
            timer.join()
    finally:
        socket.setdefaulttimeout(None)


def test_datagrams_stay_whole_or_say_so(datagrams: Pair) -> None:
    guest, mine = datagrams
    for data in (b"first one", b"second", b"", b"last"):
        mine.send(data)
    assert receive(guest, 4, RiFlags.RECV_PEEK) == (b"firs", 1)
    assert receive(guest, 4) == (b"firs", 1)
    assert receive(guest, 100, RiFlags.RECV_WAITALL) == (b"second", 0)
    assert receive(guest, 100) == (b"", 0)
    assert receive(guest, 0) == (b"", 1)
    guest.ask("sock_send", SOCKET, b"back", 0)
    assert mine.recv(100) == b"back"


def test_what_sockets_are(pair: Pair, datagrams: Pair, listener: socket.socket) -> None:
    rights = {}
    guests = [pair[0], datagrams[0], Guest(sockets=[listener])]
    kinds = [FileType.SOCKET_STREAM, FileType.SOCKET_DGRAM, FileType.SOCKET_STREAM]
    for guest, kind in zip(guests, kinds, strict=True):
        found, flags, base, inheriting = guest.ask("fd_fdstat_get", SOCKET)
        assert (found, flags, inheriting) == (kind, 0, 0)
        rights[guest] = Rights(base)
        assert guest.ask("fd_filestat_get", SOCKET) == (0, 0, kind, 0, 0, 0, 0, 0)
        assert guest.errno("fd_prestat_get", SOCKET) is Errno.EBADF
        assert guest.errno("fd_seek", SOCKET, 0, 0) is Errno.ESPIPE
        assert guest.errno("fd_readdir", SOCKET, 10, 0) is Errno.ENOTDIR
    connected = rights[guests[0]]
    assert {Rights.FD_READ, Rights.FD_WRITE, Rights.SOCK_SHUTDOWN} <= set(connected)
    assert rights[guests[2]] == connected | Rights.SOCK_ACCEPT
    guests[2].close()


def test_sockets_come_after_directories(pair: Pair, tmp_path: Path) -> None:
    with Guest(dirs={"/a": tmp_path, "/b": tmp_path}, sockets=[pair[1]]) as guest:
        granted = [guest.errno("fd_prestat_get", fd) for fd in range(3, 7)]
        assert granted == [Errno.SUCCESS, Errno.SUCCESS, Errno.EBADF, Errno.EBADF]
        assert guest.ask("fd_fdstat_get", 5)[0] == FileType.SOCKET_STREAM


def test_ending_one_direction_or_both(pair: Pair) -> None:
    guest, mine = pair
    guest.ask("sock_shutdown", SOCKET, SdFlags.WR)
    assert mine.recv(10) == b""
    assert guest.errno("sock_send", SOCKET, b"x", 0) is Errno.EPIPE
    guest.ask("sock_shutdown", SOCKET, SdFlags.RD | SdFlags.WR)
    assert guest.read(SOCKET) == b""
    for how in (0, 4, 7):
        assert guest.errno("sock_shutdown", SOCKET, how) is Errno.EINVAL


@pytest.mark.parametrize(
    ("name", "arguments", "errno"),
    [
        ("sock_recv", (10, 4), Errno.EINVAL),
        ("sock_send", (b"x", 1), Errno.EINVAL),
        ("sock_accept", (FdFlags.APPEND,), Errno.EINVAL),
        ("sock_accept", (0,), Errno.EINVAL),
        ("fd_fdstat_set_flags", (FdFlags.SYNC,), Errno.ENOTSUP),
    ],
)
def test_what_cannot_be_asked_of_a_connection(
    pair: Pair, name: str, arguments: tuple[Any, ...], errno: Errno
) -> None:
    assert pair[0].errno(name, SOCKET, *arguments) is errno


def test_rights_can_be_given_up(pair: Pair) -> None:
    guest, _ = pair
    guest.ask("fd_fdstat_set_rights", SOCKET, Rights.FD_READ, 0)
    assert guest.errno("sock_send", SOCKET, b"x", 0) is Errno.EBADF
    assert guest.errno("sock_shutdown", SOCKET, 1) is Errno.ENOTCAPABLE


@pytest.mark.parametrize("name", ["sock_recv", "sock_send", "sock_shutdown", "sock_accept"])
def test_other_descriptors_are_no_sockets(pair: Pair, name: str) -> None:
    arguments = {"sock_recv": (1, 0), "sock_send": (b"x", 0), "sock_shutdown": (1,)}
    assert pair[0].errno(name, 1, *arguments.get(name, (0,))) is Errno.ENOTSOCK
    assert pair[0].errno(name, 9, *arguments.get(name, (0,))) is Errno.EBADF


def test_a_broken_connection_is_an_errno_even_where_signals_kill(listener: socket.socket) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        for name, more in (("fd_write", ()), ("sock_send", (0,))):
            mine = connect(listener)
            theirs, _ = listener.accept()
            with theirs, Guest(sockets=[theirs]) as guest:
                mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                mine.close()  # with a reset
                assert guest.errno("fd_read", SOCKET, 10) is Errno.ECONNRESET
                assert guest.errno(name, SOCKET, b"x", *more) is Errno.EPIPE
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_accepting(listener: socket.socket) -> None:
    with Guest(sockets=[listener]) as guest:
        guest.ask("fd_fdstat_set_flags", SOCKET, FdFlags.NONBLOCK)
        assert guest.errno("sock_accept", SOCKET, 0) is Errno.EAGAIN
        assert poll(guest, stream(1, READ, SOCKET), clock(2, 1))[0][0] == 2
        with connect(listener) as mine:
            assert poll(guest, stream(1, READ, SOCKET), clock(2, 10**12))[0][:3] == (1, 0, READ)
            connection = guest.ask("sock_accept", SOCKET, FdFlags.NONBLOCK)
            assert guest.ask("fd_fdstat_get", connection)[1] == FdFlags.NONBLOCK
            assert guest.errno("fd_read", connection, 10) is Errno.EAGAIN
            guest.ask("fd_fdstat_set_flags", connection, 0)
            mine.sendall(b"hello")
            assert poll(guest, stream(1, READ, connection)) == [(1, 0, READ, 5, 0)]
            assert poll(guest, stream(1, WRITE, connection)) == [(1, 0, WRITE, 1, 0)]
            assert guest.read(connection) == b"hello"
            guest.ask("fd_close", connection)
            assert mine.recv(10) == b""


@pytest.mark.parametrize("timeout", [None, 0, PATIENCE])
def test_accepting_waits(listener: socket.socket, timeout: float | None) -> None:
    listener.settimeout(timeout)
    made: list[socket.socket] = []
    with Guest(sockets=[listener]) as guest:
        timer = threading.Timer(0.05, lambda: made.append(connect(listener)))
        timer.start()
        connection = guest.ask("sock_accept", SOCKET, 0)
        timer.join()
        made[0].sendall(b"hello")
        assert guest.read(connection) == b"hello"
    # The environment has closed what was accepted, not what was handed in.
    assert made[0].recv(10) == b""
    made[0].close()
    with connect(listener):
        assert listener.fileno() >= 0


def test_no_more_connections_than_descriptors(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wasmine.wasi.descriptors._MOST_DESCRIPTORS", 2)
    with Guest(sockets=[listener]) as guest, connect(listener) as mine:
        assert guest.errno("sock_accept", SOCKET, 0) is Errno.EMFILE
        assert mine.recv(1) == b""


def test_what_is_no_socket_is_refused(listener: socket.socket) -> None:
    unconnected = socket.socket()
    secure = ssl.create_default_context().wrap_socket(unconnected, server_hostname="a")
    closed = socket.socket()
    closed.close()
    refused: list[tuple[Any, type[Exception], str]] = [
        (3, TypeError, "sockets: expected socket.socket, got int"),
        (secure, TypeError, "got SSLSocket"),
        (closed, OSError, "Bad file descriptor"),
    ]
    with secure:
        for value, error, message in refused:
            with pytest.raises(error, match=message):
                wasi.Environment(sockets=[value])
    mine, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with mine, theirs, pytest.raises(ValueError, match="stream or datagram"):
        wasi.Environment(sockets=[theirs])


@pytest.fixture(scope="module")
def serve() -> Module:
    return Module(SERVE, engine=Engine(opt_level="none"))


def served(
    module: Module, mode: str, listener: socket.socket, talk: Callable[[socket.socket], bytes]
) -> tuple[wasi.Result, bytes]:
    """How the program ended, and what a client got to hear that talks to it meanwhile."""
    heard: list[bytes] = []

    def client() -> None:
        with connect(listener) as connection:
            heard.append(talk(connection))

    thread = threading.Thread(target=client)
    thread.start()
    result = wasi.run(module, ["serve", mode], sockets=[listener])
    thread.join(PATIENCE)
    return result, heard[0]


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_program_echoes(serve: Module, listener: socket.socket) -> None:
    def talk(connection: socket.socket) -> bytes:
        def send() -> None:
            connection.sendall(LARGE)
            connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        heard = all_of(connection)
        thread.join()
        return heard

    result, heard = served(serve, "echo", listener, talk)
    assert heard == LARGE
    assert result == wasi.Result(0, b"recv: end\n")


def test_a_program_answers_a_request(serve: Module, listener: socket.socket) -> None:
    def talk(connection: socket.socket) -> bytes:
        connection.sendall(b"GET /index.html HTTP/1.0\r\nHost: here\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        return all_of(connection)

    result, heard = served(serve, "http", listener, talk)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.0 200 OK"
    assert body == b"GET of /index.html\n"
    assert result.exit_code == 0


def test_a_program_that_does_not_wait(serve: Module, listener: socket.socket) -> None:
    lines: list[bytes] = []

    def talk() -> None:
        with connect(listener) as connection:
            accepted.wait(PATIENCE)
            connection.sendall(b"x")
            all_of(connection)

    accepted = threading.Event()
    client = threading.Thread(target=talk)

    def output(data: bytes) -> None:
        lines.extend(data.splitlines())
        if data.startswith(b"accept:"):
            client.start()
        else:
            accepted.set()

    environment = wasi.Environment(["serve", "try"], stdout=output, sockets=[listener])
    with environment:
        environment.start(environment.instantiate(serve))
    client.join(PATIENCE)
    assert lines == [
        b"accept: Resource temporarily unavailable",
        b"accepted 4",
        b"stream: 1",
        b"recv: Resource temporarily unavailable",
        b"recv: 1",
    ]
