"""The 26 builtins, through WebAssembly and by their addresses (rows L01-L03, C05, M03, T02, T03).

Every case runs on a module's own memory and tables and on imported ones, where indices differ.
"""

from __future__ import annotations

import ctypes
import math
import random
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.harness import instance
from wasmine import (
    EXTERNREF,
    FUNCREF,
    Engine,
    Instance,
    Limits,
    Memory,
    MemoryType,
    Store,
    Table,
    TableType,
    TrapCode,
)
from wasmine.abi.libcalls import BUILTINS, RELOCATIONS, ROUNDINGS, builtin
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.vm import process

from .harness import trap_of

ENGINES = {
    "static": Engine(tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
BODY = """
  (data $hello "hello, world")
  (data $active (i32.const 60000) "active")
  (elem $items func $one $two $one)
  (elem $externs externref (ref.null extern) (ref.null extern))
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (export "two") (result i32) (i32.const 2))
  (func (export "memory.size") (result i32) (memory.size))
  (func (export "memory.grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "memory.copy") (param i32 i32 i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "memory.fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "memory.init") (param i32 i32 i32)
    (memory.init $hello (local.get 0) (local.get 1) (local.get 2)))
  (func (export "memory.init active") (param i32 i32 i32)
    (memory.init $active (local.get 0) (local.get 1) (local.get 2)))
  (func (export "data.drop") (data.drop $hello))
  (func (export "elem.drop") (elem.drop $items))
  (func (export "ref.func") (result funcref) (ref.func $two))
  (func (export "table.init") (param i32 i32 i32)
    (table.init $functions $items (local.get 0) (local.get 1) (local.get 2)))
""" + "".join(
    f"""
  (func (export "table.size ${name}") (result i32) (table.size ${name}))
  (func (export "table.get ${name}") (param i32) (result {kind}) (table.get ${name} (local.get 0)))
  (func (export "table.set ${name}") (param i32 {kind})
    (table.set ${name} (local.get 0) (local.get 1)))
  (func (export "table.grow ${name}") (param {kind} i32) (result i32)
    (table.grow ${name} (local.get 0) (local.get 1)))
  (func (export "table.fill ${name}") (param i32 {kind} i32)
    (table.fill ${name} (local.get 0) (local.get 1) (local.get 2)))
  (func (export "table.copy ${name}") (param i32 i32 i32)
    (table.copy ${name} ${name} (local.get 0) (local.get 1) (local.get 2)))"""
    for name, kind in (("functions", "funcref"), ("externs", "externref"))
)  # fmt: skip
OWN = """(module
  (memory (export "memory") 1 3)
  (table $first 1 funcref)
  (table $functions (export "functions") 10 20 funcref)
  (table $externs (export "externs") 10 20 externref)""" + BODY + ")"  # fmt: skip
IMPORTED = """(module
  (import "other" "functions" (table $functions 10 20 funcref))
  (import "other" "externs" (table $externs 10 20 externref))
  (import "other" "memory" (memory 1 3))
  (table $own 1 funcref)
  (export "memory" (memory 0))
  (export "functions" (table $functions))
  (export "externs" (table $externs))""" + BODY + ")"  # fmt: skip


def make(place: str, style: str = "static") -> Instance:
    store = Store(ENGINES[style])
    if place == "own":
        return instance(OWN, store=store, engine=ENGINES[style])
    other = {
        "memory": Memory(MemoryType(Limits(1, 3)), store=store),
        "functions": Table(TableType(FUNCREF, Limits(10, 20)), store=store),
        "externs": Table(TableType(EXTERNREF, Limits(10, 20)), store=store),
    }
    return instance(IMPORTED, {"other": other}, store=store, engine=ENGINES[style])


PLACES = pytest.mark.parametrize("place", ["own", "imported"])
STYLES = pytest.mark.parametrize("style", ENGINES)


def test_all_26_have_an_address() -> None:
    """Rows C05 and L03."""
    make("own")
    runtime = process.current()
    assert len(runtime.builtins) == len(BUILTINS) == 26
    assert all(runtime.builtins)
    assert len(set(runtime.builtins)) == 26
    for row in BUILTINS:
        assert runtime.builtins[row.index] == runtime.resolve(row.symbol)


@PLACES
def test_they_are_in_every_vmcontext(place: str) -> None:
    handle = make(place)._handle
    for row in BUILTINS:
        cell = handle.vmctx + handle.artifact.offsets.vmctx_builtin(row.index)
        assert ctypes.c_size_t.from_address(cell).value == process.current().builtins[row.index]


@PLACES
@STYLES
def test_memory_size_and_grow(place: str, style: str) -> None:
    made = make(place, style)
    memory, grow, size = (made.exports[name] for name in ("memory", "memory.grow", "memory.size"))
    memory[0:5] = b"start"
    assert (grow(0), size()) == (1, 1)
    assert (grow(1), size(), memory.size) == (1, 2, 2)
    for delta in (2, 65536, -1):
        assert (grow(delta), size()) == (-1, 2)
    assert (grow(1), size(), memory.data_size) == (2, 3, 3 << 16)
    assert (grow(1), grow(0)) == (-1, 3)
    assert memory[0:5] == b"start"
    assert memory[1 << 16 : 3 << 16] == bytes(2 << 16)


@PLACES
@STYLES
def test_memory_copy_fill_init(place: str, style: str) -> None:
    """Against Python's own slices, edges and overlaps included."""
    made = make(place, style)
    memory = made.exports.memory
    generator = random.Random(1)
    model = bytearray(memory[:])
    assert model[60000:60006] == b"active"
    hello = b"hello, world"

    def some(limit: int) -> int:
        return generator.choice((0, 1, limit - 1, limit, limit + 1, generator.randrange(limit)))

    for _ in range(400):
        name = generator.choice(("memory.copy", "memory.fill", "memory.init"))
        dst, length = some(1 << 16), some(40)
        source = generator.randrange(-5, 300) if name == "memory.fill" else some(
            1 << 16 if name == "memory.copy" else len(hello)
        )  # fmt: skip
        available = {"memory.copy": 1 << 16, "memory.init": len(hello)}.get(name, 1 << 32)
        fits = dst + length <= 1 << 16 and (name == "memory.fill" or source + length <= available)
        expected = None if fits else TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
        assert trap_of(made.exports[name], dst, source, length) is expected
        if fits:
            model[dst : dst + length] = (
                bytes([source & 255]) * length
                if name == "memory.fill"
                else (model if name == "memory.copy" else hello)[source : source + length]
            )
    assert memory[:] == model


@PLACES
def test_data_drop(place: str) -> None:
    made = make(place)
    init, oob = made.exports["memory.init"], TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    init(0, 0, 12)
    for _ in range(2):
        made.exports["data.drop"]()
        assert trap_of(init, 0, 0, 1) is oob
        assert trap_of(init, 0, 0, 0) is None
        assert trap_of(init, 65536, 0, 0) is None
        assert trap_of(init, 65537, 0, 0) is oob
    # An active segment has been dropped by its instantiation.
    assert trap_of(made.exports["memory.init active"], 0, 0, 1) is oob
    assert made.exports.memory[0:12] == b"hello, world"


@PLACES
def test_elem_drop_and_table_init(place: str) -> None:
    made = make(place)
    init, one, two = (made.exports[name] for name in ("table.init", "one", "two"))
    table = made.exports.functions
    init(4, 1, 2)
    assert [*table][3:7] == [None, two, one, None]
    init(7, 0, 3)
    assert [*table][7:] == [one, two, one]
    for arguments in ((8, 0, 3), (0, 1, 3), (0, 4, 0), (11, 0, 0), (-1, 0, 1), (0, -1, 1)):
        before = [*table]
        assert trap_of(init, *arguments) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
        assert [*table] == before
    for _ in range(2):
        made.exports["elem.drop"]()
        assert trap_of(init, 0, 0, 1) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
        assert trap_of(init, 10, 0, 0) is None


@cache
def values(kind: str, place: str) -> tuple[Instance, list[Any]]:
    made = make(place)
    if kind == "functions":
        return made, [None, made.exports.one, made.exports.two]
    return made, [None, object(), "text", 12345]


@PLACES
@pytest.mark.parametrize("kind", ["functions", "externs"])
def test_table_operations(kind: str, place: str) -> None:
    """get, set, size, fill and copy against a Python list, with what does not fit."""
    made, choices = values(kind, place)
    table = made.exports[kind]
    generator = random.Random(2)
    model: list[object] = [*table]
    oob = TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS

    def call(operation: str, *arguments: object) -> object:
        return made.exports[f"{operation} ${kind}"](*arguments)

    for _ in range(600):
        index, other, length = (generator.choice((*range(12), -1)) for _ in range(3))
        value = generator.choice(choices)
        inside = 0 <= index < 10
        match generator.randrange(4):
            case 0 if inside:
                assert call("table.get", index) is model[index]
            case 0:
                assert trap_of(made.exports[f"table.get ${kind}"], index) is oob
            case 1:
                fits = inside
                assert trap_of(call, "table.set", index, value) is (None if fits else oob)
                if fits:
                    model[index] = value
            case 2:
                fits = min(index, length) >= 0 and index + length <= 10
                assert trap_of(call, "table.fill", index, value, length) is (None if fits else oob)
                if fits:
                    model[index : index + length] = [value] * length
            case _:
                fits = min(index, other, length) >= 0 and max(index, other) + length <= 10
                assert trap_of(call, "table.copy", index, other, length) is (None if fits else oob)
                if fits:
                    model[index : index + length] = model[other : other + length]
        assert call("table.size") == 10
    assert [*table] == model


@PLACES
@pytest.mark.parametrize("kind", ["functions", "externs"])
def test_table_grow(kind: str, place: str) -> None:
    made = make(place)
    table = made.exports[kind]
    value = made.exports.two if kind == "functions" else object()
    references = sys.getrefcount(value)
    grow, size = made.exports[f"table.grow ${kind}"], made.exports[f"table.size ${kind}"]
    assert (grow(value, 0), grow(value, 4), grow(None, 2), size()) == (10, 10, 14, 16)
    assert (grow(value, 5), grow(value, -1), size()) == (-1, -1, 16)
    assert (grow(value, 4), size(), len(table)) == (16, 20, 20)
    assert [*table] == [None] * 10 + [value] * 4 + [None] * 2 + [value] * 4
    made.exports[f"table.fill ${kind}"](0, None, 20)
    assert sys.getrefcount(value) == references


@PLACES
def test_func_ref(place: str) -> None:
    made = make(place)
    assert made.exports["ref.func"]() is made.exports.two
    assert made.exports["ref.func"]()() == 2


NATIVE: dict[str, Any] = {"ptr": ctypes.c_size_t, "i32": ctypes.c_uint32, "void": None}


def native(name: str) -> Callable[..., int]:
    """A builtin as C sees it. It must not trap: no entry is active to land at."""
    row = builtin(name)
    kinds = [NATIVE[kind] for kind in row.kinds]
    prototype = ctypes.PYFUNCTYPE(NATIVE[row.result], *kinds)
    return prototype(process.current().builtins[row.index])


def test_signatures_and_index_spaces_by_address() -> None:
    """Row L01: local indices for the module's own, indices of the module for the imported ones."""
    store = Store()
    other = instance('(module (memory (export "m") 2 4) (table (export "t") 5 9 funcref)'
                     ' (table (export "e") 6 9 externref))', store=store)  # fmt: skip
    made = instance(
        """(module
          (import "o" "t" (table 5 9 funcref)) (import "o" "e" (table 6 9 externref))
          (import "o" "m" (memory 2 4))
          (table (export "own") 3 8 funcref)
          (data "passive") (elem func $f $g)
          (func $f (export "f")) (func $g (export "g")))""",
        {"o": other.exports},
        store=store,
    )
    context = made._handle.vmctx
    memory, table, own = other.exports.m, other.exports.t, made.exports.own
    assert native("imported_memory32_size")(context, 0) == 2
    assert native("imported_memory32_grow")(context, 1, 0) == 2
    assert native("imported_memory32_grow")(context, 9, 0) == 0xFFFF_FFFF
    owner = other._handle.vmctx
    assert native("memory32_size")(owner, 0) == memory.size == 3
    assert native("memory32_grow")(owner, 1, 0) == 3
    native("memory_init")(context, 0, 0, 4, 1, 6)
    assert memory[0:11] == b"\0\0\0\0assive\0"
    native("imported_memory_copy")(context, 0, 0, 4, 3)
    native("memory_copy")(owner, 0, 20, 4, 3)
    native("imported_memory_fill")(context, 0, 10, 0x17A, 3)
    native("memory_fill")(owner, 0, 30, 0x55, 2)
    assert (memory[0:3], memory[20:23], memory[10:14]) == (b"ass", b"ass", b"zzz\0")
    assert memory[30:33] == b"UU\0"
    assert [native("imported_table_size")(context, index) for index in (0, 1)] == [5, 6]
    assert native("table_size")(context, 0) == 3
    first, second = (native("func_ref")(context, index) for index in (0, 1))
    assert second - first == ctypes.sizeof(VMCallerCheckedAnyfunc)
    native("table_set")(context, 0, 2, second)
    native("imported_table_set")(context, 0, 4, first)
    assert (own[2], table[4]) == (made.exports.g, made.exports.f)
    assert native("table_get")(context, 0, 2) == second
    assert native("imported_table_get")(context, 0, 4) == first
    assert native("table_grow")(context, first, 2, 0) == 3
    assert native("imported_table_grow")(context, second, 4, 0) == 5
    assert native("table_grow")(context, 0, 100, 0) == 0xFFFF_FFFF
    assert [*own][3:] == [made.exports.f] * 2
    assert [*table][5:] == [made.exports.g] * 4
    native("table_copy")(context, 2, 0, 0, 4, 3)  # the module's own table is the third
    assert [*own][:3] == [made.exports.f, made.exports.g, made.exports.g]
    native("table_init")(context, 2, 0, 1, 0, 1)
    native("table_fill")(context, 0, 0, first, 2)
    assert own[1] == made.exports.f
    assert [*table][:3] == [made.exports.f, made.exports.f, None]
    native("data_drop")(context, 0)
    native("memory_init")(context, 0, 0, 0, 0, 0)
    native("elem_drop")(context, 0)
    native("table_init")(context, 2, 0, 0, 0, 0)


def test_externref_counts_by_address() -> None:
    value = object()
    before = sys.getrefcount(value)
    store = Store()
    made = instance('(module (table (export "t") 2 externref))', store=store)
    made.exports.t[0] = value
    raw = made._handle.tables[0].get_raw(0)
    strong = ctypes.c_int64.from_address(raw)
    assert (strong.value, sys.getrefcount(value)) == (1, before + 1)
    native("externref_inc")(raw)
    native("externref_inc")(raw)
    assert strong.value == 3
    native("externref_dec")(raw)
    made.exports.t[0] = None
    assert (strong.value, sys.getrefcount(value)) == (1, before + 1)
    native("externref_dec")(raw)
    native("externref_inc")(0)
    native("externref_dec")(0)
    made.exports.t[1] = 5  # any use of the store frees what nobody holds
    assert sys.getrefcount(value) == before


ROUNDED = [
    0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 0.49999997, 1e-40, 4194304.5, 8388607.5, 8388609.0,
    4503599627370495.5, 1e30, math.inf, -math.inf, math.nan,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("operation", ROUNDINGS)
def test_roundings(operation: str, kind: str) -> None:
    """Row L02: what compiled code computes is what the table of libcalls says."""
    made = instance(
        f'(module (func (export "f") (param {kind}) (result {kind})'
        f" ({kind}.{operation} (local.get 0))))"
    )
    code = "f" if kind == "f32" else "d"
    for value in ROUNDED:
        (given,) = struct.unpack(code, struct.pack(code, value))
        expected, result = ROUNDINGS[operation](given), made.exports.f(given)
        assert repr(result) == repr(expected), given
    assert f"{operation.capitalize()}{kind.upper()}" in RELOCATIONS
