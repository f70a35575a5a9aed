"""Processes, and what they cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

LIMIT = 1200.0
"""Seconds after which a process is ended: none of ours is still at work then."""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds by the clock, CPU seconds, MB of memory at the peak.

    With it come its children that have ended.
    """

    wall: float
    cpu: float
    memory: float


def median(costs: Sequence[Cost]) -> Cost:
    """Of each part by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    cost: Cost


def run(command: Iterable[str | Path], environment: Mapping[str, str], stdin: bytes = b"") -> Ended:
    """Runs a command to its end, with variables besides those of this process."""
    with TemporaryFile() as source, TemporaryFile() as stdout, TemporaryFile() as stderr:
        source.write(stdin)
        source.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdin=source,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": ""},
        )
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        written = []
        for stream in (stdout, stderr):
            stream.seek(0)
            written.append(stream.read())
    cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    return Ended(process.returncode, written[0], written[1], cost)
