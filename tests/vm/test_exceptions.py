"""Exceptions inside WebAssembly code: what is caught where, and in which state code goes on."""

from __future__ import annotations

import threading

import pytest

from tests.harness import assemble, instance
from wasmine import Engine, FunctionType, Instance, Module, Store, Tag, TrapCode, WasmException
from wasmine.types import I32, I64

from .harness import resident_bytes, run_script, trap_of

pytestmark = pytest.mark.usefixtures("every_tier")

OPT_LEVELS = ("none", "light", "O2")

CATCHING = """(module
  (tag $a (param i32))
  (tag $b (param i64 f64))
  (tag $c)
  (func $throw (param i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $a (i32.const 10))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $b (i64.const 20) (f64.const 0.5))))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $c)))
    (if (i32.eq (local.get 0) (i32.const 4)) (then (unreachable))))
  (func (export "catch") (param i32) (result i32) (local $f f64)
    (block $a (result i32)
      (block $b (result i64 f64)
        (block $all
          (try_table (catch $a $a) (catch $b $b) (catch_all $all)
            (call $throw (local.get 0)))
          (return (i32.const 0)))
        (return (i32.const 3)))
      (local.set $f)
      (return (i32.add (i32.wrap_i64) (i32.trunc_f64_s (f64.mul (local.get $f) (f64.const 10))))))
    (i32.add (i32.const 100)))
  (func (export "first clause wins") (param i32) (result i32)
    (block $one (block $two
      (try_table (catch_all $one) (catch_all $two) (call $throw (local.get 0)))
      (return (i32.const 0)))
      (return (i32.const 2)))
    (i32.const 1))
  (func (export "nested") (param i32) (result i32)
    (block $c (block $a (result i32)
      (try_table (catch $a $a) (catch $c $c)
        (block $b (result i64 f64)
          (try_table (catch $b $b) (call $throw (local.get 0)))
          (return (i32.const 0)))
        (drop) (drop) (throw $c))
      (return (i32.const 0)))
      (return))
    (i32.const 3))
  (func (export "again") (param i32) (result i32)
    (block $a (result i32 exnref)
      (try_table (catch_ref $a $a)
        (block $all (result exnref)
          (try_table (catch_all_ref $all) (call $throw (local.get 0)))
          (return (i32.const 0)))
        (throw_ref))
      (unreachable))
    (drop))
  (func (export "within") (param i32) (result i32)
    (block $a (result i32)
      (block $all
        (try_table (catch $a $a) (catch_all $all)
          (if (i32.eqz (local.get 0)) (then (throw $c)))
          (throw $a (local.get 0)))
        (unreachable))
      (return (i32.const -1)))
    (i32.add (i32.const 1000)))
  (func (export "by reference, within") (param i32) (result i32)
    (block $a (result i32 exnref)
      (try_table (catch_ref $a $a)
        (block $b (result exnref)
          (try_table (catch_all_ref $b) (throw $a (local.get 0)))
          (unreachable))
        (throw_ref))
      (unreachable))
    (drop))
  (func (export "loop") (param i32) (result i32) (local i32)
    (loop $again
      (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (try_table (catch $c $again) (call $throw (i32.const 3))))
    (unreachable))
  (func (export "null") (throw_ref (ref.null exn)))
  (func (export "null in a try")
    (block $all (try_table (catch_all $all) (throw_ref (ref.null exn))))))"""


@pytest.mark.parametrize("level", OPT_LEVELS)
def test_catching(level: str) -> None:
    exports = instance(CATCHING, engine=Engine(opt_level=level, tier="optimized")).exports
    assert [exports.catch(i) for i in range(4)] == [0, 110, 25, 3]
    assert [exports["first clause wins"](i) for i in range(4)] == [0, 1, 1, 1]
    assert [exports.nested(i) for i in range(4)] == [0, 10, 3, 3]
    assert [exports.again(i) for i in range(2)] == [0, 10]
    with pytest.raises(WasmException) as caught:
        exports.again(2)
    assert caught.value.payload == (20, 0.5)
    assert [exports.within(i) for i in range(3)] == [-1, 1001, 1002]
    assert exports["by reference, within"](7) == 7
    assert exports.loop(1000) == 3000
    for name in ("catch", "first clause wins", "nested", "again"):
        assert trap_of(exports[name], 4) is TrapCode.UNREACHABLE_CODE_REACHED
    for name in ("null", "null in a try"):
        assert trap_of(exports[name]) is TrapCode.NULL_EXCEPTION


def busy(count: int) -> tuple[str, str, str]:
    """WebAssembly that keeps `count` integers and as many floats alive across what is put in
    between; the result is a sum in which each has a place of its own."""
    names = [(f"$i{i}", f"$f{i}") for i in range(count)]
    declare = "".join(f"(local {i} i64) (local {f} f64)" for i, f in names)
    before = "".join(
        f"(local.set {i} (i64.mul (local.get 0) (i64.const {3 + number})))"
        f"(local.set {f} (f64.mul (f64.convert_i64_s (local.get 0)) (f64.const {0.5 + number})))"
        for number, (i, f) in enumerate(names)
    )
    total = "(i64.const 0)"
    for number, (i, f) in enumerate(names):
        part = f"(i64.add (local.get {i}) (i64.trunc_f64_s (local.get {f})))"
        total = f"(i64.add {total} (i64.mul {part} (i64.const {number + 1})))"
    return declare, before, total


def busy_total(value: int, count: int) -> int:
    """That sum."""
    return sum((value * (3 + i) + int(value * (0.5 + i))) * (i + 1) for i in range(count))


@pytest.mark.parametrize("level", OPT_LEVELS)
@pytest.mark.parametrize("count", [1, 3, 6, 8, 20])
def test_registers_are_as_they_were(level: str, count: int) -> None:
    """The frames that an exception leaves have used all registers for something else."""
    declare, before, total = busy(count)
    inner_declare, inner_before, inner_total = busy(8)
    text = f"""(module
      (tag $t (param i64))
      (global $sink (mut i64) (i64.const 0))
      (func $deep (param i64 i64) (result i64) {inner_declare} {inner_before}
        (if (i64.eqz (local.get 1)) (then (throw $t (local.get 0))))
        (drop (call $deep (i64.add (local.get 0) (i64.const 1)) (i64.sub (local.get 1) (i64.const 1))))
        (global.set $sink {inner_total})
        (global.get $sink))
      (func $middle (param i64 i64) (result i64) {inner_declare} {inner_before}
        (i64.add (call $deep (local.get 0) (local.get 1)) {inner_total}))
      (func (export "run") (param i64 i64) (result i64 i64) (local $caught i64) {declare}
        {before}
        (block $out (result i64)
          (try_table (catch $t $out)
            (drop (call $middle (local.get 0) (local.get 1))))
          (unreachable))
        (local.set $caught)
        (local.get $caught) {total}))"""
    exports = instance(text, engine=Engine(opt_level=level, tier="optimized")).exports
    for depth in (0, 1, 5):
        assert exports.run(8, depth) == (8 + depth, busy_total(8, count))


def test_a_function_that_is_not_optimised() -> None:
    """More locals than LLVM is asked to look at; each function calls and catches."""
    many = "(local" + " i64" * 1200 + ")"
    exports = instance(
        f"""(module (tag $t (param i64))
        (func $throw (param i64) {many} (local.set 1100 (local.get 0)) (throw $t (local.get 1100)))
        (func (export "run") (param i64) (result i64) {many}
          (local.set 1200 (i64.mul (local.get 0) (i64.const 100)))
          (block $out (result i64)
            (try_table (catch $t $out) (call $throw (local.get 0)))
            (unreachable))
          (i64.add (local.get 1200))))"""
    ).exports
    assert exports.run(7) == 707


def test_what_a_tail_call_throws_is_not_caught_by_the_function_that_is_gone() -> None:
    exports = instance(
        """(module (tag $t)
        (func $throw (throw $t))
        (func $gone (block $h (try_table (catch_all $h) (return_call $throw))) )
        (func (export "run") (result i32)
          (block $h (try_table (catch $t $h) (call $gone)) (return (i32.const 1)))
          (i32.const 2)))"""
    ).exports
    assert exports.run() == 2


def test_through_functions_that_replaced_others() -> None:
    """With many more and with fewer parameters than those that were called."""
    many = " ".join(["i64 f64"] * 12)
    values = " ".join(["(local.get 0) (f64.const 1)"] * 12)
    exports = instance(
        f"""(module (tag $t (param i64))
        (type $many (func (param {many}) (result i64 f64 i64 f64 i64 f64 i64 f64)))
        (func $throw (param i64) (result i64 f64 i64 f64 i64 f64 i64 f64) (throw $t (local.get 0)))
        (func $many (type $many) (return_call $throw (local.get 22)))
        (func $few (param i64) (result i64 f64 i64 f64 i64 f64 i64 f64) (return_call $many {values}))
        (func $call (param i64) (result i64) (call $few (local.get 0))
          (drop) (drop) (drop) (drop) (drop) (drop) (drop))
        (func (export "run") (param i64) (result i64) (local i64)
          (local.set 1 (i64.const 1000))
          (block $h (result i64)
            (try_table (catch $t $h) (drop (call $call (local.get 0))))
            (unreachable))
          (i64.add (local.get 1))))"""
    ).exports
    assert exports.run(5) == 1005


DEEP = """(module
  (tag $t (export "t") (param i32))
  (func $deep (export "deep") (param i32)
    (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 5))))
    (call $deep (i32.sub (local.get 0) (i32.const 1))))
  (func $forever (call $forever) (call $forever))
  (func (export "catch") (param i32) (result i32)
    (block $h (result i32) (try_table (catch $t $h) (call $deep (local.get 0))) (i32.const 0)))
  (func (export "catch_all") (param i32) (result i32)
    (block $h (try_table (catch_all $h) (call $deep (local.get 0))) (return (i32.const 0)))
    (i32.const 1))
  (func (export "overflow")
    (block $h (try_table (catch_all $h) (call $forever)))))"""


def test_deep_recursion() -> None:
    exports = instance(DEEP).exports
    results = []

    def run() -> None:
        results.append(exports.catch(100_000))

    old = threading.stack_size(64 << 20)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert results == [5]
    assert exports.catch(1000) == 5


def test_stack_overflow_is_a_trap() -> None:
    exports = instance(DEEP).exports
    for _ in range(3):
        assert trap_of(exports.overflow) is TrapCode.STACK_OVERFLOW
        assert exports.catch_all(10) == 1


def test_from_instance_to_instance() -> None:
    """Also through one whose module knows no exceptions."""
    store = Store()
    first = instance(DEEP, store=store).exports
    between = instance(
        """(module (import "m" "deep" (func $f (param i32)))
        (func (export "deep") (param i32) (call $f (local.get 0)) (call $f (local.get 0))))""",
        {"m": first},
    ).exports
    last = instance(
        """(module (import "m" "deep" (func $f (param i32))) (import "m" "t" (tag $t (param i32)))
        (tag $own (param i32))
        (func (export "run") (param i32) (result i32)
          (block $own (result i32) (block $h (result i32)
            (try_table (catch $own $own) (catch $t $h) (call $f (local.get 0)))
            (return (i32.const 0)))
            (return))
          (unreachable)))""",
        {"m": {"deep": between.deep, "t": first.t}},
    ).exports
    assert last.run(3) == 5
    with pytest.raises(WasmException) as caught:
        between.deep(3)
    assert caught.value.tag is first.t


def test_two_imports_may_be_one_tag() -> None:
    text = """(module
      (import "m" "a" (tag $a (param i32))) (import "m" "b" (tag $b (param i32)))
      (func (export "run") (result i32)
        (block $b (result i32)
          (try_table (catch $b $b) (throw $a (i32.const 4)))
          (unreachable))))"""
    store = Store()
    one, other = (Tag(FunctionType([I32]), store=store) for _ in range(2))
    assert instance(text, {"m": {"a": one, "b": one}}).exports.run() == 4
    with pytest.raises(WasmException) as caught:
        instance(text, {"m": {"a": one, "b": other}}).exports.run()
    assert (caught.value.tag, caught.value.payload) == (one, (4,))


def test_host_functions_throw() -> None:
    tag = Tag(FunctionType([I32, I64]))

    def host(value: int) -> int:
        if value == 1:
            raise WasmException(tag, 1, 2)
        if value == 2:
            raise KeyError(value)
        return value

    exports = instance(
        """(module
        (import "m" "f" (func $f (param i32) (result i32)))
        (import "m" "t" (tag $t (param i32 i64)))
        (func $last (param i32) (result i32) (return_call $f (local.get 0)))
        (func $call (param i32) (result i32) (i32.add (i32.const 0) (call $f (local.get 0))))
        (func (export "run") (param i32 i32) (result i32) (local i64 i64 i64 i64 i64 i64)
          (local.set 7 (i64.extend_i32_s (local.get 0)))
          (block $h (result i32 i64)
            (try_table (catch $t $h)
              (return (if (result i32) (local.get 1)
                (then (call $last (local.get 0))) (else (call $call (local.get 0))))))
            (unreachable))
          (drop) (i32.add (i32.const 50)) (i32.add (i32.wrap_i64 (local.get 7)))))""",
        {"m": {"f": host, "t": tag}},
    ).exports
    for how in (0, 1):
        for _ in range(100):
            assert exports.run(3, how) == 3
            assert exports.run(1, how) == 52
        with pytest.raises(KeyError):
            exports.run(2, how)


def test_exceptions_are_collected() -> None:
    """Of 48 million bytes, only a part is there at a time."""
    exports = instance(
        """(module (tag $t (param i64 exnref))
        (func $throw (param exnref) (throw $t (i64.const 1) (local.get 0)))
        (func (export "run") (param i32) (result i64) (local $e exnref) (local $n i64)
          (loop $again
            (block $h (result i64 exnref exnref)
              (try_table (catch_ref $t $h) (call $throw (ref.null exn)))
              (unreachable))
            (local.set $e) (drop)
            (local.set $n (i64.add (local.get $n)))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
          (local.get $n)))"""
    ).exports
    exports.run(100_000)
    before = resident_bytes()
    assert exports.run(1_500_000) == 1_500_000
    assert resident_bytes() - before < 32 << 20


def test_threads() -> None:
    """Each in a store of its own; the frames of the module are decoded while others need them."""
    compiled = Module(assemble(DEEP))
    results = []

    def run() -> None:
        exports = Instance(compiled).exports
        results.append([exports.catch(20) for _ in range(2000)] == [5] * 2000)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_serialised_modules() -> None:
    again = Module.deserialize(Module(assemble(DEEP)).serialize())
    assert Instance(again).exports.catch(10) == 5


INTERRUPTS = """
import signal, threading, time
e = instance('''(module
  (tag $t)
  (func $spin (loop (br 0)))
  (func $throw (throw $t))
  (func (export "spin") (result i32)
    (block $h (try_table (catch_all $h) (call $spin))) (i32.const 1))
  (func (export "throw") (result i32) (loop
    (block $h (try_table (catch_all $h) (call $throw))) (br 0)) (i32.const 1)))''').exports
class Timeout(Exception):
    pass
def give_up(*_):
    signal.setitimer(signal.ITIMER_REAL, 0)
    raise Timeout
signal.signal(signal.SIGALRM, give_up)
for name in ("spin", "throw") * 20:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        e[name]()
    except Timeout:
        pass
    else:
        raise AssertionError
"""


def test_a_signal_ends_the_call_and_is_no_exception() -> None:
    run_script(INTERRUPTS)


HANDLERS = """
import signal
text = '''(module
  (tag $t (param i64 i64))
  (func $deep (param i64 i64)
    (if (i64.eqz (local.get 0)) (then (throw $t (local.get 1) (i64.const 1))))
    (call $deep (i64.sub (local.get 0) (i64.const 1)) (local.get 1)))
  (func (export "run") (param i64 i64) (result i64) (local $sum i64)
    (loop $again
      (block $h (result i64 i64 exnref)
        (try_table (catch_ref $t $h)
          (call $deep (i64.and (local.get 0) (i64.const 7)) (local.get 1)))
        (unreachable))
      (drop)
      (local.set $sum (i64.add (local.get $sum) (i64.add)))
      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
      (br_if $again (i64.ne (i64.const 0) (local.get 0))))
    (local.get $sum)))'''
e = instance(text).exports
count = 0
def tick(*_):
    global count
    count += 1
    assert e.run(20, 5) == 120
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while count < 300:
    assert e.run(20_000, 3) == 80_000
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_handlers_of_signals_may_throw_and_catch() -> None:
    """At whatever instruction they interrupt code that does the same, in the same store."""
    run_script(HANDLERS)


def test_what_is_carried_and_what_stays() -> None:
    """Values of every type arrive; locals and operands that were in registers are as they were."""
    exports = instance("""(module
      (tag $t (param i32 i64 f32 f64 v128 externref))
      (func $throw (param i32 externref)
        (if (i32.eqz (local.get 0))
          (then (throw $t (i32.const -7) (i64.const -8) (f32.const 1.5) (f64.const -2.25)
            (i64x2.splat (i64.const 9)) (local.get 1))))
        (call $throw (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
      (func (export "run") (param $n i32) (param $r externref)
        (result i32 i64 f32 f64 i64 externref i64 f64 i64 i32)
        (local $a i64) (local $x f64) (local $v v128)
        (local $i i32) (local $l i64) (local $f f32) (local $d f64) (local $w v128) (local $e externref)
        (i32.add (local.get $n) (i32.const 100))
        (loop $again
          (local.set $a (i64.add (local.get $a) (i64.const 3)))
          (local.set $x (f64.add (local.get $x) (f64.const 0.5)))
          (local.set $v (i64x2.add (local.get $v) (i64x2.splat (local.get $a))))
          (block $h (result i32 i64 f32 f64 v128 externref)
            (try_table (catch $t $h) (call $throw (local.get $n) (local.get $r)))
            (unreachable))
          (local.set $e) (local.set $w) (local.set $d) (local.set $f) (local.set $l) (local.set $i)
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.set $n)
        (local.get $i) (local.get $l) (local.get $f) (local.get $d)
        (i64x2.extract_lane 1 (local.get $w)) (local.get $e)
        (local.get $a) (local.get $x) (i64x2.extract_lane 1 (local.get $v)) (local.get $n)))""").exports
    what = object()
    assert exports.run(4, what) == (-7, -8, 1.5, -2.25, 9, what, 12, 2.0, 30, 104)
