"""The line at the end of a test session that counts the assertions of the official suite."""

from __future__ import annotations

import pytest

from .report import PROPERTY, Counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Adds up what the tests recorded, wherever they ran."""
    reports = (
        report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])
    )
    counts = [
        Counts(*value)
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == PROPERTY
    ]
    if counts:
        terminalreporter.section("WebAssembly test suite")
        terminalreporter.write_line(str(sum(counts, start=Counts())))
