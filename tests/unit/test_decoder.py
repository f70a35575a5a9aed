"""Sections: what they are decoded to, and every way in which they can be wrong."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from wasmine import wat2wasm
from wasmine.errors import CompileError, MalformedModule
from wasmine.types import (
    EXTERNREF,
    F64,
    FUNCREF,
    I32,
    I64,
    ArrayType,
    FieldType,
    FunctionType,
    GlobalType,
    Limits,
    MemoryType,
    StructType,
    TableType,
    defined,
    ref,
)
from wasmine.wasm.decoder import decode
from wasmine.wasm.module import Export, FunctionItems, Import, SubType
from wasmine.wasm.validator import validate

from .binary import HEADER, name, section, unsigned, vector
from .outside import assemble

EVERYTHING = """
(module $everything
  (type (func)) (type (func (param i32 i64) (result f64)))
  (import "env" "f" (func (type 1)))
  (import "env" "t" (table 1 2 funcref))
  (import "env" "m" (memory 1))
  (import "env" "g" (global (mut i64)))
  (func $main (type 0) (local i32 i32 f64)
    (block (result i32) i32.const 300 i32.const 0 br_table 0 0) local.set 0
    i32.const 8 i64.const -5000000000 i64.store offset=16
    f64.const 1.5 local.set 2 i32.const 0 i32.const 4 i32.const 2 memory.init 1)
  (table 10 externref)
  (global i32 (i32.const -1))
  (global (mut f64) (f64.const 2.5))
  (export "main" (func $main)) (export "memory" (memory 0))
  (start $main)
  (elem (table 0) (i32.const 0) func 0 1 0)
  (elem funcref (ref.null func) (ref.func 0))
  (elem declare func 0)
  (data (i32.const 8) "active")
  (data "passive"))
"""


def test_a_module_of_every_section() -> None:
    info = decode(assemble(EVERYTHING))
    assert [type_.composite for type_ in info.types] == [
        FunctionType(),
        FunctionType((I32, I64), (F64,)),
    ]
    assert info.imports == [
        Import("env", "f", "func", 1),
        Import("env", "t", "table", TableType(FUNCREF, Limits(1, 2))),
        Import("env", "m", "memory", MemoryType(Limits(1))),
        Import("env", "g", "global", GlobalType(I64, mutable=True)),
    ]
    assert (info.functions, info.imported_functions) == ([1, 0], 1)
    assert info.tables[info.imported_tables :] == [TableType(EXTERNREF, Limits(10))]
    assert (len(info.memories), info.imported_memories) == (1, 1)
    assert info.globals[info.imported_globals :] == [GlobalType(I32), GlobalType(F64, True)]
    assert info.exports == [Export("main", "func", 1), Export("memory", "memory", 0)]
    assert (info.start, info.data_count) == (1, 2)
    values = [expression.instructions for expression in info.global_initializers]
    assert [[(opcode.name, value) for opcode, value in each] for each in values] == [
        [("i32.const", -1)],
        [("f64.const", 0x4004_0000_0000_0000)],
    ]


def test_segments() -> None:
    info = decode(assemble(EVERYTHING))
    assert [(segment.mode, segment.table) for segment in info.elements] == [
        ("active", 0),
        ("passive", 0),
        ("declarative", 0),
    ]
    function = ref("func", False)
    assert [segment.type for segment in info.elements] == [function, FUNCREF, function]
    items = [[item.instructions[0][1] for item in segment.items] for segment in info.elements]
    assert items == [[0, 1, 0], [FUNCREF, 0], [0]]
    content = [info.data[segment.start : segment.end] for segment in info.data_segments]
    assert content == [b"active", b"passive"]
    assert [segment.mode for segment in info.data_segments] == ["active", "passive"]
    assert info.data_segments[1].offset is None


def test_custom_sections_are_kept() -> None:
    data = HEADER + section(0, name("one") + b"abc") + section(1, b"\0") + section(0, name("two"))
    info = decode(data)
    found = [(entry.name, data[entry.start : entry.end]) for entry in info.custom_sections]
    assert found == [("one", b"abc"), ("two", b"")]


def test_types_of_later_proposals() -> None:
    info = decode(
        assemble(
            """(module
            (type $point (struct (field i8) (field (mut i64))))
            (type $bytes (array (mut i16)))
            (rec (type $a (sub (func (param (ref $b))))) (type $b (sub final $a (func))))
            (type $i (func (param i32)))
            (import "" "" (tag (type $i)))
            (memory i64 1 2 shared) (table i64 3 (ref null $point)) (tag (type $b)))"""
        )
    )
    point, array, a, b, _ = info.types
    assert point is defined(StructType((FieldType("i8", False), FieldType(I64, True))))
    assert array is defined(ArrayType(FieldType("i16", True)))
    assert a.composite is FunctionType((ref(b, False),))
    assert (a.supertype, b.supertype, a.final, b.final) == (None, a, False, True)
    assert a.group == b.group == (a, b)
    assert info.rec_groups == [(2, 2)]
    assert info.subtypes == {2: SubType(False, ()), 3: SubType(True, (2,))}
    assert info.memories == [MemoryType(Limits(1, 2), shared=True, address=I64)]
    assert info.tables == [TableType(ref(point), Limits(3), I64)]
    assert (info.tags, info.imported_tags) == ([4, 3], 1)


FUNCTION = section(1, b"\1\x60\0\0") + section(3, b"\1\0")
EMPTY_CODE = section(10, b"\1\2\0\x0b")

MALFORMED = [
    ("unexpected end", b"\0as"),
    ("magic header not detected", b"\0asn" + HEADER[4:]),
    ("unexpected end", HEADER[:6]),
    ("unknown binary version", b"\0asm\2\0\0\0"),
    ("malformed section id", HEADER + b"\x0e\0"),
    ("length out of bounds", HEADER + b"\1\5\0"),
    ("section size mismatch", HEADER + section(1, b"\0\0")),
    ("unexpected content after last section", HEADER + section(3, b"\0") + section(1, b"\0")),
    ("unexpected content after last section", HEADER + section(1, b"\0") * 2),
    ("malformed definition type", HEADER + section(1, b"\1\x40")),
    ("integer representation too long", HEADER + section(1, b"\1\xe0\x7f")),
    ("malformed value type", HEADER + section(1, b"\1\x60\1\x40\0")),
    ("malformed import kind", HEADER + section(2, b"\1\0\0\5")),
    ("malformed export kind", HEADER + section(7, b"\1\0\5\0")),
    ("malformed UTF-8 encoding", HEADER + section(2, b"\1\1\xff\0\0\0")),
    ("malformed reference type", HEADER + section(4, b"\1\x7f\0\0")),
    ("malformed limits flags", HEADER + section(4, b"\1\x70\2\0")),
    ("malformed limits flags", HEADER + section(5, b"\1\x08\0")),
    ("malformed mutability", HEADER + section(6, b"\1\x7f\2\x41\0\x0b")),
    ("malformed tag attribute", HEADER + section(13, b"\1\1\0")),
    ("malformed elements segment kind", HEADER + section(9, b"\1\x08")),
    ("malformed element kind", HEADER + section(9, b"\1\1\1\0")),
    ("malformed data segment kind", HEADER + section(11, b"\1\3")),
    ("illegal opcode 27", HEADER + section(6, b"\1\x7f\0\x27\x0b")),
    ("illegal opcode fd 9a", HEADER + section(6, b"\1\x7f\0\xfd\x9a\1\x0b")),
    ("unexpected end of section or function", HEADER + section(6, b"\1\x7f\0\x41\0")),
    ("function and code section have inconsistent lengths", HEADER + FUNCTION),
    ("function and code section have inconsistent lengths", HEADER + EMPTY_CODE),
    ("data count and data section have inconsistent lengths", HEADER + section(12, b"\1")),
    ("too many types", HEADER + section(1, unsigned(1_000_001))),
    ("too many imports", HEADER + section(2, unsigned(2**32 - 1))),
    ("too many functions", HEADER + section(3, unsigned(2**32 - 1))),
    ("too many memories", HEADER + section(5, unsigned(101))),
    ("too many parameters", HEADER + section(1, b"\1\x60" + unsigned(1001))),
    ("import name too long", HEADER + section(2, b"\1\0" + name("x" * 100_001))),
    ("function too large", HEADER + FUNCTION + section(10, b"\1" + unsigned(7_654_322))),
    ("constant expression too long", HEADER + section(6, b"\1\x7f\0" + b"\1" * 10_001 + b"\x0b")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "data"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_malformed_modules(message: str, data: bytes) -> None:
    with pytest.raises(MalformedModule) as caught:
        decode(data)
    assert str(caught.value).startswith(message)
    assert caught.value.offset is not None
    assert caught.value.offset <= len(data)


def test_an_error_in_a_body_comes_before_one_behind_the_code_section() -> None:
    data = HEADER + FUNCTION + section(10, b"\1\3\0\xff\x0b") + b"\x40\0"
    with pytest.raises(MalformedModule, match=r"illegal opcode ff \(function 0, offset"):
        decode(data)


def test_a_module_cut_off_anywhere_is_malformed() -> None:
    data = assemble(EVERYTHING)
    # whole sections can be missing, as long as the others do not promise them: all after the
    # imports, or the last one, which holds the names
    boundaries = [8]
    while boundaries[-1] < len(data):
        boundaries.append(boundaries[-1] + 2 + data[boundaries[-1] + 1])
    complete = {*boundaries[:3], boundaries[-2]}
    for length in range(len(data)):
        if length not in complete:
            with pytest.raises(MalformedModule) as caught:
                validate(data[:length])
            assert caught.value.offset is not None
            assert caught.value.offset <= length
    for length in complete:
        validate(data[:length])


def test_changed_bytes_give_errors_of_the_module_only() -> None:
    data = assemble(EVERYTHING)
    generator = random.Random(20260617)
    accepted = 0
    for _ in range(4000):
        changed = bytearray(data)
        for _ in range(generator.randint(1, 3)):
            changed[generator.randrange(8, len(data))] = generator.randrange(256)
        with suppress(CompileError):
            validate(bytes(changed))
            accepted += 1
    assert accepted


def test_indices_of_functions_are_items_with_places() -> None:
    segment = b"\1\0" + unsigned(50_000) + b"\0\x80\0" * 25_000
    info = decode(HEADER + FUNCTION + section(9, vector([segment])) + EMPTY_CODE)
    items = info.elements[0].items
    assert isinstance(items, FunctionItems)
    assert len(items) == len(items.indices) == 50_000
    first = items[0].offset
    assert info.data[first - 3 : first] == unsigned(50_000)
    expected = [(0, first + place) for i in range(25_000) for place in (3 * i, 3 * i + 1)]
    assert [(item.instructions[0][1], item.offset) for item in items] == expected
    assert [item.offset for item in items[-2:]] == [items.offset(-2), items.offset(49_999)]
    assert items.offset(49_999) == expected[-1][1]


def test_bodies_are_a_sequence_of_places() -> None:
    data = wat2wasm("(module (func) (func nop) (func nop nop))")
    info = decode(data)
    entries = list(info.bodies)
    assert [data[entry.start : entry.end] for entry in entries] == [
        b"\0\x0b",
        b"\0\1\x0b",
        b"\0\1\1\x0b",
    ]
    assert info.bodies[1:] == entries[1:]
    assert info.bodies[-1] == entries[2]
    assert len(info.bodies) == 3
    with pytest.raises(IndexError):
        info.bodies[3]


def test_data_segments_of_all_kinds_keep_their_order() -> None:
    text = """(module (global $g (import "" "g") i32) (memory 1) (memory 1)
        (data (i32.const -1) "a") (data "bc") (data (i32.const 128) "") (data (global.get $g) "d")
        (data (memory 1) (i32.const 7) "e") (data (offset (i32.const 1) (i32.const 2) i32.add) "f"))"""
    info = decode(assemble(text))
    segments = info.data_segments
    assert b"".join(info.data[each.start : each.end] for each in segments) == b"abcdef"
    assert [each.memory for each in segments] == [0, 0, 0, 0, 1, 0]
    assert list(segments.others) == [1, 3, 4, 5]
    offsets = [each.offset and each.offset.instructions for each in segments]
    first = segments[0].offset
    assert first is not None
    assert info.data[first.offset] == 0x41
    assert [row and (row[0][0].name, row[0][1], len(row)) for row in offsets] == [
        ("i32.const", -1, 1),
        None,
        ("i32.const", 128, 1),
        ("global.get", 0, 1),
        ("i32.const", 7, 1),
        ("i32.const", 1, 3),
    ]
    assert [each.start for each in segments.different()] == [
        segments[place].start for place in (0, 1, 3, 4, 5)
    ]
    assert segments[-1].start == segments.starts[5]
    with pytest.raises(IndexError):
        segments[6]
