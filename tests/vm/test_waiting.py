"""Threads over one shared memory: each has its own instance in its own store."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.harness import instance, module
from wasmine import (
    I64,
    Engine,
    Instance,
    Limits,
    LinkError,
    Memory,
    MemoryType,
    ResourceError,
    Store,
    StoreError,
)

from .harness import run_script

ENGINES = {
    "static": Engine(tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
STYLES = pytest.mark.parametrize("style", ENGINES)
PAGE = 1 << 16
NOTIFIED, DIFFERENT, LATE = 0, 1, 2
FOREVER = -1
SECOND = 1_000_000_000

TEXT = """(module
  (import "e" "memory" (memory {memory}))
  (import "e" "call" (func $call))
  (func (export "wait32") (param {a} i32 i64) (result i32)
    (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "wait64") (param {a} i64 i64) (result i32)
    (memory.atomic.wait64 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "notify") (param {a} i32) (result i32)
    (memory.atomic.notify (local.get 0) (local.get 1)))
  (func (export "load") (param {a}) (result i32) (i32.atomic.load (local.get 0)))
  (func (export "store") (param {a} i32) (i32.atomic.store (local.get 0) (local.get 1)))
  (func (export "size") (result {a}) (memory.size))
  (func (export "grow") (param {a}) (result {a}) (memory.grow (local.get 0)))
  (func (export "grow all") (result {a}) (local $count {a})
    (loop $again
      (if ({a}.ne (memory.grow ({a}.const 1)) ({a}.const -1))
        (then
          (local.set $count ({a}.add (local.get $count) ({a}.const 1)))
          (br $again))))
    (local.get $count))
  ;; Write to the last cell of the memory as long as it grows; the number of pages seen.
  (func (export "follow") (param $until {a}) (result {a}) (local $last {a}) (local $seen {a})
    (loop $again
      (local.set $last ({a}.sub ({a}.mul (memory.size) ({a}.const 65536)) ({a}.const 8)))
      (i64.store (local.get $last) (i64.const -1))
      (drop (i64.load (local.get $last)))
      (local.set $seen (memory.size))
      (br_if $again ({a}.lt_u (local.get $seen) (local.get $until))))
    (local.get $seen))
  (func (export "count") (param $n i32)
    (loop $again
      (drop (i32.atomic.rmw.add ({a}.const 0) (i32.const 1)))
      (drop (i64.atomic.rmw.add ({a}.const 8) (i64.const 0x100000001)))
      (drop (i32.atomic.rmw8.xor_u ({a}.const 16) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; Drepper, "Futexes Are Tricky", the second mutex: 0 free, 1 taken, 2 taken and waited for.
  (func $lock (local $state i32)
    (local.set $state (i32.atomic.rmw.cmpxchg ({a}.const 32) (i32.const 0) (i32.const 1)))
    (block $taken
      (loop $again
        (br_if $taken (i32.eqz (local.get $state)))
        (if (i32.or
              (i32.eq (local.get $state) (i32.const 2))
              (i32.ne (i32.atomic.rmw.cmpxchg ({a}.const 32) (i32.const 1) (i32.const 2)) (i32.const 0)))
          (then (drop (memory.atomic.wait32 ({a}.const 32) (i32.const 2) (i64.const -1)))))
        (local.set $state (i32.atomic.rmw.cmpxchg ({a}.const 32) (i32.const 0) (i32.const 2)))
        (br $again))))
  (func $unlock
    (if (i32.ne (i32.atomic.rmw.sub ({a}.const 32) (i32.const 1)) (i32.const 1))
      (then
        (i32.atomic.store ({a}.const 32) (i32.const 0))
        (drop (memory.atomic.notify ({a}.const 32) (i32.const 1))))))
  ;; What is counted is in plain memory: without the mutex, counts would be lost.
  (func (export "count locked") (param $n i32)
    (loop $again
      (call $lock)
      (i64.store ({a}.const 40) (i64.add (i64.load ({a}.const 40)) (i64.const 1)))
      (call $unlock)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; Wait for the cell to become `mine`, then make it `theirs` and wake the other.
  (func (export "play") (param $mine i32) (param $theirs i32) (param $n i32)
    (local $seen i32)
    (loop $again
      (block $turn
        (loop $look
          (local.set $seen (i32.atomic.load ({a}.const 48)))
          (br_if $turn (i32.eq (local.get $seen) (local.get $mine)))
          (drop (memory.atomic.wait32 ({a}.const 48) (local.get $seen) (i64.const -1)))
          (br $look)))
      (i64.store ({a}.const 56) (i64.add (i64.load ({a}.const 56)) (i64.const 1)))
      (i32.atomic.store ({a}.const 48) (local.get $theirs))
      (drop (memory.atomic.notify ({a}.const 48) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; How many of `n` waits ended because of a notification, none because of the cell's value.
  (func (export "wait often") (param $n i32) (param $timeout i64) (result i32)
    (local $result i32) (local $count i32)
    (loop $again
      (local.set $result (memory.atomic.wait32 ({a}.const 0) (i32.const 0) (local.get $timeout)))
      (if (i32.eq (local.get $result) (i32.const 1)) (then (unreachable)))
      (local.set $count (i32.add (local.get $count) (i32.eqz (local.get $result))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $count))
  (func (export "wait and call") (param $n i32)
    (loop $again
      (drop (i32.atomic.rmw.add ({a}.const 0) (i32.const 1)))
      (call $call)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
"""
NARROW = TEXT.format(memory="1 64 shared", a="i32")
WIDE = TEXT.format(memory="i64 1 64 shared", a="i64")


def shared(pages: int = 1, maximum: int = 64, **options: Any) -> Memory:
    return Memory(MemoryType(Limits(pages, maximum), shared=True), **options)


def member(memory: Memory, call: Callable[[], object] = lambda: None, **options: Any) -> Any:
    """The exports of a new instance over the memory, in a store of its own."""
    return instance(NARROW, {"e": {"memory": memory, "call": call}}, **options).exports


class Threads:
    """Threads that each have their own instance over one memory."""

    def __init__(self, memory: Memory, count: int, **options: Any) -> None:
        self._pool = ThreadPoolExecutor(count)
        self.members = [member(memory, **options) for _ in range(count)]

    def start(self, name: str, *arguments: int) -> list[Future[Any]]:
        return [self._pool.submit(one[name], *arguments) for one in self.members]

    def run(self, name: str, *arguments: int) -> list[Any]:
        return [future.result(60) for future in self.start(name, *arguments)]


def notify_all(one: Any, address: int, wanted: int) -> int:
    """Notify until that many have been woken."""
    woken, end = 0, time.monotonic() + 30
    while woken < wanted and time.monotonic() < end:
        woken += one.notify(address, wanted - woken)
    return woken


def call_until(done: Callable[[], bool], function: Callable[[], object]) -> None:
    """Call a function over and over."""
    while not done():
        function()
        time.sleep(0.001)


@STYLES
def test_one_memory_in_many_stores(style: str) -> None:
    memory = shared(store=Store(ENGINES[style]))
    first, second = (member(memory, engine=ENGINES[style]) for _ in range(2))
    first.store(4, 77)
    assert (second.load(4), memory[4]) == (77, 77)
    assert second.grow(2) == 1
    assert (first.size(), memory.size, len(memoryview(memory))) == (3, 3, 3 * PAGE)
    assert memory.grow(1) == 3
    assert second.size() == 4
    first.store(4 * PAGE - 4, 1)
    assert memory[4 * PAGE - 4] == 1
    for pages in (61, -1, 1 << 40):
        with pytest.raises(ResourceError, match="could not grow"):
            memory.grow(pages)
    assert (first.grow(61), first.grow(60), first.grow(1)) == (-1, 4, -1)


def test_a_shared_memory_has_a_maximum() -> None:
    with pytest.raises(ValueError, match="a shared memory has a maximum: memory 1 shared"):
        Memory(MemoryType(Limits(1), shared=True))


def test_sharing_must_agree_to_link() -> None:
    with pytest.raises(LinkError, match="expected memory 1 64 shared, got memory 1 64"):
        member(Memory(MemoryType(Limits(1, 64))))
    with pytest.raises(LinkError, match="got memory 1 65 shared"):
        member(shared(1, 65))
    with pytest.raises(LinkError, match="got memory i64 1 64 shared"):
        member(Memory(MemoryType(Limits(1, 64), True, I64)))
    with pytest.raises(LinkError, match="got memory 1 64 shared"):
        instance('(module (import "e" "m" (memory 1 64)))', {"e": {"m": shared()}})


def test_other_objects_still_belong_to_one_store() -> None:
    memory, function = shared(), member(shared()).size
    with pytest.raises(StoreError, match="belongs to another store"):
        member(memory, function, store=Store())
    one = member(memory, store=function.store)
    assert one.size.store is function.store


OWNER = '(module (memory (export "memory") 1 64 shared))'


def test_a_memory_outlives_the_store_that_made_it() -> None:
    owner: Any = instance(OWNER)
    memory = owner.exports.memory
    assert owner.exports.memory is memory
    one = member(memory)
    base, store = memory.linear.base, weakref.ref(memory.linear)
    del owner, memory
    gc.collect()
    for _ in range(20):
        instance(OWNER).exports.memory.grow(3)
    one.store(8, 5)
    assert (one.grow(1), one.size(), one.load(8)) == (1, 2, 5)
    linear = store()
    assert linear is not None
    assert linear.base == base
    del one, linear
    gc.collect()
    assert store() is None


def test_the_same_memory_is_the_same_object() -> None:
    memory = shared()
    again = instance(
        '(module (import "e" "m" (memory 1 64 shared)) (export "m" (memory 0)))',
        {"e": {"m": memory}},
    )
    assert again.exports.m is memory
    assert again.store is not memory.store


@STYLES
def test_no_count_is_lost(style: str) -> None:
    memory = shared(store=Store(ENGINES[style]))
    threads = Threads(memory, 4, engine=ENGINES[style])
    threads.run("count", 50_001)
    assert int.from_bytes(memory[0:4], "little") == 4 * 50_001
    assert int.from_bytes(memory[8:16], "little") == 4 * 50_001 * 0x1_0000_0001
    assert memory[16] == 0
    threads.run("count locked", 20_000)
    assert int.from_bytes(memory[40:48], "little") == 4 * 20_000
    assert memory[32] == 0


def test_a_mutex_in_a_memory_of_64_bits() -> None:
    memory = Memory(MemoryType(Limits(1, 64), True, I64))
    made = module(WIDE)
    members = [
        Instance(made, {"e": {"memory": memory, "call": lambda: None}}).exports for _ in range(3)
    ]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda one: one["count locked"](10_000), members))
    assert int.from_bytes(memory[40:48], "little") == 3 * 10_000


def test_hand_overs() -> None:
    """100,000 of them; with a wake-up lost, both would wait for ever."""
    memory = shared()
    ping, pong = member(memory), member(memory)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(ping.play, 0, 1, 50_000), pool.submit(pong.play, 1, 0, 50_000)]
        for future in futures:
            future.result(60)
    assert int.from_bytes(memory[56:64], "little") == 100_000


def test_hand_overs_in_a_ring() -> None:
    """Several wait for one cell, each for a value of its own: only waking all reaches the right one."""
    memory, count, rounds = shared(), 4, 2_000
    text = NARROW.replace(
        "(memory.atomic.notify (i32.const 48) (i32.const 1))",
        "(memory.atomic.notify (i32.const 48) (i32.const -1))",
    )
    assert text != NARROW
    imports = {"e": {"memory": memory, "call": lambda: None}}
    members: list[Any] = [instance(text, imports).exports for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        futures = [
            pool.submit(one.play, i, (i + 1) % count, rounds) for i, one in enumerate(members)
        ]
        for future in futures:
            future.result(60)
    assert int.from_bytes(memory[56:64], "little") == count * rounds


def test_results_of_waiting() -> None:
    one = member(shared())
    one.store(4, 5)
    assert one.wait32(4, 6, FOREVER) == DIFFERENT
    assert one.wait64(0, 5, FOREVER) == DIFFERENT
    assert one.wait32(4, 5, 0) == LATE
    started = time.monotonic()
    assert one.wait64(0, 5 << 32, SECOND // 10) == LATE
    assert 0.1 <= time.monotonic() - started < 5
    assert one.notify(4, -1) == 0


def test_notify_counts_whom_it_wakes() -> None:
    """Waits of both widths for one address are in one queue; other addresses are in others."""
    memory = shared()
    waiters = Threads(memory, 6)
    one = member(memory)
    futures = waiters.start("wait32", 128, 0, FOREVER)
    others = Threads(memory, 2)
    wide = others.start("wait64", 128, 0, FOREVER)
    apart = Threads(memory, 1).start("wait32", 132, 0, FOREVER)
    assert one.notify(128, 0) == 0
    assert notify_all(one, 128, 3) == 3
    while sum(future.done() for future in (*futures, *wide)) < 3:
        time.sleep(0.001)
    time.sleep(0.05)
    assert sum(future.done() for future in (*futures, *wide)) == 3
    assert one.notify(136, -1) == 0
    assert notify_all(one, 128, 5) == 5
    assert [future.result(30) for future in (*futures, *wide)] == [NOTIFIED] * 8
    assert not apart[0].done()
    assert notify_all(one, 132, 1) == 1
    assert apart[0].result(30) == NOTIFIED
    assert one.notify(128, -1) == 0


def test_who_waits_longest_is_woken_first() -> None:
    memory, order = shared(), list[int]()
    one = member(memory)

    def wait(number: int) -> None:
        assert waiting[number].wait32(0, 0, FOREVER) == NOTIFIED
        order.append(number)

    waiting = [member(memory) for _ in range(4)]
    threads = [threading.Thread(target=wait, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for woken in range(1, 5):
        assert one.notify(0, 1) == 1
        while len(order) < woken:
            time.sleep(0.001)
    assert order == [0, 1, 2, 3]


def test_notifying_races_with_time() -> None:
    """A wait that ends either way is counted exactly if it says that it was notified."""
    memory = shared()
    waiter, one = member(memory), member(memory)
    woken = 0
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(waiter["wait often"], 10_000, 2_000)
        while not future.done():
            woken += one.notify(0, 1)
        assert future.result() == woken
    assert 0 < woken < 10_000


@STYLES
def test_growing_by_many_at_once(style: str) -> None:
    """Every page is added once, and all see it."""
    memory = shared(store=Store(ENGINES[style]))
    threads = Threads(memory, 4, engine=ENGINES[style])
    followers = Threads(memory, 2, engine=ENGINES[style])
    following = followers.start("follow", 64)
    counts = threads.start("grow all")
    grown = 0
    try:
        while True:
            memory.grow(1)
            grown += 1
    except ResourceError:
        pass
    assert sum(future.result(60) for future in counts) + grown == 63
    assert [future.result(60) for future in following] == [64, 64]
    assert memory.size == 64
    assert memory.type == MemoryType(Limits(64, 64), shared=True)


def test_views_while_others_grow_and_write() -> None:
    memory = shared()
    one = member(memory)
    view = memoryview(memory)
    assert one.grow(5) == 1
    one.store(0, 0x01020304)
    assert view[0:4].tobytes() == b"\4\3\2\1"
    assert len(view) == PAGE
    assert memory.uint32_view()[6 * PAGE // 4 - 1] == 0


def test_host_functions_run_while_others_do() -> None:
    """A callable in one store needs the interpreter, and nobody waits for it who does not."""
    memory, calls = shared(), list[int]()
    threads = Threads(memory, 2)
    caller = member(memory, lambda: calls.append(1))
    futures = threads.start("count", 200_000)
    caller["wait and call"](1_000)
    for future in futures:
        future.result(60)
    assert len(calls) == 1_000
    assert int.from_bytes(memory[0:4], "little") == 401_000


def test_a_waiting_thread_does_not_stop_others() -> None:
    memory = shared()
    waiter, one = member(memory), member(memory)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(waiter.wait32, 0, 0, FOREVER)
        with pytest.raises(StoreError, match="in use by another thread"):
            call_until(future.done, waiter.size)
        # Growing is not for its store alone, though that is busy.
        assert memory.grow(1) == 1
        assert notify_all(one, 0, 1) == 1
        assert future.result(30) == NOTIFIED
    assert waiter.size() == 2


SIGNALS = """
import signal, threading, time, os
TEXT = '''(module (memory (export "memory") 1 1 shared)
  (func (export "wait") (param i64) (result i32)
    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (local.get 0)))
  (func (export "notify") (result i32) (memory.atomic.notify (i32.const 0) (i32.const -1))))'''
made = instance(TEXT).exports
"""


def test_signals_interrupt_waiting() -> None:
    run_script(
        SIGNALS
        + """
def stop(*_):
    raise KeyError("stop")
signal.signal(signal.SIGALRM, stop)
for delay in (0.2, 0.01, 0.001, 0.0001, 0.00002) * 3:
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        print(made.wait(-1))
    except KeyError:
        pass
    else:
        raise SystemExit("not interrupted")
assert made.notify() == 0
assert made.wait(0) == 2
"""
    )


def test_waiting_goes_on_after_a_signal() -> None:
    run_script(
        SIGNALS
        + """
count = 0
def look(*_):
    global count
    count += 1
    if count == 3:
        assert made.wait(1000) == 2        # waits may be nested
    if count == 5:
        assert made.notify() == 1
signal.signal(signal.SIGALRM, look)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
assert made.wait(-1) == 0
assert count >= 5
started = time.monotonic()
assert made.wait(200_000_000) == 2
assert time.monotonic() - started >= 0.2
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    )


def test_no_signal_is_lost_between_waits() -> None:
    """Signals at any place in and around short waits; each is handled before the next long one ends."""
    run_script(
        SIGNALS
        + """
handled = 0
def handle(*_):
    global handled
    handled += 1
signal.signal(signal.SIGUSR1, handle)
main, sent, stop = threading.main_thread().ident, 0, False
def send():
    global sent
    while not stop:
        before = handled
        signal.pthread_kill(main, signal.SIGUSR1)
        sent += 1
        end = time.monotonic() + 20
        while handled == before and not stop:
            assert time.monotonic() < end, "a signal was lost"
sender = threading.Thread(target=send)
sender.start()
while handled < 200:
    made.wait(1000)
    made.wait(0)
    made.wait(300_000)
stop = True
sender.join()
assert handled >= sent - 1, (handled, sent)
"""
    )


def test_a_child_process_waits_for_nobody() -> None:
    run_script(
        SIGNALS
        + """
thread = threading.Thread(target=lambda: instance(
    TEXT.replace('(memory (export "memory") 1 1 shared)', '(import "e" "m" (memory 1 1 shared))'),
    {"e": {"m": made.memory}}).exports.wait(-1))
thread.start()
time.sleep(0.1)
child = os.fork()
if child == 0:
    os._exit(made.notify() + 2 * (made.wait(0) != 2))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
while not made.notify():
    pass
thread.join()
"""
    )
