"""Imports: where they are looked up, what fits, how all that does not is told (5.3, row I02)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.harness import instance, module
from wasmine import (
    FUNCREF,
    I32,
    I64,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Instance,
    Limits,
    LinkError,
    Memory,
    MemoryType,
    Store,
    Table,
    TableType,
)

from .harness import exports

STORE = Store()
OBJECTS: dict[str, Any] = {
    "func": Function(lambda x: x, FunctionType((I32,), (I64,)), store=STORE),
    "memory": Memory(MemoryType(Limits(2, 5)), store=STORE),
    "free memory": Memory(MemoryType(Limits(2)), store=STORE),
    "table": Table(TableType(FUNCREF, Limits(2, 5)), store=STORE),
    "free table": Table(TableType(FUNCREF, Limits(2)), store=STORE),
    "global": Global(GlobalType(I32), 1, store=STORE),
    "variable": Global(GlobalType(I32, mutable=True), 1, store=STORE),
    "callable": print,
    "number": 5,
    "float": 1.5,
    "big": 1 << 40,
    "numpy": np.int32(3),
    "text": "5",
    "none": None,
}


@pytest.mark.parametrize(
    ("wanted", "given", "received"),
    [
        ("func (param i32) (result i64)", "func", None),
        ("func (param i32) (result i32)", "func", "(i32) -> (i64)"),
        ("func (param i32)", "func", "(i32) -> (i64)"),
        ("func (param i32)", "callable", None),
        ("func (param i32)", "memory", "memory 2 5"),
        ("func", "number", "a Python int"),
        ("func", "none", "a Python NoneType"),
        ("memory 1", "memory", None),
        ("memory 2", "memory", None),
        ("memory 2 5", "memory", None),
        ("memory 2 6", "memory", None),
        ("memory 3", "memory", "memory 2 5"),
        ("memory 1 4", "memory", "memory 2 5"),
        ("memory 1 5", "free memory", "memory 2"),
        ("memory 1", "func", "(i32) -> (i64)"),
        ("memory 1", "callable", "a Python builtin_function_or_method"),
        ("table 2 funcref", "table", None),
        ("table 2 5 funcref", "table", None),
        ("table 3 funcref", "table", "table 2 5 funcref"),
        ("table 2 4 funcref", "table", "table 2 5 funcref"),
        ("table 2 4 funcref", "free table", "table 2 funcref"),
        ("table 2 externref", "table", "table 2 5 funcref"),
        ("global i32", "global", None),
        ("global (mut i32)", "variable", None),
        ("global (mut i32)", "global", "global i32"),
        ("global i32", "variable", "global (mut i32)"),
        ("global i64", "global", "global i32"),
        ("global i32", "number", None),
        ("global i64", "number", None),
        ("global f64", "number", None),
        ("global f32", "float", None),
        ("global i32", "numpy", None),
        ("global i32", "float", "a Python float ('float' object cannot be interpreted as an integer)"),
        ("global i32", "big", "a Python int (1099511627776 does not fit in 32 bits)"),
        ("global f64", "text", "a Python str (must be a real number, not str)"),
        ("global (mut i32)", "number", "a Python int"),
        ("global externref", "text", None),
        ("global (mut externref)", "text", "a Python str"),
        ("global anyref", "number", None),
        ("global i31ref", "big", "a Python int (1099511627776 does not fit in 31 bits, those of an i31)"),
        ("global eqref", "text", ("a Python str (eqref must be an int, a wasmine.Struct, "
          "a wasmine.Array or None, not str)")),
        ("global funcref", "func", None),
        ("global (ref func)", "none",
         "a Python NoneType ((ref func) must be a wasmine.Function, not None)"),
        ("global i32", "none",
         "a Python NoneType ('NoneType' object cannot be interpreted as an integer)"),
    ],
)  # fmt: skip
def test_matching(wanted: str, given: str, received: str | None) -> None:
    text = f'(module (import "a" "b" ({wanted})))'
    imports = {"a": {"b": OBJECTS[given]}}
    if received is None:
        assert isinstance(instance(text, imports), Instance)
        return
    with pytest.raises(LinkError) as caught:
        instance(text, imports)
    expected = str(module(text).imports[0].type)
    assert str(caught.value) == (
        f'incompatible import type for "a"."b": expected {expected}, got {received}'
    )


def test_current_sizes_count() -> None:
    memory, table = Memory(MemoryType(Limits(1, 5))), Table(TableType(FUNCREF, Limits(1, 5)))
    wants = '(module (import "a" "b" ({} 3 {})))'
    for wanted, given in (
        (wants.format("memory", ""), memory),
        (wants.format("table", "funcref"), table),
    ):
        with pytest.raises(LinkError, match="incompatible import type"):
            instance(wanted, {"a": {"b": given}})
        given.grow(2)
        instance(wanted, {"a": {"b": given}})


MANY = """
(module
  (import "env" "missing" (func (param i32 i64) (result f32)))
  (import "env" "present" (func))
  (import "env" "wrong" (global (mut f64)))
  (import "none" "table" (table 1 2 externref))
  (import "none" "memory" (memory 3))
  (import "" "" (global i32)))
"""


def test_all_problems_are_named() -> None:
    store = Store()
    roots = len(store.context.roots)
    with pytest.raises(LinkError) as caught:
        instance(MANY, {"env": {"present": print, "wrong": print}}, store=store)
    assert str(caught.value).splitlines() == [
        'unknown import "env"."missing": expected (i32, i64) -> (f32)',
        (
            'incompatible import type for "env"."wrong": expected global (mut f64), '
            "got a Python builtin_function_or_method"
        ),
        'unknown import "none"."table": expected table 1 2 externref',
        'unknown import "none"."memory": expected memory 3',
        'unknown import ""."": expected global i32',
    ]
    assert len(store.context.roots) == roots
    with pytest.raises(LinkError, match=r'unknown import "env"."missing"'):
        instance(MANY)


def test_where_imports_are_looked_up() -> None:
    text = '(module (import "a" "f" (func $f (result i32))) (export "f" (func $f)))'

    class Namespace:
        def f(self) -> int:
            return 1

    class Lazy(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return {"f": lambda: len(name)} if name == "a" else lambda: 2

    for namespace in (Namespace(), SimpleNamespace(f=lambda: 1), {"f": lambda: 1}):
        assert exports(text, {"a": namespace}).f() == 1
    assert exports(text, Lazy()).f() == 1
    assert exports(text, {"a": Lazy()}).f() == 2
    other = exports('(module (func (export "f") (result i32) i32.const 3))')
    assert exports(text, {"a": other}).f is other.f
    with pytest.raises(ZeroDivisionError):
        exports(text, {"a": type("Bad", (), {"f": property(lambda _: 1 // 0)})()})
    with pytest.raises(LinkError, match="unknown import"):
        exports(text, {"a": 5})


def test_stores_are_joined() -> None:
    first = instance('(module (memory (export "m") 1))')
    text = '(module (import "a" "f" (func)) (import "b" "m" (memory 1)))'
    assert instance(text, {"a": {"f": print}, "b": first.exports}).store is first.store
    assert instance("(module)").store is not instance("(module)").store
    store = Store()
    assert instance("(module)", store=store).store is store
