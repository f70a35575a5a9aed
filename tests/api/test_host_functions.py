"""Python callables that WebAssembly code calls: values, names, nesting, exceptions' tracebacks."""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wasmine import EXTERNREF, F64, I32, I64, Function, FunctionType, Trap

from .harness import exports

THROUGH = """
(module
  (type $t (func (param {params}) (result {results})))
  (import "env" "host" (func $host (type $t)))
  (table 1 funcref) (elem (i32.const 0) $host)
  (func (export "direct") (type $t) {gets} (call $host))
  (func (export "indirect") (type $t) {gets} (call_indirect (type $t) (i32.const 0)))
  (export "host" (func $host)))
"""


def through(params: str, results: str, host: Callable[..., object]) -> list[Any]:
    """Three ways to call a host function: from code, from code by a table, as an export."""
    gets = " ".join(f"(local.get {index})" for index in range(len(params.split())))
    text = THROUGH.format(params=params, results=results, gets=gets)
    made = exports(text, {"env": {"host": host}})
    return [made.direct, made.indirect, made.host]


@pytest.mark.parametrize(
    ("params", "results", "given", "seen", "returned", "result"),
    [
        ("", "", (), (), None, None),
        ("i32", "i32", ((1 << 32) - 1,), (-1,), (1 << 32) - 2, -2),
        ("i64", "i64", ((1 << 64) - 1,), (-1,), 1 << 63, -(1 << 63)),
        ("f32", "f32", (0.1,), (0.10000000149011612,), 1e300, math.inf),
        ("f64", "f64", (-0.5,), (-0.5,), 7, 7.0),
        ("i32", "i64", (1,), (1,), np.int64(-5), -5),
        ("i32", "f32", (1,), (1,), np.float32(0.25), 0.25),
        ("externref", "externref", ("a",), ("a",), ["b"], ["b"]),
        ("externref", "externref", (None,), (None,), None, None),
        ("i32 i64 f32 f64 externref", "externref f64 f32 i64 i32", (1, 2, 3, 4, "x"),
         (1, 2, 3.0, 4.0, "x"), ("y", 4, 3, 2, 1), ("y", 4.0, 3.0, 2, 1)),
        ("i32 i32", "i32 i32", (1, 2), (1, 2), [3, 4], (3, 4)),
        ("i32 " * 30, "", tuple(range(30)), tuple(range(30)), None, None),
    ],
)  # fmt: skip
def test_values(
    params: str,
    results: str,
    given: tuple[object, ...],
    seen: tuple[object, ...],
    returned: object,
    result: object,
) -> None:
    log: list[tuple[object, ...]] = []

    def host(*arguments: object) -> object:
        log.append(arguments)
        return returned

    calls = through(params, results, host)
    for call in calls:
        assert call(*given) == result
    assert log == [seen] * 3
    assert [type(value) for value in log[0]] == [type(value) for value in seen]


def test_functions_pass_through() -> None:
    calls = through("funcref", "funcref", lambda function: function)
    for call in calls:
        assert call(calls[0]) is calls[0]
        assert call(None) is None


def test_names_in_messages() -> None:
    class Adder:
        def __call__(self, value: int) -> str:
            return "?"

    def named(_: int) -> str:
        return "?"

    hosts: list[tuple[Callable[..., object], str]]
    hosts = [(named, "named"), (Adder(), "host"), (lambda _: "?", "<lambda>")]
    for host, name in hosts:
        for call in through("i32", "i32", host):
            with pytest.raises(TypeError, match=rf"^{name}\(\) result 0 \(i32\): 'str' object"):
                call(1)


def test_an_import_by_a_function_object() -> None:
    log: list[int] = []
    function = Function(log.append, FunctionType((I32,)))
    made = exports(
        '(module (import "e" "f" (func $f (param i32))) (func (export "g") (call $f (i32.const 5))))',
        {"e": {"f": function}},
    )
    made.g()
    assert log == [5]
    assert made.g.store is function.store


def test_the_same_callable_with_two_types() -> None:
    log: list[object] = []

    def host(*values: object) -> None:
        log.append(values)

    made = exports(
        '(module (import "e" "f" (func $a)) (import "e" "f" (func $b (param i32 f64)))'
        '(func (export "go") (call $a) (call $b (i32.const 1) (f64.const 2))))',
        {"e": {"f": host}},
    )
    made.go()
    assert log == [(), (1, 2.0)]


def test_tracebacks_show_host_and_caller() -> None:
    def inner() -> None:
        raise LookupError("deep")

    def host(depth: int) -> int:
        if not depth:
            inner()
        return int(call(depth - 1))

    call = through("i32", "i32", host)[0]
    with pytest.raises(LookupError, match=r"^deep$") as caught:
        call(3)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == [
        "test_tracebacks_show_host_and_caller",
        "host",
        "host",
        "host",
        "host",
        "inner",
    ]


def test_exceptions_are_chained_as_in_python() -> None:
    def host(_: int) -> int:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    for call in through("i32", "i32", host):
        with pytest.raises(ValueError, match="second") as caught:
            call(1)
        assert isinstance(caught.value.__cause__, KeyError)


def test_a_host_function_may_handle_what_its_calls_raise() -> None:
    made: Any = None

    def host(value: int) -> int:
        try:
            return int(made.divide(10, value))
        except Trap as trap:
            return -trap.code.value
        except ZeroDivisionError:
            return -100

    made = exports(
        """
        (module (import "e" "h" (func $h (param i32) (result i32)))
          (func (export "divide") (param i32 i32) (result i32)
            (i32.div_s (local.get 0) (local.get 1)))
          (func (export "go") (param i32) (result i32) (i32.add (i32.const 1) (call $h (local.get 0)))))
        """,
        {"e": {"h": host}},
    )
    assert [made.go(value) for value in (2, 0, -1)] == [6, -7, -9]


def test_deep_nesting_between_two_instances() -> None:
    def down(depth: int) -> int:
        return int(made.go(depth - 1)) if depth else 0

    made = exports(
        '(module (import "e" "h" (func $h (param i32) (result i32)))'
        '(func (export "go") (param i32) (result i32) (i32.add (i32.const 1) (call $h (local.get 0)))))',
        {"e": {"h": down}},
    )
    assert made.go(100) == 101


def test_host_functions_run_in_the_thread_that_calls() -> None:
    idents: list[int] = []
    call = through("", "", lambda: idents.append(threading.get_ident()))[0]
    call()
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert idents == [threading.get_ident(), thread.ident]


def test_other_threads_run_while_a_host_function_waits() -> None:
    ready, done = threading.Event(), threading.Event()

    def host() -> None:
        ready.set()
        assert done.wait(10)

    call = through("", "", host)[0]
    thread = threading.Thread(target=call)
    thread.start()
    assert ready.wait(10)
    done.set()
    thread.join()


@pytest.mark.parametrize(
    ("function", "given", "result"),
    [
        (
            Function(lambda a, b: a + b, FunctionType((I64, I64), (I64,))),
            (1 << 40, 2),
            (1 << 40) + 2,
        ),
        (Function(math.sqrt, FunctionType((F64,), (F64,))), (2,), math.sqrt(2)),
        (Function(divmod, FunctionType((I32, I32), (I32, I32))), (17, 5), (3, 2)),
        (Function(type, FunctionType((EXTERNREF,), (EXTERNREF,))), (5,), int),
        (Function(print, FunctionType()), (), None),
    ],
)
def test_builtin_callables(function: Function, given: tuple[Any, ...], result: object) -> None:
    assert function(*given) == result
