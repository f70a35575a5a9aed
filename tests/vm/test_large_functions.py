"""Functions that are too large to be optimised: they compile in bounded time and mean the same."""

from __future__ import annotations

from time import process_time

import pytest

from tests.harness import assemble, instance
from wasmine import Engine, Trap
from wasmine.compiler.function import MANY_LOCALS


def function(count: int) -> str:
    """Locals that are all alive in each of as many blocks; their sum is that of the odd numbers."""
    blocks = "".join(
        f"(if (i32.and (call $same (local.get 0)) (i32.const {number % 2}))"
        f" (then (local.set {number} (i32.const {number}))))"
        for number in range(1, count)
    )
    total = "".join(f"(i32.add (local.get {number})) " for number in range(1, count))
    return (
        '(module (memory 1) (func (export "f") (param i32) (result i32)'
        f" (local{' i32' * (count - 1)}) (loop {blocks} (br_if 0 (i32.eqz (local.get 0))))"
        f" (i32.const 0) {total})"
        ' (func (export "load") (param i32) (result i32)'
        f" (local{' i64' * count}) (i32.add (i32.load (local.get 0)) (i32.const 1)))"
        " (func $same (param i32) (result i32) (local.get 0)))"
    )


@pytest.mark.parametrize("engine", ["none", "light", "O2"])
def test_many_locals(engine: str) -> None:
    made = instance(function(MANY_LOCALS + 2), engine=Engine(opt_level=engine, tier="optimized"))
    assert made.exports.f(1) == sum(range(1, MANY_LOCALS + 2, 2))
    assert made.exports.load(8) == 1
    with pytest.raises(Trap) as caught:
        made.exports.load(-1)
    assert [frame.function_index for frame in caught.value.trace] == [1]


def test_the_time_that_many_locals_take() -> None:
    text = function(5000)
    assemble(text)
    before = process_time()
    assert instance(text).exports.f(1) == sum(range(1, 5000, 2))
    assert process_time() - before < 20  # about 4; optimised, it was 14 and grew with the square
