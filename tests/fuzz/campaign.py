"""Many seeds, run in child processes so that a crash or an endless loop is a finding like others."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Final, Literal, TypeAlias

from . import generate

_PATIENCE: Final = 60.0
"""Seconds for one seed; most take less than a tenth."""
_ROOT: Final = Path(__file__).parents[2]


Source: TypeAlias = Literal["smith", "suite", "damaged"]
"""Where modules come from: wasm-tools and our own generator, or the official suite, changed."""


@dataclass(frozen=True)
class Finding:
    """What went wrong with a seed."""

    seed: int
    text: str


@dataclass
class Tally:
    """What a campaign has done."""

    modules: int = 0
    calls: int = 0
    damaged: int = 0


def examine(seed: int, source: Source = "smith") -> tuple[Tally, list[str]]:
    """Run everything for one seed; what differs, in words."""
    from . import engines, validity

    wasm = module(seed, source)
    if wasm is None:
        return Tally(), []
    if source == "damaged":
        return Tally(damaged=2 * validity.COPIES), validity.disagreements(wasm, seed)
    ours, theirs = engines.observe(wasm, seed)
    difference = first_difference(ours, theirs)
    calls = sum(event.startswith("call ") for event in ours)
    return Tally(1, calls), [] if difference is None else [difference]


def module(seed: int, source: Source) -> bytes | None:
    """The module of a seed; None where there is none."""
    from . import mutants

    return mutants.mutant(seed) if source == "suite" else generate.module(seed)


_ANY_ORDER: Final = {"trap: null reference", "trap: out of bounds array access"}
"""Traps of one `array.copy`, of which the specification leaves open which one comes first."""


def first_difference(ours: list[str], theirs: list[str]) -> str | None:
    """The first event that is not the same in both engines, with the one before."""
    from .script import LIMITS

    for position in range(max(len(ours), len(theirs))):
        mine, other = (events[position : position + 1] for events in (ours, theirs))
        if not LIMITS.isdisjoint(mine + other):
            return None
        if mine != other and not (mine and other and _ANY_ORDER.issuperset(mine + other)):
            before = ours[position - 1] if position else "the beginning"
            return f"after {before}\n  wasmine: {mine}\n  wasmtime: {other}"
    return None


def work(first: int, count: int, source: Source) -> None:
    """The child's side: one line when a seed begins, one when it is done."""
    faulthandler.enable()
    for seed in range(first, first + count):
        _report({"begin": seed})
        try:
            tally, found = examine(seed, source)
        except Exception:
            tally, found = Tally(), [traceback.format_exc()]
        _report({"tally": vars(tally), "found": found})


def _report(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class _Child:
    """A process that works through seeds."""

    def __init__(self, first: int, count: int, source: Source) -> None:
        what = ["--work", f"--seed={first}", f"--count={count}", f"--source={source}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz", *what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._errors: list[str] = []
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out, err = self._process.stdout, self._process.stderr
        self._readers = [
            Thread(target=self._forward, args=(out,)),
            Thread(target=self._errors.extend, args=(err,)),
        ]
        for reader in self._readers:
            reader.start()

    def _forward(self, out: IO[str]) -> None:
        for line in out:
            self._lines.put(line)
        self._lines.put("")

    def lines(self) -> Iterator[str]:
        """What the child prints, until it ends, dies or says nothing for too long."""
        try:
            while line := self._lines.get(timeout=_PATIENCE):
                yield line
        except Empty:
            self._errors.append(f"nothing for {_PATIENCE:.0f} seconds\n")

    def end(self) -> str | None:
        """Make sure that the child is gone; how it died, if it did not end by itself."""
        if self._process.poll() is None and self._errors:
            self._process.kill()
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()
        return f"exit code {code}\n{''.join(self._errors[-60:])}" if code else None


def campaign(
    first: int, count: int, source: Source = "smith"
) -> Iterator[tuple[Tally, list[Finding]]]:
    """Run seeds one after the other: for each what has been done so far, and what was found."""
    total = Tally()
    seed, end = first, first + count
    while seed < end:
        child = _Child(seed, end - seed, source)
        try:
            for line in child.lines():
                message = json.loads(line)
                if "begin" in message:
                    seed = message["begin"]
                    continue
                for name, number in message["tally"].items():
                    setattr(total, name, getattr(total, name) + number)
                yield total, [Finding(seed, text) for text in message["found"]]
        finally:
            death = child.end()
        if death is not None:
            yield total, [Finding(seed, death)]
        seed += 1
