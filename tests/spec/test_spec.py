"""One test for each script of the official test suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import known, suite
from .report import PROPERTY, count

if not suite.names():
    pytest.skip(
        f"no WebAssembly test suite at {suite.location()}: name its directory in {suite.VARIABLE}",
        allow_module_level=True,
    )

KNOWN_FAILURES = known.load()
SHOWN = 20


@pytest.mark.parametrize("name", suite.names())
def test_spec(name: str, record_property: Callable[[str, object], None]) -> None:
    outcomes = suite.run(name).outcomes
    expected = KNOWN_FAILURES.get(name)
    record_property(PROPERTY, list(count(outcomes, expected)))
    problems = known.judge(name, outcomes, expected)
    if problems:
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        pytest.fail("\n".join(problems[:SHOWN] + more), pytrace=False)


def test_known_failures_name_scripts_of_the_suite() -> None:
    assert sorted(KNOWN_FAILURES.keys() - suite.names()) == []
