"""`python -m tests.spec [NAMES]` runs scripts of the official suite and prints a line for each.

Names are as in the suite, without `.wast` (`i32`, `proposals/threads/atomic`); none means all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from time import perf_counter

from tests.tiers import TIERS, default_tier
from wasmine.script import Outcome

from . import suite
from .report import Counts, count, problems


def main() -> int:
    """Runs the scripts in a tier; 1 if a command of any of them failed."""
    options = _parse_arguments()
    with default_tier(options.tier):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    total, failures = Counts(), 0
    started = perf_counter()
    for name, outcomes, seconds in _run_all(options.names or suite.names(), options.jobs):
        counts, found = count(outcomes), problems(name, outcomes)
        _print(f"{name}: {counts} [{seconds:.2f} s]")
        for problem in found[: options.show]:
            _print(f"    {problem}")
        total += counts
        failures += len(found)
    _print(f"{total}; {failures} problems; {perf_counter() - started:.0f} s")
    return 1 if failures else 0


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
    parser.add_argument(
        "--tier", choices=TIERS, default=TIERS[0], help="when functions are compiled"
    )
    parser.add_argument("--show", type=int, default=10, help="problems shown per script")
    return parser.parse_args()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
