"""Baseline code with more floats and vectors than there are registers, across loops and calls."""

from __future__ import annotations

from functools import cache

import pytest

from tests.harness import instance
from wasmine import Engine, Instance

ENGINES = {"optimized": Engine(tier="optimized"), "baseline": Engine(tier="baseline")}
CALLS = {
    "alone": "",
    "calling": "(call $nothing)",
    "catching": "(block $caught (try_table (catch_all $caught) (call $throwing)))",
}
COUNTS = (1, 3, 7, 8, 12, 20)
ROUNDS = 9
STEPS = {
    "v128": (
        "(i32x4.add (i32x4.mul {a} {b}) (v128.xor {b} (i32x4.shl {a} (local.get $round))))",
        "(i32x4.splat (i32.const {seed}))",
        "(i64x2.extract_lane 1 {a})",
    ),
    "f64": (
        "(f64.add (f64.mul {a} (f64.const 0.75)) (f64.sqrt (f64.abs {b})))",
        "(f64.const {seed}.5)",
        "(i64.reinterpret_f64 {a})",
    ),
    "f32": (
        "(f32.sub (f32.max {a} {b}) (f32.convert_i32_u (local.get $round)))",
        "(f32.const {seed}.25)",
        "(i64.extend_i32_u (i32.reinterpret_f32 {a}))",
    ),
}
"""By type: a step that makes one local of itself and the next, its start, and its bits as an i64."""


def function(type_: str, count: int, calls: str) -> str:
    """A function of the number of rounds; it gives all locals folded into one number."""
    step, start, bits = STEPS[type_]
    names = [f"(local.get $v{number})" for number in range(count)]
    starts = "\n".join(
        f"(local.set $v{number} {start.format(seed=number + 3)})" for number in range(count)
    )
    steps = "\n".join(
        f"(local.set $v{number} {step.format(a=names[number], b=names[(number + 1) % count])})"
        + (CALLS[calls] if number % 4 == 1 else "")
        for number in range(count)
    )
    folds = "\n".join(
        f"(local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 7)) {bits.format(a=name)}))"
        for name in names
    )
    declared = " ".join(f"(local $v{number} {type_})" for number in range(count))
    return f"""(func (export "{type_} {count} {calls}") (param $round i32) (result i64)
      {declared} (local $sum i64)
      {starts}
      (loop $again
        {steps}
        (br_if $again (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
      {folds}
      (local.get $sum))"""


@cache
def program(engine: str) -> Instance:
    functions = "\n".join(
        function(type_, count, calls) for type_ in STEPS for count in COUNTS for calls in CALLS
    )
    # What is called changes every register that it may.
    noise = "\n".join(
        f"(local.set {number} (f64.add (local.get {number}) (local.get {(number + 5) % 20})))"
        for number in range(20)
    )
    text = f"""(module
      (func $nothing (local {"f64 " * 20})
        (local.set 0 (f64.const 1e9))
        (loop {noise}))
      (tag $thrown)
      (func $throwing (call $nothing) (throw $thrown))
      {functions})"""
    return instance(text, engine=ENGINES[engine])


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("type_", STEPS)
def test_many_locals(type_: str, count: int, calls: str) -> None:
    name = f"{type_} {count} {calls}"
    found, expected = (program(engine).exports[name](ROUNDS) for engine in ENGINES)
    assert found == expected
