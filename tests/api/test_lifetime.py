"""How long things live: instances, memories, views, externrefs (rows I09, R01, R02)."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest

from tests.harness import assemble, instance
from wasmine import (
    EXTERNREF,
    FUNCREF,
    I32,
    Engine,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Limits,
    Memory,
    MemoryType,
    Store,
    Table,
    TableType,
)

from .harness import GIB, Thing, address_space, exports, nothing, run_script

COUNTER = """
(module
  (import "env" "step" (func $step (result i32)))
  (memory (export "memory") 1)
  (table (export "table") 2 externref)
  (global (export "total") (mut i32) (i32.const 0))
  (func (export "run") (result i32)
    (global.set 0 (i32.add (global.get 0) (call $step)))
    (global.get 0)))
"""


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Let collections look at nothing but what the test makes: there are many of them."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("no_gc")
def test_an_instance_goes_without_the_garbage_collector() -> None:
    before = address_space()
    for _ in range(20):
        made = instance(COUNTER, {"env": {"step": lambda: 1}})
        assert made.exports.run() == 1
        made.exports.memory.uint32_view()[0] = 7
        assert address_space() - before >= 4 * GIB
        store = weakref.ref(made.store)
        del made
        assert store() is None
    assert address_space() - before < 4 * GIB


@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize("kind", ["function", "memory", "table", "global"])
def test_objects_without_an_instance_go_too(kind: str) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "function": lambda: Function(nothing, FunctionType()),
        "memory": lambda: Memory(MemoryType(Limits(1))),
        "table": lambda: Table(TableType(EXTERNREF, Limits(1)), Thing()),
        "global": lambda: Global(GlobalType(EXTERNREF), Thing()),
    }
    made = makers[kind]()
    store, own = weakref.ref(made.store), weakref.ref(made)
    del made
    assert store() is None
    assert own() is None


def test_exports_outlive_the_instance_in_any_order() -> None:
    names = ["run", "memory", "table", "total"]
    uses: dict[str, Callable[[Any], object]] = {
        "run": lambda run: run(),
        "memory": lambda memory: memory[0:2],
        "table": lambda table: table[1],
        "total": lambda total: total.value >= 0,
    }
    for order in permutations(names):
        made = instance(COUNTER, {"env": {"step": lambda: 5}})
        store = weakref.ref(made.store)
        kept = dict(made.exports)
        del made
        gc.collect()
        for name in order:
            results = [uses[rest](kept[rest]) for rest in kept]
            assert results[-1] is not False
            del kept[name]
        del results
        gc.collect()
        assert store() is None, order


def test_cycles_through_host_functions_are_collected() -> None:
    gc.collect()
    before = address_space()
    stores = []
    for _ in range(10):
        box: list[Any] = []
        made = instance(COUNTER, {"env": {"step": lambda box=box: len(box)}})
        box.append(made)
        assert made.exports.run() == 1
        stores.append(weakref.ref(made.store))
        del made, box
    gc.collect()
    assert [store() for store in stores] == [None] * 10
    assert address_space() - before < 4 * GIB


def test_the_collector_sees_through_native_objects() -> None:
    function = exports(COUNTER, {"env": {"step": lambda: 1}}).run
    assert gc.is_tracked(function)
    assert function.store in gc.get_referents(function)
    assert function.call_raw.store in gc.get_referents(function.call_raw)


def test_finalizers_may_use_what_is_about_to_go() -> None:
    """In a cycle of garbage, __del__ runs before anything is taken apart."""
    seen: list[object] = []

    class Last:
        def __init__(self, of: Any) -> None:
            self.of = of

        def __del__(self) -> None:
            exported = self.of.exports
            seen.append((exported.run(), exported.memory[0], exported.table[0]))

    for _ in range(5):
        box: list[Any] = []
        made = instance(COUNTER, {"env": {"step": lambda box=box: len(box)}})
        made.exports.memory[0] = 9
        made.exports.table[0] = "kept"
        box.append(Last(made))
        del made, box
        gc.collect()
    assert seen == [(1, 9, "kept")] * 5


def test_imported_objects_are_kept_by_those_who_import_them() -> None:
    exporter = instance(
        '(module (memory (export "m") 1) (func (export "f") (result i32) (i32.load (i32.const 0))))'
    )
    exporter.exports.m.write(0, (77).to_bytes(4, "little"))
    importer = exports(
        '(module (import "a" "f" (func $f (result i32))) (import "a" "m" (memory 1))'
        '(func (export "g") (result i32) (i32.add (call $f) (i32.load (i32.const 0)))))',
        {"a": exporter.exports},
    )
    del exporter
    gc.collect()
    assert importer.g() == 154


def test_a_host_function_lives_as_long_as_it_can_be_called() -> None:
    def make() -> Any:
        def step() -> int:
            return 3

        gone.append(weakref.ref(step))
        return exports(COUNTER, {"env": {"step": step}})

    gone: list[weakref.ref[Any]] = []
    run = make().run
    gc.collect()
    assert run() == 3
    del run
    gc.collect()
    assert gone[0]() is None


@pytest.mark.parametrize("style", ["static", "dynamic"])
def test_views_keep_memory_alive_and_stay_as_they_were(style: Any) -> None:
    memory = Memory(MemoryType(Limits(1, 100)), store=Store(Engine(memory=style)))
    memory.write(0, b"before")
    views: list[memoryview[Any]] = [
        memory.uint8_view(),
        memoryview(memory),
        memory.uint16_view(),
        memory.float64_view(),
    ]
    assert memory.grow(60) == 1
    memory.write(0, b"after!")
    assert {view.nbytes for view in views} == {65536}
    assert memory.uint8_view().nbytes == 61 * 65536
    expected = b"after!" if style == "static" else b"before"
    assert {view.cast("B")[:6].tobytes() for view in views} == {expected}
    store = weakref.ref(memory.store)
    del memory
    gc.collect()
    assert store() is None
    for view in views:
        whole = view.cast("B")
        whole[65535] = 1
        assert whole[:6].tobytes() == expected
    before = address_space()
    del views, view, whole
    gc.collect()
    assert address_space() < before


def test_a_released_view_hurts_nobody() -> None:
    memory = Memory(MemoryType(Limits(1)))
    for view in (memory.uint8_view(), memoryview(memory), memory.linear.view()):
        view.release()
    with memory.int64_view() as view:
        view[0] = 258
    assert memory[0:3] == b"\2\1\0"


def test_functions_are_weakly_known() -> None:
    made = exports(
        '(module (table (export "t") 1 funcref) (elem (i32.const 0) $f) (func $f (result i32)'
        " i32.const 6))"
    )
    function: Any = made.t[0]
    assert made.t[0] is function
    gone = weakref.ref(function)
    del function
    assert gone() is None
    assert made.t[0]() == 6


def test_nothing_goes_wrong_when_the_interpreter_ends() -> None:
    script = f"""
import functools, threading, time
wasm = {assemble(COUNTER)!r}
class Late:
    def __init__(self, of): self.of = of
    def __del__(self): print("late", self.of.run())
made = Instance(Module(wasm), {{"env": {{"step": lambda: 4}}}})
made.exports.table[0] = object()
late = Late(made.exports)
view = memoryview(made.exports.memory)
other = Instance(Module(wasm), {{"env": {{"step": functools.partial(time.sleep, 100)}}}})
threading.Thread(target=other.exports.run, daemon=True).start()
time.sleep(0.1)
print("end")
"""
    assert run_script(script, "-X", "dev") == "end\nlate 4\n"


@pytest.mark.parametrize("count", [1, 3])
def test_funcrefs_keep_the_functions_of_their_store(count: int) -> None:
    table = Table(TableType(FUNCREF, Limits(count)))
    for index in range(count):
        table[index] = Function(
            lambda index=index: index, FunctionType((), (I32,)), store=table.store
        )
    gc.collect()
    assert [function() for function in table] == list(range(count))  # type: ignore[operator]
