"""The disassembler's text, as people see it and as wasm-tools reads it back."""

from __future__ import annotations

import pytest

from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import disassemble, disassemble_function
from wasmine.wasm.features import ALL
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.textformat import comment, quote, write_float

from .outside import assemble

PROGRAM = """
(module $demo
  (import "env" "log" (func $log (param i32)))
  (memory 1)
  (global $calls (mut i32) (i32.const 0))
  (func $count (export "count") (param $limit i32) (result i32) (local $i i32)
    (block $out
      (loop $again
        (br_if $out (i32.ge_u (local.get $i) (local.get $limit)))
        (i32.store offset=8 (local.get $i) (i32.const -1))
        (call $log (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $again)))
    (if (result i32) (local.get $i) (then (f64.const 0.5) i32.trunc_f64_s) (else (global.get $calls))))
  (data (i32.const 16) "tab\\09 \\"quoted\\""))
"""

LINES = r"""(module (;demo;)
  (type (;0;) (func (param i32)))
  (type (;1;) (func (param i32) (result i32)))
  (import "env" "log" (func (;0;) (type 0)))
  (memory (;0;) 1)
  (global (;0;) (mut i32) i32.const 0)
  (export "count" (func 1))
  (func (;1;) (;count;) (type 1) (param i32) (result i32)
    (local i32)
  (;@000044;)   block
  (;@000046;)     loop
  (;@000048;)       local.get 1 (;i;)
  (;@00004a;)       local.get 0 (;limit;)
  (;@00004c;)       i32.ge_u
  (;@00004d;)       br_if 1
  (;@00004f;)       local.get 1 (;i;)
  (;@000051;)       i32.const -1
  (;@000053;)       i32.store offset=8
  (;@000056;)       local.get 1 (;i;)
  (;@000058;)       call 0 (;log;)
  (;@00005a;)       local.get 1 (;i;)
  (;@00005c;)       i32.const 1
  (;@00005e;)       i32.add
  (;@00005f;)       local.set 1 (;i;)
  (;@000061;)       br 0
  (;@000063;)     end
  (;@000064;)   end
  (;@000065;)   local.get 1 (;i;)
  (;@000067;)   if (result i32)
  (;@000069;)     f64.const 0.5
  (;@000072;)     i32.trunc_f64_s
  (;@000073;)   else
  (;@000074;)     global.get 0 (;calls;)
  (;@000076;)   end
  (;@000077;) )
  (data (;0;) (offset i32.const 16)
    "tab\09 \22quoted\22"
  )
)"""

EVERYTHING = """
(module
  (type $point (struct (field i8) (field (mut i64)))) (type $bytes (array (mut i16)))
  (rec (type $a (sub (func (param (ref $b) exnref)))) (type $b (sub final $a (func))))
  (import "\\e2\\82\\ac" "" (func (param i32 f64) (result v128)))
  (import "m" "table" (table 1 2 (ref null $point))) (import "m" "tag" (tag))
  (table 1 funcref) (table i64 1 (ref extern) (ref.null extern))
  (memory i64 1 2 shared) (memory 3)
  (global (mut f32) (f32.const -nan:0x200001)) (global i64 (i64.add (i64.const 1) (i64.const 2)))
  (export "\\22;)" (func 1)) (export "g" (global 0)) (start 2)
  (elem (table 1) (i32.const 0) func 1 2) (elem funcref (ref.func 1) (ref.null func))
  (elem declare func 2)
  (func $named (local i32 f64)
    f32.const 0x1.99999ap-4 f64.const 1e300 f32.const -inf f64.const nan f32.const -0 unreachable
    v128.const i32x4 1 2 3 0xffffffff i8x16.extract_lane_s 15
    i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31
    i32.load 1 offset=3 align=1 i64.store 0 v128.load8_lane 1 offset=1 3
    memory.init 1 0 memory.copy 0 1 memory.size memory.grow 1 table.init 1 2 table.copy 1 1
    call_indirect 1 (type $b) return_call_indirect 1 (type $b) call_ref $b
    select (result funcref) select ref.null func ref.null $point ref.func 2
    ref.test (ref $point) ref.test anyref ref.cast (ref null $point) br_on_cast 0 anyref (ref $point)
    struct.get $point 1 array.new_fixed $bytes 3 array.copy $bytes $bytes array.new_data $bytes 0
    i32.atomic.rmw8.add_u 0 offset=5 atomic.fence
    block $l (param i32) (result i32 i32) br_table $l 1 $l end
    try_table (result i32) (catch 0 0) (catch_all_ref 0) throw 0 end
    try catch 0 rethrow 0 end try delegate 0)
  (func (type $b))
  (data (memory 1) (i32.const 1) "\\00\\ff\\22\\5c") (data "x"))
"""


def expression(value: ConstExpr | None) -> object:
    return value and value.instructions


def contents(info: ModuleInfo) -> list[object]:
    """All of a module that its text must keep."""
    bodies = [decode_body(info, index) for index in range(len(info.bodies))]
    return [
        info.types,
        info.rec_groups,
        info.subtypes,
        info.imports,
        info.functions,
        info.tables,
        info.memories,
        info.globals,
        info.tags,
        info.exports,
        info.start,
        [expression(value) for value in (*info.global_initializers, *info.table_initializers)],
        [
            (
                each.mode,
                each.type,
                each.table,
                expression(each.offset),
                *map(expression, each.items),
            )
            for each in info.elements
        ],
        [
            (each.mode, each.memory, expression(each.offset), info.data[each.start : each.end])
            for each in info.data_segments
        ],
        [(body.locals, body.codes, body.immediates) for body in bodies],
    ]


def test_text() -> None:
    assert "\n".join(disassemble(decode(assemble(PROGRAM)))) == LINES


def test_one_function() -> None:
    lines = list(disassemble_function(decode(assemble(PROGRAM)), 1))
    assert lines == LINES.splitlines()[7:-4]


@pytest.mark.parametrize("text", [PROGRAM, EVERYTHING], ids=["program", "everything"])
def test_wasm_tools_reads_the_same_module(text: str) -> None:
    info = decode(assemble(text), ALL)
    written = decode(info.data, ALL, resolve=False)
    again = decode(assemble("\n".join(disassemble(written))), ALL)
    assert contents(again) == contents(info)


def test_names_cannot_break_out_of_comments() -> None:
    assert comment("a;)b(;c\n\x1b[0m") == " (;a; )b( ;c\ufffd\ufffd[0m;)"
    assert comment(None) == ""


def test_strings_are_quoted() -> None:
    assert quote('ä"\\\n') == r'"\c3\a4\22\5c\0a"'


@pytest.mark.parametrize(
    ("bits", "exponent", "mantissa", "text"),
    [
        (0x3FC0_0000, 8, 23, "1.5"),
        (0x8000_0000, 8, 23, "-0.0"),
        (0xFF80_0000, 8, 23, "-inf"),
        (0x7FC0_0000, 8, 23, "nan"),
        (0x7F80_0001, 8, 23, "nan:0x1"),
        (0x7FEF_FFFF_FFFF_FFFF, 11, 52, "1.7976931348623157e+308"),
        (0xFFF8_0000_0000_0001, 11, 52, "-nan:0x8000000000001"),
    ],
)
def test_floats(bits: int, exponent: int, mantissa: int, text: str) -> None:
    assert write_float(bits, exponent, mantissa) == text
