"""The native stack: deep recursion is a trap or a RecursionError, and never a crash."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests.harness import instance
from wasmine import Engine, Instance, Module, Trap, TrapCode
from wasmine.vm.code import Code

from .harness import run_script, trap_of

ENGINES = {
    "none": Engine(opt_level="none", tier="optimized"),
    "light": Engine(tier="optimized"),
    "O2": Engine(opt_level="O2", tier="optimized"),
    "baseline": Engine(tier="baseline"),
}
KIB = 1024

RECURSION = """(module
  (type $binary (func (param i64 i64) (result i64)))
  (table funcref (elem $indirect $mutual))
  (func $sum (export "sum") (param i64) (result i64)
    (if (result i64) (i64.eqz (local.get 0))
      (then (i64.const 0))
      (else (i64.add (local.get 0) (call $sum (i64.sub (local.get 0) (i64.const 1)))))))
  (func $endless (export "endless") (call $endless))
  (func $indirect (export "indirect") (param i64 i64) (result i64)
    (i64.add (local.get 0)
      (call_indirect (type $binary) (local.get 1) (local.get 0) (i32.const 1))))
  (func $mutual (param i64 i64) (result i64)
    (i64.mul (local.get 1)
      (call_indirect (type $binary) (local.get 0) (local.get 1) (i32.const 0)))))"""
HOST = """(module
  (import "host" "call" (func $host (param i32) (result i32)))
  (func $down (export "run") (param $level i32) (param $inner i32) (result i32)
    (if (result i32) (local.get $inner)
      (then (i32.add (i32.const 1)
        (call $down (local.get $level) (i32.sub (local.get $inner) (i32.const 1)))))
      (else (i32.add (i32.const 1) (call $host (local.get $level)))))))"""


STEPS = """(module (import "giant" "giant" (func $giant (param i64) (result i64)))
  (func $step (export "step") (param i64) (result i64)
    (if (i64.eqz (local.get 0)) (then (return (call $giant (i64.const -1)))))
    (i64.add (local.get 0) (call $step (i64.sub (local.get 0) (i64.const 1))))))"""


def giant(count: int) -> str:
    """A recursive function and a leaf with this many i64 values that are alive at the same time."""
    numbers = range(1, count + 1)
    loads = "".join(f"(local.set {i} (i64.load offset={8 * i} (i32.const 0)))" for i in numbers)
    # Each step needs the one before, and the first one the result of the call.
    total = "".join(
        f"(local.set 0 (i64.add (i64.xor (local.get 0) (local.get {i})) (i64.const {i})))"
        for i in numbers
    )
    return (
        f'(module (memory 4) (func $giant (export "giant") (param i64) (result i64)'
        f"(local {'i64 ' * count})"
        "(if (i64.eqz (local.get 0)) (then (return (i64.const 0))))"
        f"{loads}"
        "(local.set 0 (call $giant (i64.sub (local.get 0) (i64.const 1))))"
        f"{total} (local.get 0))"
        f'(func (export "leaf") (param i64) (result i64) (local {"i64 " * count})'
        f"{loads} (local.set 0 (i64.load (i32.const 0))) {total} (local.get 0)))"
    )


@cache
def recursion(engine: str) -> Instance:
    return instance(RECURSION, engine=ENGINES[engine])


@cache
def frames(engine: str) -> Instance:
    return instance(giant(1200), engine=ENGINES[engine])


def in_thread(size: int, call: Callable[[], Any]) -> Any:
    """The result of a call in a new thread with a native stack of `size` bytes."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    previous = threading.stack_size(size)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    return results[0]


@pytest.fixture
def no_recursion_limit() -> Iterator[None]:
    previous = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    yield
    sys.setrecursionlimit(previous)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "arguments"), [("sum", (10**9,)), ("endless", ()), ("indirect", (3, 5))]
)
def test_recursion_without_end_is_a_trap(
    engine: str, name: str, arguments: tuple[int, ...]
) -> None:
    function = recursion(engine).exports[name]
    for _ in range(3):
        assert trap_of(function, *arguments) is TrapCode.STACK_OVERFLOW
    assert recursion(engine).exports.sum(1000) == 500500


FRAMES = {"light": (16, 40), "baseline": (16, 160)}
"""Bytes between which a frame of `sum` is, with its return address."""


@pytest.mark.parametrize("engine", FRAMES)
@pytest.mark.parametrize("size", [256 * KIB, 1024 * KIB, 64 * 1024 * KIB])
def test_the_depth_follows_the_stack_of_the_thread(size: int, engine: str) -> None:
    total = recursion(engine).exports.sum
    smallest, largest = FRAMES[engine]

    def deepest() -> int:
        low, high = 0, 1 << 24
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if trap_of(total, middle) is None else (low, middle)
        return low

    # A quarter of the stack, at most 1 MiB, is left to the host.
    usable = size - min(size // 4, 1024 * KIB)
    depth = in_thread(size, deepest)
    assert usable // largest < depth < usable // smallest
    assert trap_of(total, depth) is None or size > 8192 * KIB


def frame_size(made: Instance, function: str) -> int:
    """The bytes of native stack that a function of an instance uses."""
    code = made._handle.artifact.code
    if isinstance(code, Code):
        return code.image.extent(function).frame_size
    local = int(function.removeprefix("f"))
    code.ensure(local)
    start = code.entry(local)
    return max(code.frame_size_at(pc) or 0 for pc in range(start, start + 200))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [0, 256 * KIB, 512 * KIB])
def test_giant_frames(engine: str, size: int) -> None:
    """Frames of 10 KB are checked before they are written, wherever the stack ends."""
    made = frames(engine)
    assert frame_size(made, "f0") > 9_600

    def run() -> list[object]:
        calls = (0, -1, 5, -1, 0)
        return [trap_of(made.exports.giant, depth) for depth in calls]

    overflow = TrapCode.STACK_OVERFLOW
    assert in_thread(size, run) == [None, overflow, None, overflow, None]


def test_frames_that_reach_beyond_the_end(every_tier: str) -> None:
    """Frames larger than what is left to the host: prologues meet the guard page before any check.

    Where they do depends on where the first one begins, which calls of `step` move. In a process of
    its own, because the C library gives a thread the larger stack of one that has ended. Baseline
    code checks first.
    """
    run_script(
        f"""
import threading
from wasmine.abi.vmcontext import ThreadRecord
from wasmine.vm import process
{inspect.getsource(giant)}
store = Store()
giants = instance(giant(1200), store=store)
made = instance({STEPS!r}, {{"giant": giants.exports}}, store=store)
addresses = []
def run(steps):
    assert trap(made.exports.step, steps) == "STACK_OVERFLOW"
    addresses.append(ThreadRecord.from_address(process.current().current_thread()).trap_address)
threading.stack_size(64 * 1024)
for steps in range(0, 640, 24):
    thread = threading.Thread(target=run, args=(steps,))
    thread.start()
    thread.join()
assert len(addresses) == 27 and any(addresses) == {every_tier == "optimized"}, addresses
"""
    )


def through_host(inner: int = 0) -> Instance:
    made: list[Instance] = []

    def host(level: int) -> int:
        return int(made[0].exports.run(level - 1, inner)) if level else 0

    made.append(instance(HOST, {"host": {"call": host}}))
    return made[0]


@pytest.mark.parametrize("size", [0, 256 * KIB, 512 * KIB])
def test_recursion_through_the_host_meets_pythons_limit(size: int) -> None:
    made = through_host()
    assert in_thread(size, lambda: made.exports.run(20, 0)) == 21
    result = in_thread(size, lambda: made.exports.run(10**6, 0))
    assert isinstance(result, RecursionError) or (
        isinstance(result, Trap) and result.code is TrapCode.STACK_OVERFLOW
    )
    assert made.exports.run(50, 0) == 51


# CPython 3.12 and 3.13 count calls of native code besides, with a limit that cannot be changed.
C_RECURSION = "maximum recursion depth" if sys.version_info >= (3, 12) else "no such thing"


@pytest.mark.parametrize("inner", [0, 50])
@pytest.mark.parametrize("size", [0, 256 * KIB, 2048 * KIB])
@pytest.mark.usefixtures("no_recursion_limit")
def test_recursion_through_the_host_without_pythons_limit(size: int, inner: int) -> None:
    made = through_host(inner)
    for _ in range(3):
        result = in_thread(size, lambda: trap_of(made.exports.run, 10**6, inner))
        assert result is TrapCode.STACK_OVERFLOW or C_RECURSION in str(result)
    assert made.exports.run(50, 0) == 1 + 50 * (inner + 1)


@pytest.mark.usefixtures("every_tier")
def test_recursion_in_the_main_thread_of_a_process() -> None:
    """The main thread's stack grows on demand, which a test under pytest does not show as well."""
    run_script(
        f"""
import sys
sys.setrecursionlimit(10**6)
deep = instance('''{RECURSION}''')
assert trap(deep.exports.endless) == "STACK_OVERFLOW"
def host(level):
    return made.exports.run(level - 1, 10) if level else 0
made = instance('''{HOST}''', {{"host": {{"call": host}}}})
for _ in range(3):
    try:
        assert trap(made.exports.run, 10**6, 10) == "STACK_OVERFLOW"
    except RecursionError as error:
        assert {C_RECURSION!r} in str(error)
assert made.exports.run(100, 0) == 1 + 100 * 11
""",
        "-Xfaulthandler",
    )


@pytest.mark.parametrize("size", [64 * KIB, 256 * KIB])
def test_functions_are_compiled_where_wasm_has_no_room(size: int) -> None:
    text = """(module
      (func $fresh (param i32) (result i32) (i32.div_u (i32.const 7) (local.get 0)))
      (func $down (export "down") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
          (else (call $fresh (i32.const 7))))))"""
    engine = Engine(tier="baseline", cache=False)

    def last(depth: int) -> TrapCode | None:
        fresh = Instance(Module(text, engine=engine))
        trap_of(fresh.exports.down, 10**9)  # compiles all but the function at the end
        code: TrapCode | None = in_thread(size, lambda: trap_of(fresh.exports.down, depth))
        return code

    low, high = 0, size // 16
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if last(middle) is None else (low, middle)
    assert low > size // 200
    found = {last(low - steps) for steps in range(8)} | {last(low - 16)}
    assert None in found <= {None, TrapCode.STACK_OVERFLOW}  # stacks do not begin at the same place


@pytest.mark.usefixtures("every_tier")
def test_the_host_has_room_where_wasm_has_none() -> None:
    """A host function that is called at the very end of the stack may still use Python."""
    seen: list[int] = []

    def host(level: int) -> int:
        seen[:] = sorted(range(level % 100), key=lambda value: -value)
        try:
            raise ValueError(str(level))
        except ValueError as error:
            return len(repr(error))

    text = """(module
      (import "host" "call" (func $host (param i32) (result i32)))
      (func $down (export "run") (param i32) (result i32)
        (drop (call $host (local.get 0)))
        (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1))))))"""
    made = instance(text, {"host": {"call": host}})
    result = in_thread(256 * KIB, lambda: trap_of(made.exports.run, 0))
    assert result is TrapCode.STACK_OVERFLOW
    assert len(seen) < 100
