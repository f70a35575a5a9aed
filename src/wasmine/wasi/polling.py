"""poll_oneoff: waits for clocks and for streams that can be read or written."""

from __future__ import annotations

import select
import time
from struct import Struct
from typing import Final

from wasmine.frozen import Frozen
from wasmine.wasi.abi import (
    EVENT,
    EVENT_FD_READWRITE_HANGUP,
    SUBSCRIPTION,
    SUBSCRIPTION_CLOCK,
    SUBSCRIPTION_CLOCK_ABSTIME,
    SUBSCRIPTION_CLOCK_UNSTABLE,
    SUBSCRIPTION_UNSTABLE,
    U32,
    Errno,
    ErrnoError,
    EventType,
    Rights,
)
from wasmine.wasi.clocks import read_clock
from wasmine.wasi.context import Context
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.preview1 import UNSTABLE, handler

# More subscriptions than a process could have descriptors and timers; a guest may claim 2^32.
_MAX_SUBSCRIPTIONS: Final = 4096
# One wait of the host, in nanoseconds: both `poll` and `sleep` refuse what a guest may ask for.
_LONGEST_WAIT: Final = 86400 * 10**9

_SELECT: Final = {EventType.FD_READ: select.POLLIN, EventType.FD_WRITE: select.POLLOUT}
_RIGHTS: Final = {EventType.FD_READ: Rights.FD_READ, EventType.FD_WRITE: Rights.FD_WRITE}
# Reported whether they were asked for or not.
_BROKEN: Final = select.POLLHUP | select.POLLERR


class _Subscription(Frozen):
    """What is waited for: a wait of so many nanoseconds, or a descriptor."""

    userdata: int
    type: int
    wait: int | None = None
    descriptor: Descriptor | None = None
    host: int | None = None
    """The host's descriptor; None for one that is always ready."""


class _Event(Frozen):
    userdata: int
    type: int
    errno: Errno = Errno.SUCCESS
    count: int = 0
    flags: int = 0

    def pack(self) -> bytes:
        return EVENT.pack(self.userdata, self.errno, self.type, self.count, self.flags)


@handler("poll_oneoff")
def poll_oneoff(wasi: Context, subscriptions: int, events: int, count: int) -> int:
    return _poll(wasi, (SUBSCRIPTION, SUBSCRIPTION_CLOCK), subscriptions, events, count)


@handler("poll_oneoff", snapshot=UNSTABLE)
def poll_oneoff_unstable(wasi: Context, subscriptions: int, events: int, count: int) -> int:
    layout = (SUBSCRIPTION_UNSTABLE, SUBSCRIPTION_CLOCK_UNSTABLE)
    return _poll(wasi, layout, subscriptions, events, count)


def _poll(
    wasi: Context, layout: tuple[Struct, Struct], subscriptions: int, events: int, count: int
) -> int:
    if not 0 < count <= _MAX_SUBSCRIPTIONS:
        raise ErrnoError(Errno.EINVAL)
    record, clock = layout
    data = wasi.memory.read(subscriptions, count * record.size)
    wasi.memory.check(events, count * EVENT.size)
    waiting: list[_Subscription] = []
    ready: list[_Event] = []
    for userdata, kind, union in record.iter_unpack(data):
        try:
            waiting.append(_subscribe(wasi, userdata, kind, union, clock))
        except ErrnoError as error:
            ready.append(_Event(userdata, kind, error.errno))
    ready += _wait(wasi, waiting, at_once=bool(ready))
    wasi.memory.write(events, b"".join(event.pack() for event in ready))
    return len(ready)


def _subscribe(
    wasi: Context, userdata: int, kind: int, union: bytes, layout: Struct
) -> _Subscription:
    if kind == EventType.CLOCK:
        clock, timeout, _precision, flags = layout.unpack(union)
        if clock > 1:  # time that only passes while the program runs cannot be waited for
            raise ErrnoError(Errno.EINVAL if clock > 3 else Errno.ENOTSUP)
        now = read_clock(wasi, clock) if flags & SUBSCRIPTION_CLOCK_ABSTIME else 0
        return _Subscription(userdata, kind, wait=max(0, timeout - now))
    if kind not in _RIGHTS:
        raise ErrnoError(Errno.EINVAL)
    (fd,) = U32.unpack_from(union)
    rights = _RIGHTS[EventType(kind)]
    descriptor = wasi.descriptors.require(fd, rights)
    if rights not in descriptor.ability:
        raise ErrnoError(Errno.EBADF)
    return _Subscription(userdata, kind, descriptor=descriptor, host=descriptor.host_descriptor())


def _wait(wasi: Context, waiting: list[_Subscription], at_once: bool) -> list[_Event]:
    """What came true first, and whatever else has by then."""
    streams = [(s, s.descriptor) for s in waiting if s.descriptor is not None]
    timers = [(s, s.wait) for s in waiting if s.wait is not None]
    limit = min((wait for _, wait in timers), default=None)
    if at_once or any(stream.host is None for stream, _ in streams):
        limit = 0
    hosts: dict[int, int] = {}
    for stream, _ in streams:
        if stream.host is not None:
            hosts[stream.host] = hosts.get(stream.host, 0) | _SELECT[EventType(stream.type)]
    state = _host_state(wasi, hosts, limit)
    ready = [
        event
        for stream, descriptor in streams
        if (event := _stream_event(stream, descriptor, state)) is not None
    ]
    passed = 0 if ready or limit is None else limit
    return ready + [_Event(timer.userdata, timer.type) for timer, wait in timers if wait <= passed]


def _host_state(wasi: Context, hosts: dict[int, int], limit: int | None) -> dict[int, int]:
    """What has become of the host's descriptors within so many nanoseconds; None is without end.

    Where time is not the host's, it passes at once, and then they are looked at.
    """
    if limit and (not hosts or wasi.clocks.sleep is not time.sleep):
        state = _ready_among(hosts, 0) if hosts else {}
        if state:
            return state
        _sleep(wasi, limit)
        limit = 0
    return _ready_among(hosts, limit) if hosts else {}


def _sleep(wasi: Context, nanoseconds: int) -> None:
    while nanoseconds > 0:
        wasi.clocks.sleep(min(nanoseconds, _LONGEST_WAIT) / 1e9)
        nanoseconds -= _LONGEST_WAIT


def _ready_among(hosts: dict[int, int], limit: int | None) -> dict[int, int]:
    """Those that are ready, once one is, or when the time is over. Signal handlers run meanwhile."""
    poll = select.poll()
    for host, mask in hosts.items():
        poll.register(host, mask)
    if limit is None:
        return dict(poll.poll())
    end = time.monotonic_ns() + limit
    while True:
        state = dict(poll.poll(min(limit, _LONGEST_WAIT) / 1e6))  # milliseconds, rounded up
        limit = end - time.monotonic_ns()
        if state or limit <= 0:
            return state


def _stream_event(
    stream: _Subscription, descriptor: Descriptor, state: dict[int, int]
) -> _Event | None:
    """The event of a stream, given what `poll` says of each host descriptor; None if not ready."""
    bits = _SELECT[EventType(stream.type)] if stream.host is None else state.get(stream.host, 0)
    if bits & select.POLLNVAL:  # closed by the host
        return _Event(stream.userdata, stream.type, Errno.EBADF)
    if not bits & (_SELECT[EventType(stream.type)] | _BROKEN):
        return None
    # How much can be written nobody knows: one byte at least.
    count = descriptor.available() if stream.type == EventType.FD_READ else 1
    hangup = EVENT_FD_READWRITE_HANGUP if bits & _BROKEN else 0
    return _Event(stream.userdata, stream.type, count=count, flags=hangup)
