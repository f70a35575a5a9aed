"""Thunks for all types and thunks for one type do the same, and a type that is used often gets its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from wasmine import Function, FunctionType, Instance, Module, Store, Trap, WasmException
from wasmine.abi.runtime import NativeCallable
from wasmine.api.thunks import THUNKS
from wasmine.compiler.native.generic import HOT_CALLS
from wasmine.types import I32
from wasmine.vm import process

OBJECT = object()

WIDE = ("i32", "f64", "i64", "v128", "f32", "externref") * 7
"""More values of each kind than there are registers."""
VALUES: dict[str, list[Any]] = {
    "i32": [-1, 0, 2**31 - 1, -(2**31)],
    "i64": [-1, 7, 2**63 - 1, -(2**63)],
    "f32": [0.5, -1.0, math.inf],
    "f64": [1e300, -1.0, -math.inf],
    "v128": [bytes(range(16))],
    "externref": [OBJECT, None, "text"],
    "anyref": [5, None, OBJECT],
    "funcref": [None],
    "exnref": [None],
}
TYPES = [
    (),
    ("i32",),
    ("i64",),
    ("f32",),
    ("f64",),
    ("v128",),
    ("externref",),
    ("anyref",),
    ("funcref",),
    ("exnref",),
    ("i32", "i32"),
    ("i32", "f32", "i64", "f64", "v128", "externref", "funcref", "anyref"),
    ("i64",) * 9,
    ("f64",) * 12,
    WIDE,
]


@pytest.fixture(params=["generic", "own"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which thunks are used by what the test makes."""
    monkeypatch.setattr(THUNKS, "_records", {})
    monkeypatch.setattr(THUNKS, "_own", {"entry": set(), "raw": set(), "host": set()})
    if request.param == "generic":
        monkeypatch.setattr(THUNKS, "prepare", lambda **_: None)
    return str(request.param)


def values(names: tuple[str, ...]) -> list[Any]:
    """One value for each type, others for types that occur again."""
    return [VALUES[name][i % len(VALUES[name])] for i, name in enumerate(names)]


def echo(names: tuple[str, ...], host: Callable[..., Any]) -> Instance:
    """Exports `same`, which returns its parameters, and `host`, which has the callable do it."""
    signature = f"(param {' '.join(names)}) (result {' '.join(names)})"
    gets = " ".join(f"(local.get {i})" for i in range(len(names)))
    module = Module(f"""(module
      (import "env" "host" (func $host {signature}))
      (func (export "same") {signature} {gets})
      (func (export "host") {signature} (call $host {gets})))""")
    return Instance(module, {"env": {"host": host}})


def tuple_or_value(*arguments: Any) -> Any:
    """What a host function returns that gives back what it got."""
    return arguments[0] if len(arguments) == 1 else arguments or None


@pytest.mark.parametrize("names", TYPES, ids=lambda names: "_".join(names)[:40] or "nothing")
def test_values_pass_unchanged(kind: str, names: tuple[str, ...]) -> None:
    exports = echo(names, tuple_or_value).exports
    given = values(names)
    assert exports.same(*given) == tuple_or_value(*given)
    assert exports.host(*given) == tuple_or_value(*given)
    objects = [
        value if name.endswith("ref") else position
        for position, (name, value) in enumerate(zip(names, given, strict=True))
    ]
    assert exports.same.call_raw(*objects) == tuple(objects)


def test_bits_of_nan(kind: str) -> None:
    exports = echo(("f32", "f64", "i32", "i64"), tuple_or_value).exports
    bits = (0x7FA0_0001, 0x7FF4_0000_0000_0001, 2**32 - 1, 2**64 - 1)
    assert exports.same.call_raw(*bits) == bits
    with pytest.raises(OverflowError, match="parameter 0"):
        exports.same.call_raw(2**32, 0, 0, 0)
    with pytest.raises(TypeError, match="parameter 1"):
        exports.same.call_raw(0, 1.5, 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("i32", 2**32, OverflowError),
        ("i32", -(2**31) - 1, OverflowError),
        ("i64", 2**64, OverflowError),
        ("i32", "1", TypeError),
        ("f32", "1", TypeError),
        ("f64", None, TypeError),
        ("v128", b"short", TypeError),
        ("exnref", 1, TypeError),
    ],
)
def test_what_does_not_fit(kind: str, name: str, value: object, error: type[Exception]) -> None:
    wrong = [value]
    exports = echo((name,), lambda _: wrong[0]).exports
    with pytest.raises(error, match=r"same\(\) parameter 0"):
        exports.same(value)
    with pytest.raises(error, match=r"result 0"):
        exports.host(values((name,))[0])
    with pytest.raises(TypeError, match="takes 1 argument but 2 were given"):
        exports.same(1, 2)
    with pytest.raises(TypeError, match="keyword"):
        exports.same(x=1)


def test_unsigned_and_slow_numbers(kind: str) -> None:
    class Number:
        def __index__(self) -> int:
            return 7

    exports = echo(("i32", "i64", "f64"), tuple_or_value).exports
    assert exports.same(2**32 - 1, 2**64 - 1, Number()) == (-1, -1, 7.0)
    assert exports.same(Number(), True, 3) == (7, 1, 3.0)


def test_exceptions_of_callables(kind: str) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    exports = echo(WIDE, fail).exports
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            exports.host(*values(WIDE))
    assert exports.same(*values(WIDE)) == tuple(values(WIDE))


def test_results_that_use_the_store_while_arguments_are_converted(kind: str) -> None:
    """What travels through the store is written after everything that Python does."""
    exports = echo(("i64",) * 12, tuple_or_value).exports

    class Nested:
        def __index__(self) -> int:
            return int(sum(exports.same(*range(100, 112))))

    expected = sum(range(100, 112))
    assert exports.same(*range(11), Nested()) == (*range(11), expected)


def test_webassembly_catches_what_a_callable_throws(kind: str) -> None:
    module = Module("""(module
      (type $t (func (param i32 i64 i32 i32 i32 i32 i32) (result i64)))
      (import "env" "host" (func $host (type $t)))
      (tag $e (export "e") (param i64))
      (func (export "run") (result i64)
        (block $h (result i64)
          (try_table (result i64) (catch $e $h)
            (call $host (i32.const 1) (i64.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
                        (i32.const 6) (i32.const 7)))))
      (func (export "trap") unreachable))""")
    seen = []

    def host(*arguments: int) -> int:
        seen.append(arguments)
        raise WasmException(instance.exports.e, 40 + len(arguments))

    instance = Instance(module, {"env": {"host": host}})
    assert instance.exports.run() == 47
    assert seen == [tuple(range(1, 8))]
    with pytest.raises(Trap, match="unreachable"):
        instance.exports.trap()


@pytest.mark.parametrize("kind", ["generic"], indirect=True)
def test_a_type_that_is_used_often_gets_thunks_of_its_own(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = echo(("i32", "f64"), tuple_or_value).exports
    same = exports.same
    fields = NativeCallable.from_address(id(same))
    assert fields.vectorcall == process.current().generic_entry
    monkeypatch.delattr(THUNKS, "prepare")  # the method comes to light again
    end = time.monotonic() + 60
    while fields.vectorcall == process.current().generic_entry and time.monotonic() < end:
        for _ in range(HOT_CALLS):
            assert same(1, 2.0) == (1, 2.0)
    assert fields.vectorcall != process.current().generic_entry
    for number in range(3):
        assert exports.host(number, 2.0) == (number, 2.0)
        assert same(number, 2.0) == (number, 2.0)


def test_objects_are_released(kind: str) -> None:
    class Thing:
        alive = 0

        def __init__(self) -> None:
            Thing.alive += 1

        def __del__(self) -> None:
            Thing.alive -= 1

    exports = echo(("externref", "i32", "externref"), tuple_or_value).exports
    for _ in range(50):
        exports.same(Thing(), 1, None)
        exports.host(Thing(), 1, Thing())
    assert Thing.alive == 0


def test_functions_of_several_stores(kind: str) -> None:
    type_ = FunctionType((), (I32,))
    functions = [Function(lambda n=n: n, type_, store=Store()) for n in range(5)]
    assert [function() for function in functions] == list(range(5))
