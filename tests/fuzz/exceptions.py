"""Random functions that call, throw and catch in all ways, in wasmine and wasmtime.

python -m tests.fuzz.exceptions --count 100 --seed 0
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import wasmtime

from tests.harness import assemble
from wasmine import Engine, Instance, Module, WasmException
from wasmine.api import tiering
from wasmine.api.engine import Tier
from wasmine.api.tiering import Policy

from .campaign import TIERS

FUEL: Final = 60
CALLS: Final = 24
TAGS: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("i32",),
    ("i64", "f64"),
    ("i32",) * 5 + ("f64",) * 3,
)
CLAUSES: Final = ("catch", "catch", "catch_ref", "catch_all", "catch_all_ref")
EXPRESSIONS: Final = {
    "i32": (
        "(local.get $x)",
        "(local.get $y)",
        "(i32.const -3)",
        "(i32.const 7)",
        "(i32.const 20)",
        "(i32.add (local.get $x) (local.get $y))",
        "(i32.wrap_i64 (local.get $z))",
    ),
    "i64": ("(local.get $z)", "(i64.const 40)", "(i64.extend_i32_s (local.get $y))"),
    "f64": ("(local.get $w)", "(f64.const 1.25)", "(f64.convert_i32_s (local.get $x))"),
    "exnref": ("(local.get $e)",),
}
SINKS: Final = {
    "i32": ("(local.set $x)", "(drop)", "(local.set $y (i32.add (local.get $y)))"),
    "i64": ("(local.set $z)",),
    "f64": ("(local.set $w)",),
    "exnref": ("(local.set $e)",),
}
DEPTH: Final = 4


class _Writer:
    """The text of one module."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._blocks = 0
        self._functions = random.randrange(2, 6)

    def module(self) -> str:
        """All of it. Functions throw $fuel when the global `fuel` is used up."""
        tags = "".join(f"(tag $t{i} (param {' '.join(types)}))" for i, types in enumerate(TAGS))
        functions = "".join(
            f"""(func $f{i} (export "f{i}") (param $x i32) (param $z i64) (param $w f64)
            (result i32) (local $y i32) (local $k i32) (local $e exnref)
            (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (throw $fuel)))
            {self._several(DEPTH)} {self._several(DEPTH)}
            (i32.add (local.get $x) (local.get $y)))"""
            for i in range(self._functions)
        )
        return f"""(module {tags} (tag $fuel)
            (global $count (export "count") (mut i32) (i32.const 0))
            (global $fuel (export "fuel") (mut i32) (i32.const 0)) {functions})"""

    def _value(self, type_: str) -> str:
        return self._random.choice(EXPRESSIONS[type_])

    def _call(self, how: str) -> str:
        values = " ".join(map(self._value, ("i32", "i64", "f64")))
        return f"({how} $f{self._random.randrange(self._functions)} {values})"

    def _throw(self) -> str:
        tag = self._random.randrange(len(TAGS))
        return f"(throw $t{tag} {' '.join(map(self._value, TAGS[tag]))})"

    def _several(self, depth: int) -> str:
        return " ".join(self._statement(depth) for _ in range(self._random.randrange(1, 4)))

    def _plain(self) -> str:
        statements = (
            f"(local.set $x {self._value('i32')})",
            f"(local.set $y (i32.mul {self._value('i32')} (i32.const 3)))",
            f"(local.set $z (i64.add {self._value('i64')} {self._value('i64')}))",
            f"(local.set $w (f64.add {self._value('f64')} (local.get $w)))",
            "(global.set $count (i32.add (global.get $count) (i32.const 1)))",
        )
        return self._random.choice(statements)

    def _statement(self, depth: int) -> str:
        choice = self._random.random() if depth > 0 else 0.0
        value = self._value("i32")
        if choice < 0.25:
            return self._plain()
        if choice < 0.40:
            number = self._random.randrange(4)
            test = f"(i32.eq (i32.and {value} (i32.const 3)) (i32.const {number}))"
            return f"(if {test} (then {self._throw()}))"
        if choice < 0.58:
            return f"(local.set $x {self._call('call')})"
        if choice < 0.62:
            return "(if (i32.eqz (ref.is_null (local.get $e))) (then (throw_ref (local.get $e))))"
        if choice < 0.70:
            halves = f"(then {self._several(depth - 1)}) (else {self._several(depth - 1)})"
            return f"(if (i32.and {value} (i32.const 1)) {halves})"
        if choice < 0.73:
            return f"(if (i32.eq {value} (i32.const 7)) (then {self._call('return_call')}))"
        if choice < 0.80:
            return self._loop(depth)
        return self._catch(depth)

    def _loop(self, depth: int) -> str:
        # All loops count in the same local, so that one inside of another ends that one too.
        self._blocks += 1
        again = f"$again{self._blocks}"
        head = f"(local.set $k (i32.sub (local.get $k) (i32.const 1))) {self._several(depth - 1)}"
        times, left = self._random.randrange(2, 6), "(i32.gt_s (local.get $k) (i32.const 0))"
        return f"(local.set $k (i32.const {times})) (loop {again} {head} (br_if {again} {left}))"

    def _catch(self, depth: int) -> str:
        self._blocks += 1
        end = f"$end{self._blocks}"
        clauses = []
        for number in range(self._random.randrange(4)):
            kind, tag = self._random.choice(CLAUSES), self._random.randrange(len(TAGS))
            types: tuple[str, ...] = () if "all" in kind else TAGS[tag]
            types += ("exnref",) if "ref" in kind else ()
            name = "" if "all" in kind else f"$t{tag}"
            label = f"$handler{self._blocks}_{number}"
            clauses.append((f"({kind} {name} {label})", label, types))
        heads = " ".join(head for head, _, _ in clauses)
        text = f"(try_table {heads} {self._several(depth - 1)}) (br {end})"
        for _, label, types in clauses:
            sinks = " ".join(self._random.choice(SINKS[type_]) for type_ in reversed(types))
            results = f"(result {' '.join(types)})" if types else ""
            handler = f"{sinks} {self._several(depth - 2)} (br {end})"
            text = f"(block {label} {results} {text}) {handler}"
        return f"(block {end} {text})"


def module(seed: int) -> str:
    """A module that exports functions f0, f1 .. of three parameters and one result."""
    return _Writer(Random(seed)).module()


Call = Callable[[str, tuple[float, ...]], tuple[object, int]]
"""Calls a function with full fuel: the result or "exception", and the global `count`."""


def _in_wasmine(wasm: bytes, seed: int, tier: Tier) -> tuple[list[str], Call]:
    """The functions of a module, and how to call them."""
    tiering.policy = Policy(first=seed % 4, releases=0.0, at_once=Random(seed))
    opt_level = ("light", "O2", "none")[seed % 3] if tier == "optimized" else "light"
    engine = Engine(tier=tier, opt_level=opt_level, cache=False)
    exports = Instance(Module(wasm, engine=engine)).exports

    def call(name: str, values: tuple[float, ...]) -> tuple[object, int]:
        exports.fuel.value = FUEL
        try:
            outcome: object = exports[name](*values)
        except WasmException:
            outcome = "exception"
        return outcome, exports.count.value

    return [name for name in exports if name[1:].isdecimal()], call


@functools.cache
def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    return wasmtime.Engine(config)


def _in_wasmtime(wasm: bytes) -> Call:
    store = wasmtime.Store(_engine())
    exports: Any = wasmtime.Instance(store, wasmtime.Module(_engine(), wasm), []).exports(store)

    def call(name: str, values: tuple[float, ...]) -> tuple[object, int]:
        exports["fuel"].set_value(store, FUEL)
        outcome: object
        try:
            outcome = exports[name](store, *values)
        except wasmtime.Trap as error:
            outcome = "exception" if "thrown Wasm exception" in str(error) else error
        return outcome, exports["count"].value(store)

    return call


def examine(seed: int, tiers: Sequence[Tier] = TIERS) -> list[str]:
    """Where a tier and wasmtime differ."""
    found = []
    wasm = assemble(module(seed))
    for tier in tiers:
        functions, ours = _in_wasmine(wasm, seed, tier)
        theirs, random = _in_wasmtime(wasm), Random(seed)
        for _ in range(CALLS):
            name = random.choice(functions)
            values = (random.randrange(-3, 12), random.randrange(50), random.randrange(40) / 4)
            outcome, expected = ours(name, values), theirs(name, values)
            if outcome != expected:
                found.append(f"{tier}: {name}{values}: {outcome}, expected {expected}")
                break
    return found


def main() -> int:
    """Exit code 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.exceptions", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    arguments = parser.parse_args()
    faulthandler.enable()
    findings = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        for text in examine(seed):
            findings += 1
            sys.stdout.write(f"--- seed {seed}\n{text}\n")
    sys.stdout.write(f"{arguments.count} seeds, {findings} findings\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
