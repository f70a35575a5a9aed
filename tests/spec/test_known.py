"""What the runs of the official suite are held against: the list of known failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasmine.script import Outcome

from .known import KnownFailure, failing_lines, judge, load, write
from .report import Counts, count


def outcomes(text: str) -> list[Outcome]:
    """One command on each line: `.` passed, `x` failed."""
    problems = {".": None, "x": "wrong"}
    return [Outcome(line, 1, "assert_trap", problems[one]) for line, one in enumerate(text, 1)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [("..", ""), ("xxx", "all"), (".xxx.x", "2-4 6"), ("x.", "1"), ("", ""), ("x..", "1")],
)
def test_failing_lines_describe_a_run_and_nothing_else(text: str, lines: str) -> None:
    assert failing_lines(outcomes(text)) == lines
    known = KnownFailure("a reason", lines)
    assert judge("s", outcomes(text), known) == []
    for other in ("..", "xxx", ".xxx.x", "x.", "x.."):
        if len(other) == len(text) and other != text:
            assert judge("s", outcomes(other), known) != []


def test_a_known_failure_that_passes_is_a_problem() -> None:
    problems = judge("s", outcomes("x."), KnownFailure("a reason", "all"))
    assert problems == ["s.wast:2 is listed in known_failures.toml but passes: take it out"]


def test_listed_lines_without_commands_are_a_problem() -> None:
    problems = judge("s", outcomes("x."), KnownFailure("a reason", "1 3-9"))
    assert problems == ["s: its lines in known_failures.toml should read '1'"]


def test_an_unlisted_failure_is_a_problem() -> None:
    assert judge("s", outcomes("x."), None) == ["s.wast:1:1: assert_trap: wrong"]


def test_the_list_survives_rewriting(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text("# A comment.\n# Another.\n")
    entries = {"b": KnownFailure("needs b", "all"), "a/c": KnownFailure("needs c", "1-2 7")}
    write(entries, path)
    assert load(path) == entries
    assert path.read_text().startswith("# A comment.\n# Another.\n\n")


def test_entries_need_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('a = { reason = "", lines = "all" }\n')
    with pytest.raises(ValueError, match="a needs a reason"):
        load(path)


def test_counts() -> None:
    commands = [*outcomes("..xx"), Outcome(5, 1, "module", "wrong")]
    assert count(commands, KnownFailure("a reason", "3 5")) == Counts(1, 2, 1, 1)
    assert count(commands, None) + Counts(1, 1) == Counts(2, 3, 2, 0)
