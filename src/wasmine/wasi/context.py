"""What a running program's WASI calls share: its arguments, descriptors, clocks and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from wasmine.frozen import Frozen
from wasmine.wasi.descriptors import DescriptorTable
from wasmine.wasi.guest import GuestMemory


class Clocks(Frozen):
    """Where the program's time comes from: functions that return nanoseconds.

    Replace them for runs that repeat exactly. `sleep` takes seconds and is what a program that waits
    for time ends up in; replace it too if it is to advance a clock of yours. Then time alone passes:
    streams of the host that a program waits for as well are looked at before and afterwards.
    """

    realtime: Callable[[], int] = time.time_ns
    """Nanoseconds since 1970-01-01 00:00 UTC."""
    monotonic: Callable[[], int] = time.monotonic_ns
    process_cputime: Callable[[], int] = time.process_time_ns
    thread_cputime: Callable[[], int] = time.thread_time_ns
    sleep: Callable[[float], object] = time.sleep
    resolution: int | None = None
    """Nanoseconds that clocks advance by, at least, as the program is told; None: as the host says."""


class Context:
    """The state behind the functions of one program."""

    def __init__(
        self,
        arguments: Sequence[bytes],
        environment: Sequence[bytes],
        descriptors: DescriptorTable,
        clocks: Clocks,
        random: Callable[[int], bytes],
    ) -> None:
        self.arguments = arguments
        self.environment = environment
        self.descriptors = descriptors
        self.clocks = clocks
        self.timers = (
            clocks.realtime, clocks.monotonic, clocks.process_cputime, clocks.thread_cputime,
        )  # fmt: skip
        """By ClockId."""
        self.random = random
        self.view: Callable[[], memoryview] = _no_memory
        """The program's memory as it is now, see GuestMemory.view."""
        self._memory: GuestMemory | None = None

    def bind(self, memory: GuestMemory) -> None:
        self._memory = memory
        self.view = memory.view

    @property
    def memory(self) -> GuestMemory:
        """The program's memory. Raises RuntimeError before it is known."""
        if self._memory is None:
            _no_memory()
        return self._memory


def _no_memory() -> NoReturn:
    raise RuntimeError(
        "a WASI function was called before Environment.bind(instance): the program's "
        "memory is not known yet (does the module's start function call WASI?)"
    )
