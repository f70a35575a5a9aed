"""WASI functions on a bare memory: what compiled programs do not do, hostile arguments above all."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from struct import pack

import pytest

from wasmine.wasi import Clocks, Errno, WasiExit
from wasmine.wasi.abi import EVENT, FDSTAT, FILESTAT, FileType, Rights
from wasmine.wasi.preview1 import ROWS, UNSTABLE

from .guest import SIZE, Guest

EDGES = (0, 1, 2, 3, 8, SIZE - 8, SIZE - 4, SIZE - 1, SIZE, 2**31 - 1, -(2**31), -8, -4, -1)


@pytest.fixture
def guest() -> Guest:
    return Guest()


@pytest.mark.parametrize("name", ROWS)
def test_no_arguments_do_harm(name: str) -> None:
    """Whatever integers arrive, signed as WebAssembly passes them, an errno is returned."""
    numbers = random.Random(name)
    guest = Guest(b"input", arguments=(b"a",), environment=(b"b=c",), clocks=instant())
    for _ in range(300):
        guest.memory[:64] = numbers.randbytes(64)
        arguments = [numbers.choice(EDGES) for _ in ROWS[name].type.params]
        with contextlib.suppress(WasiExit):
            guest.call(name, *arguments)
        assert len(guest.memory) == SIZE


def instant() -> Clocks:
    return Clocks(realtime=lambda: 5, monotonic=lambda: 7, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("iovs", "count", "errno"),
    [
        (SIZE - 8, 1, Errno.SUCCESS),
        (SIZE - 4, 1, Errno.EFAULT),
        (-8, 1, Errno.EFAULT),
        (-8, 2, Errno.EFAULT),  # the array would wrap around to address 8
        (0, 0, Errno.SUCCESS),
        (SIZE, 0, Errno.SUCCESS),
        (-1, 0, Errno.EFAULT),
        (0, 1025, Errno.EINVAL),
        (0, -1, Errno.EINVAL),
    ],
)
def test_lists_of_buffers_are_checked(guest: Guest, iovs: int, count: int, errno: Errno) -> None:
    guest.put_iovs(SIZE - 8, (100, 5))
    assert guest.call("fd_write", 1, iovs, count, 0) is errno


@pytest.mark.parametrize(
    ("start", "length"),
    [(SIZE - 4, 5), (SIZE + 1, 0), (0xFFFFFFFF, 1), (0xFFFFFFF0, 0x20), (1, SIZE)],
)
@pytest.mark.parametrize("name", ["fd_read", "fd_write"])
def test_buffers_are_checked_before_anything_happens(name: str, start: int, length: int) -> None:
    guest = Guest(b"input")
    guest.put_iovs(0, (100, 5), (start, length))
    assert guest.call(name, int(name == "fd_write"), 0, 2, 50) is Errno.EFAULT
    assert guest.output == b""
    assert guest.memory[100:105] == bytes(5)


@pytest.mark.parametrize("name", ["fd_read", "fd_write"])
def test_the_place_for_the_count_is_checked_first(name: str) -> None:
    guest = Guest(b"input")
    guest.put_iovs(0, (100, 5))
    stream = int(name == "fd_write")
    assert guest.call(name, stream, 0, 1, SIZE - 3) is Errno.EFAULT
    assert guest.output == b""
    assert guest.call(name, stream, 0, 1, SIZE - 4) is Errno.SUCCESS
    assert guest.u32(SIZE - 4) == 5


def test_buffers_may_overlap_and_be_empty() -> None:
    guest = Guest(b"abcdefgh")
    guest.put_iovs(0, (100, 4), (0, 0), (102, 4))
    assert guest.call("fd_read", 0, 0, 3, 50) is Errno.SUCCESS
    assert guest.u32(50) == 8
    assert guest.memory[100:106] == b"abefgh"
    assert guest.call("fd_write", 1, 0, 3, 50) is Errno.SUCCESS
    assert guest.output == b"abefefgh"
    assert guest.call("fd_read", 0, 0, 3, 50) is Errno.SUCCESS
    assert guest.u32(50) == 0


def test_a_buffer_may_hold_its_own_description() -> None:
    guest = Guest(b"\xff" * 16)
    guest.put_iovs(0, (0, 8), (8, 8))
    assert guest.call("fd_read", 0, 0, 2, 4) is Errno.SUCCESS
    assert guest.memory[:16] == b"\xff" * 4 + pack("<I", 16) + b"\xff" * 8


def test_descriptors_that_are_not_open(guest: Guest) -> None:
    for descriptor in (2, 3, -1):
        for name, row in ROWS.items():
            if row.parameters[:1] == ("fd",):
                rest = [0] * (len(row.type.params) - 1)
                assert guest.call(name, descriptor, *rest) is Errno.EBADF, name
    assert guest.call("fd_renumber", 0, 3) is Errno.EBADF
    assert guest.call("path_symlink", 0, 0, 3, 0, 0) is Errno.EBADF
    assert guest.call("path_symlink", 0, 0, 0, 0, 0) is Errno.ENOTDIR


@pytest.mark.parametrize(
    ("name", "errno"),
    [
        ("fd_seek", Errno.ESPIPE),
        ("fd_tell", Errno.ESPIPE),
        ("fd_pread", Errno.ESPIPE),
        ("fd_sync", Errno.EINVAL),
        ("fd_filestat_set_size", Errno.EINVAL),
        ("fd_prestat_get", Errno.EBADF),
        ("fd_readdir", Errno.ENOTDIR),
        ("path_open", Errno.ENOTDIR),
        ("sock_recv", Errno.ENOTSOCK),
    ],
)
def test_what_streams_cannot_do(guest: Guest, name: str, errno: Errno) -> None:
    arguments = [0] * (len(ROWS[name].type.params) - 1)
    assert guest.call(name, 1, *arguments) is errno


def test_streams_go_one_way(guest: Guest) -> None:
    assert guest.call("fd_read", 1, 0, 0, 0) is Errno.EBADF
    assert guest.call("fd_write", 0, 0, 0, 0) is Errno.EBADF


def test_close_and_renumber() -> None:
    guest = Guest(b"x")
    assert guest.call("fd_renumber", 0, 1) is Errno.SUCCESS
    assert guest.call("fd_read", 0, 0, 0, 0) is Errno.EBADF
    assert guest.call("fd_read", 1, 0, 0, 0) is Errno.SUCCESS
    assert guest.call("fd_renumber", 1, 1) is Errno.SUCCESS
    assert guest.call("fd_close", 1) is Errno.SUCCESS
    assert guest.call("fd_close", 1) is Errno.EBADF


def test_descriptor_status_and_rights(guest: Guest) -> None:
    assert guest.call("fd_fdstat_get", 1, 0) is Errno.SUCCESS
    kind, flags, rights, inheriting = FDSTAT.unpack_from(guest.memory[:])
    assert (kind, flags, inheriting) == (FileType.UNKNOWN, 0, 0)
    assert Rights.FD_WRITE in Rights(rights)
    assert not Rights(rights) & (Rights.FD_READ | Rights.FD_SEEK | Rights.FD_TELL)
    assert guest.call("fd_fdstat_set_flags", 1, 1) is Errno.SUCCESS
    assert guest.call("fd_fdstat_set_flags", 1, 5) is Errno.SUCCESS
    assert guest.call("fd_fdstat_get", 1, 0) is Errno.SUCCESS
    assert FDSTAT.unpack_from(guest.memory[:])[1] == 5
    assert guest.call("fd_fdstat_set_flags", 1, 16) is Errno.ENOTSUP
    assert guest.call("fd_fdstat_set_flags", 1, 32) is Errno.EINVAL
    assert guest.call("fd_fdstat_set_rights", 1, -1, 0) is Errno.ENOTCAPABLE
    assert guest.call("fd_fdstat_set_rights", 1, 0, 0) is Errno.SUCCESS
    assert guest.call("fd_write", 1, 0, 0, 0) is Errno.EBADF
    assert guest.call("fd_filestat_get", 0, 0) is Errno.SUCCESS
    assert FILESTAT.unpack_from(guest.memory[:]) == (0,) * 8


def test_arguments_and_environment() -> None:
    guest = Guest(arguments=(b"one", b"", b"three"), environment=(b"A=b",))
    assert guest.call("args_sizes_get", 0, 4) is Errno.SUCCESS
    assert (guest.u32(0), guest.u32(4)) == (3, 11)
    assert guest.call("args_get", 0, 100) is Errno.SUCCESS
    assert [guest.u32(address) for address in (0, 4, 8)] == [100, 104, 105]
    assert guest.memory[100:111] == b"one\0\0three\0"
    assert guest.call("environ_get", 0, SIZE - 4) is Errno.SUCCESS
    assert guest.call("environ_get", 0, SIZE - 3) is Errno.EFAULT
    assert guest.call("environ_get", SIZE - 3, 0) is Errno.EFAULT


def test_clocks() -> None:
    guest = Guest(clocks=instant())
    for clock, expected in ((0, 5), (1, 7)):
        assert guest.call("clock_time_get", clock, 0, 8) is Errno.SUCCESS
        assert guest.u64(8) == expected
    for clock in range(4):
        assert guest.ask("clock_res_get", clock) == round(time.clock_getres(clock) * 1e9)
    assert Guest(clocks=Clocks(resolution=100)).ask("clock_res_get", 3) == 100
    assert guest.call("clock_time_get", 4, 0, 8) is Errno.EINVAL
    assert guest.call("clock_res_get", -1, 8) is Errno.EINVAL


def test_clocks_of_processors_advance_while_the_program_runs() -> None:
    guest = Guest()
    for clock, host in ((2, time.process_time_ns), (3, time.thread_time_ns)):
        before = host()
        assert before <= guest.ask("clock_time_get", clock, 0) <= host()


def test_randomness_reaches_exactly_its_buffer() -> None:
    guest = Guest(random=lambda count: b"\xff" * count)
    assert guest.call("random_get", 10, 5) is Errno.SUCCESS
    assert guest.memory[9:16] == b"\0\xff\xff\xff\xff\xff\0"
    assert guest.call("random_get", 1, -1) is Errno.EFAULT


def test_large_randomness_is_made_in_pieces() -> None:
    asked = []

    def source(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    guest = Guest(random=source)
    guest.memory.extend(bytes(3 << 20))
    assert guest.call("random_get", 0, (2 << 20) + 7) is Errno.SUCCESS
    assert asked == [1 << 20, 1 << 20, 7]


def clock_subscription(userdata: int, timeout: int, *, clock: int = 1, flags: int = 0) -> bytes:
    return pack("<QB7xI4xQQH6x", userdata, 0, clock, timeout, 0, flags)


def stream_subscription(userdata: int, kind: int, descriptor: int) -> bytes:
    return pack("<QB7xI28x", userdata, kind, descriptor)


def poll(guest: Guest, *subscriptions: bytes) -> list[tuple[int, ...]]:
    guest.memory.write(0, b"".join(subscriptions))
    assert guest.call("poll_oneoff", 0, 4096, len(subscriptions), 8192) is Errno.SUCCESS
    size = EVENT.size * guest.u32(8192)
    events = EVENT.iter_unpack(guest.memory[4096 : 4096 + size])
    return [event[:3] for event in events]


def test_poll_waits_for_the_first_clock(guest: Guest) -> None:
    before = time.monotonic_ns()
    events = poll(guest, clock_subscription(1, 10**12), clock_subscription(2, 20_000_000))
    assert events == [(2, Errno.SUCCESS, 0)]
    assert 20_000_000 <= time.monotonic_ns() - before < 10**10


def test_poll_until_a_time() -> None:
    slept: list[float] = []
    clocks = Clocks(realtime=lambda: 10**18, sleep=slept.append)
    guest = Guest(clocks=clocks)
    later = clock_subscription(1, 10**18 + 1_500_000_000, clock=0, flags=1)
    assert poll(guest, later) == [(1, 0, 0)]
    passed = clock_subscription(2, 10**18 - 1, clock=0, flags=1)
    assert poll(guest, passed, later) == [(2, 0, 0)]
    assert slept == [1.5]


def test_a_wait_of_centuries_is_cut_into_days() -> None:
    slept: list[float] = []
    guest = Guest(clocks=Clocks(sleep=slept.append))
    assert poll(guest, clock_subscription(1, 2**64 - 1)) == [(1, 0, 0)]
    assert max(slept) <= 86400
    assert sum(slept) == pytest.approx((2**64 - 1) / 1e9)


def test_poll_of_streams() -> None:
    guest = Guest(b"x")
    forever = clock_subscription(9, 2**64 - 1)
    assert poll(guest, stream_subscription(1, 1, 0), forever) == [(1, 0, 1)]
    assert poll(guest, stream_subscription(1, 2, 1), forever) == [(1, 0, 2)]
    wrong = [
        stream_subscription(1, 1, 1),
        stream_subscription(2, 1, 77),
        stream_subscription(3, 7, 0),
        clock_subscription(4, 0, clock=2),
        clock_subscription(5, 0, clock=9),
    ]
    assert poll(guest, *wrong, forever) == [
        (1, Errno.EBADF, 1),
        (2, Errno.EBADF, 1),
        (3, Errno.EINVAL, 7),
        (4, Errno.ENOTSUP, 0),
        (5, Errno.EINVAL, 0),
    ]


def test_poll_of_the_older_snapshot() -> None:
    slept: list[float] = []
    guest = Guest(clocks=Clocks(sleep=slept.append), snapshot=UNSTABLE)
    record = pack("<QB7xQI4xQQH6x", 5, 0, 5, 1, 2_000_000_000, 0, 0)
    assert poll(guest, record) == [(5, 0, 0)]
    assert slept == [2.0]


def test_poll_waits_for_input() -> None:
    reading, writing = os.pipe()
    guest = Guest(reading)
    timer = threading.Timer(0.05, os.write, (writing, b"x"))
    timer.start()
    before = time.monotonic()
    assert poll(guest, clock_subscription(1, 10**11), stream_subscription(2, 1, 0)) == [(2, 0, 1)]
    assert time.monotonic() - before > 0.03
    timer.join()
    os.close(writing)
    os.read(reading, 1)
    assert poll(guest, stream_subscription(2, 1, 0)) == [(2, 0, 1)]
    os.close(reading)


@pytest.mark.parametrize("count", [0, -1, 4097])
def test_polls_of_nothing_and_of_too_much(guest: Guest, count: int) -> None:
    assert guest.call("poll_oneoff", 0, 0, count, 0) is Errno.EINVAL


def test_file_status_of_the_older_snapshot() -> None:
    guest = Guest(snapshot=UNSTABLE)
    guest.memory[:64] = b"\xff" * 64
    assert guest.call("fd_filestat_get", 0, 0) is Errno.SUCCESS
    assert guest.memory[:64] == bytes(56) + b"\xff" * 8


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (-1, 2**32 - 1), (7, 7)])
def test_exit_codes_are_unsigned(guest: Guest, code: int, expected: int) -> None:
    with pytest.raises(WasiExit) as caught:
        guest.call("proc_exit", code)
    assert caught.value.code == expected


def test_large_writes_are_not_joined() -> None:
    guest = Guest()
    guest.put_iovs(0, (0, 60000), (0, 60000))
    assert guest.call("fd_write", 1, 0, 2, 100) is Errno.SUCCESS
    assert guest.u32(100) == 120000
    assert len(guest.output) == 120000


def test_memory_that_moves_while_the_host_is_called() -> None:
    """What a function returns is written to where the memory is then."""

    def grow(_: bytes) -> None:
        moving.memory.extend(bytes(SIZE))

    moving = Guest(stdout=grow)
    moving.put_iovs(0, (100, 5))
    for size in (2 * SIZE, 3 * SIZE):
        moving.memory.write(16, bytes(4))
        assert moving.call("fd_write", 1, 0, 1, 16) is Errno.SUCCESS
        assert moving.u32(16) == 5
        assert len(moving.memory) == size
