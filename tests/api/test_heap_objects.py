"""Struct, Array and i31 from Python: contents, identity, types, and what is refused."""

from __future__ import annotations

import array as arrays
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.harness import instance, module
from wasmine import (
    F32,
    F64,
    I32,
    I64,
    V128,
    Array,
    ArrayType,
    Engine,
    FieldType,
    Function,
    FunctionType,
    Global,
    GlobalType,
    Instance,
    Limits,
    RefType,
    Store,
    StoreError,
    Struct,
    StructType,
    Table,
    TableType,
    Trap,
    TrapCode,
    defined,
    ref,
)

pytestmark = pytest.mark.usefixtures("every_tier")

ANYREF, EXTERNREF, EQREF = ref("any"), ref("extern"), ref("eq")

TEXT = """
(module
  (type $point (sub (struct (field (mut i32)) (field (mut f64)))))
  (type $colored (sub final $point (struct (field (mut i32)) (field (mut f64)) (field i8))))
  (type $node (struct (field $value (mut i32)) (field $next (mut (ref null $node)))))
  (type $things (array (mut externref)))
  (type $anys (array (mut anyref)))
  (type $bytes (array (mut i8)))
  (import "env" "call" (func $call (param anyref) (result anyref)))
  (global $g (export "global") (mut anyref) (ref.null any))
  (table $t (export "table") 3 anyref)
  (func (export "point") (param i32 f64) (result (ref $point))
    (struct.new $point (local.get 0) (local.get 1)))
  (func (export "colored") (param i32 f64 i32) (result (ref $point))
    (struct.new $colored (local.get 0) (local.get 1) (local.get 2)))
  (func (export "x") (param (ref null $point)) (result i32)
    (struct.get $point 0 (local.get 0)))
  (func (export "color") (param (ref null $colored)) (result i32)
    (struct.get_s $colored 2 (local.get 0)))
  (func (export "list") (param i32) (result (ref null $node)) (local $l (ref null $node))
    (loop $more
      (if (local.get 0) (then
        (local.set $l (struct.new $node (local.get 0) (local.get $l)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br $more))))
    (local.get $l))
  (func (export "same") (param anyref) (result anyref) (local.get 0))
  (func (export "eq") (param eqref eqref) (result i32) (ref.eq (local.get 0) (local.get 1)))
  (func (export "out") (param anyref) (result externref) (extern.convert_any (local.get 0)))
  (func (export "in") (param externref) (result anyref) (any.convert_extern (local.get 0)))
  (func (export "i31") (param i31ref) (result i32) (i31.get_s (local.get 0)))
  (func (export "call") (param anyref) (result anyref) (call $call (local.get 0)))
  (func (export "two") (param anyref externref) (result externref anyref)
    (local.get 1) (local.get 0))
  (func (export "set") (param i32 anyref) (table.set $t (local.get 0) (local.get 1)))
  (func (export "things") (param i32) (result (ref $things))
    (array.new_default $things (local.get 0)))
  (func (export "thing") (param (ref $things) i32) (result externref)
    (array.get $things (local.get 0) (local.get 1)))
  (func (export "fill") (param (ref $things) externref)
    (array.fill $things (local.get 0) (i32.const 0) (local.get 1) (array.len (local.get 0))))
  (func (export "bytes") (param i32 i32) (result (ref $bytes))
    (array.new $bytes (local.get 0) (local.get 1)))
)"""


def echo(value: Any) -> Any:
    return value


@pytest.fixture(name="made")
def _made() -> Any:
    return instance(TEXT, {"env": {"call": echo}}).exports


def struct_of(*fields: FieldType) -> StructType:
    return StructType(fields)


def mutable(storage: Any) -> FieldType:
    return FieldType(storage, mutable=True)


# --- structs -------------------------------------------------------------------------------------


def test_a_struct_from_wasm(made: Any) -> None:
    point = made.point(-7, 2.5)
    assert (point[0], point[1], len(point), list(point)) == (-7, 2.5, 2, [-7, 2.5])
    assert (point[-1], point[-2]) == (2.5, -7)
    point[0] = 0xFFFF_FFFE
    assert made.x(point) == point[0] == -2
    assert point.type is module(TEXT).types[0]
    assert isinstance(point.type.composite, StructType)


def test_subtypes_are_accepted_and_others_are_not(made: Any) -> None:
    colored = made.colored(3, 1.0, -1)
    assert (made.x(colored), made.color(colored), colored[2]) == (3, -1, 255)
    expected = (
        r"^color\(\) parameter 0 \(.*\): \(ref null \(struct \(\(mut i32\), \(mut f64\), i8\)\)\) must be a "
        r"wasmine\.Struct of this type or None, not Struct of type struct \(\(mut i32\), \(mut f64\)\)$"
    )
    with pytest.raises(TypeError, match=expected):
        made.color(made.point(1, 2.0))
    with pytest.raises(TypeError, match=r"color\(\) parameter 0 .*, not int$"):
        made.color(5)
    with pytest.raises(Trap) as trap:
        made.x(None)
    assert trap.value.code is TrapCode.NULL_STRUCT


def test_identity_while_python_holds_it(made: Any) -> None:
    point = made.point(1, 2.0)
    assert made.same(point) is point
    made.set(0, point)
    assert made.table[0] is point
    made.table[1] = point
    made.global_ = made["global"]
    made.global_.value = point
    assert made.global_.value is point
    assert made.point(1, 2.0) != point
    assert {point: 1}[made.same(point)] == 1
    assert made.eq(point, made.table[1]) == 1
    watch = weakref.ref(point)
    del point
    assert watch() is None
    # Held by the table: another wrapper of the same object.
    assert list(made.table[0]) == [1, 2.0]


def test_a_list_of_structs(made: Any) -> None:
    node, values = made.list(5), []
    while node is not None:
        values.append(node[0])
        node = node[1]
    assert values == [1, 2, 3, 4, 5]
    first = made.list(1)
    first[1] = first
    assert first[1] is first


def test_structs_from_python() -> None:
    node = module(TEXT).types[2]
    last = Struct(node, [1, None])
    first = Struct(node, [2, last])
    assert first.store is last.store
    assert (first[1], first[1][1]) == (last, None)
    assert list(Struct(node)) == [0, None]
    assert Struct(node, store=first.store).store is first.store
    simple = StructType([FieldType(I64), mutable("i16"), FieldType(F32), mutable(V128)])
    struct = Struct(simple, [-1, -2, 0.5, bytes(range(16))])
    assert struct.type is defined(simple)
    assert list(struct)[:3] == [-1, 0xFFFE, 0.5]
    assert struct[3] == bytes(range(16))
    struct[1] = 65535
    assert struct[1] == 65535


REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Struct(5), TypeError, "5 is not the type of such an object: it is made by StructType"),  # type: ignore[arg-type]
    (lambda: Struct(ArrayType(FieldType(I32))), TypeError, "StructType"),  # type: ignore[arg-type]
    (lambda: Array(struct_of(), []), TypeError, "ArrayType"),  # type: ignore[arg-type]
    (lambda: Struct(struct_of(FieldType(I32)), []), TypeError, "has 1 fields, not 0 as the values"),
    (lambda: Struct(struct_of(FieldType(I32)), 1), TypeError, "takes a list of its values, not 1"),  # type: ignore[arg-type]
    (lambda: Struct(struct_of(FieldType(I32)))["x"], TypeError, "have numbers; 'x' is none"),  # type: ignore[index]
    (lambda: Struct(struct_of(FieldType(I32)), ["a"]), TypeError, r"field 0 \(i32\): 'str'"),
    (lambda: Struct(struct_of(FieldType("i8")), [256]), OverflowError, r"field 0 \(i8\): 256 does"),
    (lambda: Struct(struct_of(FieldType("i8")), [-129]), OverflowError, "-129 does not fit"),
    (
        lambda: Struct(struct_of(FieldType(ref("any", False)))),
        TypeError,
        r"needs values: \(ref any\) has no default",
    ),
    (lambda: Struct(struct_of(FieldType(ref("any", False))), [None]), TypeError, "not None"),
    (
        lambda: setattr_(Struct(struct_of(FieldType(I32))), 0, 1),
        TypeError,
        r"field 0 is immutable.*not \(mut i32\)",
    ),
    (
        lambda: Struct(struct_of(FieldType(I32)))[1],
        IndexError,
        r"no field 1: struct \(i32\) has 1 ",
    ),
    (lambda: Struct(struct_of(FieldType(I32)))[-2], IndexError, "field -2"),
    (lambda: Array(ArrayType(FieldType(I32))), TypeError, "made of values, or of a length"),
    (lambda: Array(ArrayType(FieldType(I32)), 5), TypeError, "a buffer, or a length=, not 5"),  # type: ignore[arg-type]
    (lambda: Array(ArrayType(FieldType(I32)), length=-1), ValueError, "an array of -1 elements"),
    (lambda: Array(ArrayType(FieldType(I32)), b"12345"), TypeError, "5 bytes are no array of i32"),
    (lambda: Array(ArrayType(FieldType(I32)), [1, 1 << 32]), OverflowError, r"element 1 \(i32\)"),
    (lambda: setattr_(Array(ArrayType(FieldType(I32)), [1]), 0, 2), TypeError, "is immutable"),
    (
        lambda: setattr_(Array(ArrayType(FieldType(I32)), [1]), slice(0, 1), b"1234"),
        TypeError,
        "is immutable",
    ),
    (lambda: Array(ArrayType(FieldType(I32)), [1])[1], IndexError, "1 of 1 elements"),
    (lambda: Array(ArrayType(FieldType(ANYREF)), [1]).tobytes(), TypeError, "holds references"),
    (
        lambda: setattr_(Array(ArrayType(mutable(I32)), [1, 2]), slice(0, 2), [1]),
        ValueError,
        "1 values for 2 elements",
    ),
    (
        lambda: setattr_(Array(ArrayType(mutable(I32)), [1, 2]), slice(0, 2), b"1234"),
        ValueError,
        "1 values for 2 elements",
    ),
    (
        lambda: Struct(struct_of(FieldType(EQREF)), ["a"]),
        TypeError,
        "eqref must be an int, a wasmine.Struct, a wasmine.Array or None, not str",
    ),
    (
        lambda: Struct(struct_of(FieldType(ref("struct"))), [5]),
        TypeError,
        "structref must be a wasmine.Struct or None, not int",
    ),
    (
        lambda: Struct(struct_of(FieldType(ref("none"))), [5]),
        TypeError,
        "nullref must be None, not int",
    ),
    (lambda: Array(ArrayType(FieldType("i8")), length=1 << 40), Trap, "allocation size too large"),
]


def setattr_(container: Any, index: Any, value: object) -> None:
    container[index] = value


@pytest.mark.parametrize(("use", "error", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(use: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        use()


def test_a_value_that_does_not_fit_changes_nothing() -> None:
    numbers = Array(ArrayType(mutable(I32)), [1, 2, 3])
    with pytest.raises(OverflowError, match="element 2"):
        numbers[0:3] = [7, 8, 1 << 40]
    assert list(numbers) == [1, 2, 3]


# --- arrays --------------------------------------------------------------------------------------

NUMBERS: list[tuple[Any, list[Any], list[Any]]] = [
    ("i8", [0, 255, -1, 7], [0, 255, 255, 7]),
    ("i16", [0, 65535, -2], [0, 65535, 65534]),
    (I32, [-1, 0xFFFF_FFFF, 5], [-1, -1, 5]),
    (I64, [-1, 1 << 63], [-1, -(1 << 63)]),
    (F32, [0.5, -1, float("inf")], [0.5, -1.0, float("inf")]),
    (F64, [0.1, 1e300], [0.1, 1e300]),
]


@pytest.mark.parametrize(("storage", "given", "read"), NUMBERS, ids=lambda value: str(value))
def test_arrays_of_numbers(storage: Any, given: list[Any], read: list[Any]) -> None:
    made = Array(ArrayType(mutable(storage)), given)
    assert list(made) == made[:] == read
    assert (made[-1], len(made)) == (read[-1], len(read))
    assert made[::-1] == read[::-1]
    again = Array(ArrayType(mutable(storage)), made.tobytes(), store=made.store)
    assert again[:] == read
    again[:] = bytes(len(made.tobytes()))
    assert again[:] == [0] * len(read)
    again[0::2] = given[0::2]
    assert again[0] == read[0]
    assert again[1] == 0


@pytest.mark.parametrize("storage", ["i8", I64, F32, V128, ANYREF], ids=str)
def test_arrays_without_elements(storage: Any) -> None:
    made = Array(ArrayType(mutable(storage)), [])
    assert (len(made), made[:], list(made)) == (0, [], [])
    made[:] = []
    made[5:3] = ()
    with pytest.raises(IndexError, match="0 of 0 elements"):
        made[0]


def test_slices_of_numbers() -> None:
    made = Array(ArrayType(mutable("i16")), range(10))
    assert made[2:5] == [2, 3, 4]
    assert made[::-3] == [9, 6, 3, 0]
    made[1:8:3] = [-1, -2, -3]
    made[-2:] = (65535, 7)
    assert made[:] == [0, 65535, 2, 3, 65534, 5, 6, 65533, 65535, 7]
    iterator = iter(made)
    assert next(iterator) == 0
    made[1] = 5
    assert next(iterator) == 5


def test_buffers_are_copied_as_they_are() -> None:
    kind = ArrayType(mutable(I32))
    made = Array(kind, np.arange(5, dtype=np.int32))
    assert made[:] == [0, 1, 2, 3, 4]
    made[1:3] = arrays.array("I", [0xFFFF_FFFF, 9])
    assert made[:] == [0, -1, 9, 3, 4]
    # Items of another kind go through conversion, one by one.
    made[0:2] = np.array([5, 6], dtype=np.int64)
    assert made[:2] == [5, 6]
    with pytest.raises(TypeError, match="element 0"):
        made[0:2] = np.array([5.0, 6.0], dtype=np.float32)
    floats = Array(ArrayType(mutable(F32)), np.array([1, 2.5], dtype=np.float32))
    assert floats[:] == [1.0, 2.5]
    assert np.frombuffer(floats.tobytes(), np.float32).tolist() == [1.0, 2.5]
    vectors = Array(ArrayType(mutable(V128)), bytes(range(32)))
    assert len(vectors) == 2
    assert vectors.tobytes() == bytes(range(32))


def test_arrays_of_references(made: Any) -> None:
    things = made.things(3)
    assert things[:] == [None, None, None]
    thing = object()
    things[1] = thing
    assert made.thing(things, 1) is things[1] is thing
    made.fill(things, "x")
    assert things[:] == ["x"] * 3
    things[:] = [1, things, None]
    assert things[:] == [1, things, None]
    assert made.thing(things, 1) is things
    assert made.bytes(300, 3)[:] == [44, 44, 44]


def test_what_objects_hold_of_python_lives_as_long_as_they_are_reachable(made: Any) -> None:
    class Thing:
        pass

    thing = Thing()
    watch = weakref.ref(thing)
    things = made.things(1)
    things[0] = thing
    made.table[0] = things
    del thing, things
    gc.collect()
    made.bytes(0, 10)
    assert made.table[0][0] is watch() is not None


# --- the boundary --------------------------------------------------------------------------------


def test_i31(made: Any) -> None:
    for given, read in ((0, 0), (5, 5), (-1, -1), (-(1 << 30), -(1 << 30)), ((1 << 31) - 1, -1)):
        assert made.i31(given) == made.same(given) == read
    for number in (1 << 31, -(1 << 30) - 1):
        with pytest.raises(OverflowError, match=rf"{number} does not fit in 31 bits"):
            made.i31(number)
    with pytest.raises(Trap) as trap:
        made.i31(None)
    assert trap.value.code is TrapCode.NULL_I31


def test_between_any_and_extern(made: Any) -> None:
    point, thing = made.point(1, 2.0), object()
    assert made.out(point) is point
    assert getattr(made, "in")(point) is point
    assert getattr(made, "in")(thing) is thing
    assert made.out(made.same(thing)) is thing
    assert made.out(5) == 5
    assert made.two(point, point) == (point, point)
    assert made.two(None, None) == (None, None)


def test_host_functions_take_and_give_objects(made: Any) -> None:
    point, thing = made.point(1, 2.0), object()
    for value in (point, 5, None, thing):
        assert made.call(value) is value
    store = point.store
    wrong = Function(lambda: "x", FunctionType((), (EQREF,)), store=store)
    with pytest.raises(TypeError, match=r"result 0 \(eqref\): eqref must be an int.*, not str"):
        wrong()
    none = Function(lambda: None, FunctionType((), (ref("any", False),)), store=store)
    with pytest.raises(TypeError, match="not None"):
        none()


def test_typed_functions() -> None:
    made = instance("""
      (module
        (type $f (func (param i32) (result i32)))
        (func $double (export "double") (type $f) (i32.add (local.get 0) (local.get 0)))
        (func (export "other") (param i64))
        (func (export "call") (param (ref $f) i32) (result i32)
          (call_ref $f (local.get 1) (local.get 0))))""").exports
    assert made.call(made.double, 4) == 8
    with pytest.raises(
        TypeError, match=r"call\(\) parameter 0 .*not Function of type \(i64\) -> \(\)"
    ):
        made.call(made.other, 4)
    with pytest.raises(TypeError, match="not None"):
        made.call(None, 4)


def test_globals_and_tables_of_python() -> None:
    store = Store()
    point = Struct(StructType([mutable(I32)]), [7], store=store)
    variable = Global(GlobalType(ANYREF, mutable=True), point)
    assert variable.store is store
    assert variable.value is point
    variable.value = 3
    assert variable.value == 3
    table = Table(TableType(ref("struct"), Limits(2)), point)
    assert list(table) == [point, point]
    with pytest.raises(TypeError, match="structref must be"):
        table[0] = 5
    typed: RefType = ref(point.type)
    assert Global(GlobalType(typed), point).value is point


def test_constants_make_objects() -> None:
    made = instance("""
      (module
        (type $p (struct (field i32) (field (ref null $p))))
        (type $a (array (mut i16)))
        (type $r (array (ref null $p)))
        (global $one (ref $p) (struct.new $p (i32.const 1) (ref.null $p)))
        (global (export "two") (ref $p) (struct.new $p (i32.const 2) (global.get $one)))
        (global (export "many") (ref $a) (array.new $a (i32.const -2) (i32.const 5)))
        (global (export "refs") (ref $r)
          (array.new_fixed $r 2 (global.get $one) (ref.null $p)))
        (global (export "small") i31ref (ref.i31 (i32.const -5)))
        (table (export "table") 2 2 (ref $p) (struct.new_default $p))
        (table $t (export "filled") 1 anyref)
        (elem (table $t) (i32.const 0) anyref (array.new_default $a (i32.const 2))))""").exports
    one = made.two.value[1]
    assert (made.two.value[0], one[0], one[1]) == (2, 1, None)
    assert made.many.value[:] == [0xFFFE] * 5
    assert made.refs.value[:] == [one, None]
    assert made.small.value == -5
    assert made.table[0] is made.table[1]
    assert made.filled[0][:] == [0, 0]


def test_objects_of_other_stores(made: Any) -> None:
    other = Struct(module(TEXT).types[0], [1, 2.0])
    for use in (
        lambda: made.x(other),
        lambda: made.out(other),
        lambda: getattr(made, "in")(other),
        lambda: made.table.set(0, other),
        lambda: Struct(StructType([FieldType(ANYREF)]), [other], store=made.table.store),
    ):
        with pytest.raises(StoreError, match=r"belongs to another store; .* store=instance\.store"):
            use()


def test_there_are_no_subclasses() -> None:
    for kind in (Struct, Array):
        with pytest.raises(TypeError, match="cannot be subclassed"):
            type("Mine", (kind,), {})


# --- what is alive -------------------------------------------------------------------------------


def test_what_python_holds_stays_and_what_nobody_holds_goes(made: Any) -> None:
    store, kept = made.table.store, made.list(100)
    for _ in range(50):
        made.list(1000)
    store.collect()
    held = store.heap.live
    values, node = [], kept
    while node is not None:
        values.append(node[0])
        node = node[1]
    assert values == list(range(1, 101))
    del kept, node
    store.collect()
    # A hundred nodes of 24 bytes, and the few that the native stack may keep by chance.
    assert held < 100_000
    assert held - store.heap.live >= 90 * 24


def test_objects_keep_python_objects_and_let_them_go(made: Any) -> None:
    class Thing:
        pass

    things = made.things(3)
    thing, other = Thing(), Thing()
    watches = weakref.ref(thing), weakref.ref(other)
    things[0] = thing
    made.table[0] = getattr(made, "in")(other)
    del thing, other
    made.table.store.collect()
    gc.collect()
    assert things[0] is watches[0]()
    assert made.table[0] is watches[1]() is not None
    made.table[0] = None
    del things
    made.table.store.collect()
    gc.collect()
    assert [watch() for watch in watches] == [None, None]


@pytest.mark.parametrize("opt_level", ["none", "light", "O2"])
def test_stores_are_done_before_an_access_that_faults(opt_level: str) -> None:
    text = """
      (module
        (type $s (struct (field (mut i32))))
        (type $a (array (mut i32)))
        (memory 1)
        (global $s (export "s") (ref $s) (struct.new $s (i32.const 0)))
        (global $a (export "a") (ref $a) (array.new $a (i32.const 0) (i32.const 3)))
        (func (export "run") (param i32) (local $s (ref $s)) (local $a (ref $a))
          (local.set $s (global.get $s))
          (local.set $a (global.get $a))
          (struct.set $s 0 (local.get $s) (i32.const 1))
          (array.set $a (local.get $a) (i32.const 1) (i32.const 2))
          (array.fill $a (local.get $a) (i32.const 2) (i32.const 3) (i32.const 1))
          (drop (i32.load (local.get 0)))
          (struct.set $s 0 (local.get $s) (i32.const 4))
          (array.set $a (local.get $a) (i32.const 1) (i32.const 5))
          (array.fill $a (local.get $a) (i32.const 2) (i32.const 6) (i32.const 1))))"""
    made = Instance(module(text, engine=Engine(opt_level=opt_level))).exports
    with pytest.raises(Trap, match="out of bounds memory access"):
        made.run(1 << 20)
    assert (made.s.value[0], made.a.value[:]) == (1, [0, 2, 3])
    made.run(0)
    assert (made.s.value[0], made.a.value[:]) == (4, [0, 5, 6])


def test_host_functions_have_the_type_that_the_module_declares() -> None:
    text = """
      (module
        (rec (type $f (sub (func (param (ref $s)) (result i32)))) (type $s (struct (field i32))))
        (import "env" "f" (func $f (type $f)))
        (table $t (export "t") 1 funcref)
        (elem (table $t) (i32.const 0) func $f)
        (export "f" (func $f))
        (func (export "run") (param i32) (result i32)
          (call_indirect $t (type $f) (struct.new $s (local.get 0)) (i32.const 0)))
        (func (export "cast") (param funcref) (result i32)
          (ref.test (ref $f) (local.get 0))))"""
    seen: list[Any] = []

    def host(struct: Any) -> int:
        seen.append(struct)
        return int(struct[0]) + 1

    made = instance(text, {"env": {"f": host}}).exports
    assert made.run(41) == 42
    assert isinstance(seen[0], Struct)
    assert made.f(seen[0]) == 42
    assert made.cast(made.f) == 1
    # The same parameters and results, but a type of its own.
    other = Function(host, made.f.type, store=made.f.store)
    assert made.cast(other) == 0
    made.t[0] = other
    with pytest.raises(Trap) as trap:
        made.run(1)
    assert trap.value.code is TrapCode.BAD_SIGNATURE


def test_objects_may_be_let_go_while_another_thread_allocates(made: Any) -> None:
    kept = [made.point(number, 0.0) for number in range(5000)]
    store = kept[0].store
    thread = threading.Thread(target=lambda: [made.list(5000) for _ in range(300)])
    thread.start()
    while thread.is_alive() and len(kept) > 100:
        kept.pop()
        assert kept[0][0] == 0
    thread.join()
    store.collect()
    assert [point[0] for point in kept] == list(range(len(kept)))


def test_a_buffer_of_objects_is_no_buffer_of_integers() -> None:
    type_ = ArrayType(FieldType(I64, mutable=True))
    assert list(Array(type_, np.array([1, -2, 3], dtype=object))) == [1, -2, 3]


def test_objects_are_made_once(made: Any) -> None:
    point = made.point(1, 2.0)
    node = Struct(
        defined(StructType((FieldType(ANYREF, mutable=True),))), [point], store=point.store
    )
    row = Array(defined(ArrayType(FieldType(I32))), [1], store=point.store)
    variable = Global(GlobalType(I32), 5)
    again: list[tuple[Any, *tuple[object, ...]]] = [
        (point, point.type, [3, 4.0]),
        (row, row.type, [2]),
        (variable, GlobalType(I32), 6),
        (made.table, TableType(ANYREF, Limits(1))),
    ]
    for object_, *arguments in again:
        with pytest.raises(TypeError, match="already"):
            type(object_).__init__(object_, *arguments)
    assert node[0] is point
    assert list(point) == [1, 2.0]
    assert list(row) == [1]
    assert variable.value == 5
    assert len(made.table) == 3


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1000, 100_003])
def test_a_constant_array_has_one_value_everywhere(length: int) -> None:
    text = f"""(module (type $row (array (mut i16)))
      (global (export "row") (ref $row) (array.new $row (i32.const -2) (i32.const {length}))))"""
    row = instance(text).exports.row.value
    assert list(row) == [0xFFFE] * length
