"""What all tests share: a cache of their own, not that of whoever runs them; the tiers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from .tiers import TIERS, default_tier

_OWNER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    # The processes of pytest-xdist inherit it, and so do the programs that tests start.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_OWNER] = tempfile.mkdtemp(prefix="wasmine-cache-")
        os.environ["WASMINE_CACHE_DIR"] = config.stash[_OWNER]
        os.environ["WASMINE_CACHE"] = "1"
        os.environ.pop("WASMINE_CACHE_SIZE", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    directory = config.stash.get(_OWNER, None)
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=TIERS)
def every_tier(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs in each tier, with engines of it unless it says another."""
    with default_tier(request.param):
        yield request.param
