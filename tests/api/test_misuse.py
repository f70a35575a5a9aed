"""Wrong values, odd callables: everything is an exception that says why, and nothing aborts."""

from __future__ import annotations

import gc
import math
from typing import Any

import numpy as np
import pytest

from wasmine import (
    EXTERNREF,
    F32,
    FUNCREF,
    I32,
    I64,
    Engine,
    Function,
    FunctionType,
    Limits,
    Memory,
    MemoryType,
    Store,
    Trap,
)
from wasmine.types import ValType

from .harness import Index, exports, fail, sample

I32_FITS = "does not fit in 32 bits"


@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        ("i32", (), TypeError, r"i32\(\) takes 1 argument but 0 were given; its type is \(i32\)"),
        ("i32", (1, 2), TypeError, r"i32\(\) takes 1 argument but 2 were given"),
        ("two", (1,), TypeError, r"two\(\) takes 2 arguments but 1 were given"),
        ("i32", (1.0,), TypeError, r"^i32\(\) parameter 0 \(i32\): 'float' object cannot be"),
        ("i32", ("1",), TypeError, r"parameter 0 \(i32\): 'str' object"),
        ("i32", (None,), TypeError, r"parameter 0 \(i32\): 'NoneType' object"),
        ("i32", (1 << 32,), OverflowError, rf"^i32\(\) parameter 0 \(i32\): 4294967296 {I32_FITS}"),
        ("i32", (-(1 << 31) - 1,), OverflowError, I32_FITS),
        ("i32", (1 << 200,), OverflowError, I32_FITS),
        ("i64", (1 << 64,), OverflowError, "does not fit in 64 bits"),
        ("i64", (-(1 << 63) - 1,), OverflowError, "does not fit in 64 bits"),
        ("i64", (np.float64(1),), TypeError, r"i64\(\) parameter 0 \(i64\)"),
        ("two", (1, "2"), TypeError, r"two\(\) parameter 1 \(i64\)"),
        ("f32", ("1",), TypeError, r"parameter 0 \(f32\): must be a real number, not str"),
        ("f64", (b"1",), TypeError, r"parameter 0 \(f64\): must be a real number, not bytes"),
        ("f64", (1j,), TypeError, r"parameter 0 \(f64\)"),
        ("f64", (10**400,), OverflowError, r"parameter 0 \(f64\): int too large"),
        ("f64", ([],), TypeError, r"parameter 0 \(f64\)"),
        ("func", (print,), TypeError, "funcref must be a wasmine.Function or None, not builtin"),
        ("func", (1,), TypeError, "funcref must be a wasmine.Function or None, not int"),
        ("i32", (Index(lambda: "1"),), TypeError, r"__index__ returned non-int"),
        ("i32", (Index(lambda: fail(KeyError("k"))),), KeyError, "k"),
        ("i32", (Index(lambda: fail(SystemExit(3))),), SystemExit, "3"),
        ("f64", (Index(lambda: fail(TypeError("t"))),), TypeError, r"parameter 0 \(f64\): t"),
    ],
)
def test_arguments(
    name: str, arguments: tuple[object, ...], error: type[BaseException], text: str
) -> None:
    made = sample()
    with pytest.raises(error, match=text):
        made[name](*arguments)
    assert made.i32(5) == 5
    assert made.i32.store.context.depth == 0


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("i32", (1 << 32) - 1, -1),
        ("i32", True, 1),
        ("i32", np.uint8(200), 200),
        ("i32", np.int32(-5), -5),
        ("i32", Index(lambda: 1 << 31), -(1 << 31)),
        ("i64", (1 << 64) - 1, -1),
        ("i64", -(1 << 63), -(1 << 63)),
        ("i64", np.uint64(1 << 63), -(1 << 63)),
        ("f64", 3, 3.0),
        ("f64", np.float32(0.5), 0.5),
        ("f64", True, 1.0),
        ("f32", 1e300, math.inf),
        ("f32", 16777217, 16777216.0),
        ("f64", 1 << 1000, 2.0**1000),
        ("func", None, None),
        ("extern", None, None),
    ],
)
def test_arguments_that_fit(name: str, value: object, result: object) -> None:
    given = sample()[name](value)
    assert given == result
    assert type(given) is type(result)


@pytest.mark.parametrize(
    ("name", "bits", "error", "text"),
    [
        ("i32", -1, OverflowError, r"i32\(\) parameter 0 \(i32\): -1 is not 32 bits"),
        ("i32", 1 << 32, OverflowError, "is not 32 bits"),
        ("f64", 1.0, TypeError, r"f64\(\) parameter 0 \(f64\): bits are an integer, not float"),
        ("f32", 1 << 64, OverflowError, "is not 32 bits"),
        ("func", 0, TypeError, "funcref must be a wasmine.Function or None, not int"),
    ],
)
def test_bits(name: str, bits: object, error: type[BaseException], text: str) -> None:
    made = sample()
    with pytest.raises(error, match=text):
        made[name].call_raw(bits)
    with pytest.raises(TypeError, match="takes 1 argument but 2 were given"):
        made[name].call_raw(bits, bits)
    assert made.f32.call_raw(np.uint32(0x7FA0_0001)) == (0x7FA0_0001,)


def test_keywords_are_refused() -> None:
    made = sample()
    for call in (made.i32, made.i32.call_raw):
        with pytest.raises(TypeError, match=r"i32\(\) takes no keyword arguments"):
            call(p0=1)
        with pytest.raises(TypeError, match="takes no keyword arguments"):
            call(1, **{"": 2})


def test_arguments_that_call_in_again() -> None:
    """Conversion runs user code: it may use the store, drop what is called, or collect garbage."""
    made = sample()
    kept = {"f": made.i32}
    assert kept["f"](Index(lambda: made.i32(4) + 1)) == 5
    assert made.call(Index(lambda: made.call(3))) == 3

    def drop() -> int:
        nonlocal made
        kept.clear()
        made = None
        gc.collect()
        return 6

    assert kept["f"](Index(drop)) == 6


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (None, TypeError, r"host\(\) result 0 \(i32\): 'NoneType' object"),
        ("1", TypeError, r"host\(\) result 0 \(i32\): 'str' object"),
        (1.5, TypeError, r"host\(\) result 0 \(i32\): 'float' object"),
        ((1,), TypeError, r"host\(\) result 0 \(i32\): 'tuple' object"),
        (iter([1]), TypeError, r"result 0 \(i32\): 'list_iterator' object"),
        (1 << 32, OverflowError, r"host\(\) result 0 \(i32\): 4294967296 does not fit"),
        (Index(lambda: fail(KeyError("k"))), KeyError, "k"),
    ],
)
def test_one_result_of_a_host_function(
    result: object, error: type[BaseException], text: str
) -> None:
    def host(_: int) -> object:
        return result

    with pytest.raises(error, match=text):
        sample(host).call(1)


@pytest.mark.parametrize(
    ("results", "returned", "outcome"),
    [
        ((), None, None),
        ((), 1, r"host\(\) must return None, as its type is \(\) -> \(\); not int"),
        ((), (), r"must return None.*; not 0 values"),
        ((I32, I64), (1, 2), (1, 2)),
        ((I32, I64), [1, np.int64(2)], (1, 2)),
        ((I32, I64), (1, 2, 3), r"host\(\) must return a tuple of 2 values.*; not 3 values"),
        ((I32, I64), (1,), "not 1 values"),
        ((I32, I64), None, "must return a tuple of 2 values, .*; not NoneType"),
        ((I32, I64), {1: 2, 3: 4}, "not dict"),
        ((I32, I64), (x for x in (1, 2)), "not generator"),
        ((I32, F32), (1, "x"), r"host\(\) result 1 \(f32\): must be a real number, not str"),
        ((EXTERNREF,), "any", "any"),
        ((EXTERNREF,), None, None),
        ((EXTERNREF, EXTERNREF), ("a", None), ("a", None)),
        ((FUNCREF,), print, "funcref must be a wasmine.Function or None"),
        ((FUNCREF,), None, None),
    ],
)
def test_results_of_a_host_function(
    results: tuple[ValType, ...], returned: object, outcome: object
) -> None:
    def host() -> object:
        return returned

    kinds = " ".join(map(str, results))
    made = exports(
        f'(module (import "e" "h" (func $h (result {kinds})))'
        f'(func (export "go") (result {kinds}) call $h))',
        {"e": {"h": host}},
    )
    direct = Function(host, FunctionType((), results))
    for call in (made.go, direct):
        if isinstance(outcome, str) and outcome != returned:
            with pytest.raises(TypeError, match=outcome):
                call()
        else:
            assert call() == outcome


class Lying(tuple[int, ...]):
    """Says that it has two elements."""

    __slots__ = ()

    def __len__(self) -> int:
        return 2


def test_tuples_that_lie_about_their_length() -> None:
    function = Function(lambda: Lying((1, 2, 3)), FunctionType((), (I32, I32)))
    with pytest.raises(TypeError, match="not 3 values"):
        function()


@pytest.mark.parametrize(
    "error",
    [ValueError("v"), KeyboardInterrupt(), SystemExit(2), GeneratorExit(), StopIteration(1),
     BaseException("base"), BaseExceptionGroup("g", [KeyboardInterrupt()]), MemoryError()],
    ids=repr,
)  # fmt: skip
def test_exceptions_of_host_functions_come_out_unchanged(error: BaseException) -> None:
    made = sample(lambda _: fail(error))
    for call in (made.call, made.spin, made.call.call_raw):
        with pytest.raises(type(error)) as caught:
            call(1)
        assert caught.value is error
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == "fail"
    assert made.call.store.context.depth == 0


def test_host_functions_of_every_kind() -> None:
    class Doubtful:
        def __call__(self, value: int) -> int:
            return value + 1

        def method(self, value: int) -> int:
            return value + 2

    for call, result in [
        (abs, 5), (Doubtful(), 6), (Doubtful().method, 7), (int, 5), (sample().i32, 5),
        (lambda *values: len(values), 1),
    ]:  # fmt: skip
        assert (
            sample(call if not isinstance(call, Function) else (lambda v, c=call: c(v))).call(5)
            == result
        )
    with pytest.raises(TypeError, match="positional argument"):
        sample(lambda: 1).call(5)

    async def coroutine(_: int) -> int:
        return 1

    def forget() -> None:
        with pytest.raises(TypeError, match="'coroutine' object"):
            sample(coroutine).call(5)

    with pytest.warns(RuntimeWarning, match="never awaited"):
        forget()


def test_what_runs_may_be_deleted() -> None:
    state: dict[str, Any] = {}

    def call(value: int) -> int:
        state.clear()
        gc.collect()
        return value

    state["made"] = sample(call)
    assert state["made"].spin(3) == 7
    state["spin"] = sample(call).spin
    assert state["spin"](3) == 7
    state["raw"] = sample(call).spin.call_raw
    assert state["raw"](3) == (7,)
    state["map"] = map(sample(call).spin, [2, 3])
    assert list(state["map"]) == [7, 7]


def test_garbage_collection_at_any_moment() -> None:
    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        made = sample(lambda value: len([[] for _ in range(value)]))
        assert made.spin(5) == 7
        made.things[0] = made
        assert made.two(1, 2) == (2, 1)
        assert made.extern(made) is made
        with pytest.raises(TypeError):
            made.i32("1")
        made.memory.grow(1)
        made.things[0] = None
    finally:
        gc.set_threshold(*threshold)


def test_generators_and_nested_calls() -> None:
    def numbers() -> Any:
        for value in (1, 2):
            yield made.call(value)

    made = sample(lambda value: value * 10)
    pair = numbers()
    assert next(pair) == 10
    outer = sample(lambda _: next(pair))
    assert outer.call(0) == 20
    with pytest.raises(StopIteration):
        outer.call(0)


def test_recursion_through_the_host_ends_with_an_exception() -> None:
    def call(value: int) -> int:
        return int(made.call(value + 1))

    made = sample(call)
    with pytest.raises((RecursionError, Trap)):
        made.call(0)
    assert made.i32(3) == 3


def test_a_memory_that_is_grown_from_its_own_index() -> None:
    memory = Memory(MemoryType(Limits(1)), store=Store(Engine(memory="dynamic")))

    def grow() -> int:
        memory.grow(10)
        return 5

    memory[Index(grow)] = 9
    assert memory[5] == 9
    memory.write(Index(grow), b"x")  # type: ignore[arg-type]
    assert memory.read(Index(grow), 1) == b"x"  # type: ignore[arg-type]
    assert memory.size == 31
    with pytest.raises(KeyError):
        memory.read(0, Index(lambda: fail(KeyError())))  # type: ignore[arg-type]
