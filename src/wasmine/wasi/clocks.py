"""clock_res_get and clock_time_get."""

from __future__ import annotations

from wasmine.wasi.abi import MAX_U64, Errno, ErrnoError
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler


def read_clock(wasi: Context, clock: int) -> int:
    """Nanoseconds. Raises ErrnoError(EINVAL) for a clock that does not exist."""
    if clock >= len(wasi.timers):
        raise ErrnoError(Errno.EINVAL)
    return wasi.timers[clock]()


@handler("clock_res_get")
def clock_res_get(wasi: Context, clock: int) -> int:
    read_clock(wasi, clock)
    return wasi.clocks.resolution


@handler("clock_time_get")
def clock_time_get(wasi: Context, clock: int, precision: int) -> int:  # noqa: ARG001
    """The precision is a permission to be coarse, of which no use is made."""
    return read_clock(wasi, clock) & MAX_U64
