"""Global: values of every type, in both directions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wasmine import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    Function,
    FunctionType,
    Global,
    GlobalType,
    ValType,
)

from .harness import exports

GLOBALS = """
(module
  (global $i (export "i32") (mut i32) (i32.const -1))
  (global $l (export "i64") (mut i64) (i64.const 1))
  (global $f (export "f32") (mut f32) (f32.const nan:0x200001))
  (global $d (export "f64") (mut f64) (f64.const -0))
  (global $x (export "extern") (mut externref) (ref.null extern))
  (global $r (export "func") (mut funcref) (ref.func $get))
  (global (export "constant") i32 (i32.const 5))
  (func $get (export "get") (result i32 i64 f32 f64 externref funcref)
    (global.get $i) (global.get $l) (global.get $f) (global.get $d) (global.get $x) (global.get $r))
  (func (export "set") (param i32 i64 f32 f64 externref funcref)
    (global.set $i (local.get 0)) (global.set $l (local.get 1)) (global.set $f (local.get 2))
    (global.set $d (local.get 3)) (global.set $x (local.get 4)) (global.set $r (local.get 5))))
"""
NAMES = ["i32", "i64", "f32", "f64", "extern", "func"]


@pytest.fixture
def made() -> Any:
    return exports(GLOBALS)


def test_initial_values(made: Any) -> None:
    values = [made[name].value for name in NAMES]
    assert values[:2] == [-1, 1]
    assert math.isnan(values[2])
    assert made.f32.bits == 0x7FA0_0001
    assert math.copysign(1, values[3]) == -1
    assert values[4:] == [None, made["get"]]
    assert [made[name].mutable for name in (*NAMES, "constant")] == [True] * 6 + [False]


def test_both_sides_see_the_same(made: Any) -> None:
    thing = object()
    given = (5, -6, 0.5, 2.5, thing, made.set)
    made.set(*given)
    assert tuple(made[name].value for name in NAMES) == given
    for name, value in zip(NAMES, (1, 2, 3.5, 4.5, "other", None), strict=True):
        made[name].value = value
    assert made["get"]() == (1, 2, 3.5, 4.5, "other", None)


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("i32", (1 << 32) - 1, -1),
        ("i32", -(1 << 31), -(1 << 31)),
        ("i32", np.uint16(7), 7),
        ("i64", 1 << 63, -(1 << 63)),
        ("f32", 0.1, 0.10000000149011612),
        ("f32", 1e300, math.inf),
        ("f64", 3, 3.0),
        ("f64", np.float32(0.25), 0.25),
    ],
)
def test_conversion(made: Any, name: str, value: object, result: object) -> None:
    made[name].value = value
    assert made[name].value == result
    assert type(made[name].value) is type(result)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("i32", 1 << 32, OverflowError),
        ("i64", -(1 << 63) - 1, OverflowError),
        ("i32", 1.0, TypeError),
        ("i32", None, TypeError),
        ("f64", "1", TypeError),
        ("func", print, TypeError),
        ("constant", 6, TypeError),
    ],
)
def test_what_cannot_be_set(made: Any, name: str, value: object, error: type[Exception]) -> None:
    before = made[name].value
    with pytest.raises(error):
        made[name].value = value
    assert made[name].value is before or made[name].value == before


def test_immutable(made: Any) -> None:
    with pytest.raises(TypeError, match=r"^Attempted to set an immutable global$"):
        made.constant.value = 6
    assert made.constant.value == 5


@pytest.mark.parametrize(
    ("type_", "value", "result"),
    [
        (I32, None, 0),
        (I32, -5, -5),
        (I64, 1 << 62, 1 << 62),
        (F32, 1.5, 1.5),
        (F64, 7, 7.0),
        (V128, bytes(range(16)), bytes(range(16))),
        (V128, (1 << 128) - 1, b"\xff" * 16),
        (V128, -2, b"\xfe" + b"\xff" * 15),
        (EXTERNREF, "thing", "thing"),
        (EXTERNREF, None, None),
        (FUNCREF, None, None),
    ],
)
@pytest.mark.parametrize("mutable", [True, False])
def test_globals_of_their_own(type_: ValType, value: object, result: object, mutable: bool) -> None:
    own = Global(GlobalType(type_, mutable), value)
    assert (own.value, own.mutable, own.type) == (result, mutable, GlobalType(type_, mutable))


def test_text(made: Any) -> None:
    assert repr(made.i64) == "<wasmine.Global global (mut i64) = 1>"
    assert repr(made.constant) == "<wasmine.Global global i32 = 5>"
    assert repr(made.extern) == "<wasmine.Global global (mut externref)>"


def test_identity_and_sharing(made: Any) -> None:
    other = exports(
        '(module (import "a" "i32" (global $g (mut i32))) (export "again" (global $g))'
        '(func (export "add") (global.set $g (i32.add (global.get $g) (i32.const 1)))))',
        {"a": made},
    )
    assert other.again is made.i32
    other.add()
    other.add()
    assert made.i32.value == 1


def test_a_function_in_a_global() -> None:
    function = Function(lambda: 3, FunctionType((), (I32,)))
    own = Global(GlobalType(FUNCREF, mutable=True), function)
    assert own.store is function.store
    assert own.value is function
    assert own.value() == 3
