"""Where the official WASI test suite is, and its programs.

The suite (WebAssembly/wasi-testsuite on GitHub, branch prod/testsuite-base) is not part of this
project: `WASMINE_WASI_TESTSUITE` names its directory, and without it `../shared/wasi-testsuite`
beside the checkout is tried.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from wasmine.frozen import Frozen

CHECKOUT = Path(__file__).resolve().parents[2]
VARIABLE = "WASMINE_WASI_TESTSUITE"
PROGRAMS = "tests/*/testsuite/wasm32-wasip1"


class Case(Frozen):
    """A program and what it must do, by its JSON. Output that it says nothing of does not matter."""

    program: Path
    args: list[str]
    env: dict[str, str]
    root: Path | None
    exit_code: int
    stdout: str | None
    stderr: str | None


def location() -> Path:
    """The directory of the suite, whether it exists or not."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else CHECKOUT.parent / "shared" / "wasi-testsuite"


def names() -> list[str]:
    """The programs for preview 1, as "language/name"; empty where there is no suite."""
    found = location().glob(f"{PROGRAMS}/*.wasm")
    return sorted(f"{path.parents[2].name}/{path.stem}" for path in found)


def case(name: str) -> Case:
    language, _, stem = name.partition("/")
    program = location() / PROGRAMS.replace("*", language) / f"{stem}.wasm"
    description = program.with_suffix(".json")
    told = json.loads(description.read_text()) if description.exists() else {}
    unknown = set(told) - {"args", "env", "root", "exit_code", "stdout", "stderr"}
    if unknown:
        raise ValueError(f"{description} says what this runner cannot do: {', '.join(unknown)}")
    return Case(
        program,
        told.get("args", []),
        told.get("env", {}),
        program.parent / told["root"] if told.get("root") else None,
        told.get("exit_code", 0),
        told.get("stdout"),
        told.get("stderr"),
    )


def fresh(root: Path, target: Path) -> Path:
    """A copy of a program's directory, without what an earlier run may have left there."""
    ignore = shutil.ignore_patterns("*.cleanup")
    return Path(shutil.copytree(root, target, symlinks=True, ignore=ignore))
