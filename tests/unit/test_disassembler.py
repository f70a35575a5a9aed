"""The disassembler's text, as people see it and as wasm-tools reads it back."""

from __future__ import annotations

import pytest

from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import Disassembler, disassemble
from wasmine.wasm.features import ALL
from wasmine.wasm.identifiers import comment, identifier, quote
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.textformat import write_float

from .binary import function, name, section
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

LINES = r"""(module $demo
  (type (;0;) (func (param i32)))
  (type (;1;) (func (param i32) (result i32)))
  (import "env" "log" (func $log (;0;) (type 0) (param i32)))
  (memory (;0;) 1)
  (global $calls (;0;) (mut i32) i32.const 0)
  (export "count" (func $count))
  (func $count (;1;) (type 1) (param $limit i32) (result i32)
    (local $i i32)
  (;@000044;)   block $out
  (;@000046;)     loop $again
  (;@000048;)       local.get $i
  (;@00004a;)       local.get $limit
  (;@00004c;)       i32.ge_u
  (;@00004d;)       br_if $out
  (;@00004f;)       local.get $i
  (;@000051;)       i32.const -1
  (;@000053;)       i32.store offset=8
  (;@000056;)       local.get $i
  (;@000058;)       call $log
  (;@00005a;)       local.get $i
  (;@00005c;)       i32.const 1
  (;@00005e;)       i32.add
  (;@00005f;)       local.set $i
  (;@000061;)       br $again
  (;@000063;)     end
  (;@000064;)   end
  (;@000065;)   local.get $i
  (;@000067;)   if (result i32)
  (;@000069;)     f64.const 0.5
  (;@000072;)     i32.trunc_f64_s
  (;@000073;)   else
  (;@000074;)     global.get $calls
  (;@000076;)   end
  )
  (data (;0;) (offset i32.const 16) "tab\09 \22quoted\22")
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


def written(data: bytes) -> ModuleInfo:
    """The module with its type indices as they are written."""
    return decode(data, ALL, resolve=False)


NAMES = """
(module $"a module"
  (type $t (struct (field $x i32) (field $"y z" i64)))
  (import "env" "f" (func $f (param $p i32)))
  (import "env" "g" (func $"f" (@name "f") (param i32)))
  (func $same (@name "f") (param $a i32) (param f32) (param $b (@name "a") i32) (local $c f64) (local f64)
    (block $l (loop $l (block (br $l) (br 2)) (br_table 0 $l 2)))
    (try_table $out (catch $tag $out2) (nop)) (block $empty (@name "") (br 0))
    (struct.new_default $t) (struct.get $t 1) (drop))
  (func (@name ""))
  (func $"\\u{1f980} \\22;)")
  (table $table 1 funcref) (memory $memory 1) (global $global i32 (i32.const 0)) (tag $tag)
  (elem $elem func $same) (data $data "x")
  (export "t" (table $table)) (export "m" (memory $memory)) (export "g" (global $global))
  (export "e" (tag $tag)) (start 3))
"""

NAMES = NAMES.replace('$"f" (@name', "$f2 (@name").replace("$out2", "0")

CUSTOM = """
(module
  (@custom "first" (before first) "1") (@custom "first" (before first) "\\00\\ff")
  (type (func)) (@custom "types" (after type) "")
  (func) (@custom "f" (after func)) (@custom "elements" (before code) "x") (@custom "c" (after code) "c")
  (memory 1) (@custom "m" (after memory) "y")
  (data "abc") (@custom "data" (after data) "z"))
"""

SEGMENTS = """
(module
  (table 2 funcref) (func) (memory 1) (memory 1)
  (table 2 (ref func) (ref.func 0))
  (elem (i32.const 0) 0) (elem func 0) (elem (table 1) (i32.const 0) func 0) (elem declare func 0)
  (elem (i32.const 0) funcref (ref.null func)) (elem funcref (ref.func 0))
  (elem (table 1) (i32.const 0) (ref func) (ref.func 0)) (elem declare (ref null func) (ref.func 0))
  (elem (table 0) (i32.const 0) func 0) (elem (ref func) (ref.func 0))
  (data "p") (data (i32.const 1) "a") (data (memory 1) (i32.const 2) "b"))
"""

TYPES = """
(module
  (rec) (rec (type (func))) (type (func))
  (rec (type (sub (struct))) (type (sub 2 (struct (field (ref null 4))))) (type (sub final 3 (struct
    (field (ref null 4)) (field (mut i8))))))
  (type (array (mut i16))) (type (sub (array (ref 5))))
  (func (param (ref 3)) (local (ref null 5)) (block (type 1)) (block (result i32) (i32.const 1)) drop
    (block (result (ref 3)) (local.get 0)) drop (loop (type 0))))
"""


@pytest.mark.parametrize(
    "text",
    [PROGRAM, EVERYTHING, NAMES, CUSTOM, SEGMENTS, TYPES],
    ids=["program", "everything", "names", "custom", "segments", "types"],
)
def test_the_text_assembles_to_the_same_bytes(text: str) -> None:
    data = assemble(text)
    for offsets in (False, True):
        assert assemble("\n".join(disassemble(written(data), offsets=offsets))) == data


def test_text() -> None:
    assert "\n".join(disassemble(written(assemble(PROGRAM)), offsets=True)) == LINES


def test_one_function() -> None:
    shown = Disassembler(written(assemble(PROGRAM)), offsets=True)
    assert list(shown.function(1)) == LINES.splitlines()[7:-2]


def test_names_are_made_unique() -> None:
    text = "\n".join(disassemble(written(assemble(NAMES))))
    assert '(func $f#1 (@name "f") (;1;)' in text
    assert '(param $a i32) (param f32) (param $a#2 (@name "a") i32)' in text
    assert "(start $#3)" in text


def test_a_label_within_one_of_the_same_name_is_a_number() -> None:
    code = "(block $l (loop $l (br 0) (br 1) (block $m (br 0) (br 1) (br 2) (br 3))))"
    text = "\n".join(disassemble(written(assemble(f"(module (func {code}))"))))
    branches = [line.split()[1] for line in text.splitlines() if line.split()[0] == "br"]
    assert branches == ["$l", "1", "$m", "$l", "2", "3"]


def name_section(content: bytes) -> bytes:
    return section(0, name("name") + content)


@pytest.mark.parametrize(
    "content",
    [
        b"\1\4\1\0\1a\0\2\1m",  # the module's name must come first
        b"\1\4\1\7\1a",  # there is no function 7
        b"\1\5\1\0\x81\0a",  # a length in two bytes
        b"\1\4\1\0\1\xff",  # no UTF-8
        b"\2\6\1\0\1\0\1a",  # there are no locals
        b"\3\6\1\0\1\0\1a",  # there are no blocks
        b"\x0a\6\1\0\1\0\1a",  # the type has no fields
        b"\7",  # cut off
        b"",
    ],
)
def test_other_name_sections_stay_what_they_are(content: bytes) -> None:
    data = function(b"\1") + name_section(content)
    text = "\n".join(disassemble(written(data)))
    assert "$" not in text
    assert f'(@custom "name" (after code) {quote(content)})' in text
    assert assemble(text) == data


def test_names_of_other_sections_are_comments() -> None:
    data = function(b"\x10\0") + name_section(b"\1\4\1\0\1a\0\2\1m")
    text = "\n".join(disassemble(written(data)))
    assert "(func (;0;) (;a;) (type 0)" in text
    assert "call 0 (;a;)\n" in text


def test_sections_behind_the_names() -> None:
    data = function(b"\1") + name_section(b"\1\4\1\0\1a") + section(0, name("tail") + b"x")
    text = "\n".join(disassemble(written(data)))
    assert "(func $a (;0;)" in text
    assert '(@custom "tail" (after last) "x")' in text


def test_identifiers() -> None:
    assert identifier("a.b#!'") == "$a.b#!'"
    assert identifier('a"b\\ \n') == '$"a\\22b\\5c \\0a"'
    assert identifier("\u00e4") == '$"\\c3\\a4"'


def test_names_cannot_break_out_of_comments() -> None:
    assert comment("a;)b(;c\n\x1b[0m") == " (;a; )b( ;c\ufffd\ufffd[0m;)"
    assert comment("(") == " (;( ;)"
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
