"""The strict list of what does not pass: reading it, holding a run against it, rewriting it.

A line of `known_failures.toml` is `name = { reason = "...", lines = "..." }`.  The lines are those of the
commands that fail: ranges from the first of them to the last (`12-40` means that every command on these
lines fails), or `all`.  A listed command that passes is as much an error as an unlisted one that fails.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from wasmine.script import Outcome

PATH = Path(__file__).with_name("known_failures.toml")
ALL = "all"


@dataclass(frozen=True)
class KnownFailure:
    """Why commands of a script fail, and which."""

    reason: str
    lines: str

    def covers(self, line: int) -> bool:
        """Whether the commands on this line are said to fail."""
        return self.lines == ALL or any(first <= line <= last for first, last in _parse(self.lines))


def load(path: Path = PATH) -> dict[str, KnownFailure]:
    """The list, by name of the script. Raises ValueError for entries without a reason."""
    entries = {
        name: KnownFailure(**entry) for name, entry in tomllib.loads(path.read_text()).items()
    }
    for name, entry in entries.items():
        if not entry.reason or not entry.lines:
            raise ValueError(f"{path.name}: {name} needs a reason and lines")
    return entries


def judge(name: str, outcomes: Iterable[Outcome], known: KnownFailure | None) -> list[str]:
    """What is wrong about a run: unexpected failures, and known failures that pass."""
    outcomes = list(outcomes)
    problems = []
    for line, failures in _failures_by_line(outcomes):
        place = f"{name}.wast:{line}"
        listed = known is not None and known.covers(line)
        if failures and not listed:
            problems += [f"{name}.wast:{failure}" for failure in failures]
        elif listed and not failures:
            problems.append(f"{place} is listed in {PATH.name} but passes: take it out")
    exact = failing_lines(outcomes)
    # Lines without commands would hide what a newer suite has there.
    if known is not None and not problems and known.lines != exact:
        problems.append(f"{name}: its lines in {PATH.name} should read {exact!r}")
    return problems


def failing_lines(outcomes: Iterable[Outcome]) -> str:
    """The lines of a script's failures in the form of the list; empty if there are none."""
    lines = [(line, bool(failures)) for line, failures in _failures_by_line(outcomes)]
    if lines and all(failed for _, failed in lines):
        return ALL
    runs = (list(run) for failed, run in groupby(lines, key=lambda item: item[1]) if failed)
    return " ".join(
        str(run[0][0]) if len(run) == 1 else f"{run[0][0]}-{run[-1][0]}" for run in runs
    )


def write(entries: Mapping[str, KnownFailure], path: Path = PATH) -> None:
    """Rewrites the list, keeping the comment at its head."""
    head = "".join(re.findall(r"^#.*\n", path.read_text(), re.MULTILINE))
    rows = [
        f'{_key(name)} = {{ reason = "{entry.reason}", lines = "{entry.lines}" }}\n'
        for name, entry in sorted(entries.items())
    ]
    path.write_text("".join([head, "\n", *rows]))


def _failures_by_line(outcomes: Iterable[Outcome]) -> Iterable[tuple[int, Sequence[Outcome]]]:
    """Every line with commands, and those of them that failed."""
    for line, commands in groupby(outcomes, key=lambda one: one.line):
        yield line, [one for one in commands if not one.passed]


def _parse(lines: str) -> Iterable[tuple[int, int]]:
    for part in lines.split():
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'
