"""Arguments, environment, exit, scheduling and randomness: what concerns the program as a whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from struct import pack
from typing import NoReturn

from wasmine.wasi.abi import Errno, ErrnoError
from wasmine.wasi.context import Context
from wasmine.wasi.preview1 import handler

# Random bytes are made in pieces, so that a guest cannot make the host hold gigabytes of them.
_RANDOM_PIECE = 1 << 20


class WasiExit(Exception):
    """The program called `proc_exit`. `code` is what it said, as an unsigned 32-bit integer."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"the program ended with exit code {self.code}"


@handler("args_get")
def args_get(wasi: Context, argv: int, argv_buf: int) -> None:
    _write_strings(wasi, wasi.arguments, argv, argv_buf)


@handler("args_sizes_get")
def args_sizes_get(wasi: Context) -> tuple[int, int]:
    return _sizes(wasi.arguments)


@handler("environ_get")
def environ_get(wasi: Context, environ: int, environ_buf: int) -> None:
    _write_strings(wasi, wasi.environment, environ, environ_buf)


@handler("environ_sizes_get")
def environ_sizes_get(wasi: Context) -> tuple[int, int]:
    return _sizes(wasi.environment)


@handler("proc_exit")
def proc_exit(_: Context, code: int) -> NoReturn:
    raise WasiExit(code)


@handler("proc_raise")
def proc_raise(_: Context, signal: int) -> NoReturn:  # noqa: ARG001 (the row's parameter)
    """There are no signals; later versions of WASI have dropped the function."""
    raise ErrnoError(Errno.ENOSYS)


@handler("sched_yield")
def sched_yield(_: Context) -> None:
    time.sleep(0)


@handler("random_get")
def random_get(wasi: Context, buf: memoryview) -> None:
    """Raises ValueError when the source that the host gave returns another number of bytes."""
    for start in range(0, len(buf), _RANDOM_PIECE):
        length = min(_RANDOM_PIECE, len(buf) - start)
        data = wasi.random(length)
        if len(data) != length:
            raise ValueError(f"random: asked for {length} bytes, got {len(data)}")
        buf[start : start + length] = data


def _write_strings(wasi: Context, strings: Sequence[bytes], array: int, buffer: int) -> None:
    """An array of addresses at `array`, the strings with a zero byte after each at `buffer`."""
    wasi.memory.write(buffer, b"".join(string + b"\0" for string in strings))
    addresses = []
    for string in strings:
        addresses.append(buffer)
        buffer += len(string) + 1
    wasi.memory.write(array, pack(f"<{len(addresses)}I", *addresses))


def _sizes(strings: Sequence[bytes]) -> tuple[int, int]:
    """How many there are, and their length with the zero bytes."""
    return len(strings), sum(len(string) + 1 for string in strings)
