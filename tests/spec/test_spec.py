"""One test for each script of the official test suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tiers import TIERS

from . import suite
from .report import PROPERTY, count, problems

if not suite.names():
    pytest.skip(
        f"no WebAssembly test suite at {suite.location()}: name its directory in {suite.VARIABLE}",
        allow_module_level=True,
    )

SHOWN = 20


@pytest.mark.parametrize("name", suite.names())
def test_spec(name: str, every_tier: str, record_property: Callable[[str, object], None]) -> None:
    outcomes = suite.run(name).outcomes
    if every_tier == TIERS[0]:  # an assertion counts once
        record_property(PROPERTY, list(count(outcomes)))
    if found := problems(name, outcomes):
        more = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        pytest.fail("\n".join(found[:SHOWN] + more), pytrace=False)
