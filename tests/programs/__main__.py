"""The command line; see the package."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from processes import Cost, median
from start import Contenders
from tables import markdown

from . import __doc__ as description
from . import running
from .records import Case, Program
from .running import Runner
from .table import TABLE

UNAVAILABLE = 69
"""The exit code when a program cannot be fetched: EX_UNAVAILABLE."""


def fetch(programs: Sequence[Program]) -> None:
    """Fetches what is not there. Exits if that cannot be done."""
    for program in programs:
        try:
            running.fetch(program)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"not available: {program.source} cannot be fetched: {error}")
            sys.exit(UNAVAILABLE)


def check(program: Program, case: Case) -> list[str]:
    """Runs a case in both and prints a line; what differs."""
    try:
        expected = running.reference(program, case)
    except ValueError as error:
        print(f"FAILED  {program.name}/{case.name}: {error}", flush=True)
        return [str(error)]
    outcome = running.wasmine().run(program, case)
    found = running.differences(case, expected, outcome)
    costs = "   ".join(
        f"{name} {cost.wall:6.2f} s {cost.memory:5.0f} MB"
        for name, cost in (("wasmine", outcome.cost), ("wasmtime", expected.cost))
    )
    result = "FAILED" if found else "ok"
    print(f"{result:6}  {f'{program.name}/{case.name}':28} {costs}", flush=True)
    for difference in found:
        print(f"  {difference}", flush=True)
    return found


def measure(programs: Sequence[Program], rounds: int) -> None:
    """Prints the table of what cases cost. Raises RuntimeError if one does not end as it should."""
    heads = ["program", "case", "wasmine cold", "wasmine warm", "wasmtime cached"]
    rows = []
    with TemporaryDirectory(prefix="wasmine-programs-") as place:
        contenders = Contenders(Path(place), None)

        def cost(name: str, program: Program, case: Case) -> Cost:
            runner = running.wasmtime() if name == "wasmtime" else Runner(*contenders.runner(name))
            outcome = runner.run(program, case)
            if problems := [*running.unexpected(case, outcome)]:
                raise RuntimeError(f"{program.name}/{case.name}: {name}: {problems}")
            return outcome.cost

        for program, case in ((row, case) for row in programs for case in row.cases):
            costs: dict[str, list[Cost]] = {"cold": [], "warm": [], "wasmtime": []}
            for name in ("warm", "warm", "wasmtime"):  # they fill the caches
                cost(name, program, case)
            for _ in range(rounds):
                for name, found in costs.items():
                    found.append(cost(name, program, case))
            medians = [median(found) for found in costs.values()]
            cells = [f"{each.wall:.2f} s, {each.memory:.0f} MB" for each in medians]
            rows.append([program.name, case.name, *cells])
            print(*rows[-1], sep="   ", file=sys.stderr, flush=True)
    print(markdown([heads, *rows]))


def main() -> None:
    """Parses the command line and does what it says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("list", "fetch", "run", "table"))
    parser.add_argument("--only", type=lambda text: text.split(","), default=())
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    programs = [
        program
        for program in TABLE
        if (not options.only or program.name in options.only) and (not options.fast or program.fast)
    ]
    if options.command == "list":
        for program in programs:
            print(
                f"{program.name:14} {program.source:50} {', '.join(c.name for c in program.cases)}"
            )
        return
    fetch(programs)
    if options.command == "table":
        measure(programs, options.rounds)
    if options.command == "run":
        results = [bool(check(program, case)) for program in programs for case in program.cases]
        print(f"{len(results) - sum(results)} passed, {sum(results)} failed")
        sys.exit(any(results))


if __name__ == "__main__":
    main()
