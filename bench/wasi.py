"""Measures WASI calls in wasmine beside wasmtime's package: large transfers, small calls.

    python bench/wasi.py [--mebibytes 1024] [--calls 200000] [--entries 3000] [--rounds 3]
        [--directory DIR] [--engines wasmtime,wasmine]

One C program (`wasi.c`) does it all and takes the time itself, with a directory that is made below
DIR; without that it is in memory where there is /dev/shm, so that no disk is measured. Engines run in
turn, round after round, each in a process of its own; the best round of each counts. wasmtime reads a
directory again for each piece of it: of 100,000 entries it is not done within ten minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tables import markdown

SOURCE: Final = Path(__file__).with_suffix(".c")
BUILD: Final = Path(__file__).parent / "build"
SHARED_MEMORY: Final = Path("/dev/shm")


def run_wasmine(program: str, directory: str, arguments: Sequence[str]) -> None:
    """Runs the program with output to this process's own."""
    from wasmine import Engine, Module, wasi

    # Optimised beforehand: what is measured is calls, not how soon their caller is fast.
    module = Module(program, engine=Engine(tier="optimized"))
    wasi.run(module, ["wasi", *arguments], capture=False, dirs={"/": directory})


def run_wasmtime(program: str, directory: str, arguments: Sequence[str]) -> None:
    """The same with wasmtime's package."""
    import wasmtime

    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    config = wasmtime.WasiConfig()
    config.argv = ["wasi", *arguments]
    config.inherit_stdout()
    config.preopen_dir(directory, "/")
    store = wasmtime.Store(engine)
    store.set_wasi(config)
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, program))
    start = instance.exports(store)["_start"]
    if not isinstance(start, wasmtime.Func):
        raise TypeError(start)
    start(store)


ENGINES: Final = {"wasmtime": run_wasmtime, "wasmine": run_wasmine}


def build() -> Path:
    """The program, built unless it is there and newer than its source."""
    output = BUILD / "wasi.wasm"
    if not output.exists() or output.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        command = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-O2", "-s")
        subprocess.run((*command, SOURCE, "-o", output), check=True)
    return output


def measure(engine: str, place: Path, arguments: Sequence[str]) -> dict[str, float]:
    """What each operation did in a second, by its name."""
    with TemporaryDirectory(dir=place) as directory:
        command = (sys.executable, __file__, "--one", engine, "--directory", directory)
        done = subprocess.run((*command, *arguments), check=True, stdout=subprocess.PIPE, text=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: int(count) * 1e9 / int(nanoseconds) for name, count, nanoseconds in rows}


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """The best of each engine's rounds: GB/s for transfers, thousands of calls for the others."""
    best = {
        engine: {name: max(one[name] for one in rounds) for name in rounds[0]}
        for engine, rounds in results.items()
    }
    rows = [["operation", *best]]
    for name in next(iter(best.values())):
        unit, size = ("GB/s", 1e9) if name.startswith(("read-", "write-")) else ("k/s", 1e3)
        rows.append(
            [f"{name}, {unit}", *(f"{values[name] / size:.4g}" for values in best.values())]
        )
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure WASI calls.")
    for name, default in (("mebibytes", 1024), ("calls", 200_000), ("entries", 3000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--directory", default=SHARED_MEMORY if SHARED_MEMORY.exists() else None)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    arguments = [str(options.mebibytes), str(options.calls), str(options.entries)]
    program = build()
    if options.one:
        ENGINES[options.one](os.fspath(program), options.directory, arguments)
        return
    flags = [f"--{name}={getattr(options, name)}" for name in ("mebibytes", "calls", "entries")]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in options.engines.split(",")}
    for _ in range(options.rounds):
        for engine, rounds in results.items():
            rounds.append(measure(engine, options.directory, flags))
    print(table(results))


if __name__ == "__main__":
    main()
