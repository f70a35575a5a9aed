"""Counts of assertions, of one script or of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from wasmine.script import Outcome

PROPERTY = "wast"
"""Under which name a test records its counts for the summary."""


class Counts(NamedTuple):
    """How many scripts ran and what came of their assertions."""

    files: int = 0
    passed: int = 0
    failed: int = 0

    def __add__(self, other: tuple[int, ...]) -> Self:  # type: ignore[override]
        return type(self)(*map(int.__add__, self, other))

    def __str__(self) -> str:
        return f"{self.files} files; assertions: {self.passed:,} passed, {self.failed:,} failed"


def count(outcomes: Iterable[Outcome]) -> Counts:
    """The counts of one script. Only assertions count, other commands only serve them."""
    passed = [one.passed for one in outcomes if one.is_assertion]
    return Counts(1, sum(passed), len(passed) - sum(passed))


def problems(name: str, outcomes: Iterable[Outcome]) -> list[str]:
    """A line for each command of a script that failed."""
    return [f"{name}.wast:{one}" for one in outcomes if not one.passed]
