"""Fixtures of the tests of the API."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Nothing is freed but by counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
