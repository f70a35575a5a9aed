"""A store belongs to one thread at a time: the others get errors, and nothing breaks."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import assemble, module
from wasmine import EXTERNREF, Global, GlobalType, Instance, Limits, StoreError, Table, TableType

from .harness import SAMPLE, run_script, sample


def threaded(work: Callable[[], object]) -> Any:
    """What `work` returns or raises in another thread."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def test_a_store_that_another_thread_uses() -> None:
    refused = [
        lambda: made.i32(1),
        lambda: made.i32.call_raw(1),
        lambda: made.memory.grow(1),
        lambda: made.things.get(0),
        lambda: made.things.set(0, 1),
        lambda: made.things.grow(1),
        lambda: made.thing.value,
        lambda: setattr(made.thing, "value", 1),
        lambda: setattr(made.variable, "value", 1),
        lambda: Table(TableType(EXTERNREF, Limits(1)), 5, store=made.i32.store),
        lambda: Instance(module("(module)"), store=made.i32.store),
    ]
    allowed: list[Callable[[], Any]] = [
        lambda: made.memory.read(0, 2),
        lambda: made.variable.value,
        lambda: made.memory.size,
        lambda: made.i32.name,
        lambda: len(made.table),
        lambda: repr([made.thing, made.things, made.memory, made.i32]) and 5,
    ]
    found: list[Any] = []

    def call(value: int) -> int:
        found.extend(threaded(use) for use in refused)
        found.append([threaded(use) for use in allowed])
        return value

    made: Any = sample(call)
    made.memory.write(0, b"ok")
    assert made.call(5) == 5
    assert found.pop() == [b"ok", 1, 1, "i32", 4, 5]
    for error in found:
        assert type(error) is StoreError
        assert "the store is in use by another thread" in str(error)
    assert str(found[0]) == "i32(): the store is in use by another thread"
    assert [threaded(use) for use in refused[:2]] == [1, (1,)]
    assert made.memory.size == 1


def test_threads_that_race_for_a_store() -> None:
    def call(value: int) -> int:
        time.sleep(0)
        return value

    made = sample(call)
    stop = time.monotonic() + 1
    counts = [0, 0]
    wrong: list[BaseException] = []

    def work() -> None:
        while time.monotonic() < stop:
            for use in (
                lambda: made.spin(5),
                lambda: made.things.set(1, object()),
                lambda: made.extern(object()),
                lambda: made.things.get(1),
                lambda: setattr(made.thing, "value", [1]),
                lambda: made.thing.value,
                lambda: made.memory.grow(0),
            ):
                try:
                    use()
                    counts[0] += 1
                except StoreError:
                    counts[1] += 1
                except BaseException as error:
                    wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counts[0] > 0
    assert made.spin(2) == 7
    assert made.spin.store.context.depth == 0


def test_threads_with_stores_of_their_own() -> None:
    def work() -> None:
        made = sample()
        for value in range(300):
            assert made.spin(3) == 7
            made.things[0] = value
            assert made.things[0] == value
            made.memory.write(0, bytes([value % 256]))
        results.append(made.i32(1))

    results: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 4


# In a callback of a weak reference CPython can only report an exception, not raise it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_at_any_moment_leaves_the_store_free() -> None:
    """A signal's handler may raise between any two steps of what Python does with a store."""
    made = sample()
    uses: list[Callable[[], object]] = [
        lambda: made.things.set(0, object()),
        lambda: made.things.get(0),
        lambda: made.extern(object()),
        lambda: made.memory.grow(0),
        lambda: Global(GlobalType(EXTERNREF), 5, store=made.i32.store).value,
    ]
    armed = False
    interrupted = 0

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    end = time.monotonic() + 0.7
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        while time.monotonic() < end:
            try:
                armed = True
                for use in uses:
                    use()
                armed = False
            except KeyboardInterrupt:
                interrupted += 1
            assert made.i32.store.context.depth == 0
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert interrupted > 0
    assert threaded(lambda: made.i32(3)) == 3


def test_after_fork() -> None:
    script = f"""
import os
made = Instance(Module({assemble(SAMPLE)!r}), {{"env": {{"call": abs}}}})
made.exports.memory[0] = 1
child = os.fork()
if not child:
    made.exports.memory[0] = 2
    os._exit(made.exports.call(made.exports.memory[0]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), made.exports.memory[0])
"""
    assert run_script(script) == "2 1\n"
