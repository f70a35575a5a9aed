"""Table: references by index, of functions and of any objects."""

from __future__ import annotations

from typing import Any

import pytest

from wasmine import (
    EXTERNREF,
    FUNCREF,
    I32,
    Function,
    FunctionType,
    Limits,
    ResourceError,
    Table,
    TableType,
    Trap,
    TrapCode,
)

from .harness import exports

pytestmark = pytest.mark.usefixtures("every_tier")

TABLES = """
(module
  (table $f (export "functions") 3 6 funcref)
  (table $x (export "things") 2 externref)
  (elem (table $f) (i32.const 0) func $one $two)
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (export "two") (result i32) (i32.const 2))
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func (export "call_other") (param i32) (call_indirect (local.get 0)))
  (func (export "size") (result i32 i32) (table.size $f) (table.size $x))
  (func (export "grow") (param i32) (result i32)
    (table.grow $f (ref.func $two) (local.get 0)))
  (func (export "put") (param i32 externref) (table.set $x (local.get 0) (local.get 1)))
  (func (export "take") (param i32) (result externref) (table.get $x (local.get 0))))
"""


@pytest.fixture
def made() -> Any:
    return exports(TABLES)


def trap_of(function: Any, *arguments: object) -> TrapCode:
    with pytest.raises(Trap) as caught:
        function(*arguments)
    return caught.value.code


def test_functions(made: Any) -> None:
    table = made.functions
    assert (len(table), table.size, list(table)) == (3, 3, [made.one, made.two, None])
    assert (table[0], table[-3], table.get(1)) == (made.one, made.one, made.two)
    assert table.type == TableType(FUNCREF, Limits(3, 6))
    assert repr(table) == "<wasmine.Table table 3 6 funcref>"
    assert made.functions is table
    table[2] = made.one
    table[0] = None
    assert made.call(2) == 1
    assert trap_of(made.call, 0) is TrapCode.INDIRECT_CALL_TO_NULL
    assert trap_of(made.call, 3) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    assert trap_of(made.call_other, 1) is TrapCode.BAD_SIGNATURE


def test_host_functions_in_tables(made: Any) -> None:
    function = Function(lambda: 42, FunctionType((), (I32,)), store=made.functions.store)
    made.functions[2] = function
    assert made.call(2) == 42
    assert made.functions[2] is function
    wrong = Function(lambda _: 42, FunctionType((I32,), (I32,)), store=made.functions.store)
    made.functions.set(2, wrong)
    assert trap_of(made.call, 2) is TrapCode.BAD_SIGNATURE


@pytest.mark.parametrize("index", [3, -4, 1 << 32, 1 << 70, -(1 << 70)])
def test_indices(made: Any, index: int) -> None:
    message = rf"^out of bounds table access: {index} of 3 elements$"
    for use in (
        made.functions.get,
        made.functions.__getitem__,
        lambda i: made.functions.set(i, None),
    ):
        with pytest.raises(IndexError, match=message):
            use(index)


def test_things(made: Any) -> None:
    thing = object()
    made.things[0] = thing
    made.put(1, made)
    assert (made.take(0), made.things[1]) == (thing, made)
    made.things[0] = None
    assert made.take(0) is None
    assert list(made.things) == [None, made]


def test_growth(made: Any) -> None:
    table = made.functions
    assert table.grow(1) == 3
    assert made.grow(1) == 4
    assert table.grow(0, made.one) == 5
    assert table.grow(1, made.one) == 5
    assert list(table)[3:] == [None, made.two, made.one]
    message = "^the table could not grow: current size 6, requested increase 1$"
    with pytest.raises(ResourceError, match=message):
        table.grow(1)
    assert made.grow(1) == -1
    assert made.size() == (6, 2)
    assert made.call(5) == 1
    assert table.type == TableType(FUNCREF, Limits(6, 6))
    assert made.things.grow(3, "new") == 2
    assert [made.take(index) for index in range(5)] == [None, None, "new", "new", "new"]


def test_growth_is_bounded(made: Any) -> None:
    with pytest.raises(ResourceError, match=r"could not grow: current size 2, .* 10000000$"):
        made.things.grow(10_000_000)


@pytest.mark.parametrize(("element", "init"), [(EXTERNREF, ["any"]), (FUNCREF, None)])
def test_tables_of_their_own(element: Any, init: object) -> None:
    table = Table(TableType(element, Limits(3)), init)
    assert list(table) == [init] * 3
    assert table.grow(2, init) == 3
    assert len(table) == 5


def test_a_table_of_the_host_in_a_module() -> None:
    function = Function(lambda: 8, FunctionType((), (I32,)))
    table = Table(TableType(FUNCREF, Limits(2, 4)), function)
    assert table.store is function.store
    made = exports(
        '(module (import "e" "t" (table 2 funcref)) (elem (i32.const 1) $own)'
        "(func $own (result i32) (i32.const 9))"
        '(func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))'
        '(export "t" (table 0)))',
        {"e": {"t": table}},
    )
    assert (made.call(0), made.call(1), made.t) == (8, 9, table)
    own: Any = table[1]
    assert own() == 9
    assert own.name == "own"
