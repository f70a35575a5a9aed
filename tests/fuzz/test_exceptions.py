"""Random programs with exceptions do here what they do in wasmtime."""

from __future__ import annotations

from random import Random

import pytest

wasmtime = pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")

from tests.harness import assemble, instance  # noqa: E402
from wasmine import Engine, WasmException  # noqa: E402
from wasmine.api import tiering  # noqa: E402
from wasmine.api.tiering import Policy  # noqa: E402

from . import exceptions  # noqa: E402

ENGINES = (
    Engine(tier="optimized"),
    Engine(tier="baseline"),
    Engine(tier="auto", cache=False),
    Engine(opt_level="O2", tier="optimized"),
    Engine(opt_level="none", tier="optimized"),
)
FUEL = 60
CALLS = 12


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_programs(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    engine = wasmtime.Engine(config)
    for seed in range(first, first + 10):
        # Better code comes at calls and loops that the seed picks.
        policy = Policy(first=seed % 7, at_once=Random(seed))
        monkeypatch.setattr(tiering, "policy", policy)
        text = exceptions.module(seed)
        ours = instance(text, engine=ENGINES[seed % len(ENGINES)]).exports
        store = wasmtime.Store(engine)
        code = wasmtime.Module(engine, assemble(text))
        theirs = wasmtime.Instance(store, code, []).exports(store)
        random = Random(seed)
        functions = [name for name in ours if name[1:].isdecimal()]
        for _ in range(CALLS):
            name = random.choice(functions)
            values = (random.randrange(-3, 12), random.randrange(50), random.randrange(40) / 4)
            ours.fuel.value = FUEL
            theirs["fuel"].set_value(store, FUEL)
            outcome: object
            expected: object
            try:
                outcome = ours[name](*values)
            except WasmException:
                outcome = "exception"
            try:
                expected = theirs[name](store, *values)
            except wasmtime.Trap as error:
                expected = "exception" if "thrown Wasm exception" in str(error) else error
            assert outcome == expected, (seed, name, values)
            assert ours.count.value == theirs["count"].value(store), (seed, name, values)
