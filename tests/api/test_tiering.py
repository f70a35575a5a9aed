"""Tiers: better code takes over, at calls and in loops, and nothing else changes."""

from __future__ import annotations

import os
import pickle
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.api.harness import run_script
from wasmine import Engine, Instance, Module, Trap, TrapCode, WasmException
from wasmine.abi.codespace import X86_64
from wasmine.api import tiering
from wasmine.api.tiering import Policy
from wasmine.vm.code import MACHINE
from wasmine.vm.codespace import CodeSpace

pytestmark = pytest.mark.skipif(MACHINE != X86_64, reason="tiers are for x86-64")

PATIENCE = 60.0

SUM = """(module
  (func $step (param i64 i64) (result i64)
    (i64.xor (i64.mul (local.get 0) (i64.const 31)) (local.get 1)))
  (func (export "sum") (param $n i64) (result i64) (local $sum i64)
    (loop
      (local.set $sum (call $step (local.get $sum) (local.get $n)))
      (br_if 0 (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
    (local.get $sum))
  (func (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call 2 (i32.sub (local.get 0) (i32.const 1)))
                     (call 2 (i32.sub (local.get 0) (i32.const 2))))))))"""


def summed(count: int) -> int:
    result = 0
    for n in range(count, 0, -1):
        result = result * 31 & (1 << 64) - 1 ^ n
    return result - (result >> 63 << 64)


def made(text: str, imports: Any = None, **options: Any) -> tuple[Any, CodeSpace]:
    """What an instance in tier auto exports, and the code of its module."""
    options = {"cache": False, **options}
    engine = Engine(tier="auto", **options)
    instance = Instance(Module(text, engine=engine), imports)
    space = instance.module.artifact((), engine.memory).code
    assert isinstance(space, CodeSpace)
    return instance.exports, space


def is_optimised(space: CodeSpace, local: int) -> bool:
    """Whether calls of a function reach code outside the space."""
    return not space.base <= space.entry(local) < space.end


def until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is compiled in this process, at the first counts."""
    monkeypatch.setattr(tiering, "policy", Policy(first=1, at_once=random.Random(1)))


def test_hot_functions_are_replaced() -> None:
    exports, space = made(SUM)
    until(lambda: exports.fib(20) == 6765 and is_optimised(space, 2))
    assert exports.fib(20) == 6765


def test_a_loop_is_taken_over_while_it_runs() -> None:
    exports, space = made(SUM)
    seen: list[bool] = []

    def watch() -> None:
        until(lambda: is_optimised(space, 1))
        seen.append(not done)

    done: list[int] = []
    thread = threading.Thread(target=watch)
    thread.start()
    while not seen:
        done.clear()
        done.append(exports.sum(30_000_000))
    thread.join()
    assert done == [exports.sum(30_000_000)]
    # What the loop calls has come along.
    assert is_optimised(space, 0)


def test_without_room_for_better_code_the_program_goes_on() -> None:
    exports, space = made(SUM)
    errors = [MemoryError, RecursionError] * 100

    def fail(local: int, loop: int) -> int:
        if errors:
            raise errors.pop()
        return 0

    space.on_count = fail
    assert exports.sum(10_000) == summed(10_000)
    assert not errors


@pytest.mark.parametrize("loaded", ["", "import wasmine.api.worker, wasmine.api.workers"])
def test_without_descriptors_the_program_goes_on(loaded: str) -> None:
    output = run_script(
        f"""
import os, resource
from wasmine.api import tiering
{loaded}
tiering.policy = tiering.Policy(first=1, patience=0.0)
made = Instance(Module({SUM!r}, engine=Engine(tier='auto', cache=False)))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
opened = []
try:
    while True:
        opened.append(os.dup(0))
except OSError:
    pass
print(made.exports.sum(10_000), made.exports.fib(20))
"""
    )
    assert output == f"{summed(10_000)} 6765\n"


def test_short_programs_start_no_processes() -> None:
    output = run_script(
        f"engine = Engine(tier='auto', cache=False)\n"
        f"exports = Instance(Module({SUM!r}, engine=engine)).exports\n"
        "print(exports.sum(100000) == exports.sum(100000))\n"
        "from wasmine.api import tiering\nprint(tiering._pool.cache_info().currsize)"
    )
    assert output == "True\n0\n"


def test_types_that_are_called_often_get_thunks_from_workers() -> None:
    made(SUM)[0].fib(1)  # now the cache has what every program needs
    program = (
        "import sys, time\nfrom wasmine.api import tiering\nfrom wasmine.api.thunks import THUNKS\n"
        "text = '(module (func (export \"f\") (param f32 i64 f32 f32) (result i64) local.get 1))'\n"
        "f = Instance(Module(text, engine=Engine(tier='auto', cache=False))).exports.f\n"
        f"end = time.monotonic() + {PATIENCE}\n"
        "while not THUNKS.has(f.type) and time.monotonic() < end:\n"
        "    for i in range(5000): assert f(1.0, i, 2.0, 3.0) == i\n"
        "print(f(1.0, 7, 2.0, 3.0), THUNKS.has(f.type), 'llvmlite.binding' in sys.modules)\n"
        "print(tiering._pool.cache_info().currsize)"
    )
    assert run_script(program) == "7 True False\n1\n"
    # The next process finds them in the cache.
    assert run_script(program) == "7 True False\n0\n"


def test_a_loop_in_the_main_thread_does_not_keep_the_program_alive() -> None:
    started = time.monotonic()
    output = run_script(
        "import os, threading, time\nengine = Engine(tier='auto', cache=False)\n"
        f"exports = Instance(Module({SUM!r}, engine=engine)).exports\n"
        "threading.Thread(target=exports.sum, args=(1 << 62,), daemon=True).start()\n"
        "time.sleep(0.5)\nprint('end')"
    )
    assert output == "end\n"
    assert time.monotonic() - started < PATIENCE


def test_what_was_optimised_is_there_in_the_next_run(tmp_path: Path) -> None:
    exports, space = made(SUM, cache=tmp_path / "cache")
    os.chmod(tmp_path, 0o700)
    until(lambda: exports.sum(100_000) and is_optimised(space, 1))
    next(tiers for tiers in tiering._all if tiers._space() is space).keep()
    again, space = made(SUM, cache=tmp_path / "cache")
    assert is_optimised(space, 1)
    assert again.sum(1000) == exports.sum(1000) == summed(1000)


def test_a_child_process_asks_anew() -> None:
    run_script(
        "import os, sys\nengine = Engine(tier='auto', cache=False)\n"
        f"module = Module({SUM!r}, engine=engine)\nexports = Instance(module).exports\n"
        "expected = exports.sum(100_000_000)\n"
        "pid = os.fork()\n"
        "if not pid:\n    assert exports.sum(100_000_000) == expected\n"
        "    while True:\n        exports.fib(22)\n        space = module.artifact((), 'static').code\n"
        "        if not space.base <= space.entry(2) < space.end: sys.exit()\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    )


def test_the_handler_of_a_signal_ends_a_loop() -> None:
    output = run_script(
        "import signal\nengine = Engine(tier='auto', cache=False)\n"
        f"exports = Instance(Module({SUM!r}, engine=engine)).exports\n"
        "class Stop(Exception): pass\n"
        "def stop(*_): raise Stop\n"
        "signal.signal(signal.SIGALRM, stop)\n"
        "for delay in (0.001, 0.01, 0.05, 0.3, 1.0, 0.1):\n"
        "    signal.setitimer(signal.ITIMER_REAL, delay)\n"
        "    try: exports.sum(1 << 62)\n"
        "    except Stop: print('stopped')\n"
    )
    assert output == "stopped\n" * 6
    assert signal.getsignal(signal.SIGALRM) is not None


def test_what_is_lost_on_its_way_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    send = tiering.Tiers._send
    lost: list[object] = []

    def interrupted(self: tiering.Tiers, space: CodeSpace) -> None:
        if len(lost) < 2:
            lost.append(self._waiting.popleft())
            raise KeyboardInterrupt
        send(self, space)

    monkeypatch.setattr(tiering.Tiers, "_send", interrupted)
    exports, space = made(SUM)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            exports.sum(1 << 62)
    until(lambda: exports.fib(20) == 6765 and is_optimised(space, 2))


# --- at once -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("memory", ["static", "dynamic"])
def test_loops_and_calls_go_on_where_they_were(memory: str) -> None:
    text = """(module (memory 1)
      (func $clear (param $from i32) (param $to i32)
        (loop
          (i32.store8 (local.get $from) (i32.const 0))
          (br_if 0 (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 1)))
                             (local.get $to)))))
      (func (export "primes") (param $limit i32) (result i32) (local $i i32) (local $j i32)
        (call $clear (i32.const 0) (local.get $limit))
        (i32.const 0)
        (local.set $i (i32.const 2))
        (loop $next (param i32) (result i32)
          (if (param i32) (result i32) (i32.eqz (i32.load8_u (local.get $i)))
            (then
              (local.set $j (i32.add (local.get $i) (local.get $i)))
              (block $done
                (loop $strike
                  (br_if $done (i32.ge_u (local.get $j) (local.get $limit)))
                  (i32.store8 (local.get $j) (i32.const 1))
                  (local.set $j (i32.add (local.get $j) (local.get $i)))
                  (br $strike)))
              (i32.add (i32.const 1))))
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                                 (local.get $limit)))))) """
    exports, space = made(text, memory=memory)
    assert [exports.primes(1000) for _ in range(20)] == [168] * 20
    assert is_optimised(space, 0)
    assert is_optimised(space, 1)


@pytest.mark.usefixtures("at_once")
def test_traps_in_code_that_took_over_have_one_frame() -> None:
    text = """(module
      (func $caller (export "run") (param i32) (call $divide (local.get 0)))
      (func $divide (param $n i32) (local $sum i32)
        (loop
          (local.set $sum (i32.add (local.get $sum) (i32.div_s (i32.const 9) (local.get $n))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br 0))))"""
    exports, _ = made(text)
    for _ in range(10):
        with pytest.raises(Trap) as caught:
            exports.run(20)
        assert caught.value.code is TrapCode.INTEGER_DIVISION_BY_ZERO
        assert [frame.function_name for frame in caught.value.trace] == ["divide", "caller"]
        assert None not in [frame.function_offset for frame in caught.value.trace]


@pytest.mark.usefixtures("at_once")
def test_exceptions_pass_through_both_frames() -> None:
    text = """(module
      (tag $e (export "e") (param i32))
      (func $throwing (param $n i32) (local $k i32)
        (block $caught (result i32)
          (try_table (catch $e $caught)
            (loop
              (if (i32.eqz (local.get $n)) (then (throw $e (i32.const 5))))
              (local.set $n (i32.sub (local.get $n) (i32.const 1)))
              (br 0)))
          (unreachable))
        (local.set $k)
        (loop
          (if (i32.eqz (local.get $k)) (then (throw $e (i32.const 7))))
          (local.set $k (i32.sub (local.get $k) (i32.const 1)))
          (br 0)))
      (func (export "catch") (param $n i32) (result i32) (local $kept i32)
        (local.set $kept (i32.const 100))
        (block $caught (result i32)
          (try_table (catch $e $caught) (call $throwing (local.get $n)))
          (i32.const 0))
        (i32.add (local.get $kept)))
      (func (export "throw") (param i32) (call $throwing (local.get 0))))"""
    exports, _ = made(text)
    for _ in range(10):
        assert exports.catch(12) == 107
        with pytest.raises(WasmException):
            exports.throw(12)


@pytest.mark.usefixtures("at_once")
def test_host_functions_and_recursion_in_code_that_took_over() -> None:
    text = """(module
      (func $host (import "host" "f") (param i32) (result i32))
      (func $f (export "f") (param $depth i32) (result i32) (local $i i32) (local $sum i32)
        (local.set $i (i32.const 6))
        (loop
          (local.set $sum (i32.add (local.get $sum) (call $host (local.get $i))))
          (if (i32.gt_s (local.get $depth) (i32.const 0))
            (then (local.set $sum
              (i32.add (local.get $sum) (call $f (i32.sub (local.get $depth) (i32.const 1)))))))
          (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (local.get $sum)))"""
    exports, _ = made(text, {"host": {"f": lambda value: value * 2}})
    assert exports.f(3) == 42 * (1 + 6 + 36 + 216)


def test_the_option() -> None:
    assert Engine().tier == "auto"
    assert "tier" not in repr(Engine())
    engine = Engine(tier="baseline", cache=False)
    assert "tier='baseline'" in repr(engine)
    module = pickle.loads(pickle.dumps(Module(SUM, engine=engine)))
    assert module.engine.tier == "baseline"
    with pytest.raises(ValueError, match="tier is one of"):
        Engine(tier="fast")  # type: ignore[arg-type]
