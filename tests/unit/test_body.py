"""Function bodies: locals, instructions, and the two ways of reading immediates."""

from __future__ import annotations

import time

import pytest

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import F32, F64, I32, I64, V128, FunctionType
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.immediates import immediate_reader, read_opcode
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import OPCODES
from wasmine.wasm.reader import Reader

from .binary import function, functions, unsigned
from .outside import assemble

VARIED = """
(module (memory 1) (table 1 funcref) (global $g (mut i64) (i64.const 0)) (data "x")
  (type $pair (func (param i32 i32) (result i32 i32)))
  (func (param i32 i64) (local f32 f32) (local v128 f64)
    i32.const 63 drop i32.const 64 drop i32.const -64 drop i32.const -65 drop
    i32.const 0x7fffffff drop i32.const 0x80000000 drop i64.const -1 drop
    i64.const 0x8000000000000000 global.set $g
    f32.const nan:0x200001 drop f64.const -0.0 drop v128.const i64x2 1 2 drop
    local.get 0 i32.load8_u offset=127 drop local.get 0 i32.load offset=128 align=1 drop
    local.get 0 i64.load offset=4294967295 drop
    local.get 0 local.get 0 (block (type $pair)) drop drop
    (loop (br 1)) (if (i32.const 1) (then nop) (else (br_table 0 1 0 (i32.const 5))))
    (call_indirect (type $pair) (i32.const 1) (i32.const 2) (i32.const 0)) drop drop
    (select (result i64) (i64.const 1) (i64.const 2) (i32.const 0)) drop
    (select (i64.const 1) (i64.const 2) (i32.const 0)) drop
    (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)) data.drop 0
    (memory.copy (i32.const 0) (i32.const 0) (i32.const 1))
    ref.null extern drop
    (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get 4) (local.get 4)) drop
    (v128.load8_lane offset=3 15 (i32.const 0) (local.get 4)) drop))
"""


def read_slowly(info: ModuleInfo, body: Body) -> list[tuple[str, object]]:
    """The instructions of a body, read one by one through the general readers."""
    end = info.bodies[0].end
    reader = Reader(info.data[body.offsets[0] : end], body.offsets[0])
    instructions = []
    while not reader.at_end:
        opcode = read_opcode(reader, info)
        read = immediate_reader(opcode)
        instructions.append((opcode.name, read(reader, info) if read else None))
    return instructions


def test_both_ways_of_reading_immediates_agree() -> None:
    info = decode(assemble(VARIED))
    body = decode_body(info, 0)
    names = [OPCODES[code].name for code in body.codes]
    assert list(zip(names, body.immediates, strict=True)) == read_slowly(info, body)


def test_immediates() -> None:
    info = decode(assemble(VARIED))
    body = decode_body(info, 0)
    pairs = [
        (OPCODES[code].name, immediate)
        for code, immediate in zip(body.codes, body.immediates, strict=True)
    ]
    constants = [value for name, value in pairs if name == "i32.const"]
    assert constants[:6] == [63, 64, -64, -65, 2**31 - 1, -(2**31)]
    for expected in [
        ("i64.const", -(2**63)),
        ("global.set", 0),
        ("f32.const", 0x7FA0_0001),
        ("f64.const", 1 << 63),
        ("v128.const", 1 | 2 << 64),
        ("i32.load8_u", (0, 127, 0)),
        ("i32.load", (0, 128, 0)),
        ("i64.load", (3, 2**32 - 1, 0)),
        ("block", FunctionType((I32, I32), (I32, I32))),
        ("loop", FunctionType()),
        ("br_table", ((0, 1), 0)),
        ("call_indirect", (0, 0)),
        ("select/typed", I64),
        ("select", None),
        ("memory.init", (0, 0)),
        ("memory.copy", (0, 0)),
        ("i8x16.shuffle", bytes([*range(15), 31])),
        ("v128.load8_lane", ((0, 3, 0), 15)),
        ("end", None),
    ]:
        assert expected in pairs


def test_locals_begin_with_parameters() -> None:
    body = decode_body(decode(assemble(VARIED)), 0)
    assert body.locals == [I32, I64, F32, F32, V128, F64]
    assert body.declared == {F32, V128, F64}


def test_offsets_are_those_of_the_opcodes() -> None:
    info = decode(assemble(VARIED))
    body = decode_body(info, 0)
    for code, offset in zip(body.codes, body.offsets, strict=True):
        assert info.data[offset] == (OPCODES[code].prefix or OPCODES[code].number)


def test_bodies_are_found_behind_imported_functions() -> None:
    info = decode(
        assemble('(module (import "" "f" (func)) (func nop) (func (param f64) unreachable))')
    )
    assert [OPCODES[code].name for code in decode_body(info, 0).codes] == ["nop", "end"]
    assert decode_body(info, 1).locals == [F64]


MALFORMED = [
    ("illegal opcode ff", function(b"\0\xff\0")),
    ("illegal opcode 27", function(b"\x27")),
    ("illegal opcode fc 40", function(b"\xfc\x40")),
    ("illegal opcode fd 9a", function(b"\xfd\x9a\x01")),
    ("integer representation too long", function(b"\x20\x80\x80\x80\x80\x80\x00")),
    ("integer too large", function(b"\x20\x80\x80\x80\x80\x10")),
    ("integer too large", function(b"\x41\xff\xff\xff\xff\x4f")),
    ("integer representation too long", function(b"\xfc\x87\x80\x80\x80\x80\x00")),
    ("malformed memop flags", function(b"\x41\0\x28\x80\x01\x00\x1a")),
    ("malformed heap type", function(b"\xd0\x40")),
    ("malformed block type", function(b"\2\x41\x0b")),
    ("zero byte expected", function(b"\xfe\x03\x01")),
    ("data count section required", function(b"\xfc\x09\0")),
    ("END opcode expected", function(b"\5")),
    ("END opcode expected", function(b"\2\x40\5\x0b")),
    ("END opcode expected", function(b"\4\x40\5\5\x0b")),
    ("END opcode expected", functions(b"\0\1", b"\0\x0b")),
    ("unexpected end of section or function", functions(b"\0\1")),
    ("section size mismatch", functions(b"\0\1") + b"\x0b\1\0"),
    ("section size mismatch", function(b"\x0b\1")),
    ("malformed value type", functions(b"\1\1\x40\x0b")),
    ("too many labels", function(b"\x41\0\x0e" + unsigned(65_521))),
    ("too many locals: 50001 are more than 50000", functions(b"\1\xd1\x86\3\x7f\x0b")),
    ("too many locals", functions(b"\1\xff\xff\xff\xff\x0f\x7f\x0b")),
    ("nesting of blocks too deep", function(b"\2\x40" * 10_001)),
]  # fmt: skip


@pytest.mark.parametrize(("message", "data"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_malformed_bodies(message: str, data: bytes) -> None:
    info = decode(data)
    with pytest.raises(MalformedModule) as caught:
        decode_body(info, 0)
    assert str(caught.value).startswith(message)
    assert caught.value.function == 0
    assert caught.value.offset is not None


INVALID = [
    ("unknown type 7", function(b"\2\7\x0b")),
    ("invalid result arity", function(b"\x00\x1c\0")),
    ("invalid result arity", function(b"\x00\x1c\2\x7f\x7f")),
]


@pytest.mark.parametrize(("message", "data"), INVALID)
def test_what_is_invalid_rather_than_malformed(message: str, data: bytes) -> None:
    with pytest.raises(InvalidModule) as caught:
        decode_body(decode(data), 0)
    assert str(caught.value).startswith(message)
    assert caught.value.function == 0


def test_ten_megabytes_of_nested_blocks_are_refused_at_once() -> None:
    started = time.process_time()
    for count in (5_000_000, 3_800_000):
        with pytest.raises(MalformedModule, match=r"function too large|nesting of blocks too deep"):
            decode_body(decode(function(b"\2\x40" * count)), 0)
    assert time.process_time() - started < 2


def test_nesting_up_to_the_limit_is_accepted() -> None:
    body = decode_body(decode(function(b"\2\x40" * 10_000 + b"\x0b" * 10_000)), 0)
    assert len(body.codes) == 20_001
