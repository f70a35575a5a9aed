"""What the runs of the official suite are told as."""

from __future__ import annotations

from wasmine.script import Outcome

from .report import Counts, count, problems

OUTCOMES = [
    Outcome(1, 1, "module", None),
    Outcome(2, 1, "assert_trap", None),
    Outcome(3, 1, "assert_trap", "wrong"),
    Outcome(4, 1, "module", "refused"),
]


def test_only_assertions_count() -> None:
    assert count(OUTCOMES) == Counts(1, 1, 1)
    assert count(OUTCOMES) + Counts(1, 2) == Counts(2, 3, 1)


def test_every_command_that_fails_is_a_problem() -> None:
    assert problems("s", OUTCOMES) == [
        "s.wast:3:1: assert_trap: wrong",
        "s.wast:4:1: module: refused",
    ]
