"""poll_oneoff: waits for clocks and for streams that can be read or written."""

from __future__ import annotations

import math
import select
from struct import Struct

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
from wasmine.wasi.preview1 import UNSTABLE, handler

# More subscriptions than a process could have descriptors and timers; a guest may claim 2^32.
_MAX_SUBSCRIPTIONS = 4096
# One wait of the host, in seconds: both `poll` and `sleep` refuse what a guest may ask for.
_LONGEST_WAIT = 86400.0

_SELECT = {EventType.FD_READ: select.POLLIN, EventType.FD_WRITE: select.POLLOUT}
_RIGHTS = {EventType.FD_READ: Rights.FD_READ, EventType.FD_WRITE: Rights.FD_WRITE}


class _Subscription(Frozen):
    """What is waited for: a wait of so many nanoseconds, or a descriptor of the host."""

    userdata: int
    type: int
    wait: int | None = None
    host: int | None = None


class _Event(Frozen):
    userdata: int
    type: int
    errno: Errno = Errno.SUCCESS
    flags: int = 0

    def pack(self) -> bytes:
        # How many bytes there are is not known: at least one, or the end of the stream.
        count = 0 if self.errno or self.type == EventType.CLOCK else 1
        return EVENT.pack(self.userdata, self.errno, self.type, count, self.flags)


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
    return _Subscription(userdata, kind, host=descriptor.host_descriptor())


def _wait(wasi: Context, waiting: list[_Subscription], at_once: bool) -> list[_Event]:
    """What came true first, and whatever else has by then."""
    streams = [s for s in waiting if s.wait is None]
    timers = [(s, s.wait) for s in waiting if s.wait is not None]
    limit = min((wait for _, wait in timers), default=None)
    if at_once or any(stream.host is None for stream in streams):
        limit = 0
    ready = []
    if streams:
        ready = _wait_for_streams(streams, limit)
    elif limit:
        _sleep(wasi, limit)
    passed = 0 if ready or limit is None else limit
    return ready + [_Event(timer.userdata, timer.type) for timer, wait in timers if wait <= passed]


def _sleep(wasi: Context, nanoseconds: int) -> None:
    remaining = nanoseconds / 1e9
    while remaining > 0:
        wasi.clocks.sleep(min(remaining, _LONGEST_WAIT))
        remaining -= _LONGEST_WAIT


def _wait_for_streams(streams: list[_Subscription], nanoseconds: int | None) -> list[_Event]:
    """The streams that are ready within this time; None waits for one of them without end."""
    poll = select.poll()
    masks: dict[int, int] = {}
    for stream in streams:
        if stream.host is not None:
            masks[stream.host] = masks.get(stream.host, 0) | _SELECT[EventType(stream.type)]
    for host, mask in masks.items():
        poll.register(host, mask)
    remaining = math.inf if nanoseconds is None else nanoseconds / 1e9
    state: dict[int, int] = {}
    while not state:
        state = dict(poll.poll(min(remaining, _LONGEST_WAIT) * 1000))
        remaining -= _LONGEST_WAIT
        if remaining <= 0:
            break
    return [event for stream in streams if (event := _stream_event(stream, state)) is not None]


def _stream_event(stream: _Subscription, state: dict[int, int]) -> _Event | None:
    """The event of a stream, given what `poll` says of each host descriptor; None if not ready."""
    if stream.host is None:
        return _Event(stream.userdata, stream.type)
    bits = state.get(stream.host, 0)
    wanted = _SELECT[EventType(stream.type)]
    if not bits & (wanted | select.POLLHUP | select.POLLERR | select.POLLNVAL):
        return None
    hangup = EVENT_FD_READWRITE_HANGUP if bits & (select.POLLHUP | select.POLLERR) else 0
    return _Event(stream.userdata, stream.type, flags=hangup)
