"""Threads: each has its landing places and its alternate stack; a store belongs to one at a time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import instance, module
from wasmine import (
    FUNCREF,
    I32,
    Function,
    FunctionType,
    Instance,
    Limits,
    Memory,
    MemoryType,
    Store,
    StoreError,
    Table,
    TableType,
    Trap,
    TrapCode,
)
from wasmine.vm import process

from .harness import resident_bytes, run_script, trap_of
from .test_traps import MATRIX, ROWS

SHARED = """(module
  (import "host" "wait" (func $wait (result i32)))
  (memory (export "memory") 1 10)
  (table (export "table") 2 10 funcref)
  (global (export "global") (mut i32) (i32.const 5))
  (func (export "enter") (result i32) (call $wait))
  (func (export "enter_and_trap") (result i32) (drop (call $wait)) unreachable)
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func $endless (export "endless") (call $endless)))"""


def in_threads(count: int, work: Callable[[int], object]) -> list[Any]:
    """What `work` gives in as many threads at the same time."""
    barrier = threading.Barrier(count)

    def run(number: int) -> object:
        barrier.wait(timeout=30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@contextmanager
def occupied(name: str = "enter") -> Iterator[Instance]:
    """An instance whose store another thread is inside, in a host function, until the end."""
    inside, leave = threading.Event(), threading.Event()

    def wait() -> int:
        inside.set()
        assert leave.wait(30)
        return 3

    made = instance(SHARED, {"host": {"wait": wait}})
    results: list[object] = []

    def run() -> None:
        try:
            results.append(made.exports[name]())
        except Trap as trap:
            results.append(trap.code)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(30)
    try:
        yield made
    finally:
        leave.set()
        thread.join()
    assert results == [3 if name == "enter" else TrapCode.UNREACHABLE_CODE_REACHED]


def test_the_matrix_in_threads_at_the_same_time() -> None:
    shared = module(MATRIX)

    def work(start: int) -> bool:
        made = Instance(shared)
        for turn in range(3 * len(ROWS)):
            number = (turn + 7 * start) % len(ROWS)
            _, _, _, arguments, code = ROWS[number]
            for _ in range(1 if code is TrapCode.STACK_OVERFLOW else 20):
                assert trap_of(made.exports[str(number)], *arguments) is code
                assert made.exports.reached.value == number + 1
        return True

    assert all(in_threads(4, work))


def test_threads_that_come_and_go_leave_nothing_behind() -> None:
    """The record, the alternate stack and the saved slice of a thread are freed with it."""
    made = instance(SHARED, {"host": {"wait": lambda: 0}})

    def run() -> None:
        assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS

    def threads(count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()

    threads(50)
    before = resident_bytes()
    mapped = Path("/proc/self/maps").read_text().count("\n")
    threads(500)
    assert resident_bytes() - before < 4 << 20  # each has 64 KiB twice
    assert Path("/proc/self/maps").read_text().count("\n") - mapped < 20


def test_nested_calls_into_several_stores_in_several_threads() -> None:
    """Row X03: a trap lands at the innermost entry of its own thread."""

    def work(number: int) -> int:
        inner = instance(SHARED, {"host": {"wait": lambda: 0}})

        def host() -> int:
            assert trap_of(inner.exports.load, -number - 1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
            time.sleep(0.0001)
            assert trap_of(outer.exports.load, 65533) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
            return number

        outer = instance(SHARED, {"host": {"wait": host}})
        for _ in range(100):
            assert outer.exports.enter() == number
            assert trap_of(outer.exports.enter_and_trap) is TrapCode.UNREACHABLE_CODE_REACHED
        return outer.store.context.depth

    assert in_threads(4, work) == [0] * 4


SMALL = module('(module (func (export "f") (result i32) (i32.const 1)))')
REFUSED: dict[str, Callable[[Instance], object]] = {
    "a call": lambda made: made.exports.load(0),
    "a raw call": lambda made: made.exports.load.call_raw(0),
    "memory.grow": lambda made: made.exports.memory.grow(1),
    "table.set": lambda made: made.exports.table.set(0, None),
    "table item": lambda made: made.exports.table.__setitem__(0, None),
    "table.grow": lambda made: made.exports.table.grow(1),
    "instantiation": lambda made: Instance(SMALL, store=made.store),
    "instantiation with imports": lambda made: Instance(
        module('(module (import "m" "memory" (memory 1)))'), {"m": made.exports}
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("name", ["enter", "enter_and_trap"])
def test_a_store_that_another_thread_is_inside(what: str, name: str) -> None:
    with occupied(name) as made:
        made.exports.load.call_raw  # noqa: B018
        for _ in range(3):
            with pytest.raises(StoreError, match="in use by another thread"):
                REFUSED[what](made)
        assert made.exports.memory.size == 1
        assert made.exports.table.size == 2
        assert instance(SHARED, {"host": {"wait": lambda: 8}}).exports.enter() == 8
    REFUSED[what](made)  # and then it works
    assert made.store.context.depth == 0
    assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


def test_what_needs_no_claim_works_while_another_thread_is_inside() -> None:
    with occupied() as made:
        memory = made.exports.memory
        memory[0:4] = b"\1\2\3\4"
        assert memory.read(0, 4) == b"\1\2\3\4"
        assert repr(made.exports.load)
    assert made.exports.load(0) == 0x04030201


def test_a_thread_in_a_loop_lets_others_run() -> None:
    """The interpreter lock is released while WebAssembly code runs."""
    made = instance(
        """(module (memory (export "memory") 1)
          (func (export "spin") (loop (br_if 0 (i32.eqz (i32.load (i32.const 0)))))))"""
    )
    thread = threading.Thread(target=made.exports.spin)
    thread.start()
    with pytest.raises(StoreError):  # noqa: PT012
        for _ in range(1000):
            time.sleep(0.001)
            made.exports.spin()
    made.exports.memory[0] = 1  # what Python writes is seen by the loop
    thread.join(30)
    assert not thread.is_alive()


def test_one_store_used_by_threads_in_turn() -> None:
    """A thread's own stack limit holds, whoever was there before."""
    made = instance(SHARED, {"host": {"wait": lambda: 1}})
    lock = threading.Lock()

    def work(number: int) -> bool:
        for _ in range(5):
            with lock:
                assert trap_of(made.exports.endless) is TrapCode.STACK_OVERFLOW
                assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
                assert made.exports.enter() == 1
        return True

    previous = threading.stack_size(256 * 1024)
    try:
        assert all(in_threads(3, work))
    finally:
        threading.stack_size(previous)
    assert trap_of(made.exports.endless) is TrapCode.STACK_OVERFLOW


def test_objects_made_and_dropped_in_threads() -> None:
    """Modules come and go in some threads while others trap: the handler's list stays right."""
    stop = threading.Event()
    made = instance(SHARED, {"host": {"wait": lambda: 1}})
    shared = module(SHARED)

    def work(number: int) -> int:
        rounds = 0
        if number == 0:
            while not stop.is_set():
                assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
                rounds += 1
            return rounds
        for turn in range(40):
            data = shared.serialize()
            fresh = Instance(type(shared).deserialize(data), {"host": {"wait": lambda: 2}})
            assert trap_of(fresh.exports.load, -turn - 1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
            del fresh
            if turn % 10 == 0:
                gc.collect()
        if number == 1:
            stop.set()
        return 1

    assert all(in_threads(3, work))
    ranges = process.current()._ranges
    live = sum(1 for entry in ranges[: process.current().state.range_count] if entry.end)
    assert live == len(process.current()._slots)


def test_objects_without_an_instance_in_other_threads() -> None:
    store = Store()
    memory = Memory(MemoryType(Limits(1, 3)), store=store)
    table = Table(TableType(FUNCREF, Limits(1, 3)), store=store)

    def work(number: int) -> object:
        function = Function(lambda x: x + number, FunctionType((I32,), (I32,)))
        return function(1)

    assert in_threads(3, work) == [1, 2, 3]
    assert memory.grow(1) == 1
    assert table.grow(1) == 1


def test_a_native_thread_that_python_did_not_start() -> None:
    """A host function called on a thread of ctypes: it is attached like any other."""
    run_script(
        """
import ctypes
made = instance('(module (memory 1) (func (export "load") (param i32) (result i32)'
                ' (i32.load (local.get 0))))')
@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def run(argument):
    results.append([trap(made.exports.load, -1) for _ in range(100)][-1])
    results.append(made.exports.load(0))
libc = ctypes.CDLL(None)
results = []
for _ in range(20):
    thread = ctypes.c_size_t()
    assert libc.pthread_create(ctypes.byref(thread), None, run, None) == 0
    libc.pthread_join(thread, None)
assert results == ["HEAP_ACCESS_OUT_OF_BOUNDS", 0] * 20
"""
    )


def test_a_child_process_finds_no_lock_held() -> None:
    run_script(
        """
import signal, threading
from wasmine import types
from wasmine.api.thunks import THUNKS
from wasmine.vm.functions import FuncDataRegistry
from wasmine.vm.locks import lock
from wasmine.vm.signatures import SignatureRegistry
locks = [THUNKS._lock, FuncDataRegistry()._lock, SignatureRegistry()._lock, lock()]
held, go_on = threading.Event(), threading.Event()
def hold():
    for each in locks:
        each.acquire()
    held.set()
    go_on.wait(20)
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    os._exit(not all(each.acquire(timeout=5) for each in [*locks, types._lock]))
status = os.waitpid(child, 0)[1]
assert not locks[0].acquire(timeout=0)
go_on.set()
thread.join()
assert status == 0
"""
    )
