"""Counts of assertions, of one script or of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from wasmine.script import Outcome

from .known import KnownFailure

PROPERTY = "wast"
"""Under which name a test records its counts for the summary."""


class Counts(NamedTuple):
    """How many scripts ran and what came of their assertions."""

    files: int = 0
    passed: int = 0
    failed: int = 0
    known: int = 0

    def __add__(self, other: tuple[int, ...]) -> Self:  # type: ignore[override]
        return type(self)(*map(int.__add__, self, other))

    def __str__(self) -> str:
        return (
            f"{self.files} files; assertions: {self.passed:,} passed, {self.failed:,} failed, "
            f"{self.known:,} known failures"
        )


def count(outcomes: Iterable[Outcome], known: KnownFailure | None) -> Counts:
    """The counts of one script. Only assertions count, other commands only serve them."""
    passed = failed = expected = 0
    for one in outcomes:
        if not one.is_assertion:
            continue
        if one.passed:
            passed += 1
        elif known is not None and known.covers(one.line):
            expected += 1
        else:
            failed += 1
    return Counts(1, passed, failed, expected)
