"""Where linear memory ends: every load and store, at every edge, with every size of static offset."""

from __future__ import annotations

from functools import cache

import pytest

from tests.harness import instance
from wasmine import Engine, Instance, TrapCode

from .harness import trap_of

ENGINES = {
    "light": Engine(tier="optimized"),
    "O2": Engine(opt_level="O2", tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
LOADS = [
    (f"{kind}.load{suffix}", size)
    for kind, own in (("i32", 4), ("i64", 8))
    for suffix, size in (
        ("", own), ("8_s", 1), ("8_u", 1), ("16_s", 2), ("16_u", 2),
        *((("32_s", 4), ("32_u", 4)) if own == 8 else ()),
    )
] + [("f32.load", 4), ("f64.load", 8)]  # fmt: skip
STORES = [
    ("i32.store", 4), ("i32.store8", 1), ("i32.store16", 2), ("i64.store", 8), ("i64.store8", 1),
    ("i64.store16", 2), ("i64.store32", 4), ("f32.store", 4), ("f64.store", 8),
]  # fmt: skip
OFFSETS = [0, 1, 65535, 0x7FFF_FFF8, 0x8000_0000, 0xFFFF_FFFF]
ACCESSES = "".join(
    f'(func (export "{name} {offset}") (param i32)\n  '
    + (
        f"({name} offset={offset} (local.get 0) ({name[:3]}.const -1)))"
        if "store" in name
        else f"(drop ({name} offset={offset} (local.get 0))))"
    )
    for name, _ in LOADS + STORES
    for offset in OFFSETS
)
MEMORY = f'(module (memory (export "memory") 2 3) {ACCESSES})'
SIZE = 2 << 16


@cache
def accesses(engine: str) -> Instance:
    return instance(MEMORY, engine=ENGINES[engine])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "size"), LOADS + STORES)
def test_every_access_at_the_edge(name: str, size: int, engine: str) -> None:
    made = accesses(engine)
    memory = made.exports.memory
    for offset in OFFSETS:
        function = made.exports[f"{name} {offset}"]
        memory[0:SIZE] = bytes(SIZE)
        last = SIZE - size - offset
        addresses = {last + 1, last + size, SIZE, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF}
        for address in addresses:
            if address > last and address >= 0:
                assert trap_of(function, address) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
        assert memory[0:SIZE] == bytes(SIZE)  # a store that traps writes nothing at all
        if last >= 0:
            assert trap_of(function, last) is None
            assert (memory[0:SIZE] != bytes(SIZE)) is ("store" in name)
            assert memory[0 : SIZE - size] == bytes(SIZE - size)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_edge_moves_when_the_memory_grows(engine: str) -> None:
    made = instance(MEMORY, engine=ENGINES[engine])
    load = made.exports["i64.load 0"]
    assert trap_of(load, SIZE) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    made.exports.memory.grow(1)
    assert trap_of(load, SIZE) is None
    assert trap_of(load, SIZE + 65536 - 7) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


@pytest.mark.parametrize("engine", [*ENGINES, "none"])
@pytest.mark.parametrize("kind", ["i32", "i64", "f32", "f64"])
@pytest.mark.parametrize(
    "use",
    [
        "(select (local.get 1) {load} (local.get 0))",
        "(select {load} (local.get 1) (i32.eqz (local.get 0)))",
        "(local.set 3 {load}) (if (local.get 0) (then (local.set 3 (local.get 1)))) (local.get 3)",
        "(local.set 3 ({kind}.add {load} {one})) (if (local.get 0) (then (local.set 3 {one}))) (local.get 3)",
    ],
)
def test_a_load_traps_whether_or_not_its_value_is_chosen(use: str, kind: str, engine: str) -> None:
    """LLVM made the choice a branch around the load, or a load under a mask, which does not fault."""
    body = use.format(kind=kind, one="(local.get 1)", load=f"({kind}.load (local.get 2))")
    made = instance(
        f'(module (memory 1) (func (export "f") (param i32 {kind} i32) (result {kind})'
        f" (local {kind}) {body}))",
        engine=ENGINES.get(engine) or Engine(opt_level="none", tier="optimized"),
    )
    for chosen in (0, 1):
        assert trap_of(made.exports.f, chosen, 1, 0) is None
        assert trap_of(made.exports.f, chosen, 1, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
