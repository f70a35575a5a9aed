"""Measures translation: decoding, validating and lowering wasm to LLVM IR text, without LLVM.

    python bench/translate.py [FILE.wasm ...] [--rounds N]

Without files it takes the kernels. Times are process CPU time; each is the best of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from build import build, wasm_path
from kernels import KERNELS
from tables import markdown
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


def best_of(path: Path, rounds: int) -> tuple[float, int]:
    """The seconds of the fastest translation, and the number of instructions translated."""
    fastest, instructions = float("inf"), 0
    for _ in range(rounds):
        start = time.process_time()
        instructions = translate_module(path)
        fastest = min(fastest, time.process_time() - start)
    return fastest, instructions


def row(name: str, size: int, instructions: int, seconds: float) -> list[str]:
    """One row of the table."""
    rate = f"{instructions / seconds:,.0f}"
    return [name, f"{size}", f"{instructions}", f"{1000 * seconds:.1f}", rate]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.wasm")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    options = parser.parse_args()
    files = options.files
    if not files:
        build(KERNELS)
        files = [wasm_path(kernel) for kernel in KERNELS]
    rows = [["module", "bytes", "instructions", "ms", "instructions/s"]]
    size, instructions, seconds = 0, 0, 0.0
    for path in files:
        elapsed, count = best_of(path, options.rounds)
        rows.append(row(path.stem, path.stat().st_size, count, elapsed))
        size += path.stat().st_size
        instructions += count
        seconds += elapsed
    rows.append(row("**all**", size, instructions, seconds))
    print(markdown(rows))


if __name__ == "__main__":
    main()
