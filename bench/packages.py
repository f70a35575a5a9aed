"""Packages of PyPI and npm, unpacked. Nothing else here fetches anything."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final


def _from_pypi(package: str, place: Path) -> Path:
    options = ("-q", "--no-deps", "--only-binary=:all:", "-d", str(place))
    command = (sys.executable, "-m", "pip", "download", *options, package)
    subprocess.run(command, check=True, stdout=sys.stderr)
    content = place / "content"
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(content)
    return content


def _from_npm(package: str, place: Path) -> Path:
    subprocess.run(("npm", "pack", "--silent", package), check=True, cwd=place, stdout=sys.stderr)
    with tarfile.open(next(place.glob("*.tgz"))) as archive:
        archive.extractall(place, filter="data")
    return place / "package"


REGISTRIES: Final[dict[str, Callable[[str, Path], Path]]] = {
    "pypi": _from_pypi,
    "npm": _from_npm,
}


def place_of(source: str, directory: Path) -> Path:
    """Where a package is below a directory, once fetched."""
    return directory / re.sub(r"[^\w.]+", "-", source)


def fetch(source: str, directory: Path) -> Path:
    """The directory of a package's files, fetched if it is not there.

    `source` is `pypi:NAME==VERSION` or `npm:NAME@VERSION`. Raises CalledProcessError or OSError if
    it cannot be had.
    """
    path = place_of(source, directory)
    if not path.exists():
        registry, _, package = source.partition(":")
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory) as place:
            print(f"fetching {source}", file=sys.stderr, flush=True)
            REGISTRIES[registry](package, Path(place)).rename(path)
    return path
