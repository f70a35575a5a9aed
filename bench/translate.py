"""Measures translation: decoding, validating and lowering wasm to LLVM IR text, without LLVM.

    python bench/translate.py [FILE.wasm ...] [--rounds N] [--tier optimized|baseline]

Without files it takes the kernels. Times are process CPU time; each is the best of the rounds. In tier baseline
what is measured ends with machine code: cold, with a library of stencils that nothing was asked of before, as in
a new process, and warm, when it has compiled the same module already.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from build import build, wasm_path
from kernels import KERNELS
from tables import markdown
from wasmine.compiler.baseline.context import BaselineContext, BaselineOptions
from wasmine.compiler.baseline.function import compile_function
from wasmine.compiler.baseline.generator import generate
from wasmine.compiler.baseline.stencils import Library
from wasmine.compiler.module import Options
from wasmine.compiler.unit import translate_unit
from wasmine.wasm.body import Body
from wasmine.wasm.decoder import decode
from wasmine.wasm.validator import checked_body, validate_module


def translate_module(path: Path) -> int:
    """Translates every function body of a module; returns how many instructions they have."""
    info = decode(path.read_bytes())
    validate_module(info)
    instructions = 0

    def bodies() -> Iterator[Body]:
        nonlocal instructions
        for local in range(len(info.bodies)):
            body = checked_body(info, local)
            instructions += len(body.codes)
            yield body

    translate_unit(info, range(info.imported_functions, len(info.functions)), Options(), bodies())
    return instructions


def compile_module(path: Path, library: Library) -> int:
    """Compiles every function body of a module in the baseline tier; returns how many instructions they have."""
    info = decode(path.read_bytes())
    validate_module(info)
    context = BaselineContext(info, library, BaselineOptions(counters=True))
    instructions = 0
    for local in range(len(info.bodies)):
        body = checked_body(info, local)
        instructions += len(body.codes)
        compile_function(context, local, body)
    return instructions


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """The seconds that something takes, and what it returns."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


Measured: TypeAlias = tuple[int, list[float]]
"""The number of instructions, and the seconds of the fastest round in each way."""


def translated(path: Path, rounds: int) -> Measured:
    """To LLVM IR."""
    seconds, counts = zip(
        *(timed(lambda: translate_module(path)) for _ in range(rounds)), strict=True
    )
    return counts[0], [min(seconds)]


def compiled(path: Path, rounds: int, stencils: bytes) -> Measured:
    """To baseline code, cold and warm."""
    cold: list[float] = []
    warm: list[float] = []
    instructions = 0
    for _ in range(rounds):
        library = Library.load(stencils)
        for seconds in (cold, warm):
            elapsed, instructions = timed(lambda: compile_module(path, library))  # noqa: B023
            seconds.append(elapsed)
    return instructions, [min(cold), min(warm)]


def row(name: str, size: int, instructions: int, ways: list[float]) -> list[str]:
    """One row of the table."""
    figures = [
        text
        for seconds in ways
        for text in (f"{1000 * seconds:.1f}", f"{instructions / seconds:,.0f}")
    ]
    return [name, f"{size}", f"{instructions}", *figures]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.wasm")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--tier", choices=("optimized", "baseline"), default="optimized")
    options = parser.parse_args()
    files = options.files
    if not files:
        build(KERNELS)
        files = [wasm_path(kernel) for kernel in KERNELS]
    baseline = options.tier == "baseline"
    ways = ("cold ", "warm ") if baseline else ("",)
    stencils = generate() if baseline else b""
    rows = [["module", "bytes", "instructions"]]
    rows[0] += (f"{way}{unit}" for way in ways for unit in ("ms", "instructions/s"))
    size, instructions, sums = 0, 0, [0.0 for _ in ways]
    for path in files:
        count, seconds = (
            compiled(path, options.rounds, stencils)
            if baseline
            else translated(path, options.rounds)
        )
        rows.append(row(path.stem, path.stat().st_size, count, seconds))
        size += path.stat().st_size
        instructions += count
        sums = [before + more for before, more in zip(sums, seconds, strict=True)]
    rows.append(row("**all**", size, instructions, sums))
    print(markdown(rows))


if __name__ == "__main__":
    main()
