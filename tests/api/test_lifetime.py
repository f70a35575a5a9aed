"""How long things live: instances, memories, views, externrefs (rows I09, R01, R02)."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest

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
    Trap,
)

from .harness import GIB, Thing, Watch, address_space, assemble, exports, instance, run_script

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
REFERENCES = """
(module
  (import "env" "call" (func $call))
  (import "env" "give" (func $give (result externref)))
  (import "env" "take" (func $take (param externref)))
  (table $t (export "table") 4 20 externref)
  (table $u (export "other") 4 externref)
  (global $g (export "global") (mut externref) (ref.null extern))
  (func (export "ignore") (param externref))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "null") (param externref) (result i32) (ref.is_null (local.get 0)))
  (func (export "trap") (param externref)
    (table.set $t (i32.const 0) (local.get 0)) unreachable)
  (func (export "keep_then") (param externref) (call $call) (drop (local.get 0)))
  (func (export "pass") (call $take (call $give)))
  (func (export "set") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
  (func (export "look") (param i32) (result externref) (table.get $t (local.get 0)))
  (func (export "fill") (param i32 externref i32)
    (table.fill $t (local.get 0) (local.get 1) (local.get 2)))
  (func (export "grow") (param externref i32) (result i32)
    (table.grow $t (local.get 0) (local.get 1)))
  (func (export "copy") (param i32 i32 i32)
    (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
  (func (export "set_global") (param externref) (global.set $g (local.get 0)))
  (func (export "clear") (global.set $g (ref.null extern))))
"""


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Nothing is freed but by counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nothing() -> None:
    """A host function."""


def references(**host: Callable[..., object]) -> Any:
    env: dict[str, Callable[..., object]] = {
        "call": nothing, "give": nothing, "take": lambda _: None,
    }  # fmt: skip
    return exports(REFERENCES, {"env": env | host})


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
    made: Any = {
        "function": lambda: Function(nothing, FunctionType()),
        "memory": lambda: Memory(MemoryType(Limits(1))),
        "table": lambda: Table(TableType(EXTERNREF, Limits(1)), Thing()),
        "global": lambda: Global(GlobalType(EXTERNREF), Thing()),
    }[kind]()
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
    views = [memory.uint8_view(), memoryview(memory), memory.uint16_view(), memory.float64_view()]
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


@pytest.mark.parametrize(
    "use",
    [
        lambda e, x: e.ignore(x),
        lambda e, x: e.same(x) is x or pytest.fail(),
        lambda e, x: e.null(x) == 0 or pytest.fail(),
        lambda e, x: e.ignore.call_raw(x),
        lambda e, x: pytest.raises(TypeError, e.set, x, 1),
        lambda e, x: pytest.raises(Trap, e.set, 99, x),
        lambda e, x: pytest.raises(Trap, e.fill, 3, x, 2),
        lambda e, x: e.grow(x, 100) == -1 or pytest.fail(),
        lambda e, x: e.grow(x, 0) == 4 or pytest.fail(),
        lambda e, x: pytest.raises(IndexError, e.table.set, 99, x),
        lambda e, x: pytest.raises(MemoryError, e.table.grow, 99, x),
        lambda e, x: (e.set(1, x), e.set(1, None)),
        lambda e, x: (e.table.set(1, x), e.set(1, None)),
        lambda e, x: (e.set(1, x), e.table.set(1, None)),
        lambda e, x: (e.fill(0, x, 4), e.fill(0, None, 4)),
        lambda e, x: (e.set_global(x), e.clear()),
        lambda e, x: (e.set_global(x), setattr(e.global_, "value", 5)),
        lambda e, x: (setattr(e.global_, "value", x), e.set_global(None)),
        lambda e, x: (e.set(0, x), e.copy(0, 0, 2), e.set(0, None), e.copy(0, 1, 2)),
    ],
)
@pytest.mark.usefixtures("no_gc")
def test_a_reference_that_nobody_holds_is_let_go(use: Callable[[Any, object], object]) -> None:
    made = references()
    vars(made)["global_"] = made["global"]
    thing = Thing()
    count = sys.getrefcount(thing)
    for _ in range(3):
        use(made, thing)
        assert sys.getrefcount(thing) == count


@pytest.mark.usefixtures("no_gc")
def test_tables_and_globals_hold_references() -> None:
    made, watch = references(), Watch()
    made.set(0, watch.make("set"))
    made.table[1] = watch.make("host")
    made.fill(2, watch.make("fill"), 2)
    made.grow(watch.make("grow"), 2)
    made.table.grow(1, watch.make("host grow"))
    made.set_global(watch.make("global"))
    assert watch.alive == "set host fill grow host grow global"
    made.copy(0, 0, 3)
    made.fill(0, None, 7)
    assert watch.alive == "set host fill global"
    assert isinstance(made.other[2], Thing)
    made.other[0] = None
    made["global"].value = watch.make("again")
    assert watch.alive == "host fill again"
    made.table[0] = made.other[1]
    made.other[1] = None
    assert watch.alive == "host fill again"
    del made
    assert watch.alive == ""


@pytest.mark.usefixtures("no_gc")
def test_references_last_until_the_outermost_call_returns() -> None:
    watch, alive = Watch(), []

    def call() -> None:
        made.set(0, None)
        made.ignore(watch.make("inner"))
        alive.append(watch.alive)

    made = references(call=call)
    made.set(0, watch.make("table"))
    made.keep_then(watch.make("argument"))
    assert alive[0].startswith("table argument")
    assert watch.alive == ""
    del call
    made = references(give=lambda: watch.make("result"), take=lambda x: alive.append(watch.alive))
    made.__dict__["pass"]()
    assert alive[1] == "result"
    assert watch.alive == ""


@pytest.mark.usefixtures("no_gc")
def test_traps_and_exceptions_leave_no_references_behind() -> None:
    watch = Watch()

    def call() -> None:
        raise KeyError(1)

    made = references(call=call)
    with pytest.raises(Trap):
        made.trap(watch.make("table"))
    with pytest.raises(KeyError):
        made.keep_then(watch.make("raise"))
    assert watch.alive == "table"
    made.set(0, None)
    assert watch.alive == ""


def test_identity_is_preserved() -> None:
    made = references()
    things: list[object] = [object(), 1 << 100, "text", [], made, int, 0, False, float("nan")]
    for thing in things:
        made.set(0, thing)
        made.set_global(made.look(0))
        made.copy(3, 0, 1)
        for found in (made.same(thing), made.look(0), made["global"].value, made.other[3]):
            assert found is thing
    assert made.same(None) is None
    assert made.null(None) == 1


def test_what_finalizers_do_with_the_store() -> None:
    """Letting go of an object runs its __del__, which may call into the store again."""
    log: list[object] = []

    class Caller:
        def __del__(self) -> None:
            log.append(made.same(8))
            made.set(2, Thing())
            made.table[2] = None
            log.append(made.store_depth())

    made = references()
    vars(made)["store_depth"] = lambda: made.same.store.context.depth
    made.ignore(Caller())
    made.set(0, Caller())
    made.set(0, None)
    made.table[0] = Caller()
    made.table[0] = None
    with pytest.raises(Trap):
        made.set(40, Caller())
    assert log == [8, 0] * 4


def test_a_finalizer_that_raises_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: seen.append(report.exc_type))

    class Bad:
        def __del__(self) -> None:
            raise ValueError

    made = references()
    made.ignore(Bad())
    with pytest.raises(Trap):
        made.set(40, Bad())
    assert made.same(5) == 5
    assert seen == [ValueError, ValueError]


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


def test_many_stores_at_the_same_time() -> None:
    made = [references() for _ in range(50)]
    things = [Thing() for _ in made]
    for owner, thing in zip(made, things, strict=True):
        owner.set(0, thing)
    assert all(owner.look(0) is thing for owner, thing in zip(made, things, strict=True))
    counts = [sys.getrefcount(thing) for thing in things]
    del made, owner
    gc.collect()
    assert [sys.getrefcount(thing) for thing in things] == [count - 1 for count in counts]


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
        table[index] = Function(lambda index=index: index, FunctionType((), (I32,)), store=table.store)
    gc.collect()
    assert [function() for function in table] == list(range(count))  # type: ignore[operator]
