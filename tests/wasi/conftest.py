"""Fixtures of the WASI tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .host import WALKS, World, use_walk


@pytest.fixture(params=WALKS)
def every_walk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs with each way in which paths are resolved in host directories."""
    walk: str = request.param
    use_walk(monkeypatch, walk)
    return walk


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
