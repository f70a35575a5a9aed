"""The script runner: what passes, and above all what does not. A test suite is worth what it notices."""

from __future__ import annotations

import threading

import pytest

from wasmine import Engine, Function, Store
from wasmine.errors import MalformedText
from wasmine.script import Outcome, Report, run_script
from wasmine.types import FunctionType

MODULE = r"""
(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "two") (result i32 i64) (i32.const 1) (i64.const -2))
  (func (export "none"))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func (export "func") (param $null i32) (result funcref)
    (if (result funcref) (local.get $null) (then (ref.null func)) (else (ref.func 0))))
  (func (export "div") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "unreachable") (unreachable))
  (func $deep (export "deep") (call $deep))
  (table funcref (elem 0))
  (func (export "indirect") (param i32) (call_indirect (local.get 0)))
  (global (export "g") i32 (i32.const 7))
  (global (export "nan") f32 (f32.const nan:0x200001)))
"""


def problems(script: str) -> list[str]:
    """What went wrong in a script that begins with the module above."""
    outcomes = run_script(MODULE + script).outcomes
    assert outcomes[0].passed
    return [outcome.problem or "" for outcome in outcomes[1:]]


def passes(script: str) -> bool:
    """Whether the one command passes."""
    (problem,) = problems(script)
    return not problem


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('(assert_return (invoke "one") (i32.const 1))', True),
        ('(assert_return (invoke "one") (i32.const 2))', False),
        ('(assert_return (invoke "one") (i64.const 1))', False),
        ('(assert_return (invoke "one"))', False),
        ('(assert_return (invoke "one") (i32.const 1) (i32.const 1))', False),
        ('(assert_return (invoke "two") (i32.const 1) (i64.const -2))', True),
        ('(assert_return (invoke "two") (i64.const -2) (i32.const 1))', False),
        ('(assert_return (invoke "none"))', True),
        ('(assert_return (invoke "none") (i32.const 0))', False),
        ('(assert_return (invoke "unreachable"))', False),
        ('(assert_return (invoke "absent"))', False),
        ('(assert_return (invoke "g") (i32.const 7))', False),
        ('(assert_return (get "g") (i32.const 7))', True),
        ('(assert_return (get "g") (i32.const 8))', False),
        ('(assert_return (get "nan") (f32.const nan:0x200001))', True),
        ('(assert_return (get "nan") (f32.const nan:0x200002))', False),
        ('(assert_return (get "one") (i32.const 1))', False),
        ('(assert_return (invoke "one") (either (i32.const 3) (i32.const 1)))', True),
        ('(assert_return (invoke "one") (either (i32.const 3) (i32.const 2)))', False),
        ('(invoke "one")', True),
        ('(invoke "unreachable")', False),
    ],
)
def test_results(script: str, expected: bool) -> None:
    assert passes(script) is expected


@pytest.mark.parametrize(
    ("type_", "given", "pattern", "expected"),
    [
        ("f32", "-0", "-0", True),
        ("f32", "-0", "0", False),
        ("f32", "nan", "nan:canonical", True),
        ("f32", "-nan", "nan:canonical", True),
        ("f32", "nan:0x400001", "nan:canonical", False),
        ("f32", "nan:0x400001", "nan:arithmetic", True),
        ("f32", "nan:0x7fffff", "nan:arithmetic", True),
        ("f32", "nan:0x200000", "nan:arithmetic", False),
        ("f32", "nan:0x200000", "nan:0x200000", True),
        ("f32", "nan:0x200000", "-nan:0x200000", False),
        ("f32", "inf", "nan:arithmetic", False),
        ("f32", "1", "nan:canonical", False),
        ("f64", "-nan", "nan:canonical", True),
        ("f64", "nan:0x8000000000001", "nan:canonical", False),
        ("f64", "nan:0x8000000000001", "nan:arithmetic", True),
        ("f64", "nan:0x4000000000000", "nan:arithmetic", False),
    ],
)
def test_floats(type_: str, given: str, pattern: str, expected: bool) -> None:
    script = f'(assert_return (invoke "{type_}" ({type_}.const {given})) ({type_}.const {pattern}))'
    assert passes(script) is expected


@pytest.mark.parametrize(
    ("action", "pattern", "expected"),
    [
        ('"extern" (ref.extern 1)', "(ref.extern 1)", True),
        ('"extern" (ref.extern 1)', "(ref.extern 2)", False),
        ('"extern" (ref.extern 1)', "(ref.extern)", True),
        ('"extern" (ref.extern 1)', "(ref.func)", False),
        ('"extern" (ref.extern 1)', "(ref.null)", False),
        ('"extern" (ref.extern 1)', "(ref.i31)", False),
        ('"extern" (ref.null extern)', "(ref.null extern)", True),
        ('"extern" (ref.null extern)', "(ref.null)", True),
        ('"extern" (ref.null extern)', "(ref.extern)", False),
        ('"func" (i32.const 0)', "(ref.func)", True),
        ('"func" (i32.const 0)', "(ref.null func)", False),
        ('"func" (i32.const 1)', "(ref.func)", False),
        ('"func" (i32.const 1)', "(ref.null func)", True),
    ],
)
def test_references(action: str, pattern: str, expected: bool) -> None:
    assert passes(f"(assert_return (invoke {action}) {pattern})") is expected


OBJECTS = """
(module
  (type $s (struct)) (type $a (array i8))
  (func (export "struct") (result anyref) (struct.new $s))
  (func (export "array") (result anyref) (array.new_default $a (i32.const 1)))
  (func (export "i31") (result anyref) (ref.i31 (i32.const 1)))
  (func (export "extern") (param externref) (result anyref) (any.convert_extern (local.get 0)))
  (func (export "back") (param anyref) (result externref) (extern.convert_any (local.get 0)))
  (func (export "null") (result anyref) (ref.null any)))
"""
KINDS = {
    '"struct"': {"any", "eq", "struct"},
    '"array"': {"any", "eq", "array"},
    '"i31"': {"any", "eq", "i31"},
    '"extern" (ref.extern 1)': {"any"},
    '"null"': set[str](),
}


@pytest.mark.parametrize("name", KINDS)
def test_objects(name: str) -> None:
    kinds = ["any", "eq", "struct", "array", "i31", "func"]
    script = OBJECTS + "".join(f"(assert_return (invoke {name}) (ref.{kind}))" for kind in kinds)
    passed = [outcome.passed for outcome in run_script(script).outcomes[1:]]
    assert {kind for kind, one in zip(kinds, passed, strict=True) if one} == KINDS[name]


def test_host_references_in_the_other_hierarchy() -> None:
    script = (
        OBJECTS
        + """
      (assert_return (invoke "extern" (ref.extern 1)) (ref.host 1))
      (assert_return (invoke "extern" (ref.extern 1)) (ref.host 2))
      (assert_return (invoke "back" (ref.host 1)) (ref.extern 1))
    """
    )
    assert [outcome.passed for outcome in run_script(script).outcomes] == [True, True, False, True]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('(assert_trap (invoke "unreachable") "unreachable")', True),
        ('(assert_trap (invoke "unreachable") "integer overflow")', False),
        ('(assert_trap (invoke "div" (i32.const 0)) "integer divide by zero")', True),
        ('(assert_trap (invoke "div" (i32.const 1)) "integer divide by zero")', False),
        ('(assert_trap (invoke "indirect" (i32.const 9)) "undefined element")', True),
        ('(assert_trap (invoke "indirect" (i32.const 9)) "out of bounds table access")', True),
        ('(assert_trap (invoke "indirect" (i32.const 9)) "table access")', False),
        ('(assert_trap (invoke "deep") "call stack exhausted")', False),
        ('(assert_exhaustion (invoke "deep") "call stack exhausted")', True),
        ('(assert_exhaustion (invoke "unreachable") "unreachable")', False),
        ('(assert_exhaustion (invoke "one") "call stack exhausted")', False),
        ('(assert_exception (invoke "one"))', False),
        ('(assert_exception (invoke "unreachable"))', False),
        ('(assert_trap (module (func (unreachable)) (start 0)) "unreachable")', True),
        ('(assert_trap (module (func) (start 0)) "unreachable")', False),
        ('(assert_trap (module (func (import "" "")))  "unreachable")', False),
    ],
)
def test_traps(script: str, expected: bool) -> None:
    assert passes(script) is expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('(assert_malformed (module quote "(func $f") "unexpected token")', True),
        ('(assert_malformed (module quote "(func)") "unexpected token")', False),
        ('(assert_malformed (module binary "") "magic header not detected")', False),
        ('(assert_malformed (module binary "") "unexpected end")', True),
        ('(assert_malformed (module (func (drop))) "type mismatch")', False),
        ('(assert_invalid (module (func (drop))) "type mismatch")', True),
        ('(assert_invalid (module (func (drop))) "mismatch")', False),
        ('(assert_invalid (module (func)) "type mismatch")', False),
        ('(assert_invalid (module binary "") "unexpected end")', False),
        ('(assert_unlinkable (module (func (import "spectest" "x"))) "unknown import")', True),
        ('(assert_unlinkable (module (func (import "spectest" "table"))) "incompatible import type")', True),
        ('(assert_unlinkable (module (func (import "spectest" "print"))) "unknown import")', False),
        ('(assert_unlinkable (module (func (unreachable)) (start 0)) "unknown import")', False),
        ('(assert_malformed_custom (module quote "(@custom)") "@custom annotation: missing")', True),
        ('(module (func (drop)))', False),
    ],
)  # fmt: skip
def test_modules(script: str, expected: bool) -> None:
    assert passes(script) is expected


def test_vectors() -> None:
    module = """
      (module (func (export "v") (param f32 f32) (result v128)
        (f32x4.replace_lane 1 (f32x4.splat (local.get 0)) (local.get 1))))
      (assert_return (invoke "v" (f32.const 1) (f32.const 2)) (v128.const f32x4 1 2 1 1))
      (assert_return (invoke "v" (f32.const 1) (f32.const 2)) (v128.const f32x4 2 1 1 1))
      (assert_return (invoke "v" (f32.const 1) (f32.const nan)) (v128.const f32x4 1 nan:canonical 1 1))
      (assert_return (invoke "v" (f32.const 1) (f32.const nan)) (v128.const f32x4 nan:canonical 1 1 1))
    """
    report = run_script(module)
    assert [outcome.passed for outcome in report.outcomes] == [True, True, False, True, False]


def test_whatever_needs_a_module_that_failed_fails() -> None:
    script = """
      (module $m (func (export "f") (drop)))
      (invoke "one")
      (invoke $m "f")
      (register "m" $m)
      (module (import "m" "f" (func)))
      (assert_unlinkable (module (import "m" "f" (func))) "unknown import")
    """
    assert all(problems(script))


def test_instances_and_definitions() -> None:
    script = """
      (module definition $counter
        (global $n (mut i32) (i32.const 0))
        (func (export "next") (result i32)
          (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))
      (module instance $a $counter)
      (module instance $b $counter)
      (assert_return (invoke $a "next") (i32.const 1))
      (assert_return (invoke $a "next") (i32.const 2))
      (assert_return (invoke $b "next") (i32.const 1))
      (assert_return (invoke "next") (i32.const 2))
      (register "b")
      (module (func (export "next") (import "b" "next") (result i32)))
      (assert_return (invoke "next") (i32.const 3))
      (module instance $c $absent)
      (invoke $c "next")
    """
    assert [not problem for problem in problems(script)] == [True] * 10 + [False] * 2


def test_the_host_module() -> None:
    script = """
      (module
        (import "spectest" "global_i32" (global i32)) (import "spectest" "global_i64" (global i64))
        (import "spectest" "global_f32" (global f32)) (import "spectest" "global_f64" (global f64))
        (import "spectest" "table" (table 10 20 funcref)) (import "spectest" "memory" (memory 1 2))
        (import "spectest" "print" (func)) (import "spectest" "print_i32" (func (param i32)))
        (import "spectest" "print_i64" (func (param i64))) (import "spectest" "print_f32" (func (param f32)))
        (import "spectest" "print_f64" (func (param f64)))
        (import "spectest" "print_i32_f32" (func (param i32 f32)))
        (import "spectest" "print_f64_f64" (func $p (param f64 f64)))
        (func (export "print") (call $p (f64.const 1) (f64.const 2)))
        (export "i32" (global 0)) (export "i64" (global 1)) (export "f32" (global 2)) (export "f64" (global 3)))
      (invoke "print")
      (assert_return (get "i32") (i32.const 666))
      (assert_return (get "i64") (i64.const 666))
      (assert_return (get "f32") (f32.const 666.6))
      (assert_return (get "f64") (f64.const 666.6))
    """
    assert not any(problems(script))


def test_imports_of_one_s_own() -> None:
    called: list[int] = []
    script = '(module (import "env" "f" (func $f (param i32))) (func (export "g") (call $f (i32.const 5))))'
    report = run_script(script + ' (invoke "g")', imports={"env": {"f": called.append}})
    assert report, report.failures
    assert called == [5]
    assert not run_script(script)


def test_threads_have_a_store_of_their_own() -> None:
    seen: list[str] = []
    imports = {"env": {"f": lambda: seen.append(threading.current_thread().name)}}
    script = """
      (thread $t
        (module (func (export "f") (import "env" "f")))
        (invoke "f")
        (assert_return (invoke "f") (i32.const 1)))
      (wait $t)
      (wait $t)
    """
    report = run_script(script, imports=imports)
    kinds = [(outcome.kind, outcome.passed) for outcome in report.outcomes]
    assert kinds == [
        ("thread", True),
        ("module", True),
        ("action", True),
        ("assert_return", False),
        ("wait", True),
        ("wait", False),
    ]
    assert seen == ["$t", "$t"]


def test_reports() -> None:
    script = """
(module (func (export "f")))
  (assert_return (invoke "f"))
(assert_return (invoke "f") (i32.const 1))
"""
    report = run_script(script)
    assert report == Report(
        (
            Outcome(2, 1, "module"),
            Outcome(3, 3, "assert_return"),
            Outcome(4, 1, "assert_return", "expected i32 0x1, got nothing"),
        )
    )
    assert not report
    assert str(report) == "2 assertions, 1 failures"
    assert str(report.failures[0]) == "4:1: assert_return: expected i32 0x1, got nothing"


def test_what_is_no_script() -> None:
    with pytest.raises(MalformedText):
        run_script("(assert_everything)")


def test_the_engine_is_the_one_that_is_given() -> None:
    engine = Engine(opt_level="none")
    function = Function(lambda: None, FunctionType(), store=Store(engine))
    script = '(module (import "env" "f" (func $f)) (start $f))'
    # objects of another store cannot be imported
    (outcome,) = run_script(script, engine=engine, imports={"env": {"f": function}}).outcomes
    assert outcome.problem is not None
    assert "belongs to another store" in outcome.problem
