"""What all tests of the fuzzer share."""

from __future__ import annotations

import pytest

from wasmine.api import tiering


@pytest.fixture(autouse=True)
def _policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """When code is hot is for each seed to say, and none of the tests that come later."""
    monkeypatch.setattr(tiering, "policy", tiering.policy)
