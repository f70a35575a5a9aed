"""The garbage-collected heap: what is reachable stays, all else goes, wherever a collection comes."""

from __future__ import annotations

import ctypes
import gc
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wasmine.vm.heap
from tests.harness import SOURCE, instance
from tests.spec import suite
from wasmine import Array, Instance, Store, Struct, TrapCode, WasmException
from wasmine.abi.heap import BLOCK_SIZE
from wasmine.types import I64, ArrayType, FieldType, defined
from wasmine.vm.heap import Heap

from .harness import resident_bytes, run_script, trap_of

pytestmark = pytest.mark.usefixtures("every_tier")

MIB = 1 << 20

NODES = """
  (type $node (struct (field $next (mut (ref null $node))) (field $value (mut i32))))
  (type $row (array (mut (ref null $node))))
  (type $bytes (array (mut i8)))
"""
LISTS = f"""(module {NODES}
  (global $g (mut (ref null $node)) (ref.null $node))
  (func (export "push") (param $n i32)
    (loop $again
      (global.set $g (struct.new $node (global.get $g) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "drop") (global.set $g (ref.null $node)))
  (func $sum (param $x (ref null $node)) (result i64) (local $sum i64)
    (block $done (loop $again
      (br_if $done (ref.is_null (local.get $x)))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (struct.get $node $value (local.get $x)))))
      (local.set $x (struct.get $node $next (local.get $x)))
      (br $again)))
    (local.get $sum))
  (func (export "sum") (result i64) (call $sum (global.get $g)))
  (func (export "cycle") (param $n i32) (local $first (ref null $node)) (local $last (ref null $node))
    (local.set $first (struct.new $node (ref.null $node) (i32.const 0)))
    (local.set $last (local.get $first))
    (loop $again
      (local.set $last (struct.new $node (local.get $last) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (struct.set $node $next (local.get $first) (local.get $last)))
  (func (export "garbage") (param $n i32) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (struct.get $node $value (struct.new $node (ref.null $node) (local.get $n))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "list") (param $n i32) (result anyref) (local $x (ref null $node))
    (loop $again
      (local.set $x (struct.new $node (local.get $x) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))
  (func (export "sum of") (param anyref) (result i64)
    (call $sum (ref.cast (ref null $node) (local.get 0))))
)"""

NODE = 32
"""Bytes of the cell of a node."""


@pytest.fixture
def stress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection before every object that new stores make."""
    monkeypatch.setattr(wasmine.vm.heap, "STRESS", 1)


def heap_of(made: Instance) -> Heap:
    """The heap of an instance's store."""
    return made.store.context.references.heap


def live(made: Instance) -> int:
    """Bytes of objects that are alive."""
    made.store.collect()
    return made.store.heap.live


def triangle(n: int) -> int:
    """1 + 2 + ... + n"""
    return n * (n + 1) // 2


# --- what is freed -------------------------------------------------------------------------------


def test_what_is_dropped_is_freed_and_memory_is_given_back() -> None:
    made = instance(LISTS)
    made.exports.push(1_000_000)
    before = resident_bytes()
    assert live(made) == 1_000_000 * NODE
    assert made.exports.sum() == triangle(1_000_000)
    made.exports.drop()
    assert live(made) == 0
    assert made.store.heap.size == 0
    assert before - resident_bytes() > 10 * MIB


def test_cycles_are_freed() -> None:
    made = instance(LISTS)
    for _ in range(20):
        made.exports.cycle(10_000)
    assert live(made) <= 10_000 * NODE


def test_a_loop_that_makes_garbage_stays_small() -> None:
    made = instance(LISTS)
    before = resident_bytes()
    assert made.exports.garbage(20_000_000) == triangle(20_000_000)
    assert made.store.heap.collections > 10
    assert made.store.heap.size < 40 * MIB
    assert resident_bytes() - before < 64 * MIB


def test_a_list_that_is_deeper_than_any_stack() -> None:
    made = instance(LISTS)
    made.exports.push(3_000_000)
    assert live(made) == 3_000_000 * NODE
    assert made.exports.sum() == triangle(3_000_000)


def test_marking_with_a_stack_that_is_too_small() -> None:
    made = instance(TREES)
    made.exports.make(12)
    record = heap_of(made).record
    before = live(made)
    record.stack_end = record.stack_committed = record.stack + 3 * 8
    assert live(made) == before
    assert made.exports.count() == 2**13 - 1


TREES = """(module
  (type $tree (struct (field (ref null $tree)) (field (ref null $tree))))
  (global $g (mut (ref null $tree)) (ref.null $tree))
  (func $tree (export "tree") (param i32) (result (ref $tree))
    (if (result (ref $tree)) (local.get 0)
      (then (struct.new $tree
        (call $tree (i32.sub (local.get 0) (i32.const 1)))
        (call $tree (i32.sub (local.get 0) (i32.const 1)))))
      (else (struct.new_default $tree))))
  (func $count (param (ref null $tree)) (result i32)
    (if (result i32) (ref.is_null (local.get 0))
      (then (i32.const 0))
      (else (i32.add (i32.const 1) (i32.add
        (call $count (struct.get $tree 0 (local.get 0)))
        (call $count (struct.get $tree 1 (local.get 0))))))))
  (func (export "make") (param i32) (global.set $g (call $tree (local.get 0))))
  (func (export "count") (result i32) (call $count (global.get $g)))
  (func (export "churn") (param $depth i32) (param $times i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $count (call $tree (local.get $depth)))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sum)))"""


@pytest.mark.usefixtures("stress")
def test_only_frames_hold_what_a_recursion_makes() -> None:
    made = instance(TREES)
    assert made.exports.churn(7, 3) == 3 * (2**8 - 1)
    assert made.store.heap.collections >= 3 * (2**8 - 1)


# Many values alive at once, so that some are in registers that calls preserve and some in frames.
MANY = f"""(module {NODES}
  (func $new (param i32) (result (ref null $node))
    (struct.new $node (ref.null $node) (local.get 0)))
  (func (export "many") (param $n i32) (result i32)
    {" ".join(f"(local $x{i} (ref null $node))" for i in range(24))}
    {" ".join(f"(local.set $x{i} (call $new (i32.add (local.get $n) (i32.const {i}))))" for i in range(24))}
    {" ".join(f"(struct.get $node $value (local.get $x{i}))" for i in range(24))}
    {"(i32.add) " * 23}))"""


@pytest.mark.usefixtures("stress")
def test_values_in_registers_and_frames() -> None:
    made = instance(MANY)
    for n in range(20):
        assert made.exports.many(n) == 24 * n + sum(range(24))


WIDE = f"""(module {NODES}
  (global $row (mut (ref null $row)) (ref.null $row))
  (global $bytes (mut (ref null $bytes)) (ref.null $bytes))
  (func (export "make") (param $n i32) (local $i i32) (local $row (ref null $row))
    (local.set $row (array.new_default $row (local.get $n)))
    (loop $again
      (array.set $row (local.get $row) (local.get $i)
        (struct.new $node (ref.null $node) (local.get $i)))
      (br_if $again (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (global.set $row (local.get $row)))
  (func (export "sum") (result i64) (local $i i32) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $node $value
        (array.get $row (global.get $row) (local.get $i))))))
      (br_if $again (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (global.get $row)))))
    (local.get $sum))
  (func (export "bytes") (param $n i32)
    (global.set $bytes (array.new $bytes (i32.const 7) (local.get $n))))
  (func (export "byte sum") (result i32) (local $i i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (array.get_u $bytes (global.get $bytes) (local.get $i))))
      (br_if $again (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (array.len (global.get $bytes)))))
    (local.get $sum))
  (func (export "zeros") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (local $bytes (ref null $bytes))
    (local.set $bytes (array.new_default $bytes (local.get $n)))
    (loop $again
      (local.set $sum (i32.or (local.get $sum)
        (array.get_u $bytes (local.get $bytes) (local.get $i))))
      (br_if $again (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $sum))
  (func (export "fill") (param $n i32)
    (drop (array.new $bytes (i32.const 255) (local.get $n)))))"""


def test_a_wide_array_keeps_its_elements() -> None:
    made = instance(WIDE)
    made.exports.make(1_000_000)
    assert live(made) >= 1_000_000 * (NODE + 8)
    assert made.exports.sum() == triangle(999_999)
    made.exports.make(1)
    assert live(made) < BLOCK_SIZE


@pytest.mark.parametrize(
    "length",
    [0, 1, 7, 8, 9, 500, 503, 504, 505, 3000, 32758, 32759, 32760, 65526, 65527, 65528, 10**6],
)
def test_large_and_small_arrays_are_zero_when_they_are_new(length: int) -> None:
    made = instance(WIDE)
    for _ in range(max(2, min(2000, 4 * MIB // (length + 1)))):
        made.exports.fill(length)
    made.store.collect()
    if length:
        for _ in range(20):
            assert made.exports.zeros(length) == 0
        made.exports.bytes(length)
        made.store.collect()
        assert made.exports["byte sum"]() == 7 * length


def test_large_arrays_are_freed() -> None:
    made = instance(WIDE)
    for _ in range(500):
        made.exports.bytes(MIB)
    assert made.store.heap.size < 64 * MIB
    assert live(made) < 2 * MIB


# --- roots ---------------------------------------------------------------------------------------

ROOTS = f"""(module {NODES}
  (func $new (export "new") (param i32) (result (ref null $node))
    (struct.new $node (struct.new $node (ref.null $node) (local.get 0)) (i32.const 0)))
  (func $value (param (ref null $node)) (result i32)
    (struct.get $node $value (struct.get $node $next (local.get 0))))
  (global $any (export "any") (mut anyref) (ref.null any))
  (global $extern (export "extern") (mut externref) (ref.null extern))
  (global $first (ref null $node) (struct.new $node (struct.new $node (ref.null $node) (i32.const 77))
    (i32.const 0)))
  (table $any (export "table") 2 1000 anyref)
  (table $extern (export "externs") 2 1000 externref)
  (table $grown 0 1000 (ref null $node))
  (elem $segment (ref null $node)
    (item (struct.new $node (struct.new $node (ref.null $node) (i32.const 78)) (i32.const 0))))
  (func (export "into any") (global.set $any (call $new (i32.const 1))))
  (func (export "from any") (result i32)
    (call $value (ref.cast (ref $node) (global.get $any))))
  (func (export "into extern") (global.set $extern (extern.convert_any (call $new (i32.const 2)))))
  (func (export "from extern") (result i32)
    (call $value (ref.cast (ref $node) (any.convert_extern (global.get $extern)))))
  (func (export "into table") (table.set $any (i32.const 1) (call $new (i32.const 3))))
  (func (export "from table") (result i32)
    (call $value (ref.cast (ref $node) (table.get $any (i32.const 1)))))
  (func (export "into externs")
    (table.set $extern (i32.const 1) (extern.convert_any (call $new (i32.const 4)))))
  (func (export "from externs") (result i32)
    (call $value (ref.cast (ref $node) (any.convert_extern (table.get $extern (i32.const 1))))))
  (func (export "into grown") (drop (table.grow $grown (call $new (i32.const 5)) (i32.const 500))))
  (func (export "from grown") (result i32) (call $value (table.get $grown (i32.const 499))))
  (func (export "into constant"))
  (func (export "from constant") (result i32) (call $value (global.get $first)))
  (func (export "into segment"))
  (func (export "from segment") (result i32)
    (table.init $any $segment (i32.const 0) (i32.const 0) (i32.const 1))
    (call $value (ref.cast (ref $node) (table.get $any (i32.const 0)))))
  (func (export "drop segment") (elem.drop $segment)))"""


def overwrite(made: Instance) -> None:
    """Make objects that would take the places of those that were freed by mistake."""
    made.store.collect()
    for number in range(1000):
        made.exports.new(1_000_000 + number)


@pytest.mark.parametrize(
    ("place", "value"),
    [("any", 1), ("extern", 2), ("table", 3), ("externs", 4), ("grown", 5), ("constant", 77), ("segment", 78)],
)  # fmt: skip
def test_roots(place: str, value: int) -> None:
    made = instance(ROOTS)
    made.exports[f"into {place}"]()
    overwrite(made)
    assert made.exports[f"from {place}"]() == value


def test_a_dropped_segment_holds_nothing() -> None:
    made = instance(ROOTS)
    before = live(made)
    made.exports["drop segment"]()
    assert before - live(made) == 2 * NODE


def test_globals_and_tables_of_the_host_are_roots() -> None:
    made = instance(ROOTS)
    other = instance(
        f"""(module {NODES}
          (import "" "g" (global $g (mut anyref))) (import "" "t" (table $t 1 anyref))
          (func (export "set") (param anyref)
            (global.set $g (local.get 0)) (table.set $t (i32.const 0) (local.get 0)))
          (func (export "current") (result anyref) (global.get $g))
          (func (export "element") (result anyref) (table.get $t (i32.const 0))))""",
        {"": {"g": made.exports["any"], "t": made.exports["table"]}},
        store=made.store,
    )
    other.exports.set(made.exports.new(9))
    gc.collect()
    overwrite(made)
    assert made.exports["from any"]() == 9
    assert other.exports.current() is other.exports.element()


def test_what_python_holds_stays_and_what_it_drops_goes() -> None:
    made = instance(LISTS)
    lists = [made.exports.list(n) for n in range(1, 200)]
    assert live(made) == triangle(199) * NODE
    assert [made.exports["sum of"](x) for x in lists] == [triangle(n) for n in range(1, 200)]
    del lists[100:]
    gc.collect()
    assert live(made) == triangle(100) * NODE
    lists.clear()
    gc.collect()
    assert live(made) == 0


def test_objects_that_python_makes_are_collected() -> None:
    store = Store()
    type_ = defined(ArrayType(FieldType(I64, True)))
    last = None
    for number in range(3000):
        last = Array(type_, [number] * 5000, store=store)
    assert store.heap.collections > 2
    assert store.heap.size < 64 * MIB
    assert last is not None
    assert list(last) == [2999] * 5000


def test_objects_are_dropped_by_any_thread() -> None:
    made = instance(LISTS)
    lists = [made.exports.list(10) for _ in range(2000)]
    stop = threading.Event()

    def drop() -> None:
        while lists and not stop.is_set():
            lists.pop()

    threads = [threading.Thread(target=drop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert made.exports.garbage(200_000) == triangle(200_000)
        made.store.collect()
    for thread in threads:
        thread.join()
    assert live(made) == 0


def test_a_store_goes_with_its_heap() -> None:
    made = instance(LISTS)
    made.exports.push(1000)
    held = made.exports.list(5)
    store = weakref.ref(made.store)
    del made
    assert store() is not None
    del held
    gc.collect()
    assert store() is None


def test_many_stores() -> None:
    made = [instance(LISTS) for _ in range(100)]
    for number, one in enumerate(made):
        one.exports.push(number + 1)
    for number, one in enumerate(made):
        assert live(one) == (number + 1) * NODE
        assert one.exports.sum() == triangle(number + 1)


# --- limits --------------------------------------------------------------------------------------


def test_a_full_heap_traps_and_works_again_when_there_is_room() -> None:
    made = instance(LISTS)
    heap_of(made).record.maximum = 8 * MIB // BLOCK_SIZE
    assert trap_of(made.exports.push, 10_000_000) is TrapCode.OUT_OF_MEMORY
    assert trap_of(made.exports.push, 10_000_000) is TrapCode.OUT_OF_MEMORY
    made.exports.drop()
    made.exports.push(100_000)
    assert made.exports.sum() == triangle(100_000)
    wide = instance(WIDE)
    heap_of(wide).record.maximum = 8 * MIB // BLOCK_SIZE
    assert trap_of(wide.exports.bytes, 9 * MIB) is TrapCode.OUT_OF_MEMORY
    assert trap_of(wide.exports.make, 1 << 31) is TrapCode.ALLOCATION_TOO_LARGE
    wide.exports.bytes(7 * MIB)
    assert wide.exports["byte sum"]() == 7 * 7 * MIB


# --- references to host objects -------------------------------------------------------------------

HOLDERS = """(module
  (type $holder (struct (field (mut externref)) (field (mut anyref))))
  (import "" "make" (func $make (result externref)))
  (import "" "check" (func $check (param externref) (result i32)))
  (global $g (mut (ref null $holder)) (ref.null $holder))
  (func (export "keep") (param externref externref)
    (global.set $g (struct.new $holder (local.get 0) (any.convert_extern (local.get 1)))))
  (func (export "first") (result externref) (struct.get $holder 0 (global.get $g)))
  (func (export "second") (result externref)
    (extern.convert_any (struct.get $holder 1 (global.get $g))))
  (func (export "drop") (global.set $g (ref.null $holder)))
  (func (export "many") (param $n i32) (result i32) (local $last externref) (local $sum i32)
    (loop $again
      (local.set $last (call $make))
      (drop (struct.new $holder (local.get $last) (ref.null any)))
      (local.set $sum (i32.add (local.get $sum) (call $check (local.get $last))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))"""


class Thing:
    """An object whose life can be watched."""

    alive = 0

    def __init__(self) -> None:
        Thing.alive += 1

    def __del__(self) -> None:
        Thing.alive -= 1


@pytest.fixture
def things() -> Iterator[None]:
    Thing.alive = 0
    yield
    assert Thing.alive == 0


def holders(make: Any = Thing) -> Instance:
    return instance(HOLDERS, {"": {"make": make, "check": lambda x: isinstance(x, Thing)}})


@pytest.mark.usefixtures("things")
def test_objects_hold_host_objects() -> None:
    made = holders()
    first, second = Thing(), Thing()
    made.exports.keep(first, second)
    made.store.collect()
    assert made.exports.first() is first
    assert made.exports.second() is second
    del first, second
    for _ in range(3):
        made.store.collect()
        assert Thing.alive == 2
    assert isinstance(made.exports.first(), Thing)
    made.exports.drop()
    made.store.collect()
    assert Thing.alive == 0


@pytest.mark.usefixtures("things")
def test_host_objects_do_not_pile_up_in_one_call() -> None:
    most = 0

    def make() -> Thing:
        nonlocal most
        most = max(most, Thing.alive)
        return Thing()

    made = holders(make)
    assert made.exports.many(250_000) == 250_000
    assert 10_000 < most < 200_000
    made.store.collect()


@pytest.mark.usefixtures("things")
def test_host_objects_do_not_pile_up_where_there_are_no_objects() -> None:
    most = 0

    def make() -> Thing:
        nonlocal most
        most = max(most, Thing.alive)
        return Thing()

    made = instance(
        """(module
          (import "" "make" (func $make (result externref)))
          (import "" "check" (func $check (param externref) (result i32)))
          (table $t (export "t") 1 1000 externref)
          (global $g (mut externref) (ref.null extern))
          (func (export "many") (param $n i32) (result i32) (local $x externref) (local $sum i32)
            (table.set $t (i32.const 0) (call $make))
            (global.set $g (call $make))
            (loop $again
              (local.set $x (call $make))
              (local.set $sum (i32.add (local.get $sum) (call $check (local.get $x))))
              (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.add (local.get $sum)
              (i32.add (call $check (global.get $g))
                (call $check (table.get $t (i32.const 0)))))))""",
        {"": {"make": make, "check": lambda x: isinstance(x, Thing)}},
    )
    assert made.exports.many(250_000) == 250_002
    assert made.store.heap.collections >= 2
    assert 50_000 < most < 200_000
    assert isinstance(made.exports.t[0], Thing)
    del made
    gc.collect()


@pytest.mark.usefixtures("things", "stress")
def test_boxes_under_stress() -> None:
    made = holders()
    assert made.exports.many(200) == 200
    made.exports.keep(Thing(), Thing())
    assert made.exports.many(200) == 200
    assert isinstance(made.exports.first(), Thing)
    assert isinstance(made.exports.second(), Thing)
    made.exports.drop()
    made.store.collect()


@pytest.mark.usefixtures("things")
def test_finalizers_enter_the_store_again() -> None:
    made = holders()
    calls = []

    class Busy(Thing):
        def __del__(self) -> None:
            super().__del__()
            calls.append(made.exports.many(10))
            made.store.collect()

    for _ in range(10):
        made.exports.keep(Busy(), Busy())
    made.exports.drop()
    made.store.collect()
    assert calls == [10] * 20
    made.store.collect()


# --- signals and switched stacks -----------------------------------------------------------------

INTERRUPTED = f"""
import signal, time
e = instance('''{TREES}''').exports
heap = e.churn.store.context.references.heap
count = 0
def tick(*_):
    global count
    count += 1
    assert e.churn(5, 3) == 3 * (2**6 - 1)
    if count % 2:
        e.churn.store.collect()
signal.signal(signal.SIGALRM, tick)
"""

INTERRUPTS = {
    "a handler makes objects and collects": """
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while count < 300:
    assert e.churn(10, 20) == 20 * (2**11 - 1)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    "a handler that raises": """
def stop(*_):
    tick()
    raise KeyError
signal.signal(signal.SIGALRM, stop)
e.make(8)
for number in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + number * 1e-5)
        while True:
            e.churn(8, 1000)
    except KeyError:
        pass
    assert e.count() == 2**9 - 1
assert count == 300
""",
    "under stress": """
heap.record.stress = 7
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
while count < 100:
    assert e.churn(7, 5) == 5 * (2**8 - 1)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
}


@pytest.mark.parametrize("name", INTERRUPTS)
def test_interrupts(name: str) -> None:
    run_script(INTERRUPTED + INTERRUPTS[name])


def test_no_collection_while_frames_are_on_another_stack() -> None:
    run_script(
        f"""
import greenlet
main = greenlet.getcurrent()
made = instance('''(module {NODES}
  (import "" "switch" (func $switch))
  (func (export "hold") (param i32) (result i32) (local (ref null $node))
    (local.set 1 (struct.new $node (ref.null $node) (local.get 0)))
    (call $switch)
    (struct.get $node $value (local.get 1)))
  (func (export "garbage") (param i32)
    (loop (drop (struct.new $node (ref.null $node) (i32.const -1)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))''',
  {{"": {{"switch": lambda: [main.switch()] and None}}}})
def deep(n):
    return made.exports.garbage(3_000_000) if not n else [deep(n - 1) for _ in range(1)]
results = []
workers = [greenlet.greenlet(lambda n=n: results.append(made.exports.hold(n))) for n in range(5)]
for worker in workers:
    worker.switch()
deep(50)
made.store.collect()
assert made.store.heap.postponed > 0
assert made.store.heap.collections == 0
for worker in reversed(workers):
    worker.switch()
assert results == [4, 3, 2, 1, 0], results
made.store.collect()
assert made.store.heap.collections == 1
"""
    )


# --- anything, anywhere ---------------------------------------------------------------------------

GRAPH = """(module
  (type $node (sub (struct (field $id i64) (field $left (mut (ref null $node)))
    (field $right (mut (ref null $node))))))
  (type $row (array (mut (ref null $node))))
  (type $large (sub $node (struct (field $id i64) (field $left (mut (ref null $node)))
    (field $right (mut (ref null $node))) (field $more (ref null $row)) (field v128))))
  (table $t 16 16 (ref null $node))
  (func (export "new") (param $to i32) (param $id i64) (param $l i32) (param $r i32)
    (table.set $t (local.get $to) (struct.new $node (local.get $id)
      (table.get $t (local.get $l)) (table.get $t (local.get $r)))))
  (func (export "large") (param $to i32) (param $id i64) (param $l i32) (param $r i32)
    (table.set $t (local.get $to) (struct.new $large (local.get $id)
      (table.get $t (local.get $l)) (table.get $t (local.get $r))
      (array.new $row (table.get $t (local.get $l)) (i32.wrap_i64 (local.get $id)))
      (v128.const i64x2 -1 -1))))
  (func (export "link") (param $of i32) (param $to i32)
    (struct.set $node $left (table.get $t (local.get $of)) (table.get $t (local.get $to))))
  (func (export "clear") (param $of i32) (table.set $t (local.get $of) (ref.null $node)))
  (func (export "is_null") (param $of i32) (result i32)
    (ref.is_null (table.get $t (local.get $of))))
  (func (export "walk") (param $of i32) (param $path i32) (param $steps i32) (result i64)
    (local $x (ref null $node)) (local $hash i64)
    (local.set $x (table.get $t (local.get $of)))
    (block $done (loop $again
      (br_if $done (ref.is_null (local.get $x)))
      (br_if $done (i32.eqz (local.get $steps)))
      (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
      (local.set $hash (i64.add (i64.mul (local.get $hash) (i64.const 31))
        (struct.get $node $id (local.get $x))))
      (local.set $x (if (result (ref null $node)) (i32.and (local.get $path) (i32.const 1))
        (then (struct.get $node $left (local.get $x)))
        (else (struct.get $node $right (local.get $x)))))
      (local.set $path (i32.shr_u (local.get $path) (i32.const 1)))
      (br $again)))
    (local.get $hash)))"""


class Node:
    """What an object of GRAPH should be."""

    def __init__(self, number: int, left: Node | None, right: Node | None) -> None:
        self.id, self.left, self.right = number, left, right


def walk(node: Node | None, path: int, steps: int) -> int:
    """What `walk` of GRAPH gives."""
    value = 0
    while node is not None and steps:
        value = (value * 31 + node.id) % (1 << 64)
        node, path, steps = node.left if path & 1 else node.right, path >> 1, steps - 1
    return ctypes.c_int64(value).value


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasmine.vm.heap, "STRESS", (0, 1, 2, 13)[seed % 4])
    chance = random.Random(seed)
    e = instance(GRAPH, store=Store()).exports
    model: list[Node | None] = [None] * 16
    for number in range(1500):
        a, b, c = (chance.randrange(16) for _ in range(3))
        match chance.randrange(8):
            case 0 | 1 | 2:
                e.new(a, number, b, c)
                model[a] = Node(number, model[b], model[c])
            case 3:
                size = chance.choice((0, 1, 5, 60, 500, 5000))
                e.large(a, size, b, c)
                model[a] = Node(size, model[b], model[c])
            case 4 if (node := model[a]) is not None:
                e.link(a, b)
                node.left = model[b]
            case 5:
                e.clear(a)
                model[a] = None
            case _:
                path, steps = chance.getrandbits(31), chance.randrange(40)
                assert e.walk(a, path, steps) == walk(model[a], path, steps)


SCRIPTS = [
    "struct", "array", "array_copy", "array_fill", "array_init_data", "array_init_elem", "array_new_data",
    "array_new_elem", "i31", "ref_cast", "ref_test", "extern", "ref_eq", "br_on_cast", "br_on_cast_fail",
    "throw", "throw_ref", "try_table", "tag",
]  # fmt: skip


@pytest.mark.skipif(not suite.names(), reason="the official suite is not there")
@pytest.mark.usefixtures("stress")
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_official_suite_under_stress(name: str) -> None:
    outcomes = suite.run(name).outcomes
    assert outcomes
    assert [str(outcome) for outcome in outcomes if not outcome.passed] == []


# --- Python code that runs between any two steps -----------------------------------------------------

PLACES = """(module
  (type $node (struct (field (mut i32)) (field (mut anyref))))
  (type $row (array (mut anyref)))
  (import "env" "host" (func $host (param anyref) (result anyref)))
  (global $g (export "global") (mut anyref) (ref.null any))
  (table $t (export "table") 1 anyref)
  (tag $tag (export "tag") (param anyref))
  (func $new (export "new") (param i32) (result (ref $node))
    (struct.new $node (local.get 0) (struct.new $node (local.get 0) (ref.null any))))
  (func (export "two") (param i32) (result anyref anyref)
    (call $new (local.get 0)) (call $new (local.get 0)))
  (func (export "set") (param i32)
    (global.set $g (call $new (local.get 0)))
    (table.set $t (i32.const 0) (call $new (local.get 0))))
  (func (export "clear")
    (global.set $g (ref.null any))
    (table.set $t (i32.const 0) (ref.null any)))
  (func (export "throw") (param i32) (throw $tag (call $new (local.get 0))))
  (func (export "host") (param i32) (result anyref) (call $host (call $new (local.get 0))))
  (func (export "catch") (param i32) (result anyref)
    (block $caught (result anyref)
      (try_table (catch $tag $caught) (drop (call $host (call $new (local.get 0)))))
      (ref.null any)))
  (func (export "churn") (param i32)
    (loop
      (drop (call $new (i32.const 99999)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"""


def test_collections_between_any_two_steps_of_python_code(stress: None) -> None:
    # What a signal's handler or a finalizer may do, at every line.
    def host(node: Any) -> Any:
        if throwing:
            raise WasmException(made.exports.tag, Struct(node_type, [node[0], None], store=store))
        return Struct(node_type, [node[0], node], store=store)

    throwing, left = False, 0
    made = instance(PLACES, {"env": {"host": host}})
    exports, store = made.exports, made.store
    node_type, row_type = made.module.types[:2]

    def step(frame: Any, event: str, argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(str(SOURCE)):
            return None
        left -= 1
        if not left:
            sys.settrace(None)
            exports.clear()
            store.collect()
            exports.churn(20)
        return step

    def traced(action: Callable[[int], Any], n: int) -> Any:
        before = sys.gettrace()
        sys.settrace(step)
        try:
            return action(n)
        except WasmException as exception:
            return exception.payload[0]
        finally:
            sys.settrace(before)

    actions: list[Callable[[int], Any]] = [
        exports.new,
        lambda n: exports.two(n)[1],
        exports.host,
        exports.catch,
        exports.throw,
        lambda _: node[1],
        lambda n: Struct(node_type, [n, None], store=store),
        lambda n: Array(row_type, [Struct(node_type, [n, None], store=store)] * 3)[1],
        lambda _: exports.table[0],
        lambda _: exports["global"].value,
    ]
    for number, action in enumerate(actions):
        throwing = action == exports.catch
        for n in range(1, 80):
            node = exports.new(n)
            exports.set(n)
            left = n
            got = traced(action, n)
            # What was cleared before it was read is null.
            assert (got is None and number >= 8) or got[0] == n, (number, n)


# --- what must not keep objects ----------------------------------------------------------------------


def test_many_arguments_and_results_keep_nothing_once_they_have_arrived() -> None:
    made = instance(f"""(module
      (type $bytes (array (mut i8)))
      (type $many (func {"(param anyref)" * 60} (result {"anyref " * 30})))
      (table funcref (elem $f))
      (func $f (type $many) {"(local.get 45)" * 30})
      (func (export "run") (param i32) (local $x anyref)
        (local.set $x (array.new_default $bytes (local.get 0)))
        (call_indirect (type $many) {"(local.get $x)" * 60} (i32.const 0))
        {"drop " * 30}))""")
    made.exports.run(50 * MIB)
    assert live(made) == 0


def test_frames_of_the_interpreter_keep_nothing() -> None:
    # Words of which one half is the upper half of an address point somewhere into an array so large.
    made = instance("""(module
      (type $numbers (array (mut i64)))
      (func (export "run") (param i32) (result i32)
        (array.len (array.new_default $numbers (local.get 0)))))""")
    for _ in range(3):
        assert made.exports.run(400_000_000) == 400_000_000
    assert live(made) == 0
