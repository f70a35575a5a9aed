"""Functions: what they tell of themselves, identity, values and bits."""

from __future__ import annotations

import inspect
import math
import struct
from typing import Any

import numpy as np
import pytest

from tests.harness import instance
from wasmine import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    Function,
    FunctionType,
    Store,
    Table,
    TableType,
)
from wasmine.types import Limits

from .harness import exports

NAMED = """
(module $names
  (import "env" "host" (func $imported (param i32)))
  (table (export "table") 5 funcref)
  (elem (i32.const 0) $add $internal $imported $twice $odd)
  (func $add (export "plus") (param $left i32) (param $right i64) (result f64)
    f64.const 1.5)
  (func $internal (param $x f32) (result i32) i32.const 3)
  (func $twice (export "first") (export "second"))
  (func $odd (export "odd") (param $class i32) (param $ok i32) (param i32) (param $a.b i32)
    (param externref))
  (func (export "several") (result i32 f64 funcref externref)
    i32.const 1 f64.const 2 ref.null func ref.null extern)
  (export "again" (func $imported)))
"""
NAMELESS = '(module (table (export "t") 1 funcref) (elem (i32.const 0) 0) (func))'


def host(_: int) -> None:
    """A host function."""


@pytest.fixture(scope="module")
def named() -> Any:
    return exports(NAMED, {"env": {"host": host}})


@pytest.mark.parametrize(
    ("get", "name", "shown"),
    [
        ("plus", "plus", "<wasmine.Function plus(i32, i64) -> (f64)>"),
        ("first", "first", "<wasmine.Function first() -> ()>"),
        ("second", "first", "<wasmine.Function first() -> ()>"),
        ("again", "host", "<wasmine.Function host(i32) -> ()>"),
        (0, "plus", "<wasmine.Function plus(i32, i64) -> (f64)>"),
        (1, "internal", "<wasmine.Function internal(f32) -> (i32)>"),
        (2, "host", "<wasmine.Function host(i32) -> ()>"),
    ],
)
def test_names(named: Any, get: str | int, name: str, shown: str) -> None:
    function = named.table[get] if isinstance(get, int) else named[get]
    assert (function.name, function.__name__, repr(function)) == (name, name, shown)
    assert function.call_raw.name == name
    assert repr(function.call_raw) == shown.replace("Function", "RawFunction")


def test_a_function_without_any_name() -> None:
    function: Any = exports(NAMELESS).t[0]
    assert repr(function) == "<wasmine.Function function[0]() -> ()>"
    with pytest.raises(TypeError, match=r"^function\[0\]\(\) takes 0 arguments but 1 were given"):
        function(1)


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("plus", "(left: int, right: int, /) -> float"),
        ("first", "() -> None"),
        ("odd", "(p0: int, ok: int, p2: int, p3: int, p4: object, /) -> None"),
        ("several", "() -> tuple[int, float, object, object]"),
        ("again", "(p0: int, /) -> None"),
    ],
)
def test_signatures(named: Any, name: str, signature: str) -> None:
    assert str(inspect.signature(named[name])) == signature


def test_types_and_arity(named: Any) -> None:
    assert named.plus.type is FunctionType((I32, I64), (F64,))
    assert (named.plus.param_arity, named.plus.result_arity) == (2, 1)
    assert (named.several.param_arity, named.several.result_arity) == (0, 4)
    assert named.plus.call_raw.type is named.plus.type


def test_identity(named: Any) -> None:
    assert named.plus is named["plus"]
    assert named.table[0] is named.plus is named.table.get(0)
    assert named.first is named.second
    assert named.again is named.table[2]
    assert named.plus.call_raw is named.plus.call_raw
    assert named.plus == named.plus != named.first
    assert len({named.plus, named.first, named.second, named.again}) == 3
    other = exports(NAMED, {"env": {"host": host}}, store=named.plus.store)
    assert other.plus is not named.plus
    importer = exports(
        '(module (import "a" "plus" (func $f (param i32 i64) (result f64)))'
        '(table (export "t") 1 funcref) (elem (i32.const 0) $f) (export "f" (func $f)))',
        {"a": named},
    )
    assert importer.f is importer.t[0] is named.plus


def test_the_identity_of_host_functions() -> None:
    function = Function(host, FunctionType((I32,)))
    table = Table(TableType(FUNCREF, Limits(1)), function)
    assert table[0] is function
    given = exports(
        '(module (import "e" "f" (func $f (param i32))) (export "f" (func $f)))',
        {"e": {"f": function}},
    )
    assert given.f is function


VALUES = """
(module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "func") (param funcref) (result funcref) (local.get 0))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func (export "swap") (param i32 i64 f32 f64 externref funcref)
    (result funcref externref f64 f32 i64 i32)
    (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0)))
"""


@pytest.fixture(scope="module")
def values() -> Any:
    return exports(VALUES)


@pytest.mark.parametrize("name", ["i32", "i64"])
def test_integers_of_the_whole_range(values: Any, name: str) -> None:
    width = int(name[1:])
    for value in (
        0,
        1,
        -1,
        1 << width - 1,
        (1 << width - 1) - 1,
        -(1 << width - 1),
        (1 << width) - 1,
    ):
        signed = (value + (1 << width - 1)) % (1 << width) - (1 << width - 1)
        assert values[name](value) == signed
        assert values[name].call_raw(value % (1 << width)) == (value % (1 << width),)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.5, -1.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
)
def test_floats(values: Any, value: float) -> None:
    given = values.f64(value)
    assert struct.pack("<d", given) == struct.pack("<d", value)
    expected = float(np.float64(value).astype(np.float32)) if abs(value) < 1e300 else value
    if abs(value) < 1e300 or math.isinf(value):
        assert struct.pack("<d", values.f32(value)) == struct.pack("<d", expected)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("f32", 0x7FA0_0001), ("f32", 0xFFC0_0000), ("f32", 0x8000_0000), ("f32", 0x7F80_0001),
        ("f64", 0x7FF4_0000_0000_0001), ("f64", 0xFFFF_FFFF_FFFF_FFFF), ("f64", 1 << 63),
    ],
)  # fmt: skip
def test_bits_pass_unchanged(values: Any, name: str, bits: int) -> None:
    assert values[name].call_raw(bits) == (bits,)


def test_raw_references_are_objects(values: Any) -> None:
    thing = object()
    assert values.extern.call_raw(thing)[0] is thing
    assert values.func.call_raw(values.i32)[0] is values.i32
    assert values.func.call_raw(None) == (None,)
    assert values.extern.call_raw(None) == (None,)


def test_many_values_at_once(values: Any) -> None:
    thing = object()
    given = values.swap(1, -2, 0.5, 2.5, thing, values.i32)
    assert given == (values.i32, thing, 2.5, 0.5, -2, 1)
    assert type(given) is tuple
    raw = values.swap.call_raw(1, 2, 3, 4, None, None)
    assert raw == (None, None, 4, 3, 2, 1)


def test_void_functions() -> None:
    made = exports('(module (func (export "f")))')
    assert made.f() is None
    assert made.f.call_raw() == ()


def test_many_parameters() -> None:
    count = 200
    kinds = ["i32", "f64", "i64", "f32"]
    params = " ".join(kinds[i % 4] for i in range(count))
    gets = " ".join(f"(local.get {i})" for i in reversed(range(count)))
    results = " ".join(kinds[i % 4] for i in reversed(range(count)))
    made = exports(f'(module (func (export "f") (param {params}) (result {results}) {gets}))')
    assert made.f(*range(count)) == tuple(reversed(range(count)))


def test_type_from_annotations() -> None:
    def add(a, b, c, d):  # type: ignore[no-untyped-def]
        return a + c - d, b

    returned: Any = tuple.__class_getitem__((int, F32))
    add.__annotations__ = {"a": int, "b": "float", "c": I64, "d": "'i64'", "return": returned}
    function = Function(add)
    assert function.type is FunctionType((I32, F64, I64, I64), (I32, F32))
    assert function(1, 2.5, 1 << 40, 1 << 40) == (1, 2.5)
    assert Function(host).type is FunctionType((I32,))
    assert Function(lambda: None, FunctionType()).name == "<lambda>"
    assert Function(host, FunctionType((I32,)), name="other").name == "other"


def test_functions_of_a_given_store() -> None:
    store = Store()
    function = Function(lambda x: x + 1, FunctionType((I32,), (I32,)), store=store)
    assert function.store is store
    assert function(4) == 5
    assert function.call_raw(4) == (5,)
    objects = Function(lambda x: [x], FunctionType((EXTERNREF,), (EXTERNREF,)), store=store)
    assert objects(function) == [function]


def test_functions_work_as_python_callables(values: Any) -> None:
    assert list(map(values.i32, [3, 1, 2])) == [3, 1, 2]
    assert sorted([3, 1, 2], key=values.i32) == [1, 2, 3]
    assert callable(values.i32)
    assert values.i32.__call__(4) == 4
    assert inspect.signature(values.i32).parameters["p0"].annotation is int
    assert type(values.i32).__module__ == "wasmine"


def test_the_instance_is_not_needed() -> None:
    assert instance(VALUES).exports.i32(3) == 3
