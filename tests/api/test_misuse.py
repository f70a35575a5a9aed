"""Nothing that a Python caller does ends the process: everything is an exception that says why."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wasmine
from wasmine import (
    EXTERNREF,
    F32,
    FUNCREF,
    I32,
    I64,
    V128,
    Engine,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Instance,
    Limits,
    Memory,
    MemoryType,
    Module,
    Store,
    StoreError,
    Table,
    TableType,
    Trap,
    UnsupportedFeature,
)
from wasmine.types import RefType, ValType, ref

from .harness import assemble, exports, instance, module, run_script

SAMPLE = """
(module
  (import "env" "call" (func $call (param i32) (result i32)))
  (memory (export "memory") 1 10)
  (table (export "table") 4 10 funcref)
  (table (export "things") 4 10 externref)
  (global (export "variable") (mut i32) (i32.const 1))
  (global (export "thing") (mut externref) (ref.null extern))
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "func") (param funcref) (result funcref) (local.get 0))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func (export "two") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "call") (param i32) (result i32) (call $call (local.get 0)))
  (func (export "spin") (param $n i32) (result i32)
    (loop $again
      (drop (call $call (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 7)))
"""


def sample(call: Callable[..., object] = lambda x: x) -> Any:
    return exports(SAMPLE, {"env": {"call": call}})


class Index:
    """An integer by protocol, which does something when it is asked."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __index__(self) -> Any:
        return self._action()

    __float__ = __index__


def fail(error: BaseException) -> Any:
    raise error


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
    class Callable_:
        def __call__(self, value: int) -> int:
            return value + 1

        def method(self, value: int) -> int:
            return value + 2

    for call, result in [
        (abs, 5), (Callable_(), 6), (Callable_().method, 7), (int, 5), (sample().i32, 5),
        (lambda *values: len(values), 1),
    ]:  # fmt: skip
        assert sample(call if not isinstance(call, Function) else (lambda v, c=call: c(v))).call(5) == result
    with pytest.raises(TypeError, match="positional argument"):
        sample(lambda: 1).call(5)

    async def coroutine(_: int) -> int:
        return 1

    with pytest.warns(RuntimeWarning, match="never awaited"):
        with pytest.raises(TypeError, match="'coroutine' object"):
            sample(coroutine).call(5)
        gc.collect()


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


def test_attributes_cannot_be_changed() -> None:
    made = instance(SAMPLE, {"env": {"call": abs}})
    objects = [made.exports[name] for name in ("i32", "memory", "table", "variable")]
    raw = made.exports.i32.call_raw
    for owner in [*objects, raw]:
        for name in ("store", "type"):
            with pytest.raises(AttributeError):
                setattr(owner, name, None)
            with pytest.raises(AttributeError):
                delattr(owner, name)
    for owner, name in [
        (made.exports.i32, "address"), (made.exports.memory, "linear"),
        (made.exports.table, "linear"), (made.exports.variable, "cell"),
        (made.store, "context"), (made.store, "engine"), (made.module, "info"),
        (made.module, "engine"),
    ]:  # fmt: skip
        with pytest.raises(AttributeError):
            setattr(owner, name, None)


def test_initialising_again() -> None:
    with pytest.raises(TypeError, match="a Store is initialised once"):
        Store().__init__()  # type: ignore[misc]
    function, made = Function(abs, FunctionType((I32,), (I32,))), sample()
    function.__init__(max, FunctionType())  # type: ignore[misc]
    made.memory.__init__(MEMORY)
    assert function(-3) == 3
    assert made.memory.type == MemoryType(Limits(1, 10))
    made.table.__init__(TableType(FUNCREF, Limits(1)))
    assert (len(made.table), made.i32(3)) == (1, 3)


NEW: list[tuple[type, list[Callable[[Any], object]]]] = [
    (Function, [lambda f: f(), lambda f: f(1, a=2), lambda f: f.call_raw(), lambda f: f.name,
                lambda f: f.store, repr, lambda f: f.__signature__]),
    (Memory, [lambda m: m[0], lambda m: m.read(0, 1), lambda m: m.write(0, b""), len, repr,
              lambda m: m.grow(1), lambda m: m.uint8_view(), lambda m: m.store]),
    (Table, [lambda t: t[0], lambda t: t.set(0, None), lambda t: t.grow(1), len, repr]),
    (Global, [lambda g: g.value, lambda g: setattr(g, "value", 1), repr]),
    (Store, [lambda s: s.context, lambda s: s.engine, lambda s: Memory(MEMORY, store=s),
             lambda s: Function(abs, FunctionType(), store=s)]),
    (Module, [lambda m: m.serialize(), lambda m: m.imports, lambda m: Instance(m), repr]),
    (Instance, [lambda i: i.exports, lambda i: i.store, repr]),
    (wasmine.Exports, [lambda e: e.x, lambda e: e["x"], len, repr, dir]),
]  # fmt: skip
MEMORY = MemoryType(Limits(1))


@pytest.mark.parametrize(("kind", "uses"), NEW, ids=lambda value: getattr(value, "__name__", ""))
def test_objects_that_were_never_initialised(
    kind: type, uses: list[Callable[[Any], object]]
) -> None:
    made: Any = object.__new__(kind)
    for use in uses:
        with pytest.raises((AttributeError, TypeError)):
            use(made)
    del made
    gc.collect()


def test_a_buffer_of_what_was_never_initialised() -> None:
    with pytest.raises((SystemError, BufferError)):
        memoryview(object.__new__(Memory))
    for kind in (Function, Memory):
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            kind.__new__(kind)  # type: ignore[call-arg]
    with pytest.raises((AttributeError, TypeError)):
        sample().func(object.__new__(Function))


def test_subclasses() -> None:
    class MyStore(Store):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class MyInstance(Instance):
        extra = 1

    class MyTable(Table):
        pass

    store = MyStore("mine")
    assert Memory(MEMORY, store=store).store.name == "mine"  # type: ignore[attr-defined]
    made = MyInstance(module("(module)"), store=store)
    assert (made.store, made.extra) == (store, 1)
    assert MyTable(TableType(FUNCREF, Limits(2)), store=store)[1] is None
    for kind in (Function, Memory):
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Mine", (kind,), {})

    class Uninitialised(Store):
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError):
        Memory(MEMORY, store=Uninitialised())


@pytest.mark.parametrize(
    "make",
    [
        Store,
        lambda: sample().i32,
        lambda: sample().i32.call_raw,
        lambda: sample().memory,
        lambda: sample().table,
        lambda: sample().variable,
        lambda: instance("(module)"),
        lambda: sample(),
    ],
)
def test_what_cannot_be_pickled_or_copied(make: Callable[[], object]) -> None:
    thing = make()
    for operation in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot"):
            operation(thing)
    if isinstance(thing, Store | Function | Memory | Table | Global):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copy.copy(thing)


WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Instance(b""), TypeError, "made from a Module, not b''"),  # type: ignore[arg-type]
    (lambda: Instance(module("(module)"), 5), TypeError, "imports are a mapping of mappings"),  # type: ignore[arg-type]
    (lambda: Instance(module("(module)"), store=5), TypeError, "a store is a Store, not 5"),  # type: ignore[arg-type]
    (lambda: Module(5), TypeError, "given as bytes or a path, not int"),  # type: ignore[arg-type]
    (lambda: Module(assemble("(module)"), engine=5), TypeError, "is an Engine, not 5"),  # type: ignore[arg-type]
    (lambda: Module.deserialize("x"), TypeError, "bytes-like"),  # type: ignore[arg-type]
    (lambda: Store(5), TypeError, "a store's engine is an Engine, not 5"),  # type: ignore[arg-type]
    (lambda: Engine(opt_level="O9"), ValueError, "opt_level is one of none, light, O1, O2, O3"),
    (lambda: Engine(memory="big"), ValueError, "memory is 'static' or 'dynamic', not 'big'"),  # type: ignore[arg-type]
    (lambda: Function(5), TypeError, "made from a callable, not 5"),  # type: ignore[arg-type]
    (lambda: Function(abs, 5), TypeError, "a FunctionType, not 5"),  # type: ignore[arg-type]
    (lambda: Function(abs, FunctionType(), store=5), TypeError, "a Store, not 5"),  # type: ignore[arg-type]
    (lambda: Function(lambda x: x), TypeError, "give the function's type: the annotation of 'x'"),
    (lambda: Function(abs, FunctionType((V128,))), UnsupportedFeature, "unsupported type v128"),
    (lambda: Function(abs, FunctionType((ref("any"),))), UnsupportedFeature, "type anyref"),
    (lambda: Function(abs, FunctionType((), (ref("func", False),))), UnsupportedFeature, "func"),
    (lambda: FunctionType((int,)), TypeError, "<class 'int'> is not a value type"),  # type: ignore[arg-type]
    (lambda: Memory(5), TypeError, "a MemoryType, not 5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(5)), TypeError, "a memory's limits are Limits, not 5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits("a"))), TypeError, "limits are integers, not 'a'"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits(1, 2.5))), TypeError, "limits are integers, not 2.5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits(-1))), ValueError, "limits are not negative: -1"),
    (lambda: Memory(MemoryType(Limits(1 << 70))), MemoryError, "is greater than the maximum"),
    (lambda: Memory(MemoryType(Limits(1, 2), shared=True)), UnsupportedFeature, "1 2 shared"),
    (lambda: Memory(MemoryType(Limits(1), address=I64)), UnsupportedFeature, "memory i64 1"),
    (lambda: Table(5), TypeError, "a TableType, not 5"),  # type: ignore[arg-type]
    (lambda: Table(TableType(I32, Limits(1))), UnsupportedFeature, "unsupported table"),  # type: ignore[arg-type]
    (lambda: Table(TableType(ref("any"), Limits(1))), UnsupportedFeature, "type anyref"),
    (lambda: Table(TableType(ref("func", False), Limits(1))), UnsupportedFeature, "ref func"),
    (lambda: Table(TableType(FUNCREF, Limits(-1))), ValueError, "not negative: -1"),
    (lambda: Table(TableType(FUNCREF, Limits(1 << 40))), MemoryError, "larger than this impl"),
    (lambda: Table(TableType(FUNCREF, Limits(3, 2))), MemoryError, "larger than maximum"),
    (lambda: Table(TableType(FUNCREF, Limits(1)), print), TypeError, "funcref must be a wasmine"),
    (lambda: Global(5), TypeError, "a GlobalType, not 5"),  # type: ignore[arg-type]
    (lambda: Global(GlobalType("i32"), 5), UnsupportedFeature, "unsupported type i32"),  # type: ignore[arg-type]
    (lambda: Global(GlobalType(I32), "5"), TypeError, "'str' object cannot be"),
    (lambda: Global(GlobalType(I32), 1 << 32), OverflowError, I32_FITS),
    (lambda: Global(GlobalType(V128), b"short"), TypeError, "v128 takes 16 bytes, not 5"),
    (lambda: Global(GlobalType(FUNCREF), 5), TypeError, "funcref must be a wasmine.Function"),
    (lambda: setattr(sample().variable, "value", None), TypeError, "'NoneType' object"),
    (lambda: sample().memory.grow(-1), MemoryError, "requested increase: -1 pages"),
    (lambda: sample().memory.grow(1 << 70), MemoryError, "could not grow"),
    (lambda: sample().memory.grow("1"), TypeError, "cannot be interpreted as an integer"),
    (lambda: sample().table.grow(1 << 70), MemoryError, "the table could not grow"),
    (lambda: sample().table.grow(-1), MemoryError, "the table could not grow"),
    (lambda: sample().table.grow(1, 5), TypeError, "funcref must be"),
    (lambda: sample().table.set(0, 5), TypeError, "funcref must be"),
    (lambda: sample().table.get("0"), TypeError, "cannot be interpreted as an integer"),
    (lambda: sample().table[1.0], TypeError, "cannot be interpreted as an integer"),
    (lambda: sample().nothing, AttributeError, "the instance exports nothing called 'nothing'"),
    (lambda: sample()[5], KeyError, "exports nothing called 5"),
]


@pytest.mark.parametrize(("use", "error", "text"), WRONG, ids=range(len(WRONG)))
def test_wrong_things(use: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        use()


def test_objects_of_other_stores() -> None:
    made, other = sample(), sample()
    belongs = "belongs to another store"
    uses: list[Callable[[], object]] = [
        lambda: made.func(other.i32),
        lambda: made.func.call_raw(other.i32),
        lambda: made.table.set(0, other.i32),
        lambda: made.table.grow(1, other.i32),
        lambda: Table(TableType(FUNCREF, Limits(1)), other.i32, store=made.i32.store),
        lambda: Global(GlobalType(FUNCREF), other.i32, store=made.i32.store),
        lambda: Function(lambda: other.i32, FunctionType((), (FUNCREF,)))(),
        lambda: instance(
            '(module (import "a" "i32" (func (param i32) (result i32))) (import "b" "m" (memory 1)))',
            {"a": made, "b": {"m": other.memory}},
        ),
        lambda: instance(
            '(module (import "b" "m" (memory 1)))', {"b": {"m": other.memory}}, store=Store()
        ),
    ]
    for use in uses:
        with pytest.raises(StoreError, match=belongs):
            use()
    assert made.table[0] is None
    # Without a store, that of the value is taken.
    assert Table(TableType(FUNCREF, Limits(1)), other.i32)[0] is other.i32
    # An externref may be an object of any store.
    made.things[0] = other.memory
    assert made.things[0] is other.memory


def threaded(work: Callable[[], object]) -> Any:
    """What `work` returns or raises in another thread."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def test_a_store_that_another_thread_uses() -> None:
    refused = [
        lambda: made.i32(1),
        lambda: made.i32.call_raw(1),
        lambda: made.memory.grow(1),
        lambda: made.things.get(0),
        lambda: made.things.set(0, 1),
        lambda: made.things.grow(1),
        lambda: made.thing.value,
        lambda: setattr(made.thing, "value", 1),
        lambda: setattr(made.variable, "value", 1),
        lambda: Table(TableType(EXTERNREF, Limits(1)), 5, store=made.i32.store),
        lambda: Instance(module("(module)"), store=made.i32.store),
    ]
    allowed: list[Callable[[], Any]] = [
        lambda: made.memory.read(0, 2),
        lambda: made.variable.value,
        lambda: made.memory.size,
        lambda: made.i32.name,
        lambda: len(made.table),
        lambda: repr([made.thing, made.things, made.memory, made.i32]) and 5,
    ]
    found: list[Any] = []

    def call(value: int) -> int:
        found.extend(threaded(use) for use in refused)
        found.append([threaded(use) for use in allowed])
        return value

    made = sample(call)
    made.memory.write(0, b"ok")
    assert made.call(5) == 5
    assert found.pop() == [b"ok", 1, 1, "i32", 4, 5]
    for error in found:
        assert type(error) is StoreError
        assert "the store is in use by another thread" in str(error)
    assert str(found[0]) == "i32(): the store is in use by another thread"
    assert [threaded(use) for use in refused[:2]] == [1, (1,)]
    assert made.memory.size == 1


def test_threads_that_race_for_a_store() -> None:
    made = sample(lambda value: time.sleep(0) or value)
    stop = time.monotonic() + 1
    counts = [0, 0]
    wrong: list[BaseException] = []

    def work() -> None:
        while time.monotonic() < stop:
            for use in (
                lambda: made.spin(5),
                lambda: made.things.set(1, object()),
                lambda: made.extern(object()),
                lambda: made.things.get(1),
                lambda: setattr(made.thing, "value", [1]),
                lambda: made.thing.value,
                lambda: made.memory.grow(0),
            ):
                try:
                    use()
                    counts[0] += 1
                except StoreError:
                    counts[1] += 1
                except BaseException as error:
                    wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counts[0] > 0
    assert made.spin(2) == 7
    assert made.spin.store.context.depth == 0


def test_threads_with_stores_of_their_own() -> None:
    def work() -> None:
        made = sample()
        for value in range(300):
            assert made.spin(3) == 7
            made.things[0] = value
            assert made.things[0] == value
            made.memory.write(0, bytes([value % 256]))
        results.append(made.i32(1))

    results: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 4


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


def test_after_fork() -> None:
    script = f"""
import os
made = Instance(Module({assemble(SAMPLE)!r}), {{"env": {{"call": abs}}}})
made.exports.memory[0] = 1
child = os.fork()
if not child:
    made.exports.memory[0] = 2
    os._exit(made.exports.call(made.exports.memory[0]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), made.exports.memory[0])
"""
    assert run_script(script) == "2 1\n"


def test_ref_types_from_python_are_checked() -> None:
    heaps: list[Any] = ["any", "eq", "i31", "exn", "noextern", "nofunc", 0, 7]
    for heap in heaps:
        for nullable in (True, False):
            type_: RefType = ref(heap, nullable)
            with pytest.raises(UnsupportedFeature, match="unsupported type"):
                Global(GlobalType(type_), None)
