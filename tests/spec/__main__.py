"""`python -m tests.spec [NAMES]` runs scripts of the official suite and prints a line for each.

Names are as in the suite, without `.wast` (`i32`, `proposals/threads/atomic`); none means all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from time import perf_counter

from wasmine.script import Outcome

from . import known, suite
from .known import KnownFailure
from .report import Counts, count


def main() -> int:
    """Runs the scripts; 1 if something is not as the list of known failures says."""
    options = _parse_arguments()
    entries = known.load()
    total, problems = Counts(), 0
    started = perf_counter()
    for name, outcomes, seconds in _run_all(options.names or suite.names(), options.jobs):
        if options.update:
            _update(entries, name, outcomes)
        counts = count(outcomes, entries.get(name))
        found = known.judge(name, outcomes, entries.get(name))
        _print(f"{name}: {counts} [{seconds:.2f} s]")
        for problem in found[: options.show]:
            _print(f"    {problem}")
        total += counts
        problems += len(found)
    if options.update:
        known.write(entries)
    _print(f"{total}; {problems} problems; {perf_counter() - started:.0f} s")
    return 1 if problems else 0


def _run_all(names: Sequence[str], jobs: int) -> Iterator[tuple[str, Sequence[Outcome], float]]:
    """Every script with its outcomes and the time that it took, as they get done."""
    if jobs == 1 or len(names) == 1:
        yield from map(suite.timed, names)
        return
    largest_first = sorted(names, key=lambda name: -suite.path(name).stat().st_size)
    # a process that crashes breaks the pool, which is what a crash of the engine deserves
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(suite.timed, name) for name in largest_first]):
            yield done.result()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.spec", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="script without .wast")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes to use")
    parser.add_argument("--show", type=int, default=10, help="problems shown per script")
    parser.add_argument(
        "--update",
        action="store_true",
        help=f"rewrite the lines of the scripts listed in {known.PATH.name}, drop those that pass",
    )
    return parser.parse_args()


def _update(entries: dict[str, KnownFailure], name: str, outcomes: Sequence[Outcome]) -> None:
    """Only scripts that are listed: a new entry needs a reason, which takes a person."""
    lines = known.failing_lines(outcomes)
    if name in entries and lines:
        entries[name] = replace(entries[name], lines=lines)
    elif name in entries:
        del entries[name]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
