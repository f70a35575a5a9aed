"""Wrong objects: never initialised, of other stores, of other types, copied, changed."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import wasmine
from tests.harness import assemble, instance, module
from wasmine import (
    F64,
    FUNCREF,
    I32,
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
    UnsupportedFeature,
)
from wasmine.types import RefType, ref

from .harness import SAMPLE, sample


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
    with pytest.raises(TypeError, match="the object is a Table already"):
        made.table.__init__(TableType(FUNCREF, Limits(1)))
    assert (len(made.table), made.i32(3)) == (4, 3)


MEMORY = MemoryType(Limits(1))
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
    with pytest.raises(TypeError, match="bytes-like"):
        memoryview(object.__new__(Memory))
    with pytest.raises(AttributeError, match="_linear"):
        memoryview(object.__new__(type(sample().memory)))
    kinds: list[Any] = [Function, Memory]
    for kind in kinds:
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            kind.__new__(kind)
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
    (lambda: Module(5), TypeError, "given as bytes, text or a path, not int"),  # type: ignore[arg-type]
    (lambda: Module(assemble("(module)"), engine=5), TypeError, "is an Engine, not 5"),  # type: ignore[arg-type]
    (lambda: Module.deserialize("x"), TypeError, "bytes-like"),  # type: ignore[arg-type]
    (lambda: Store(5), TypeError, "a store's engine is an Engine, not 5"),  # type: ignore[arg-type]
    (lambda: Engine(opt_level="O9"), ValueError, "opt_level is one of none, light, O1, O2, O3"),
    (lambda: Engine(memory="big"), ValueError, "memory is 'static' or 'dynamic', not 'big'"),  # type: ignore[arg-type]
    (lambda: Function(5), TypeError, "made from a callable, not 5"),  # type: ignore[arg-type]
    (lambda: Function(abs, 5), TypeError, "a FunctionType, not 5"),  # type: ignore[arg-type]
    (lambda: Function(abs, FunctionType(), store=5), TypeError, "a Store, not 5"),  # type: ignore[arg-type]
    (lambda: Function(lambda x: x), TypeError, "give the function's type: the annotation of 'x'"),
    (lambda: Function(abs, FunctionType((), (ref(7),))), UnsupportedFeature, "ref null 7"),
    (lambda: FunctionType((int,)), TypeError, "<class 'int'> is not a value type"),  # type: ignore[arg-type]
    (lambda: Memory(5), TypeError, "a MemoryType, not 5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(5)), TypeError, "a memory's limits are Limits, not 5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits("a"))), TypeError, "limits are integers, not 'a'"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits(1, 2.5))), TypeError, "limits are integers, not 2.5"),  # type: ignore[arg-type]
    (lambda: Memory(MemoryType(Limits(-1))), ValueError, "limits are not negative: -1"),
    (lambda: Memory(MemoryType(Limits(1 << 70))), MemoryError, "is greater than the maximum"),
    (
        lambda: Memory(MemoryType(Limits(1), shared=True)),
        ValueError,
        "a shared memory has a maximum",
    ),
    (lambda: Memory(MemoryType(Limits(1), address=F64)), ValueError, "are i32 or i64, not f64"),
    (lambda: Table(5), TypeError, "a TableType, not 5"),  # type: ignore[arg-type]
    (lambda: Table(TableType(I32, Limits(1))), UnsupportedFeature, "unsupported table"),  # type: ignore[arg-type]
    (lambda: Table(TableType(ref(7), Limits(1))), UnsupportedFeature, "type .ref null 7"),
    (lambda: Table(TableType(ref("func", False), Limits(1))), TypeError, "needs an element"),
    (lambda: Table(TableType(FUNCREF, Limits(-1))), ValueError, "not negative: -1"),
    (lambda: Table(TableType(FUNCREF, Limits(1 << 40))), MemoryError, "larger than this impl"),
    (lambda: Table(TableType(FUNCREF, Limits(3, 2))), MemoryError, "larger than maximum"),
    (lambda: Table(TableType(FUNCREF, Limits(1)), print), TypeError, "funcref must be a wasmine"),
    (lambda: Global(5), TypeError, "a GlobalType, not 5"),  # type: ignore[arg-type]
    (lambda: Global(GlobalType("i32"), 5), UnsupportedFeature, "unsupported type i32"),  # type: ignore[arg-type]
    (lambda: Global(GlobalType(I32), "5"), TypeError, "'str' object cannot be"),
    (lambda: Global(GlobalType(I32), 1 << 32), OverflowError, "does not fit in 32 bits"),
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


def test_ref_types_from_python_are_checked() -> None:
    for heap in (0, 7):
        for nullable in (True, False):
            type_: RefType = ref(heap, nullable)
            with pytest.raises(UnsupportedFeature, match="unsupported type"):
                Global(GlobalType(type_), None)
