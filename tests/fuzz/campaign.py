"""Many seeds, run in child processes so that a crash or an endless loop is a finding like others."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Final, Literal, TypeAlias, get_args

from wasmine.api.engine import Tier

from . import generate

_PATIENCE: Final = 60.0
"""Seconds for one seed; most take less than a tenth."""
_ROOT: Final = Path(__file__).parents[2]


Source: TypeAlias = Literal["smith", "suite", "damaged"]
"""Where modules come from: wasm-tools and our own generator, or the official suite, changed."""

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)


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
    """Of all tiers together."""
    damaged: int = 0
    replaced: int = 0
    """Functions that got better code while the module ran."""
    taken_over: int = 0
    """How often a loop went on in better code."""


def examine(
    seed: int, source: Source = "smith", tiers: Sequence[Tier] = TIERS
) -> tuple[Tally, list[str]]:
    """Run everything for one seed; what differs, in words."""
    from . import engines, validity

    wasm = module(seed, source)
    if wasm is None:
        return Tally(), []
    if source == "damaged":
        return Tally(damaged=2 * validity.COPIES), validity.disagreements(wasm, seed)
    tally, found = Tally(1), []
    others: dict[str, list[str]] = {}
    for name, events, guest in engines.observe(wasm, seed, tiers):
        if guest is not None:
            tally.calls += sum(event.startswith("call ") for event in events)
            tally.replaced += guest.replaced()
            tally.taken_over += guest.taken_over()
        # The tiers with each other as well: they tell of frames what wasmtime does not.
        for other, theirs in others.items():
            difference = first_difference(events, theirs)
            if difference is not None:
                before, mine, expected = difference
                found.append(f"after {before}\n  {name}: {mine}\n  {other}: {expected}")
        others[name] = events
    return tally, found


def module(seed: int, source: Source) -> bytes | None:
    """The module of a seed; None where there is none."""
    from . import mutants

    return mutants.mutant(seed) if source == "suite" else generate.module(seed)


_ANY_ORDER: Final = {"trap: null reference", "trap: out of bounds array access"}
"""Traps of one `array.copy`, of which the specification leaves open which one comes first."""


def first_difference(ours: list[str], theirs: list[str]) -> tuple[str, list[str], list[str]] | None:
    """The first event that is not the same in both engines: the one before, and what either has."""
    from .script import FRAMES, LIMITS, same_frames

    for position in range(max(len(ours), len(theirs))):
        mine, other = (events[position : position + 1] for events in (ours, theirs))
        if not LIMITS.isdisjoint(mine + other):
            return None
        if mine and other:
            if _ANY_ORDER.issuperset(mine + other):
                continue
            both_frames = mine[0].startswith(FRAMES) and other[0].startswith(FRAMES)
            if both_frames and same_frames(mine[0], other[0]):
                continue
        if mine != other:
            before = ours[position - 1] if position else "the beginning"
            return before, mine, other
    return None


def work(first: int, count: int, source: Source, tiers: Sequence[Tier]) -> None:
    """The child's side: one line when a seed begins, one when it is done."""
    faulthandler.enable()
    for seed in range(first, first + count):
        _report({"begin": seed})
        try:
            tally, found = examine(seed, source, tiers)
        except Exception:
            tally, found = Tally(), [traceback.format_exc()]
        _report({"tally": vars(tally), "found": found})


def _report(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class _Child:
    """A process that works through seeds."""

    def __init__(self, first: int, count: int, source: Source, tiers: Sequence[Tier]) -> None:
        what = ["--work", f"--seed={first}", f"--count={count}", f"--source={source}"]
        what += ["--tiers", *tiers]
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
    first: int, count: int, source: Source = "smith", tiers: Sequence[Tier] = TIERS
) -> Iterator[tuple[Tally, list[Finding]]]:
    """Run seeds one after the other: for each what has been done so far, and what was found."""
    total = Tally()
    seed, end = first, first + count
    while seed < end:
        child = _Child(seed, end - seed, source, tiers)
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
