"""Compares native code, wasmtime and wasmine on every kernel, in one run, engines interleaved.

    python bench/run.py [--engines native,wasmtime,wasmine,baseline] [--kernels a,b] [--rounds N]
                        [--quick] [--opt LEVEL] [--json FILE]

`wasmine` is optimised code, `baseline` what a function's first calls run.

Times are the CPU time of the running thread; each table cell is the minimum of the rounds. Every
engine must return the same checksum for every kernel, or the run fails.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from build import build
from engines import KernelEngine, make_engines
from kernels import Kernel, select
from tables import markdown

QUICK_DIVISOR = 8
QUICK_ROUNDS = 2
FURTHEST = 8
RATIOS = (
    *(("wasmtime", "native"), ("wasmine", "native"), ("wasmine", "wasmtime")),
    *(("baseline", "wasmine"), ("baseline", "wasmtime")),
)


@dataclass
class Timing:
    """What one engine took for one kernel, in seconds; the first run is not among the rounds."""

    compile: float
    first_run: float
    rounds: list[float] = field(default_factory=list)

    @property
    def minimum(self) -> float:
        """The best round."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Result:
    """One kernel's checksum and the timings of each engine."""

    kernel: Kernel
    checksum: int
    timings: dict[str, Timing]

    def ratio(self, over: str, under: str, pick: Callable[[Timing], float]) -> float:
        """How many times as long one engine takes as another."""
        return pick(self.timings[over]) / pick(self.timings[under])


def timed(run: Callable[[int], int], n: int) -> tuple[float, int]:
    """The thread CPU time of one run, and its checksum."""
    start = time.thread_time()
    checksum = run(n)
    return time.thread_time() - start, checksum


def measure(kernel: Kernel, engines: dict[str, KernelEngine], n: int, rounds: int) -> Result:
    """Loads a kernel in every engine, checks that they agree, then times them in turn."""
    loaded = {
        name: engine.load(kernel)
        for name, engine in engines.items()
        if not (kernel.simd and name == "native")
    }
    timings: dict[str, Timing] = {}
    checksums: dict[str, int] = {}
    for name, ready in loaded.items():
        seconds, checksums[name] = timed(ready.run, n)
        timings[name] = Timing(ready.compile_seconds, seconds)
    if len(set(checksums.values())) != 1:
        shown = ", ".join(f"{name} {value:016x}" for name, value in checksums.items())
        raise SystemExit(f"{kernel.name}: checksums differ: {shown}")
    for _ in range(rounds):
        for name, ready in loaded.items():
            timings[name].rounds.append(timed(ready.run, n)[0])
    return Result(kernel, next(iter(checksums.values())), timings)


def geometric_mean(values: Iterable[float]) -> float:
    """The mean to use for ratios."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def pairs_of(results: Sequence[Result]) -> list[tuple[str, str]]:
    """The ratios that the engines of this run allow."""
    present = results[0].timings
    return [pair for pair in RATIOS if pair[0] in present and pair[1] in present]


def mean_row(title: str, results: Sequence[Result], pick: Callable[[Timing], float]) -> list[str]:
    """A row of geometric means, with the columns of `table`."""
    present = results[0].timings
    means = [
        f"**{geometric_mean(result.ratio(*pair, pick) for result in results):.2f}**"
        for pair in pairs_of(results)
    ]
    compiles = [
        f"{1000 * statistics.fmean(result.timings[name].compile for result in results):.1f}"
        for name in present
        if name != "native"
    ]
    return [f"**{title}**", "", "", *means, *compiles]


def table(results: Sequence[Result]) -> list[list[str]]:
    """The rows of the report: heads, kernels, then means by category and overall."""
    names = list(results[0].timings)
    compiled = [name for name in names if name != "native"]
    heads = [f"{over}/{under}" for over, under in pairs_of(results)]
    rows = [
        ["kernel", "category", f"{names[0]} ms", *heads, *(f"{n} compile ms" for n in compiled)]
    ]
    for result in results:
        ratios = [
            f"{result.ratio(*pair, lambda timing: timing.minimum):.2f}"
            for pair in pairs_of(results)
        ]
        compiles = [f"{1000 * result.timings[name].compile:.1f}" for name in compiled]
        milliseconds = f"{1000 * result.timings[names[0]].minimum:.1f}"
        rows.append([result.kernel.name, result.kernel.category, milliseconds, *ratios, *compiles])
    for category in dict.fromkeys(result.kernel.category for result in results):
        members = [result for result in results if result.kernel.category == category]
        rows.append(mean_row(category, members, lambda timing: timing.minimum))
    rows.append(mean_row("all, minima", results, lambda timing: timing.minimum))
    rows.append(mean_row("all, medians", results, lambda timing: timing.median))
    return rows


def furthest(results: Sequence[Result]) -> list[str]:
    """For each WebAssembly engine, the kernels that lose most to native code."""
    lines = []
    for over, under in pairs_of(results):
        if under == "native":
            ratios = [
                (result.ratio(over, under, lambda timing: timing.minimum), result.kernel.name)
                for result in results
            ]
            worst = sorted(ratios, reverse=True)[:FURTHEST]
            shown = ", ".join(f"{name} {ratio:.2f}" for ratio, name in worst)
            lines.append(f"Furthest from native, {over}: {shown}")
    return lines


def to_json(results: Sequence[Result], options: argparse.Namespace) -> str:
    """Everything measured, for other programs to read."""
    kernels = [
        {
            **asdict(result.kernel),
            "checksum": f"{result.checksum:016x}",
            "timings": {name: asdict(timing) for name, timing in result.timings.items()},
        }
        for result in results
    ]
    settings = {"opt": options.opt, "rounds": options.rounds, "quick": options.quick}
    return json.dumps({"settings": settings, "kernels": kernels}, indent=1) + "\n"


def parse_options() -> argparse.Namespace:
    """The command line; --quick settles what was not given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engines", default="native,wasmtime,wasmine", metavar="A,B")
    parser.add_argument("--kernels", metavar="A,B", help="only these kernels")
    parser.add_argument("--rounds", type=int, metavar="N", help="timed runs (default: 5)")
    parser.add_argument("--quick", action="store_true", help="less work and fewer rounds")
    parser.add_argument("--opt", default="light", metavar="LEVEL", help="wasmine's opt_level")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every measurement")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else 5
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main() -> None:
    """Builds what is missing, measures, reports."""
    options = parse_options()
    kernels = select(options.kernels)
    build(kernels)
    engines = make_engines(options.engines, options.opt)
    results = []
    for kernel in kernels:
        n = max(1, kernel.n // QUICK_DIVISOR) if options.quick else kernel.n
        if sys.stderr.isatty():
            print(f"\r{kernel.name} ...\033[K", end="", file=sys.stderr, flush=True)
        results.append(measure(kernel, engines, n, options.rounds))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    for group in (
        [result for result in results if not result.kernel.simd],
        [result for result in results if result.kernel.simd],
    ):
        if group:
            print(markdown(table(group)))
            print()
            print("".join(f"{line}\n" for line in furthest(group)))
    if options.json:
        options.json.write_text(to_json(results, options), encoding="utf-8")


if __name__ == "__main__":
    main()
