"""SIMD on seeds that are always the same."""

from __future__ import annotations

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")

from .vectors import examine


@pytest.mark.parametrize("seed", range(16))
def test_seeds_find_nothing(seed: int) -> None:
    """All of them together look at every instruction."""
    assert examine(seed) == []
