"""externrefs: objects go when nobody holds them, and not before (rows R01, R02)."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import instance
from wasmine import StoreError, Trap

from .harness import Thing, Watch, exports, nothing

pytestmark = pytest.mark.usefixtures("every_tier")

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


def references(**host: Callable[..., object]) -> Any:
    env: dict[str, Callable[..., object]] = {
        "call": nothing, "give": nothing, "take": lambda _: None,
    }  # fmt: skip
    return exports(REFERENCES, {"env": env | host})


def check(outcome: object) -> None:
    assert outcome


def refuses(error: type[Exception], function: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(error):
        function(*arguments)


def set_value(of: Any, value: object) -> object:
    of.value = value
    return of


@pytest.mark.parametrize(
    "use",
    [
        lambda e, x: e.ignore(x),
        lambda e, x: check(e.same(x) is x),
        lambda e, x: check(e.null(x) == 0),
        lambda e, x: e.ignore.call_raw(x),
        lambda e, x: refuses(TypeError, e.set, x, 1),
        lambda e, x: refuses(Trap, e.set, 99, x),
        lambda e, x: refuses(Trap, e.fill, 3, x, 2),
        lambda e, x: check(e.grow(x, 100) == -1),
        lambda e, x: check(e.grow(x, 0) == 4),
        lambda e, x: refuses(IndexError, e.table.set, 99, x),
        lambda e, x: refuses(MemoryError, e.table.grow, 99, x),
        lambda e, x: (e.set(1, x), e.set(1, None)),
        lambda e, x: (e.table.set(1, x), e.set(1, None)),
        lambda e, x: (e.set(1, x), e.table.set(1, None)),
        lambda e, x: (e.fill(0, x, 4), e.fill(0, None, 4)),
        lambda e, x: (e.set_global(x), e.clear()),
        lambda e, x: (e.set_global(x), set_value(e.global_, 5)),
        lambda e, x: (set_value(e.global_, x), e.set_global(None)),
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
    watch = Watch()
    alive: list[str] = []

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


HOLDER = """(module
  (table (export "table") 3 externref)
  (global (export "global") (mut externref) (ref.null extern))
  (func (export "identity") (param externref) (result externref) (local.get 0)))"""


class Node:
    """Something that can be in a cycle."""

    def __init__(self, other: object = None) -> None:
        self.other = other


@pytest.mark.parametrize("place", ["table", "global", "both"])
def test_cycles_through_references_are_collected(place: str) -> None:
    made = instance(HOLDER)
    node = Node(made)
    gone = [weakref.ref(thing) for thing in (made, node, made.store)]
    if place != "global":
        made.exports.table[1] = made.exports.table[2] = node
    if place != "table":
        made.exports["global"].value = node
    del made, node
    assert all(ref() is not None for ref in gone)
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


def test_what_a_living_store_holds_is_not_collected() -> None:
    made = instance(HOLDER)
    made.exports.table[0] = Node(made)
    made.exports.table[1] = [made.exports.table[0]]
    for _ in range(3):
        gc.collect()
    assert made.exports.table[0].other is made
    assert made.exports.table[1] == [made.exports.table[0]]
    assert made.exports.identity(made.exports.table[0]) is made.exports.table[0]


def test_finalizers_in_a_cycle_see_whole_objects() -> None:
    """They run before the cycle is taken apart, and may bring everything back."""
    saved: list[Any] = []

    class Phoenix(Node):
        def __del__(self) -> None:
            saved.append(self.other.exports.table[0] is self)  # type: ignore[attr-defined]
            saved.append(self)

    made = instance(HOLDER)
    made.exports.table[0] = Phoenix(made)
    del made
    gc.collect()
    assert saved[0] is True
    assert saved[1].other.exports.table[0] is saved[1]


def test_a_host_function_returns_any_object() -> None:
    answers: list[object] = []
    made = instance(
        """(module (import "host" "next" (func $next (result externref)))
          (func (export "last") (param i32) (result externref) (local externref)
            (loop $again
              (local.set 1 (call $next))
              (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get 1)))""",
        {"host": {"next": lambda: answers[-1]}},
    )
    thing = Thing()
    count = sys.getrefcount(thing)
    for answer in (thing, None, 5, "text", Thing):
        answers.append(answer)
        assert made.exports.last(1000) is answer
    answers.clear()
    del answer
    assert sys.getrefcount(thing) == count

    elsewhere = instance(
        '(module (type (struct)) (func (export "new") (result (ref 0)) struct.new 0))'
    )
    answers.append(elsewhere.exports.new())
    with pytest.raises(StoreError, match="belongs to another store"):
        made.exports.last(1)
