"""64-bit memories and tables, and several memories: the edges of every check.

The suite has memory64.wast, address64.wast, table64.wast and the scripts of multi-memory; what they do
not have is offsets near 2**64, memories of both styles, and addresses that are used twice.
"""

from __future__ import annotations

import pytest

from tests.harness import instance
from wasmine import (
    EXTERNREF,
    FUNCREF,
    I64,
    Engine,
    Limits,
    LinkError,
    Memory,
    MemoryType,
    Store,
    Table,
    TableType,
    Trap,
    TrapCode,
)

from .harness import trap_of

ENGINES = {
    "static": Engine(tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
STYLES = pytest.mark.parametrize("style", ENGINES)
PAGE = 1 << 16
OUT_OF_BOUNDS = TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
OFFSETS = (
    0,
    1,
    PAGE - 8,
    PAGE,
    (1 << 31) - 8,
    1 << 31,
    1 << 32,
    1 << 63,
    (1 << 64) - 8,
    (1 << 64) - 1,
)
ADDRESSES = (0, 1, PAGE - 8, PAGE - 7, PAGE, 1 << 31, 1 << 32, 1 << 36, 1 << 47, 1 << 63, (1 << 64) - PAGE, (1 << 64) - 1)  # fmt: skip


@STYLES
def test_every_address_with_every_offset(style: str) -> None:
    """No sum wraps: an access traps exactly if it is not inside of the memory as integers are."""
    functions = "".join(
        f'(func (export "load {offset}") (param i64) (result i64)'
        f" (i64.load offset={offset} (local.get 0)))"
        f'(func (export "store {offset}") (param i64)'
        f" (i64.store offset={offset} (local.get 0) (i64.const 7)))"
        f'(func (export "byte {offset}") (param i64) (result i32)'
        f" (i32.load8_u offset={offset} (local.get 0)))"
        for offset in OFFSETS
    )
    made = instance(f"(module (memory i64 1 2) {functions})", engine=ENGINES[style]).exports
    for offset in OFFSETS:
        for address in ADDRESSES:
            for name, size in (("load", 8), ("store", 8), ("byte", 1)):
                signed = address - (address >> 63 << 64)
                inside = address + offset + size <= PAGE
                code = trap_of(made[f"{name} {offset}"], signed)
                assert code is (None if inside else OUT_OF_BOUNDS), (name, address, offset)


@STYLES
def test_addresses_that_are_constant(style: str) -> None:
    functions = "".join(
        f'(func (export "{address}") (result i32) (i32.load8_u (i64.const {address})))'
        for address in ADDRESSES
    )
    made = instance(f"(module (memory i64 1 2) {functions})", engine=ENGINES[style]).exports
    for address in ADDRESSES:
        expected = None if address < PAGE else OUT_OF_BOUNDS
        assert trap_of(made[str(address)]) is expected, address


@STYLES
def test_an_address_that_was_checked_may_still_be_beyond_the_end(style: str) -> None:
    """The second access through one address has its own offset, and memory grows between them."""
    made = instance(
        """(module (memory (export "memory") i64 1 3)
          (func (export "twice") (param i64) (result i32)
            (i32.add (i32.load8_u (local.get 0)) (i32.load8_u offset=65536 (local.get 0))))
          (func (export "far") (param i64) (result i32)
            (i32.add (i32.load8_u (local.get 0)) (i32.load8_u offset=0x80000000 (local.get 0))))
          (func (export "grown") (param i64) (result i32)
            (drop (i32.load8_u (local.get 0)))
            (drop (memory.grow (i64.const 1)))
            (i32.load8_u offset=65536 (local.get 0))))""",
        engine=ENGINES[style],
    ).exports
    assert trap_of(made.twice, 5) is OUT_OF_BOUNDS
    assert trap_of(made.far, 5) is OUT_OF_BOUNDS
    assert made.grown(5) == 0
    made.memory[PAGE + 5] = 9
    assert made.twice(5) == 9
    assert trap_of(made.twice, PAGE + 5) is OUT_OF_BOUNDS


@STYLES
def test_size_and_growth(style: str) -> None:
    made = instance(
        """(module (memory (export "memory") i64 1 5)
          (func (export "size") (result i64) (memory.size))
          (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))""",
        engine=ENGINES[style],
    ).exports
    made.memory[0:5] = b"hello"
    assert [made.grow(1), made.grow(0), made.grow(-1), made.grow(1 << 48), made.grow(1 << 32)] == [
        1, 2, -1, -1, -1,
    ]  # fmt: skip
    assert made.memory.grow(2) == 2
    assert (made.size(), made.memory.size, made.grow(2), made.grow(1)) == (4, 4, -1, 4)
    assert made.memory[0:5] == b"hello"
    assert made.memory.type == MemoryType(Limits(5, 5), address=I64)


MEMORIES = """(module
  (memory $a (export "a") 1 2) (memory $b (export "b") i64 1 2) (memory $c (export "c") 1 2)
  (data $d "0123456789")
  (func (export "ab") (param i64 i32 i32) (memory.copy $b $a (local.get 0) (local.get 1) (local.get 2)))
  (func (export "ba") (param i32 i64 i32) (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2)))
  (func (export "ac") (param i32 i32 i32) (memory.copy $c $a (local.get 0) (local.get 1) (local.get 2)))
  (func (export "bb") (param i64 i64 i64) (memory.copy $b $b (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i64 i32 i64) (memory.fill $b (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init") (param i64 i32 i32) (memory.init $b $d (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init c") (param i32 i32 i32) (memory.init $c $d (local.get 0) (local.get 1) (local.get 2)))
  (func (export "sizes") (result i32 i64 i32) (memory.size $a) (memory.size $b) (memory.size $c))
  (func (export "grow c") (result i32) (memory.grow $c (i32.const 1))))"""


@STYLES
def test_several_memories(style: str) -> None:
    made = instance(MEMORIES, engine=ENGINES[style]).exports
    made.a[0:6] = b"abcdef"
    made.ab(10, 1, 4)
    assert (made.b[9:15], made.c[9:15]) == (b"\0bcde\0", bytes(6))
    made.ac(PAGE - 3, 0, 3)
    assert made.c[PAGE - 3 :] == b"abc"
    made.ba(100, 11, 2)
    assert made.a[99:103] == b"\0cd\0"
    made.bb(11, 10, 4)
    assert made.b[10:15] == b"bbcde"
    made.fill(PAGE - 2, 0x178, 2)
    assert made.b[PAGE - 3 :] == b"\0xx"
    made.init(20, 2, 3)
    made["init c"](20, 3, 3)
    assert (made.b[20:23], made.c[20:23]) == (b"234", b"345")
    assert made["grow c"]() == 1
    assert made.sizes() == (1, 1, 2)


@STYLES
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ab", (PAGE - 1, 0, 2)),
        ("ab", (-1, 0, 2)),
        ("ab", (0, PAGE - 1, 2)),
        ("ab", (0, 0, -1)),
        ("ba", (0, -1, 1)),
        ("ba", (0, 1 << 32, 0)),
        ("bb", (0, -1, 2)),
        ("bb", (0, 0, -1)),
        ("bb", (-(1 << 63), 0, -(1 << 63))),
        ("fill", (-1, 0, 1)),
        ("fill", (1, 0, -1)),
        ("init", (0, 10, 1)),
        ("init", (PAGE, 0, 1)),
        ("init", (1 << 32, 0, 1)),
    ],
)
def test_bulk_operations_end_where_memories_end(
    style: str, name: str, arguments: tuple[int, ...]
) -> None:
    made = instance(MEMORIES, engine=ENGINES[style]).exports
    before = [bytes(memory) for memory in (made.a, made.b, made.c)]
    assert trap_of(made[name], *arguments) is OUT_OF_BOUNDS
    assert [bytes(memory) for memory in (made.a, made.b, made.c)] == before


TABLES = """(module
  (table $t (export "t") 4 8 funcref) (table $u (export "u") i64 4 8 funcref)
  (table $x (export "x") i64 2 4 externref)
  (type $result (func (result i32)))
  (elem $e func $one $two)
  (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
  (func (export "init") (param i64 i32 i32) (table.init $u $e (local.get 0) (local.get 1) (local.get 2)))
  (func (export "call") (param i64) (result i32) (call_indirect $u (type $result) (local.get 0)))
  (func (export "tu") (param i64 i32 i32) (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
  (func (export "ut") (param i32 i64 i32) (table.copy $t $u (local.get 0) (local.get 1) (local.get 2)))
  (func (export "size") (result i64) (table.size $u))
  (func (export "grow") (param i64) (result i64) (table.grow $u (ref.null func) (local.get 0)))
  (func (export "get") (param i64) (result externref) (table.get $x (local.get 0)))
  (func (export "set") (param i64 externref) (table.set $x (local.get 0) (local.get 1)))
  (func (export "fill") (param i64 externref i64)
    (table.fill $x (local.get 0) (local.get 1) (local.get 2))))"""


def test_tables_of_64_bits() -> None:
    made = instance(TABLES).exports
    made.init(1, 0, 2)
    assert (made.call(1), made.call(2)) == (1, 2)
    assert trap_of(made.call, 0) is TrapCode.INDIRECT_CALL_TO_NULL
    for index in (4, 1 << 32, (1 << 32) + 1, -1):
        assert trap_of(made.call, index) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
        assert trap_of(made.get, index) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
        assert trap_of(made.set, index, None) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    made.ut(0, 1, 2)
    assert [made.t[0](), made.t[1](), made.t[2]] == [1, 2, None]
    made.tu(3, 1, 1)
    assert made.call(3) == 2
    for name, arguments in (
        ("tu", (1 << 32, 0, 0)),
        ("tu", (-1, 0, 2)),
        ("init", (3, 0, 2)),
        ("fill", (1, None, -1)),
    ):
        assert trap_of(made[name], *arguments) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    assert [made.grow(2), made.grow(1 << 32), made.grow(-1), made.grow(2), made.size()] == [4, -1, -1, 6, 8]  # fmt: skip
    thing = object()
    made.fill(0, thing, 2)
    assert made["get"](1) is thing
    assert list(made.x) == [thing, thing]
    assert made.x.type == TableType(EXTERNREF, Limits(2, 4), I64)


def test_address_types_must_agree_to_link() -> None:
    store = Store()
    given = {
        "narrow": Memory(MemoryType(Limits(1, 2)), store=store),
        "wide": Memory(MemoryType(Limits(1, 2), address=I64), store=store),
        "few": Table(TableType(FUNCREF, Limits(1, 2)), store=store),
        "many": Table(TableType(FUNCREF, Limits(1, 2), I64), store=store),
    }
    instance('(module (import "e" "wide" (memory i64 1)))', {"e": given})
    instance('(module (import "e" "many" (table i64 1 funcref)))', {"e": given})
    for name, type_ in (
        ("narrow", "(memory i64 1)"),
        ("wide", "(memory 1)"),
        ("few", "(table i64 1 funcref)"),
        ("many", "(table 1 funcref)"),
    ):
        with pytest.raises(LinkError, match="incompatible import type"):
            instance(f'(module (import "e" "{name}" {type_}))', {"e": given})


@STYLES
def test_from_python(style: str) -> None:
    store = Store(ENGINES[style])
    memory = Memory(MemoryType(Limits(1, 3), address=I64), store=store)
    table = Table(TableType(EXTERNREF, Limits(1, 3), I64), "x", store=store)
    made = instance(
        """(module (import "e" "m" (memory i64 1)) (import "e" "t" (table i64 1 externref))
          (func (export "load") (param i64) (result i32) (i32.load (local.get 0)))
          (func (export "get") (param i64) (result externref) (table.get (local.get 0)))
          (func (export "size") (result i64) (memory.size)))""",
        {"e": {"m": memory, "t": table}},
        engine=ENGINES[style],
        store=store,
    ).exports
    memory.write(8, (77).to_bytes(4, "little"))
    assert made.load(8) == 77
    assert (memory.grow(1), made.size(), made.load(PAGE + 8)) == (1, 2, 0)
    assert len(memoryview(memory)) == 2 * PAGE
    assert (table.grow(1, "y"), made["get"](1)) == (1, "y")
    with pytest.raises(ValueError, match="are i32 or i64"):
        Memory(MemoryType(Limits(1), address=FUNCREF))
    with pytest.raises(ValueError, match="are i32 or i64"):
        Table(TableType(FUNCREF, Limits(1), EXTERNREF))


def test_segments_of_wide_memories_and_tables() -> None:
    made = instance(
        """(module (memory $n 1) (memory $w (export "w") i64 1) (table (export "t") i64 3 funcref)
          (func $f (export "f")) (data (memory $w) (offset (i64.const 65530)) "abcdef")
          (elem (offset (i64.const 2)) func $f))"""
    ).exports
    assert made.w[65530:] == b"abcdef"
    assert made.t[2] is made.f
    for field in ('(data (i64.const -1) "a")', '(data (i64.const 65531) "abcdef")'):
        with pytest.raises(Trap, match="out of bounds memory access"):
            instance(f"(module (memory i64 1) {field})")


@STYLES
def test_vectors_in_wide_memories(style: str) -> None:
    made = instance(
        """(module (memory (export "memory") i64 1 2)
          (func (export "load") (param i64) (result i64)
            (i64x2.extract_lane 1 (v128.load offset=8 (local.get 0))))
          (func (export "lane") (param i64)
            (v128.store32_lane offset=4 3 (local.get 0) (v128.const i32x4 1 2 3 4))))""",
        engine=ENGINES[style],
    ).exports
    made.lane(PAGE - 8)
    assert made.memory[PAGE - 4 :] == b"\4\0\0\0"
    assert made.load(PAGE - 24) == 4 << 32
    for name, address in (("load", PAGE - 23), ("load", -8), ("lane", PAGE - 7), ("lane", -4)):
        assert trap_of(made[name], address) is OUT_OF_BOUNDS
