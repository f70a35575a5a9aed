"""What came of a script."""

from __future__ import annotations

from wasmine.frozen import Frozen


class Outcome(Frozen):
    """What came of one command, at this place of the script; lines and columns count from 1."""

    line: int
    column: int
    kind: str
    """The command as scripts write it: `module`, `assert_return` and so on."""
    problem: str | None = None
    """What went wrong; None if all went well."""

    @property
    def passed(self) -> bool:
        """Whether the command did what it should."""
        return self.problem is None

    @property
    def is_assertion(self) -> bool:
        """Whether the command is an assertion: the others only serve them."""
        return self.kind.startswith("assert_")

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.kind}: {self.problem or 'passed'}"


class Report(Frozen):
    """What came of all commands of a script, in the order of the script."""

    outcomes: tuple[Outcome, ...]

    @property
    def assertions(self) -> int:
        """How many assertions there are."""
        return sum(outcome.is_assertion for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The commands that failed, assertions and others."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    def __bool__(self) -> bool:
        """Whether everything went well."""
        return not self.failures

    def __str__(self) -> str:
        return f"{self.assertions:,} assertions, {len(self.failures):,} failures"
