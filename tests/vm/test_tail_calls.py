"""Tail calls: constant stack over millions of calls, whatever is called and however."""

from __future__ import annotations

import pytest

from tests.harness import instance
from wasmine import Limits, Store, Table, TableType, Trap, TrapCode
from wasmine.types import FUNCREF

from .harness import run_script, trap_of

pytestmark = pytest.mark.usefixtures("every_tier")

N = 10_000_000

SUMS = """(module
  (type $sum (func (param i64 i64) (result i64)))
  (table funcref (elem $indirect))
  (elem declare func $by_reference)
  (func $direct (export "direct") (type $sum)
    (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call $direct (i64.sub (local.get 0) (i64.const 1))
      (i64.add (local.get 0) (local.get 1))))
  (func $indirect (export "indirect") (type $sum)
    (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call_indirect (type $sum) (i64.sub (local.get 0) (i64.const 1))
      (i64.add (local.get 0) (local.get 1)) (i32.const 0)))
  (func $by_reference (export "reference") (type $sum)
    (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call_ref $sum (i64.sub (local.get 0) (i64.const 1))
      (i64.add (local.get 0) (local.get 1)) (ref.func $by_reference))))"""


@pytest.mark.parametrize("name", ["direct", "indirect", "reference"])
def test_ten_million_calls(name: str) -> None:
    assert instance(SUMS).exports[name](N, 0) == N * (N + 1) // 2


# One function with few parameters and one with many of all types, each with more results than there
# are registers; they call each other through a table that two instances share.
TYPES = ("i32", "i64", "f32", "f64")
PARAMS = tuple(TYPES[i % 4] for i in range(50))
RESULTS = tuple(TYPES[i % 4] for i in range(13))
MUTUAL = f"""(module
  (type $few (func (param i64 i64) (result {" ".join(RESULTS)})))
  (type $many (func (param i64 i64 {" ".join(PARAMS)}) (result {" ".join(RESULTS)})))
  (import "m" "t" (table $t 4 funcref))
  (global $other (import "m" "other") i32)
  (func (export "few") (type $few)
    (return_call_indirect $t (type $many) (local.get 0) (local.get 1)
      {"".join(f"({t}.const {i})" for i, t in enumerate(PARAMS))} (i32.add (global.get $other) (i32.const 1))))
  (func $many (export "many") (type $many)
    (local.set 1 (i64.add (local.get 1) (i64.add (local.get 51) (i64.extend_i32_s
      (i32.trunc_f64_s (f64.add (local.get 49) (f64.add (f64.promote_f32 (local.get 48)) (f64.convert_i32_s (local.get 50)))))))))
    (if (i64.eqz (local.get 0)) (then
      {"".join(f"({t}.const {100 + i})" if t != "i64" else f"(i64.add (local.get 1) (i64.const {i}))" for i, t in enumerate(RESULTS))}
      return))
    (return_call_indirect $t (type $few) (i64.sub (local.get 0) (i64.const 1)) (local.get 1)
      (global.get $other))))"""


def test_two_instances_and_very_different_signatures() -> None:
    store = Store()
    table = Table(TableType(FUNCREF, Limits(4)), store=store)
    first, second = (
        instance(MUTUAL, {"m": {"t": table, "other": other}}, store=store) for other in (2, 0)
    )
    for index, value in enumerate((first, second)):
        table[2 * index] = value.exports.few
        table[2 * index + 1] = value.exports.many
    count = 1_000_000
    total = (count + 1) * (49 + 47 + 46 + 48)
    expected = tuple(total + i if t == "i64" else 100 + i for i, t in enumerate(RESULTS))
    assert first.exports.few(count, 0) == expected
    assert first.exports.few.call_raw(0, 0)[1] == 190 + 1


def test_an_imported_host_function() -> None:
    seen = []

    def host(*values: float) -> tuple[float, ...]:
        seen.append(values)
        return tuple(range(7))

    exports = instance(
        """(module
        (import "m" "f" (func $f (param i64 f64 i64 i64 i64 i64 i64 i64) (result i64 i64 f64 i64 i64 f64 f64)))
        (import "m" "g" (func $g (param i32) (result i32)))
        (func (export "f") (result i64 i64 f64 i64 i64 f64 f64)
          (return_call $f (i64.const 1) (f64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
            (i64.const 6) (i64.const 7) (i64.const 8)))
        (func (export "g") (param i32) (result i32) (return_call $g (local.get 0))))""",
        {"m": {"f": host, "g": lambda value: value * 2}},
    ).exports
    assert exports.f() == (0, 1, 2.0, 3, 4, 5.0, 6.0)
    assert seen == [(1, 2.0, 3, 4, 5, 6, 7, 8)]
    assert exports.g(21) == 42


def test_traps_are_seen_where_they_happen() -> None:
    exports = instance(
        """(module
        (type $f (func (param i64)))
        (func $down (param i64)
          (if (i64.eqz (local.get 0)) (then (unreachable)))
          (return_call $down (i64.sub (local.get 0) (i64.const 1))))
        (func $frame (param i64 i64 i64 i64 i64 i64 i64 i64) (call $down (local.get 7)))
        (func $shrink (param i64) (return_call $frame (i64.const 1) (i64.const 2) (i64.const 3)
          (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (local.get 0)))
        (func $outer (export "outer") (param i64) (call $shrink (local.get 0)))
        (func $null (export "null") (return_call_ref $f (i64.const 1) (ref.null $f)))
        (func $call_null (export "call_null") (call_ref $f (i64.const 1) (ref.null $f))))"""
    ).exports
    with pytest.raises(Trap) as caught:
        exports.outer(1000)
    assert caught.value.code is TrapCode.UNREACHABLE_CODE_REACHED
    assert [frame.function_name for frame in caught.value.trace] == ["down", "frame", "outer"]
    assert trap_of(exports.null) is TrapCode.NULL_FUNCTION
    assert trap_of(exports.call_null) is TrapCode.NULL_FUNCTION


def test_an_endless_loop_of_tail_calls_can_be_stopped() -> None:
    run_script("""
import os, signal, threading, time
e = instance('''(module
  (func $ping (export "ping") (return_call $pong (i32.const 1)))
  (func $pong (param i32) (return_call $ping)))''').exports
def send():
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=send).start()
try:
    e.ping()
except KeyboardInterrupt:
    pass
else:
    raise AssertionError
""")


REFERENCES = """(module
  (type $f (func (result i32)))
  (table $t 2 (ref null $f))
  (table $u 3 (ref null $f) (ref.func $one))
  (elem (table $t) (i32.const 0) (ref null $f) (ref.func $one) (ref.null $f))
  (func $one (type $f) (i32.const 1))
  (func $pick (param i32) (result (ref null $f))
    (if (result (ref null $f)) (local.get 0) (then (ref.func $one)) (else (ref.null $f))))
  (func (export "as_non_null") (param i32) (result i32)
    (call_ref $f (ref.as_non_null (call $pick (local.get 0)))))
  (func (export "on_null") (param i32) (result i32)
    (block $null (return (call_ref $f (br_on_null $null (call $pick (local.get 0))))))
    (i32.const 7))
  (func (export "on_non_null") (param i32) (result i32)
    (block $some (result (ref $f))
      (br_on_non_null $some (call $pick (local.get 0)))
      (return (i32.const 7)))
    (call_ref $f))
  (func (export "table") (param i32) (result i32) (call_indirect $t (type $f) (local.get 0)))
  (func (export "filled") (param i32) (result i32) (call_ref $f (table.get $u (local.get 0)))))"""


def test_typed_references() -> None:
    exports = instance(REFERENCES).exports
    assert exports.as_non_null(1) == exports.on_null(1) == exports.on_non_null(1) == 1
    assert exports.on_null(0) == exports.on_non_null(0) == 7
    assert trap_of(exports.as_non_null, 0) is TrapCode.NULL_REFERENCE
    assert exports.table(0) == exports.filled(2) == 1
    assert trap_of(exports.table, 1) is TrapCode.INDIRECT_CALL_TO_NULL
