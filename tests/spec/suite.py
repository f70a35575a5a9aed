"""Where the official test suite is, and its scripts.

The suite (WebAssembly/testsuite on GitHub) is not part of this project: `WASMINE_TESTSUITE` names its
directory, and without it `../shared/testsuite` beside the checkout is tried.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from time import perf_counter

from tests import tiers
from wasmine import Engine, Features
from wasmine.script import Outcome, Report, run_script

CHECKOUT = Path(__file__).resolve().parents[2]
VARIABLE = "WASMINE_TESTSUITE"

# The suite's other folders hold proposals that wasmine does not plan to have.
FOLDERS = (".", "custom", "proposals/threads")

FEATURES = {
    # The suite of this proposal builds on WebAssembly 2.0 without several tables, and expects errors
    # where later versions have none.
    "proposals/threads": Features(
        reference_types=False,
        multi_memory=False,
        memory64=False,
    ),
}
"""What scripts in a folder are run with, where it is not the default."""


def location() -> Path:
    """The directory of the suite, whether it exists or not."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else CHECKOUT.parent / "shared" / "testsuite"


def names() -> list[str]:
    """The scripts of the suite, as paths without `.wast`; empty where there is no suite."""
    root = location()
    found = [path for folder in FOLDERS for path in (root / folder).glob("*.wast")]
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in found)


def path(name: str) -> Path:
    """Where the script of that name is."""
    return location() / f"{name}.wast"


def run(name: str) -> Report:
    """Runs the script of that name."""
    features = FEATURES.get(str(PurePosixPath(name).parent), Features())
    return run_script(path(name).read_bytes(), engine=Engine(features=features))


def timed(name: str) -> tuple[str, Sequence[Outcome], float]:
    """A script's name, what came of its commands, and how many seconds it took."""
    tiers.inherit()
    started = perf_counter()
    outcomes = run(name).outcomes
    return name, outcomes, perf_counter() - started
