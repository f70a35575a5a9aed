"""`python -m tests.spec [NAMES]` runs scripts of the official suite and prints a line for each.

Names are as in the suite, without `.wast` (`i32`, `proposals/threads/atomic`); none means all.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from time import perf_counter

from . import known, suite
from .engine import WasmineEngine
from .known import KnownFailure
from .report import Counts, count
from .runner import Outcome, Runner


def main() -> int:
    """Runs the scripts; 1 if something is not as the list of known failures says."""
    options = _parse_arguments()
    entries = known.load()
    total, problems = Counts(), 0
    for name in options.names or suite.names():
        started = perf_counter()
        outcomes = Runner(WasmineEngine(), suite.load(name)).run()
        if options.update:
            _update(entries, name, outcomes)
        counts = count(outcomes, entries.get(name))
        found = known.judge(name, outcomes, entries.get(name))
        _print(f"{name}: {counts} [{perf_counter() - started:.2f} s]")
        for problem in found[: options.show]:
            _print(f"    {problem}")
        total += counts
        problems += len(found)
    if options.update:
        known.write(entries)
    _print(f"{total}; {problems} problems")
    return 1 if problems else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.spec", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="script without .wast")
    parser.add_argument("--show", type=int, default=10, help="problems shown per script")
    parser.add_argument(
        "--update",
        action="store_true",
        help=f"rewrite the lines of the scripts listed in {known.PATH.name}, drop those that pass",
    )
    return parser.parse_args()


def _update(entries: dict[str, KnownFailure], name: str, outcomes: list[Outcome]) -> None:
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
