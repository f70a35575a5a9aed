"""From the start of a process to a program's first useful output, beside wasmtime and Node.

    python bench/start.py [--programs a,b] [--rounds 5] [--engines a,b] [--json FILE] [--node PATH]

Every figure is a fresh process. The contenders run in turn, round after round:

- `wasmtime`: its package without a cache; `wasmtime cached`: with its own, filled before
- `cold`: wasmine with a cache that holds what an installed package would bring (the native runtime
  and the stencils), nothing of the program
- `warm`: wasmine with the cache that earlier runs have left
- `node`: V8, which compiles lazily, if there is a `node` on the path

Reported are medians of wall-clock and CPU seconds (of the process and its children that have ended)
and the peak of resident memory. What runs of wasmine is a copy of it in a `site-packages` directory, as
pip would have installed it: all that Python runs is byte-compiled before, for all contenders.
"""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from processes import Cost, median
from processes import run as run_process
from programs import STARTERS, TABLE, Program, fetch
from tables import markdown

WASMTIME_CACHE: Final = '[cache]\ndirectory = "{directory}"\n'
PACKAGE: Final = Path(__file__).parents[1] / "src" / "wasmine"


class Caches(NamedTuple):
    """The directories of caches, all of them new."""

    wasmtime: Path
    prepared: Path
    """wasmine's without a program."""
    warm: Path

    @classmethod
    def below(cls, directory: Path) -> Caches:
        """New ones in a directory."""
        caches = cls(*(directory / name for name in cls._fields))
        for path in caches:
            path.mkdir(mode=0o700)
        caches.configuration.write_text(WASMTIME_CACHE.format(directory=caches.wasmtime))
        return caches

    @property
    def configuration(self) -> Path:
        """wasmtime's configuration of its cache."""
        return self.wasmtime.with_suffix(".toml")


def measure(command: Iterable[str | Path], output: str, environment: Mapping[str, str]) -> Cost:
    """Runs a command, which has to print `output`. Raises RuntimeError if it does not."""
    ended = run_process(command, environment)
    printed = ended.stdout.decode(errors="replace")
    if output not in printed:
        raise RuntimeError(f"exit code {ended.exit_code}, printed {printed[-200:]!r}")
    return ended.cost


class Contenders:
    """How each contender starts a program."""

    def __init__(self, directory: Path, node: str | None) -> None:
        self._caches = Caches.below(directory)
        self._fresh = directory / "fresh"
        self._node = node
        self._installed = directory / "site-packages"
        shutil.copytree(PACKAGE, self._installed / PACKAGE.name)
        for place in (self._installed, STARTERS):
            compileall.compile_dir(place, quiet=1)
        # A module of no program leaves in the cache what every program needs.
        empty = directory / "empty.wat"
        empty.write_text('(module (func (export "_initialize")))')
        code = (
            "import sys; from wasmine import Engine, Instance, Module;"
            "Instance(Module(sys.argv[1], engine=Engine(tier='auto'))).exports._initialize()"
        )
        variables = self._variables(self._caches.prepared)
        measure((sys.executable, "-c", code, empty), "", variables)

    def _variables(self, cache: Path) -> dict[str, str]:
        return {"PYTHONPATH": str(self._installed), "WASMINE_CACHE_DIR": str(cache)}

    @property
    def names(self) -> list[str]:
        """All of them, in the order of the table."""
        return ["wasmtime", "wasmtime cached", "cold", "warm", *(["node"] if self._node else [])]

    def runner(self, name: str) -> tuple[tuple[str | Path, ...], dict[str, str]]:
        """What runs the next job (see `scenarios.py`) in a contender, and the variables for it."""
        if name == "node":
            return (str(self._node), "--no-warnings", STARTERS / "run_node.mjs"), {}
        if name.startswith("wasmtime"):
            configuration = self._caches.configuration if name.endswith("cached") else "-"
            return (sys.executable, STARTERS / "run_wasmtime.py", configuration), {}
        cache = self._caches.warm
        if name == "cold":
            cache = self._fresh
            shutil.rmtree(cache, ignore_errors=True)
            shutil.copytree(self._caches.prepared, cache)
        return (sys.executable, STARTERS / "run_wasmine.py"), self._variables(cache)

    def start(self, name: str, program: Program, path: Path) -> Cost:
        """One process of a contender."""
        runner, variables = self.runner(name)
        job: tuple[str | Path, ...] = (program.scenario, path, "--", "program", *program.arguments)
        return measure((*runner, *job), program.output, variables)


def run(contenders: Contenders, program: Program, names: list[str], rounds: int) -> dict[str, Cost]:
    """The medians of every contender; what fails is reported and left out."""
    path = fetch(program)
    costs: dict[str, list[Cost]] = {}
    failed = set()
    for round_ in range(-2, rounds):
        for name in names:
            # The first rounds fill the caches of those that have one.
            if name in failed or (round_ < 0 and name not in ("wasmtime cached", "warm")):
                continue
            try:
                cost = contenders.start(name, program, path)
            except RuntimeError as error:
                print(f"{program.name}: {name}: {error}", file=sys.stderr)
                failed.add(name)
                continue
            if round_ >= 0:
                costs.setdefault(name, []).append(cost)
    return {name: median(found) for name, found in costs.items()}


def report(results: Mapping[str, Mapping[str, Cost]], names: list[str]) -> str:
    """A table for people: wall-clock / CPU seconds / MB."""

    def cell(cost: Cost | None) -> str:
        return f"{cost.wall:.3f} / {cost.cpu:.3f} / {cost.memory:.0f}" if cost else "-"

    rows = [
        [program, *(cell(found.get(name)) for name in names)] for program, found in results.items()
    ]
    return markdown([["program", *names], *rows])


def main() -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--programs", type=lambda text: text.split(","))
    parser.add_argument("--engines", type=lambda text: text.split(","))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--node", default=shutil.which("node"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, Cost]] = {}
    with TemporaryDirectory(prefix="wasmine-start-") as directory:
        contenders = Contenders(Path(directory), options.node)
        names = options.engines or contenders.names
        for program in TABLE:
            if options.programs and program.name not in options.programs:
                continue
            results[program.name] = run(contenders, program, names, options.rounds)
            print(report({program.name: results[program.name]}, names), flush=True)
    print(report(results, names))
    if options.json:
        content = {
            program: {name: asdict(cost) for name, cost in found.items()}
            for program, found in results.items()
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
