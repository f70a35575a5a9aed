"""The tier of the engines that tests make without saying one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wasmine import Engine

from . import harness

VARIABLE = "WASMINE_TEST_TIER"
"""What processes that tests start inherit."""
TIERS = ("optimized", "baseline")


@contextmanager
def default_tier(tier: str) -> Iterator[None]:
    """Engines are of a tier if nothing else is said, in processes that are started too."""
    options = _defaults()
    before, inherited = options["tier"], os.environ.get(VARIABLE)
    options["tier"] = os.environ[VARIABLE] = tier
    harness.module.cache_clear()
    try:
        yield
    finally:
        options["tier"] = before
        harness.module.cache_clear()
        if inherited is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = inherited


def inherit() -> None:
    """Take over the tier of the process that started this one."""
    if tier := os.environ.get(VARIABLE):
        _defaults()["tier"] = tier


def _defaults() -> dict[str, Any]:
    """What the options of an engine are that is made without them."""
    return Engine.__init__.__kwdefaults__ or {}
