"""Signals that Python handles, while the main thread runs WebAssembly code."""

from __future__ import annotations

import pytest

from tests.tiers import default_tier

from .harness import run_script

SETUP = """
import faulthandler, os, signal, threading, time
e = instance('''(module
  (memory (export "memory") 1)
  (func (export "spin") (loop (br 0)))
  (func (export "sum") (param i64) (result i64) (local i64)
    (loop
      (local.set 1 (i64.add (local.get 1) (i64.mul (local.get 0) (i64.const 7))))
      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
      (br_if 0 (i64.ne (i64.const 0) (local.get 0))))
    (local.get 1))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))''').exports
def later(seconds, number=signal.SIGINT):
    def send():
        time.sleep(seconds)
        os.kill(os.getpid(), number)
    threading.Thread(target=send).start()
class Timeout(Exception):
    pass
def give_up(*_):
    raise Timeout("enough")
N = 30_000_000
"""

SCRIPTS = {
    "Ctrl-C ends an endless loop": """
later(0.2)
try:
    e.spin()
except KeyboardInterrupt as interrupt:
    assert interrupt.__context__ is None
else:
    raise AssertionError
assert e.deep(10) == 10
""",
    "loops that are in the runtime nearly all the time": """
e = instance('''(module
  (type $node (struct (field (ref null $node))))
  (type $bytes (array (mut i8)))
  (memory 200)
  (func (export "collect") (local $list (ref null $node)) (local $i i32)
    (loop
      (local.set $list (struct.new $node (local.get $list)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.eqz (i32.and (local.get $i) (i32.const 0x3fffff)))
        (then (local.set $list (ref.null $node))))
      (br 0)))
  (func (export "zero") (loop (drop (array.new_default $bytes (i32.const 10000000))) (br 0)))
  (func (export "fill") (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 13000000)) (br 0)))
  (func (export "copy") (loop (memory.copy (i32.const 0) (i32.const 9) (i32.const 13000000)) (br 0)))
  )''').exports
signal.signal(signal.SIGALRM, give_up)
for loop in e.collect, e.zero, e.fill, e.copy:
    for n in range(5):
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.05 + n * 0.003, 1)
        try:
            loop()
        except Timeout:
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert time.monotonic() - start < 0.8, loop
""",
    "an alarm with a handler that was set after the instance was made": """
for _ in range(20):
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        e.spin()
    except Timeout as timeout:
        assert timeout.args == ("enough",)
    else:
        raise AssertionError
assert signal.getsignal(signal.SIGALRM) is give_up
""",
    "a handler that returns changes nothing": """
count = 0
def tick(*_):
    global count
    count += 1
expected = e.sum(N)
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(10):
    assert e.sum(N) == expected
signal.setitimer(signal.ITIMER_REAL, 0)
assert count > 20, count
""",
    "a handler that calls, recurses and traps in the same store": """
def tick(*_):
    assert e.deep(100) == 100
    assert trap(e.load, -1) == "HEAP_ACCESS_OUT_OF_BOUNDS"
    assert trap(e.deep, 10**9) == "STACK_OVERFLOW"
expected = e.sum(N)
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.03)
for _ in range(10):
    assert e.sum(N) == expected
signal.setitimer(signal.ITIMER_REAL, 0)
assert e.deep(20000) == 20000
""",
    "signals that interrupt each other's handlers": """
inside = deepest = 0
def tick(*_):
    global inside, deepest
    inside += 1
    deepest = max(deepest, inside)
    # Each but the last goes on until another one has interrupted it.
    while inside == deepest < 5:
        e.sum(N // 30)
    inside -= 1
expected = e.sum(N)
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.002)
for _ in range(3):
    assert e.sum(N) == expected
signal.setitimer(signal.ITIMER_REAL, 0)
assert deepest == 5, deepest
""",
    "through a host function, from the inner call": """
outer = instance('''(module (import "h" "f" (func $f)) (func (export "run") (call $f) (unreachable)))''',
                 {"h": {"f": lambda: e.spin()}}).exports
later(0.2)
try:
    outer.run()
except KeyboardInterrupt:
    pass
else:
    raise AssertionError
assert trap(e.load, -1) == "HEAP_ACCESS_OUT_OF_BOUNDS"
""",
    "while another thread runs WebAssembly code": """
results = []
thread = threading.Thread(target=lambda: results.append(e.sum(40 * N)))
thread.start()
try:
    later(0.02)
    while thread.is_alive():
        time.sleep(0.01)
except KeyboardInterrupt:
    thread.join()
    assert len(results) == 1 and results[0] == e.sum(40 * N)
else:
    raise AssertionError("the thread ended too early")
""",
    "with an alternate stack of faulthandler's in between": """
faulthandler.enable()
later(0.2)
try:
    e.spin()
except KeyboardInterrupt:
    pass
else:
    raise AssertionError
""",
    "an ignored signal is ignored": """
signal.signal(signal.SIGINT, signal.SIG_IGN)
later(0.05)
assert e.sum(20 * N)
""",
    "the default action is the default action": """
signal.signal(signal.SIGTERM, give_up)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
later(0.05, signal.SIGTERM)
e.spin()
""",
    "asyncio's own handler": """
import asyncio
async def main():
    later(0.1)
    await asyncio.sleep(0)
    e.sum(10 * N)
    await asyncio.sleep(10)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
else:
    raise AssertionError
""",
    "what travels through the store is there when the code goes on": """
types = ["i64", "f64"] * 12
params = "".join(f"(local.get {i})" for i in range(24))
many = instance(f'''(module
  (func $next (param {' '.join(types)}) (result {' '.join(types)})
    (i64.add (local.get 0) (i64.const 1))
    {"".join(f"(local.get {i})" for i in range(1, 24))})
  (func (export "run") (param i64 {' '.join(types)}) (result {' '.join(types)})
    {"".join(f"(local.get {i})" for i in range(1, 25))}
    (loop (param {' '.join(types)}) (result {' '.join(types)})
      (call $next)
      (br_if 0 (i64.ne (i64.const 0) (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))))''').exports
def tick(*_):
    global count
    count += 1
    many.run(1, *[-1] * 24)
count = 0
values = (0, 1.5, *range(2, 24))
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
while count < 1000:
    assert many.run(100_000, *values) == (100_000, *values[1:])
signal.setitimer(signal.ITIMER_REAL, 0)
""",
}
STATUS = {"the default action is the default action": -15}


@pytest.mark.parametrize(
    ("flags", "tier"),
    [((), "auto"), ((), "optimized"), (("-Xdev",), "baseline")],
    ids=["auto", "optimized", "baseline, dev"],
)
@pytest.mark.parametrize("name", SCRIPTS)
def test_signals(name: str, flags: tuple[str, ...], tier: str) -> None:
    with default_tier(tier):
        run_script(SETUP + SCRIPTS[name], *flags, status=STATUS.get(name, 0))


def test_signal_masks_and_handlers_are_as_before() -> None:
    """Also after the code was left from within a handler."""
    run_script(
        SETUP
        + """
before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, give_up)
    later(0.05, number)
    try:
        e.spin()
    except Timeout:
        pass
    else:
        raise AssertionError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert signal.getsignal(number) is give_up
"""
    )
