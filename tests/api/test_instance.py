"""Instance: the order of initialisation, what stays when it fails, exports (section 5.2)."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import instance, module
from wasmine import (
    EXTERNREF,
    F64,
    FUNCREF,
    Engine,
    Global,
    GlobalType,
    Instance,
    Limits,
    Memory,
    MemoryType,
    ResourceError,
    Store,
    Table,
    TableType,
    Trap,
    TrapCode,
)

from .harness import address_space, exports

ORDER = """
(module
  (import "env" "log" (func $log (param i32)))
  (import "env" "t" (table 10 funcref))
  (import "env" "m" (memory 1))
  (elem (i32.const 0) $a $a)
  (elem (i32.const {element}) $b)
  (data (i32.const 0) "ab")
  (data (i32.const {data}) "c")
  (func $a (export "a") (result i32) (i32.const 1))
  (func $b (result i32) (i32.const 2))
  (func $start (call $log (i32.load8_u (i32.const 0))) {end})
  (start $start))
"""


@pytest.mark.parametrize(
    ("element", "data", "end", "code", "table", "memory", "log"),
    [
        (1, 1, "", None, [1, 2, None], b"ac", [97]),
        (9, 65535, "", None, [1, 1, None], b"ab", [97]),
        (10, 1, "", TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS, [1, 1, None], b"\0\0", []),
        (-1, 1, "", TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS, [1, 1, None], b"\0\0", []),
        (1, 65536, "", TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS, [1, 2, None], b"ab", []),
        (1, -1, "", TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS, [1, 2, None], b"ab", []),
        (1, 1, "unreachable", TrapCode.UNREACHABLE_CODE_REACHED, [1, 2, None], b"ac", [97]),
    ],
)
def test_order_and_partial_writes(
    element: int, data: int, end: str, code: Any, table: list[Any], memory: bytes, log: list[int]
) -> None:
    """Elements, data, start; what was written stays, and the functions of an instance that failed
    can be called from the tables they were written to (rows I03, I04, I10)."""
    logged: list[int] = []
    own_table = Table(TableType(FUNCREF, Limits(10)))
    own_memory = Memory(MemoryType(Limits(1)), store=own_table.store)
    imports = {"env": {"log": logged.append, "t": own_table, "m": own_memory}}
    text = ORDER.format(element=element, data=data, end=end)
    if code is None:
        instance(text, imports)
    else:
        with pytest.raises(Trap) as caught:
            instance(text, imports)
        assert caught.value.code is code
        del caught
    module.cache_clear()
    gc.collect()
    found: list[Any] = list(own_table)[:3]
    assert [function and function() for function in found] == table
    assert (own_memory[0:2], logged) == (memory, log)
    caller = exports(
        '(module (import "a" "t" (table 10 funcref))'
        '(func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))',
        {"a": {"t": own_table}},
    )
    assert caller.call(0) == 1


def test_a_host_error_in_the_start_function_comes_out() -> None:
    error = KeyError("start")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        instance('(module (import "e" "f" (func $f)) (start $f))', {"e": {"f": fail}})
    assert caught.value is error


def test_an_imported_start_function() -> None:
    log: list[str] = []
    instance(
        '(module (import "e" "f" (func $f)) (start $f))', {"e": {"f": lambda: log.append("x")}}
    )
    other = exports(
        '(module (global $g (export "g") (mut i32) (i32.const 0))'
        '(func (export "f") (global.set $g (i32.add (global.get $g) (i32.const 1)))))'
    )
    instance('(module (import "e" "f" (func $f)) (start $f))', {"e": other})
    assert (log, other.g.value) == (["x"], 1)


def test_the_start_function_may_use_exports_of_the_store() -> None:
    table = Table(TableType(FUNCREF, Limits(1)))
    seen: list[object] = []

    def start() -> None:
        function: Any = table[0]
        seen.append((function(), function.name))

    instance(
        '(module (import "e" "t" (table 1 funcref)) (import "e" "s" (func $s)) (start $s)'
        "(elem (i32.const 0) $own) (func $own (result i32) (i32.const 11)))",
        {"e": {"t": table, "s": start}},
    )
    assert seen == [(11, "own")]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("(module (memory 65536) (table 10000001 funcref))", ResourceError, "larger than this"),
        (
            "(module (table 3 funcref) (elem (i32.const 1) $f $f $f) (func $f))",
            Trap,
            "out of bounds",
        ),
        ("(module (memory 4) (func $f unreachable) (start $f))", Trap, "unreachable"),
        ('(module (memory 4) (data (i32.const 262144) "x"))', Trap, "out of bounds memory access"),
    ],
)
def test_what_fails_leaves_nothing_behind(text: str, error: type[Exception], message: str) -> None:
    gc.collect()
    before = address_space()
    for _ in range(5):
        with pytest.raises(error, match=message):
            instance(text)
    gc.collect()
    assert address_space() - before < 3 << 30


def test_a_failed_instance_frees_its_memory_in_a_store_that_lives_on() -> None:
    store = Store()
    before = address_space()
    for _ in range(4):
        with pytest.raises(ResourceError):
            instance("(module (memory 1) (table 10000001 funcref))", store=store)
    assert address_space() - before < 4 << 30
    assert instance("(module)", store=store).store is store


@pytest.mark.parametrize(
    ("memory", "offset", "size", "fits"),
    [
        (0, 0, 0, True),
        (0, 0, 1, False),
        (0, 1, 0, False),
        (1, 65536, 0, True),
        (1, 65535, 1, True),
        (1, 65535, 2, False),
        (1, -1, 0, False),
        (1, -1, 1, False),
    ],
)
def test_where_data_segments_may_lie(memory: int, offset: int, size: int, fits: bool) -> None:
    text = f'(module (memory (export "m") {memory}) (data (i32.const {offset}) "{"x" * size}"))'
    if fits:
        content = instance(text).exports.m
        assert content.data_size == memory << 16
        assert content.read(offset, size) == b"x" * size
    else:
        with pytest.raises(Trap, match="out of bounds memory access"):
            instance(text)


SEGMENTS = """
(module
  (memory (export "m") 1)
  (table $t (export "t") 8 funcref)
  (data $passive "passive")
  (data $active (i32.const 100) "active")
  (elem $p func $a $b)
  (elem $n funcref (ref.func $b) (ref.null func))
  (elem $active_e (i32.const 0) $a)
  (elem declare func $c)
  (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2))
  (func $c (result i32) (i32.const 3))
  (func (export "declared") (table.set $t (i32.const 7) (ref.func $c)))
  (func (export "init") (param i32 i32 i32)
    (memory.init $passive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init_active") (param i32) (memory.init $active (i32.const 0) (i32.const 0) (local.get 0)))
  (func (export "drop") (data.drop $passive))
  (func (export "table_init") (param i32 i32 i32)
    (table.init $t $p (local.get 0) (local.get 1) (local.get 2)))
  (func (export "table_null") (table.init $t $n (i32.const 0) (i32.const 0) (i32.const 2)))
  (func (export "table_active") (param i32)
    (table.init $t $active_e (i32.const 5) (i32.const 0) (local.get 0)))
  (func (export "elem_drop") (elem.drop $p)))
"""


def trap_of(function: Any, *arguments: object) -> TrapCode:
    with pytest.raises(Trap) as caught:
        function(*arguments)
    return caught.value.code


def test_segments() -> None:
    made, other = exports(SEGMENTS), exports(SEGMENTS)
    memory_oob, table_oob = TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    assert made.m[0:8] == bytes(8)
    assert made.m[100:106] == b"active"
    made.init(10, 1, 4)
    assert made.m[9:16] == b"\0assi\0\0"
    assert trap_of(made.init, 0, 4, 4) is memory_oob
    assert trap_of(made.init, 65535, 0, 2) is memory_oob
    made.init_active(0)
    assert trap_of(made.init_active, 1) is memory_oob
    made.drop()
    made.init(0, 0, 0)
    assert trap_of(made.init, 0, 0, 1) is memory_oob
    made.table_init(2, 0, 2)
    assert [f and f() for f in made.t] == [1, None, 1, 2, None, None, None, None]
    made.table_null()
    made.declared()
    assert [f and f() for f in made.t] == [2, None, 1, 2, None, None, None, 3]
    assert trap_of(made.table_init, 0, 1, 2) is table_oob
    made.table_active(0)
    assert trap_of(made.table_active, 1) is table_oob
    made.elem_drop()
    assert trap_of(made.table_init, 0, 0, 1) is table_oob
    # What one instance drops the other still has.
    other.init(0, 0, 7)
    other.table_init(0, 0, 2)
    assert (other.m[0:7], other.t[1]()) == (b"passive", 2)


MIXED = """
(module
  (import "e" "m" (memory 1 3))
  (import "e" "t0" (table $t0 2 funcref))
  (import "e" "t1" (table $t1 2 externref))
  (table $t2 (export "t2") 3 funcref)
  (table $t3 (export "t3") 4 9 externref)
  (func $f (export "f") (result i32) (i32.const 5))
  (elem (table $t2) (i32.const 2) func $f)
  (elem (table $t0) (i32.const 1) func $f)
  (func (export "sizes") (result i32 i32 i32 i32)
    (table.size $t0) (table.size $t1) (table.size $t2) (table.size $t3))
  (func (export "grow") (result i32 i32 i32 i32)
    (table.grow $t0 (ref.null func) (i32.const 1)) (table.grow $t1 (ref.null extern) (i32.const 2))
    (table.grow $t2 (ref.func $f) (i32.const 3)) (table.grow $t3 (ref.null extern) (i32.const 4)))
  (func (export "copy") (param externref)
    (table.set $t3 (i32.const 0) (local.get 0))
    (table.copy $t1 $t3 (i32.const 1) (i32.const 0) (i32.const 1)))
  (func (export "call") (param i32) (result i32)
    (call_indirect $t2 (result i32) (local.get 0)))
  (func (export "call0") (param i32) (result i32)
    (call_indirect $t0 (result i32) (local.get 0)))
  (func (export "fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "pages") (result i32 i32) (memory.grow (i32.const 1)) (memory.size))
  (export "again" (table $t1)) (export "m" (memory 0)))
"""


def test_imported_and_own_tables_mixed() -> None:
    """Row I05: an index counts imports, a slot of the VMContext does not."""
    store = Store()
    given: dict[str, Any] = {
        "m": Memory(MemoryType(Limits(1, 3)), store=store),
        "t0": Table(TableType(FUNCREF, Limits(2)), store=store),
        "t1": Table(TableType(EXTERNREF, Limits(2)), store=store),
    }
    made = exports(MIXED, {"e": given})
    assert made.sizes() == (2, 2, 3, 4)
    assert (made.call(2), made.call0(1)) == (5, 5)
    assert made.t2[2] is made.f is given["t0"][1]
    made.copy("thing")
    assert (given["t1"][1], made.t3[0]) == ("thing", "thing")
    assert made.grow() == (2, 2, 3, 4)
    assert made.sizes() == (3, 4, 6, 8)
    assert [len(t) for t in (given["t0"], given["t1"], made.t2, made.t3)] == [3, 4, 6, 8]
    assert made.call(5) == 5
    made.fill(3, 7, 2)
    assert given["m"][2:6] == b"\0\7\7\0"
    assert made.pages() == (1, 2)
    assert given["m"].size == 2
    assert (made.again is given["t1"], made.m is given["m"]) == (True, True)


INITIALISERS = """
(module
  (import "e" "i" (global $i i32)) (import "e" "x" (global $x externref))
  (import "e" "d" (global $d f64))
  (global (export "i32") i32 (i32.const -7))
  (global (export "i64") i64 (i64.const 0x123456789abcdef0))
  (global (export "f32") f32 (f32.const -0x1.8p3))
  (global (export "f64") f64 (f64.const 0x1p-1074))
  (global (export "get i") i32 (global.get $i))
  (global (export "get x") externref (global.get $x))
  (global (export "get d") f64 (global.get $d))
  (global (export "null func") funcref (ref.null func))
  (global (export "null extern") (mut externref) (ref.null extern))
  (global (export "func") funcref (ref.func $f))
  (func $f (export "f"))
  (table (export "t") 4 funcref) (memory (export "m") 1)
  (elem (global.get $i) $f)
  (data (global.get $i) "x"))
"""


def test_global_initialisers() -> None:
    thing = object()
    given = {"i": 3, "d": 2.5, "x": Global(GlobalType(EXTERNREF), thing)}
    made = exports(INITIALISERS, {"e": given})
    values = {name: made[name].value for name in made if isinstance(made[name], Global)}
    assert values == {
        "i32": -7, "i64": 0x1234_5678_9ABC_DEF0, "f32": -12.0, "f64": 5e-324, "get i": 3,
        "get x": thing, "get d": 2.5, "null func": None, "null extern": None, "func": made.f,
    }  # fmt: skip
    assert list(made.t) == [None, None, None, made.f]
    assert made.m[2:5] == b"\0x\0"


EXPORTS = """
(module (func (export "add") (result i32) i32.const 1) (memory (export "memory") 1)
  (func (export "items") (result i32) i32.const 2) (func (export "_externs"))
  (func (export "not an identifier")) (func (export "")) (func (export "__init__"))
  (global (export "äöü") i32 (i32.const 4)))
"""


def test_exports_are_a_mapping() -> None:
    made = exports(EXPORTS)
    names = ["add", "memory", "items", "_externs", "not an identifier", "", "__init__", "äöü"]
    assert list(made) == names == list(made.keys())
    assert len(made) == 8
    assert "add" in made
    assert "sub" not in made
    assert dict(made)["add"] is made.add is made["add"]
    assert made["items"]() == made.items() == 2  # the module's, not the mapping's
    assert made.äöü.value == 4
    assert made.get("none", 5) == 5
    assert dir(made) == sorted(names)
    assert made["_externs"]() is None
    assert repr(exports('(module (func (export "a")) (memory (export "b") 1))')) == (
        "<wasmine.Exports a, b>"
    )


def test_many_exports() -> None:
    functions = "".join(f'(func (export "f{i}") (result i32) (i32.const {i}))' for i in range(1000))
    made = exports(f'(module {functions} (func (export "get") (result i32) i32.const 2))')
    assert len(made) == len(dir(made)) == 1001
    assert made.f999 is made["f999"] is made.f999
    assert (made.f999(), made["get"](), made.get()) == (999, 2, 2)
    assert "f1000" not in made
    assert [function() for function in dict(made).values()] == [*range(1000), 2]
    with pytest.raises(AttributeError, match="did you mean"):
        made.f1000  # noqa: B018


def test_unknown_exports() -> None:
    made = exports(EXPORTS)
    with pytest.raises(AttributeError, match="exports nothing called 'ad'; did you mean 'add'"):
        made.ad  # noqa: B018
    with pytest.raises(KeyError, match="exports nothing called 'xyz'"):
        made["xyz"]
    assert not hasattr(made, "xyz")


def test_text() -> None:
    made = instance("(module $m)")
    assert repr(made) == f"<wasmine.Instance of {made.module!r}>"
    assert repr(made.store).startswith("<wasmine.Store at 0x")


def test_engines_with_other_options_work_together() -> None:
    first = instance('(module (func (export "f") (param f64) (result f64) (local.get 0)))',
                     engine=Engine(opt_level="none"))  # fmt: skip
    second = instance(
        '(module (import "a" "f" (func $f (param f64) (result f64))) (table 1 funcref)'
        '(elem (i32.const 0) $f) (func (export "g") (result f64)'
        "(call_indirect (param f64) (result f64) (f64.const 2.5) (i32.const 0))))",
        {"a": first.exports},
        engine=Engine(opt_level="O2"),
    )
    assert second.exports.g() == 2.5


@pytest.mark.parametrize("count", [50])
def test_functions_call_each_other_across_many_instances(count: int) -> None:
    text = """
      (module (import "a" "f" (func $f (param i32) (result i32)))
        (func (export "f") (param i32) (result i32) (call $f (i32.add (local.get 0) (i32.const 1)))))
    """
    last: Any = {"f": lambda value: value}
    for _ in range(count):
        last = exports(text, {"a": last})
    assert last.f(5) == 5 + count


def test_wrong_numbers_of_things() -> None:
    uses: list[Callable[[], object]] = [
        lambda: Instance(),  # type: ignore[call-arg]
        lambda: Instance(module("(module)"), {}, Store()),  # type: ignore[call-arg]
    ]
    for use in uses:
        with pytest.raises(TypeError):
            use()


def test_float_constants_for_imports() -> None:
    made = exports(
        '(module (import "e" "x" (global $x f64)) (export "x" (global $x)))', {"e": {"x": 2}}
    )
    assert (made.x.value, made.x.type) == (2.0, GlobalType(F64))
