"""How fast code is in each tier, and how soon a single long call is at full speed.

    python bench/tiers.py [--kernels a,b] [--rounds 5] [--length 25]

Columns: optimised code, in milliseconds of CPU time; baseline code and tier auto when it has settled, as
multiples of that; the CPU time that a call of `--length` times the work spends in baseline code before
better code has taken over: what it takes longer than optimised code, divided by the part of its time that
baseline code loses. All are medians. Nothing comes from the cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Literal

from build import wasm_path
from kernels import Kernel, select
from tables import markdown
from wasmine import Engine, Instance, Module

NAMES = "fib,tak,quicksort,virtual,json,vm,nbody,regex,editdist,sha256,matmul,bintrees"
SETTLING = 3.0
"""Seconds of running after which all that is hot has better code."""


def load(kernel: Kernel, tier: Literal["auto", "baseline", "optimized"]) -> Callable[[int], object]:
    """A kernel's function, in a new engine."""
    engine = Engine(tier=tier, cache=False)
    run: Callable[[int], object] = Instance(Module(wasm_path(kernel), engine=engine)).exports.run
    return run


def seconds(run: Callable[[int], object], n: int) -> float:
    """CPU time of a call."""
    start = time.thread_time()
    run(n)
    return time.thread_time() - start


def settle(run: Callable[[int], object], n: int) -> None:
    """Run until code is as good as it gets."""
    end = time.monotonic() + SETTLING
    while time.monotonic() < end:
        run(n)


def measure(kernel: Kernel, rounds: int, length: int) -> tuple[float, float, float, float]:
    """Seconds of optimised code; ratios of baseline and settled code; seconds until better code runs."""
    n = kernel.n
    tiers = [load(kernel, tier) for tier in ("optimized", "baseline", "auto")]
    settle(tiers[2], n)
    times = zip(*([seconds(run, n) for run in tiers] for _ in range(rounds)), strict=True)
    optimised, baseline, settled = map(statistics.median, times)
    excess = []
    for _ in range(max(1, rounds // 2)):
        whole = seconds(tiers[0], n * length)
        excess.append(seconds(load(kernel, "auto"), n * length) - whole)
    lost = 1 - optimised / baseline
    until = statistics.median(excess) / lost if lost > 0.1 else float("nan")
    return optimised, baseline / optimised, settled / optimised, until


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare the tiers over kernels.")
    parser.add_argument("--kernels", default=NAMES, metavar="A,B")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--length", type=int, default=25, metavar="N", help="default: 25")
    options = parser.parse_args()
    rows, results = [["kernel", "optimised ms", "baseline", "auto", "full speed after s"]], []
    for kernel in select(options.kernels):
        result = measure(kernel, options.rounds, options.length)
        results.append(result)
        best, baseline, settled, until = result
        rows.append(
            [kernel.name, f"{best * 1e3:.1f}", f"{baseline:.2f}", f"{settled:.3f}", f"{until:.2f}"]
        )
    _, *columns = zip(*results, strict=True)
    rows.append(["median", "", *(f"{statistics.median(column):.3f}" for column in columns)])
    print(markdown(rows))


if __name__ == "__main__":
    main()
