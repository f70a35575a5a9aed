"""Runs one module in many child processes, whose cache is in trouble.

The arguments are the trouble, a number and the engine's tier. Every run of the module must give the right result; what it
compiled is in the cache, or not. Children are forked from a process that has loaded everything but
compiled nothing, so that they start fast.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding

import wasmine
from wasmine.api import cache, firstcalls, pipeline
from wasmine.api.cachekeys import make_key

MODULE = """
(module
  (import "env" "double" (func $double (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\\2a\\00\\00\\00")
  (table funcref (elem $half))
  (func $half (param i32) (result i32) (i32.div_u (local.get 0) (i32.const 2)))
  (func (export "main") (param i32) (result i32)
    (call_indirect (param i32) (result i32)
      (i32.add (call $double (local.get 0)) (i32.load (i32.const 8)))
      (i32.const 0)))
  (func (export "trap") (unreachable)))
"""
BINARY = wasmine.wat2wasm(MODULE)
DIRECTORY = Path(os.environ["WASMINE_CACHE_DIR"])
TIER: Any = sys.argv[3]
LOADED = (llvmlite.binding, firstcalls, pipeline)


def work() -> bool:
    """Whether everything about the module is right."""
    module = wasmine.Module(BINARY, engine=wasmine.Engine(tier=TIER))
    instance = wasmine.Instance(module, {"env": {"double": lambda value: 2 * value}})
    try:
        instance.exports.trap()
    except wasmine.Trap as trap:
        trapped = "trap" in str(trap)
    return trapped and [instance.exports.main(n) for n in (0, 1, 100)] == [21, 22, 121]


def child(before: Callable[[], object] = lambda: None, run: Callable[[], bool] = work) -> int:
    """Start a run of the module in a process; returns the process's number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        before()
        status = 0 if run() else 2
        atexit._run_exitfuncs()  # which os._exit leaves out
    finally:
        os._exit(status)


def ended(number: int) -> int:
    """The exit status of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def check() -> None:
    """The module runs."""
    status = ended(child())
    if status:
        sys.exit(f"a run ended with {status}")


def stored() -> list[str]:
    """The entries that there are, but for the stencils, which take seconds to make."""
    names = (file.name for file in DIRECTORY.glob("*-*"))
    return sorted(name for name in names if not name.startswith(("new-", "stencils-")))


def clear() -> None:
    """Remove all but the stencils."""
    for file in DIRECTORY.glob("*"):
        if not file.name.startswith("stencils-"):
            file.unlink()


def kill(times: int) -> None:
    """Killed at random moments, of a cold run mostly."""
    start = time.monotonic()
    check()
    duration = time.monotonic() - start
    choose = random.Random(1)
    killed = 0
    for attempt in range(times):
        if attempt % 3:
            clear()
        number = child()
        time.sleep(choose.random() * duration)
        os.kill(number, signal.SIGKILL)
        killed += ended(number) == -signal.SIGKILL
        if attempt % 3 == 0:
            check()
    check()
    print(killed > times // 5)


def kill_at_each_step(_: int) -> None:
    """Killed before, and after, each thing that it does to the directory."""
    steps = ("open", "write", "pwrite", "ftruncate", "rename", "unlink")

    def die_at(step: int, *, before: bool) -> None:
        counter = itertools.count()

        def dying(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                last = next(counter) == step
                if last and before:
                    os.kill(os.getpid(), signal.SIGKILL)
                try:
                    return function(*arguments, **options)
                finally:
                    if last:
                        os.kill(os.getpid(), signal.SIGKILL)

            return call

        for name in steps:
            setattr(os, name, dying(getattr(os, name)))

    key = make_key("module", "stepwise")
    old, new = [bytes(100)], [bytes(5000), b"new"]
    store = cache.default()
    step = 0
    statuses: list[int] = []
    while not statuses or any(statuses):
        statuses = []
        for before in (True, False):
            store.put(key, old)
            dying = functools.partial(die_at, step, before=before)
            statuses.append(ended(child(dying, lambda: store.put(key, new))))
            entry = store.get(key)
            parts = [bytes(entry.part(index)) for index in range(len(entry))] if entry else None
            if parts not in (old, new):
                sys.exit(f"step {step}: {parts}")
        if set(statuses) not in ({0}, {-signal.SIGKILL}):
            sys.exit(f"step {step}: {statuses}")
        step += 1
    print(step > 8)


def together(count: int) -> None:
    """Many start at the same moment with an empty cache."""
    reading, writing = os.pipe()

    def wait() -> None:
        os.close(writing)
        os.read(reading, 1)

    children = [child(wait) for _ in range(count)]
    os.close(writing)
    os.close(reading)
    print([ended(number) for number in children] == [0] * count)
    print(not list(DIRECTORY.glob("new-*")))
    print(len(stored()))


def limited(size: int) -> None:
    """No file can become larger than this."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    check()
    check()
    print(not list(DIRECTORY.glob("new-*")))
    print(len(stored()))


def flip(times: int) -> None:
    """Bytes of its files change."""
    check()
    good = {name: (DIRECTORY / name).read_bytes() for name in stored()}
    choose = random.Random(2)
    for _ in range(times):
        name = choose.choice(list(good))
        damaged = bytearray(good[name])
        damaged[choose.randrange(len(damaged))] ^= 1 << choose.randrange(8)
        (DIRECTORY / name).write_bytes(damaged)
        check()
        if len((DIRECTORY / name).read_bytes()) < len(good[name]) // 2:
            sys.exit("the damaged file was not replaced")
    print(stored() == sorted(good))


def plain(_: int) -> None:
    """Nothing special; says what is in the cache, and what is wrong with it."""
    check()
    check()
    print(len(stored()))
    print(cache.default().info().problem)


TROUBLES = (kill, kill_at_each_step, together, limited, flip, plain)

if __name__ == "__main__":
    {trouble.__name__: trouble for trouble in TROUBLES}[sys.argv[1]](int(sys.argv[2]))
