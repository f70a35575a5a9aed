"""Running a case, in wasmtime and in wasmine, and comparing what comes of it."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import packages
import processes
from processes import Cost, Ended
from programs import STARTERS
from start import WASMTIME_CACHE

from .records import Case, Program

HERE: Final = Path(__file__).parent
INPUTS: Final = HERE / "inputs"


def build_directory() -> Path:
    """Where programs, caches and the results of wasmtime are kept."""
    return Path(os.environ.get("WASMINE_PROGRAMS") or HERE / "build").absolute()


def fetch(program: Program) -> Path:
    """A program's root, fetched if it is not there. Raises CalledProcessError or OSError."""
    root = packages.fetch(program.source, build_directory()) / program.root
    for path, target in program.links.items():
        (root / path).parent.mkdir(exist_ok=True)
        if not (root / path).exists():
            (root / path).hardlink_to(root / target)
    return root


class Outcome(NamedTuple):
    """What a case has come to."""

    ended: list[Ended]
    files: dict[str, bytes]
    """All files at the end; a symbolic link is its target, a directory is empty."""

    @property
    def cost(self) -> Cost:
        """The sum of times, the peak of memory."""
        costs = [ended.cost for ended in self.ended]
        return Cost(
            sum(cost.wall for cost in costs),
            sum(cost.cpu for cost in costs),
            max(cost.memory for cost in costs),
        )


class Runner(NamedTuple):
    """How processes of one engine are started."""

    command: tuple[str | Path, ...]
    environment: dict[str, str]

    def run(self, program: Program, case: Case) -> Outcome:
        """Runs a case in a new directory, up to the first step that does not end as it should."""
        root = fetch(program)
        resources = [
            f"--resource={guest}={root / path}" for guest, path in program.resources.items()
        ]
        variables = [f"--env={name}={value}" for name, value in program.env.items()]
        with TemporaryDirectory(prefix="wasmine-program-") as place:
            work, temporary = Path(place) / "work", Path(place) / "tmp"
            shutil.copytree(INPUTS / program.name, work)
            temporary.mkdir()
            directories = (f"--dir={program.work}={work}", f"--dir=/tmp={temporary}")
            options = (*directories, *resources, *variables)
            ended = []
            for step in case.steps:
                command = (*self.command, program.scenario, root / step.module, *options, "--")
                stdin = (INPUTS / program.name / step.stdin).read_bytes() if step.stdin else b""
                ended.append(processes.run((*command, *step.argv), self.environment, stdin))
                if ended[-1].exit_code != step.exit_code:
                    break
            return Outcome(ended, dict(_files(work)))


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            yield f"{name} -> {path.readlink()}", b""
        elif path.is_dir():
            yield f"{name}/", b""
        else:
            yield name, path.read_bytes()


def wasmtime() -> Runner:
    """wasmtime's package, with its own cache, which stays."""
    directory = build_directory() / "cache"
    configuration = directory / "wasmtime.toml"
    if not configuration.exists():
        directory.mkdir(parents=True, exist_ok=True)
        configuration.write_text(WASMTIME_CACHE.format(directory=directory / "wasmtime"))
    return Runner((sys.executable, STARTERS / "run_wasmtime.py", configuration), {})


def wasmine() -> Runner:
    """wasmine as it is imported here, with a cache that stays."""
    cache = build_directory() / "cache" / "wasmine"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    variables = {"WASMINE_CACHE_DIR": str(cache), "WASMINE_CACHE_SIZE": "4G"}
    return Runner((sys.executable, STARTERS / "run_wasmine.py"), variables)


def reference(program: Program, case: Case) -> Outcome:
    """What the case comes to in wasmtime; kept for the next time.

    Raises ValueError if that is not what the table says.
    """
    key = hashlib.sha256(repr((version("wasmtime"), program.source, program, case)).encode())
    for name, content in _files(INPUTS / program.name):
        key.update(name.encode() + b"\0" + content)
    path = build_directory() / "reference" / f"{program.name}-{case.name}-{key.hexdigest()[:16]}"
    if path.exists():
        found: Outcome = pickle.loads(path.read_bytes())
        return found
    outcome = wasmtime().run(program, case)
    if problems := [*unexpected(case, outcome)]:
        raise ValueError("wasmtime: " + "; ".join(problems))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(outcome))
    return outcome


def unexpected(case: Case, outcome: Outcome) -> Iterator[str]:
    """How the outcome is not what the table says."""
    for step, ended in zip(case.steps, outcome.ended, strict=False):
        if ended.exit_code != step.exit_code:
            error = ended.stderr.decode(errors="replace")[-3000:]
            yield f"{step.module}: exit code {ended.exit_code}: {error}"
    for name in case.outputs:
        if not outcome.files.get(name):
            yield f"no file {name}, or an empty one"


def differences(case: Case, expected: Outcome, outcome: Outcome) -> list[str]:
    """How the outcome differs from wasmtime's, and from what the table says."""
    found = [*unexpected(case, outcome)]
    theirs, ours = _compared(case, expected), _compared(case, outcome)
    for name in sorted({*theirs, *ours}):
        if name not in theirs or name not in ours:
            found.append(f"{name}: only in {'wasmtime' if name in theirs else 'wasmine'}")
        elif theirs[name] != ours[name]:
            found.append(f"{name}: {_first_difference(theirs[name], ours[name])}")
    return found


def _compared(case: Case, outcome: Outcome) -> dict[str, bytes]:
    """All that is compared, by name, without what is ignored."""
    found = {**outcome.files}
    for number, ended in enumerate(outcome.ended, 1):
        found |= {f"<{number}: stdout>": ended.stdout, f"<{number}: stderr>": ended.stderr}
    for pattern, _ in case.ignored:
        found = {name: re.sub(pattern.encode(), b"", data) for name, data in found.items()}
    return found


def _first_difference(theirs: bytes, ours: bytes) -> str:
    pairs = enumerate(zip(theirs, ours, strict=False))
    place = next((at for at, (left, right) in pairs if left != right), min(len(theirs), len(ours)))
    around = slice(max(0, place - 60), place + 100)
    return (
        f"{len(theirs)} and {len(ours)} bytes differ at {place}:\n"
        f"    wasmtime {theirs[around]!r}\n"
        f"    wasmine  {ours[around]!r}"
    )
