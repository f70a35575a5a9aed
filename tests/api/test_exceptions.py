"""Tag and WasmException: exceptions of WebAssembly in Python, and back."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any

import pytest

from tests.harness import instance
from wasmine import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    FunctionType,
    Global,
    GlobalType,
    Limits,
    LinkError,
    Store,
    StoreError,
    Table,
    TableType,
    Tag,
    TagType,
    WasmException,
)
from wasmine.types import ref

pytestmark = pytest.mark.usefixtures("every_tier")

THROWING = """(module
  (tag $t (export "tag") (param i32 i64 f32 f64 externref funcref))
  (tag (export "empty"))
  (func $f (export "f"))
  (func (export "throw") (param i32 i64 f32 f64 externref funcref)
    (throw $t (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5)))
  (func (export "empty_throw") (throw 1))
  (func (export "catch") (param i32 i64 f32 f64 externref funcref) (result exnref)
    (block $h (result i32 i64 f32 f64 externref funcref exnref)
      (try_table (catch_ref $t $h)
        (throw $t (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
          (local.get 5)))
      (unreachable))
    (return))
  (func (export "throw_ref") (param exnref) (throw_ref (local.get 0)))
  (func (export "same") (param exnref) (result exnref) (local.get 0)))"""


class Thing:
    """An object whose life can be watched."""


def thrown(function: Any, *arguments: object) -> WasmException:
    with pytest.raises(WasmException) as caught:
        function(*arguments)
    return caught.value


def test_what_comes_out() -> None:
    exports = instance(THROWING).exports
    thing = Thing()
    error = thrown(exports.throw, -1, 2**63, 0.5, math.inf, thing, exports.f)
    assert error.tag is exports.tag
    assert error.payload == (-1, -(2**63), 0.5, math.inf, thing, exports.f)
    assert error.payload[4] is thing
    assert error.payload[5] is exports.f
    error = thrown(exports.throw, 0, 0, 0, 0, None, None)
    assert error.payload == (0, 0, 0.0, 0.0, None, None)
    error = thrown(exports.empty_throw)
    assert (error.tag, error.payload) == (exports.empty, ())
    assert str(error) == "WebAssembly exception with no values"


def test_references_to_exceptions() -> None:
    exports = instance(THROWING).exports
    error = exports.catch(1, 2, 3, 4, "five", None)
    assert isinstance(error, WasmException)
    assert error.payload == (1, 2, 3.0, 4.0, "five", None)
    assert exports.same(error) is error
    assert exports.same.call_raw(error) == (error,)
    assert thrown(exports.throw_ref, error) is error
    assert exports.same(None) is None
    with pytest.raises(TypeError, match=r"WasmException"):
        exports.same(ValueError())


HOST = """(module
  (import "m" "tag" (tag $t (param i32 f64)))
  (import "m" "host" (func $host (param i32)))
  (func (export "call") (param i32) (call $host (local.get 0)))
  (func $throw (export "throw") (param i32) (throw $t (local.get 0) (f64.const 2.5)))
  (func (export "catch") (param i32) (result i32 f64)
    (block $h (result i32 f64)
      (try_table (catch $t $h) (call $host (local.get 0)))
      (i32.const -1) (f64.const -1)))
  (func (export "catch_ref") (param i32) (result exnref)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (call $host (local.get 0)))
      (ref.null exn))))"""


def test_from_python_and_through_it() -> None:
    tag = Tag(FunctionType([I32, F64]))
    seen: list[WasmException] = []
    raised: list[WasmException] = []

    def host(value: int) -> None:
        if value < 0:
            raised.append(WasmException(tag, value, 0.5))
            raise raised[-1]
        if value == 0:
            exports.throw(value)
        if value == 1:
            try:
                exports.throw(value)
            except WasmException as error:
                seen.append(error)
                raise
        if value == 2:
            try:
                exports.throw(2)
            except WasmException as error:
                raise LookupError from error

    exports = instance(HOST, {"m": {"tag": tag, "host": host}}).exports
    assert exports.catch(-4) == (-4, 0.5)
    assert exports.catch(0) == (0, 2.5)
    assert exports.catch(1) == (1, 2.5)
    assert exports.catch(3) == (-1, -1.0)
    with pytest.raises(LookupError) as caught:
        exports.catch(2)
    assert isinstance(caught.value.__cause__, WasmException)
    # One exception, wherever it is seen, as long as somebody holds it.
    assert exports.catch_ref(1) is seen[-1]
    assert thrown(exports.call, 1) is seen[-1]
    assert exports.catch_ref(-1) is raised[-1]
    assert thrown(exports.call, -1) is raised[-1]
    assert raised[-1].payload == (-1, 0.5)


def test_tags_of_instances_differ() -> None:
    text = '(module (tag (export "t") (param i32)))'
    store = Store()
    one, other = (instance(text, store=store).exports.t for _ in range(2))
    assert one is not other
    assert one.type == other.type == TagType(FunctionType([I32]))
    assert repr(one) == "<wasmine.Tag (i32) -> ()>"


def test_imports_of_tags() -> None:
    text = '(module (import "m" "t" (tag $t (param i32))) (export "t" (tag $t)))'
    tag = Tag(FunctionType([I32]))
    assert instance(text, {"m": {"t": tag}}).exports.t is tag
    with pytest.raises(LinkError, match=r"expected tag \(i32\) -> \(\), got tag \(i64\) -> \(\)"):
        instance(text, {"m": {"t": Tag(FunctionType([I64]))}})
    with pytest.raises(LinkError, match="got a Python int"):
        instance(text, {"m": {"t": 1}})
    with pytest.raises(LinkError, match="unknown import"):
        instance(text)
    with pytest.raises(StoreError):
        instance(text, {"m": {"t": tag}}, store=Store())


def test_what_is_refused() -> None:
    tag = Tag(FunctionType([I32, EXTERNREF, FUNCREF]))
    with pytest.raises(TypeError, match="a tag's type has no results"):
        Tag(FunctionType([], [I32]))
    with pytest.raises(TypeError, match="a tag's type is a FunctionType, not 5"):
        Tag(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an exception has a Tag, not 1"):
        WasmException(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="carries 3 values, not 1"):
        WasmException(tag, 1)
    with pytest.raises(OverflowError, match=r"value 0 of an exception \(i32\)"):
        WasmException(tag, 1 << 32, None, None)
    with pytest.raises(TypeError, match=r"value 0 of an exception \(i32\)"):
        WasmException(tag, 1.5, None, None)
    assert WasmException(tag, 1 << 31, None, None).payload == (-(1 << 31), None, None)


def test_what_cannot_be_thrown() -> None:
    """It comes out of the call as what is wrong with it."""
    tag = Tag(FunctionType([FUNCREF]))
    foreign = Tag(FunctionType([F32]))
    errors = iter([WasmException(tag, 5), WasmException(foreign, 5)])

    def host() -> None:
        raise next(errors)

    exports = instance(
        """(module (import "m" "f" (func $f)) (import "m" "t" (tag $t (param funcref)))
        (func (export "run")
          (block $h (try_table (catch_all $h) (call $f)))))""",
        {"m": {"f": host, "t": tag}},
    ).exports
    with pytest.raises(TypeError, match=r"wasmine\.Function"):
        exports.run()
    with pytest.raises(StoreError, match="another store"):
        exports.run()


def test_host_functions_called_from_python() -> None:
    tag = Tag(FunctionType())

    def host() -> None:
        raise WasmException(tag)

    exports = instance(
        '(module (import "m" "f" (func $f)) (export "f" (func $f)))',
        {"m": {"f": host}},
        store=tag.store,
    ).exports
    assert thrown(exports.f).tag is tag


def test_the_start_function_may_throw() -> None:
    error = thrown(
        instance, "(module (tag $t (param i32)) (func $f (throw $t (i32.const 3))) (start $f))"
    )
    assert error.payload == (3,)


def test_objects_live_as_long_as_what_holds_them() -> None:
    exports = instance(THROWING).exports
    thing = Thing()
    watch = weakref.ref(thing)
    error = exports.catch(1, 2, 3, 4, thing, None)
    del thing
    for _ in range(3):
        exports.catch(1, 2, 3, 4, None, None)
        exports.same.store.context.references.heap.collect()
        gc.collect()
    assert watch() is error.payload[4]
    del error
    exports.catch(1, 2, 3, 4, None, None)
    exports.same.store.context.references.heap.collect()
    gc.collect()
    assert watch() is None


def test_host_functions_take_and_return_exceptions() -> None:
    tag = Tag(FunctionType([I32]))
    seen: list[WasmException] = []

    def keep(error: WasmException) -> WasmException:
        seen.append(error)
        return error

    exports = instance(
        """(module
        (import "m" "t" (tag $t (param i32)))
        (import "m" "keep" (func $keep (param exnref) (result exnref)))
        (import "m" "make" (func $make (param i32) (result exnref)))
        (func (export "run") (param i32) (result i32)
          (block $h (result i32)
            (try_table (catch $t $h) (throw_ref (call $keep (call $make (local.get 0)))))
            (unreachable))))""",
        {"m": {"t": tag, "keep": keep, "make": lambda value: WasmException(tag, value)}},
    ).exports
    assert [exports.run(value) for value in range(100)] == list(range(100))
    assert [error.payload for error in seen] == [(value,) for value in range(100)]
    kind = ref("exn")
    assert Global(GlobalType(kind), seen[5], store=tag.store).value is seen[5]
    table = Table(TableType(kind, Limits(1)), store=tag.store)
    assert table.grow(1, seen[6]) == 1
    assert (table[0], table[1]) == (None, seen[6])


def test_globals_and_tables_hold_exceptions() -> None:
    exports = instance(
        """(module
        (tag $t (param i32))
        (global $g (export "g") (mut exnref) (ref.null exn))
        (table $x (export "x") 2 exnref)
        (func (export "keep") (param i32)
          (block $h (result i32 exnref)
            (try_table (catch_ref $t $h) (throw $t (local.get 0)))
            (unreachable))
          (global.set $g) (drop)
          (table.set $x (i32.const 1) (global.get $g)))
        (func (export "throw") (throw_ref (table.get $x (i32.const 1)))))"""
    ).exports
    exports.keep(42)
    heap = exports.keep.store.context.references.heap
    heap.collect()
    assert exports.g.value.payload == (42,)
    assert exports.x[0] is None
    assert exports.x[1].payload == (42,)
    error = thrown(exports.throw)
    assert error.payload == (42,)
    exports.g.value = None
    assert exports.g.value is None
    exports.g.value = error
    assert exports.g.value is error
    assert exports.g.type.value is ref("exn")
