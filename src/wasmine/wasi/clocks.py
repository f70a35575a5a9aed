"""clock_res_get and clock_time_get."""

from __future__ import annotations

import time
from typing import Final

from wasmine.wasi.abi import MAX_U64, Errno, ErrnoError
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler

# By ClockId.
_HOST_CLOCKS: Final = (
    time.CLOCK_REALTIME,
    time.CLOCK_MONOTONIC,
    time.CLOCK_PROCESS_CPUTIME_ID,
    time.CLOCK_THREAD_CPUTIME_ID,
)


def read_clock(wasi: Context, clock: int) -> int:
    """Nanoseconds. Raises ErrnoError(EINVAL) for a clock that does not exist."""
    if clock >= len(wasi.timers):
        raise ErrnoError(Errno.EINVAL)
    return wasi.timers[clock]()


@handler("clock_res_get")
def clock_res_get(wasi: Context, clock: int) -> int:
    if clock >= len(_HOST_CLOCKS):
        raise ErrnoError(Errno.EINVAL)
    if wasi.clocks.resolution is not None:
        return wasi.clocks.resolution
    return round(time.clock_getres(_HOST_CLOCKS[clock]) * 1e9)


@handler("clock_time_get")
def clock_time_get(wasi: Context, clock: int, precision: int) -> int:  # noqa: ARG001
    """The precision is a permission to be coarse, of which no use is made."""
    return read_clock(wasi, clock) & MAX_U64
