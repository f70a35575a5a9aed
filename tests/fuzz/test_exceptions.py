"""Random programs with exceptions do here what they do in wasmtime."""

from __future__ import annotations

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")

from .exceptions import examine


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_seeds_find_nothing(first: int) -> None:
    """In all tiers; in one of them better code comes on the way."""
    for seed in range(first, first + 10):
        assert examine(seed) == [], f"seed {seed}"
