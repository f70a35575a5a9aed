"""clock_res_get and clock_time_get."""

from __future__ import annotations

from wasmine.wasi.abi import MAX_U64, ClockId, Errno, ErrnoError
from wasmine.wasi.context import Clocks, Context
from wasmine.wasi.preview1 import handler


def read_clock(clocks: Clocks, clock: int) -> int:
    """Nanoseconds. Raises ErrnoError(EINVAL) for a clock that does not exist."""
    match clock:
        case ClockId.REALTIME:
            return clocks.realtime()
        case ClockId.MONOTONIC:
            return clocks.monotonic()
        case ClockId.PROCESS_CPUTIME:
            return clocks.process_cputime()
        case ClockId.THREAD_CPUTIME:
            return clocks.thread_cputime()
        case _:
            raise ErrnoError(Errno.EINVAL)


@handler("clock_res_get")
def clock_res_get(wasi: Context, clock: int) -> int:
    read_clock(wasi.clocks, clock)
    return wasi.clocks.resolution


@handler("clock_time_get")
def clock_time_get(wasi: Context, clock: int, precision: int) -> int:  # noqa: ARG001
    """The precision is a permission to be coarse, of which no use is made."""
    return read_clock(wasi.clocks, clock) & MAX_U64
