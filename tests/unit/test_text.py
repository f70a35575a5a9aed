"""The text format: what it means, and what is said where it is malformed."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest

from tests.unit.outside import assemble
from wasmine import Instance, InvalidModule, MalformedModule, MalformedText, Module, wat2wasm
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import OPCODES
from wasmine.wasm.text import assembler
from wasmine.wasm.text.immediates import SIMPLE, STRUCTURE, WITH_IMMEDIATES
from wasmine.wasm.text.lexer import Tokens

# What wasm-tools assembles to the same bytes, name section included.
MODULES = {
    "empty": "(module)",
    "fields without module": "(func) (memory 1)",
    "binary": r'(module binary "\00asm" "\01\00\00\00")',
    "memory64, shared, several memories": """(module
        (memory i64 1 2) (memory $b i64 1 3 shared) (table i64 1 2 externref)
        (func
          (drop (i32.load $b offset=0x1_0000_0000 align=2 (i64.const 0)))
          (v128.store8_lane $b offset=1 15 (i64.const 1) (v128.const i64x2 1 2))
          (v128.store8_lane 1 15 (i64.const 1) (v128.const i64x2 1 2))
          (v128.store8_lane 15 (i64.const 1) (v128.const i64x2 1 2))
          (memory.copy 0 $b (i64.const 0) (i64.const 0)(i64.const 0))
          (atomic.fence)
          (drop (i32.atomic.rmw8.cmpxchg_u $b offset=3 (i64.const 0)(i32.const 0)(i32.const 0)))))""",
    "segments inside": r"""(module
        (table (;0;) i64 funcref (elem $f $f)) (memory i64 (data "abc" "\u{1F600}")) (memory (data))
        (func $f) (table $x (ref null func) (elem (ref.func $f) (item ref.null func)))
        (table externref (elem)) (table 3 (ref func) (ref.func $f))
        (type $ft (func)) (table (ref null $ft) (elem $f)))""",
    "all forms of element segments": """(module
        (table $t 1 funcref) (table $u 1 funcref) (func $f)
        (elem (i32.const 0) $f) (elem (offset (i32.const 0)) func $f)
        (elem (table 0) (i32.const 0) func $f) (elem (table $u) (i32.const 0) func $f)
        (elem (i32.const 0) funcref (ref.func $f) (ref.null func))
        (elem (table $u) (i32.const 0) funcref (item ref.func $f))
        (elem (i32.const 0) (ref func) (ref.func $f))
        (elem $e func $f) (elem funcref (item ref.func $f)) (elem declare func $f)
        (elem declare funcref (ref.func $f)) (elem declare (ref func) (ref.func $f))
        (elem func) (elem funcref)
        (func (table.init 1 $e (i32.const 0) (i32.const 0) (i32.const 0)) (elem.drop $e)
              (table.init $e (i32.const 0) (i32.const 0) (i32.const 0))
              (table.copy (i32.const 0) (i32.const 0) (i32.const 0))
              (table.fill 1 (i32.const 0) (ref.null func) (i32.const 0))))""",
    "data segments": """(module
        (data $d (i32.const 0) "abc") (data $e (memory $m) (offset i32.const 1 i32.const 2 i32.add) "")
        (data $p "passive" "ly") (memory 1) (memory $m 1)
        (func (memory.init $m $d (i32.const 0) (i32.const 0) (i32.const 0))
              (memory.init $e (i32.const 0) (i32.const 0) (i32.const 0)) (data.drop $p)
              (memory.grow $m (memory.size $m)) drop))""",
    "types that are written nowhere come last, in the order of their uses": """(module
        (func $f (param i32) (block (result i32 i32) unreachable) drop drop)
        (func (result f32) unreachable) (type (func)))""",
    "a group of one type is not what a type use means": """(module
        (rec (type (func (param f32)))) (func (param f32)) (func (type 0) (param f32)))""",
    "structures and arrays": """(module
        (type $s (struct (field $a i32) (field $b (mut i16)) (field f32 f64)))
        (type $v (array (mut (ref null $s))))
        (rec (type $p (sub (struct (field (ref null $q)))))
             (type $q (sub $p (struct (field $z (ref null $q)) (field i8)))))
        (type (sub final (func (param i64)))) (func (param i64))
        (func (param (ref $s)) (result i32) (struct.get $s $a (local.get 0))
          (drop (struct.get_u $s $b (local.get 0))) (br_on_cast 0 anyref (ref $s) (local.get 0))
          (br_on_cast_fail 0 (ref null any) (ref null $q)) (ref.test (ref null i31)) (drop)
          (ref.cast (ref $q)) drop (array.new_fixed $v 2 (ref.null $s) (ref.null none))
          (array.copy $v $v) (ref.test i31ref)
          (select (result i32) (i32.const 0) (i32.const 1) (i32.const 2))))""",
    "blocks": """(module (table 0 funcref) (func $a (param i32 i32) (result i32 i32) unreachable)
        (tag $e (param i32))
        (func (result i32) (block (param i32) (result i32)) (loop (param i32) (result i32 i32))
          (if (param i32) (result i32) (i32.const 0) (then) (else))
          (try_table $l (result exnref) (catch $e 0) (catch_all_ref 0) unreachable)
          (return_call $a) (call_indirect (param i32)) (return_call_indirect 0 (result i64))
          block $x loop $y i32.const 0 if $z else $z end $z br $x br_table $y $x 1 0 end $y end
          (throw $e (i32.const 1))))""",
    "legacy exceptions": """(module (tag $e (param i32))
        (func try $l nop catch $e drop catch_all rethrow $l end)
        (func try $l try $m delegate $l catch_all end $l))""",
    "imports and exports": """(module
        (import "a" "b" (memory 1 2 shared)) (import "" "" (table i64 0 5 (ref null extern)))
        (global $g (export "g1") (import "x" "y") (mut i32)) (tag $t (import "t" "t") (param i32))
        (func (export "f") (export "f2")) (export "g" (global $g)) (export "t" (tag $t))
        (export "m" (memory 0)) (export "tt" (table 0)) (start 0))""",
    "names": r"""(module $"a b" (func $"\u{61}" (param $p i32) (local i32) (local $x i64)
        (call $a (local.get $p)) (block $l (br $l)) (loop $l))
        (global $g i32 (i32.const 0)) (table $t 0 funcref) (memory $m 0) (data $d "") (elem $e func))""",
    "names in annotations": """(module (@name "mod")
        (func $f (@name "my func") (param $x (@name "yy") i32) (local (@name "zz") i64))
        (global $g (@name "gg") i32 (i32.const 0)))""",
    "custom sections": """(module
        (@custom "a" (before code) "1") (@custom "b" (after code) "2") (@custom "c" (before data) "3")
        (@custom "d" (before tag) "4") (@custom "e" (before first)) (@custom "f" (after last) "a" "b")
        (@custom "g") (func) (data "x") (tag))""",
    "branch hints": r"""(module (func $f (@metadata.code.branch_hint "\00") (if (i32.const 1) (then
        (@metadata.code.branch_hint "\01") (br_if 0 (i32.const 0))
        i32.const 1 (@metadata.code.branch_hint "\01") br_if 0))))""",
    "numbers": """(module (func
        (drop (f32.const nan:0x200000)) (drop (f32.const -nan)) (drop (f64.const -0x1.8p-1074))
        (drop (i64.const -0x8000_0000_0000_0000)) (drop (i32.const 4294967295)) (drop (i32.const 64))
        (drop (v128.const f32x4 inf -inf nan nan:0x1)) (drop (v128.const f64x2 1 -0x1p-3))
        (drop (v128.const i8x16 0 -1 255 -128 0 0 0 0 0 0 0 0 0 0 0 0))
        (drop (v128.const i16x8 0 -1 65535 0 0 0 0 0)) (drop (v128.const i32x4 0 -1 1 2))))""",
    "comments and annotations anywhere": """(;a(;b;);;c;)(module;;x
        (@any ( "thing" [1,2] ) ;; )
        )(func(;(@a);)(nop(@b))))""",
}  # fmt: skip


@pytest.mark.parametrize("text", MODULES.values(), ids=MODULES.keys())
def test_same_bytes_as_wasm_tools(text: str) -> None:
    assert wat2wasm(text) == assemble(text)


SAME = [
    ("(func (i32.add (i32.const 1) (i32.const 2)) drop)", "(func i32.const 1 i32.const 2 i32.add drop)"),
    ("(func (if (i32.const 1) (then nop) (else)))", "(func i32.const 1 if nop else end)"),
    ("(func (if (i32.const 1) (then nop)))", "(func i32.const 1 if nop end)"),
    ("(func (block $a (loop $b (br $a) (br $b))))", "(func block loop br 1 br 0 end end)"),
    ("(func (block (block $a) (br 0)))", "(func block block end br 0 end)"),
    ("(func block $a block $a br $a end br $a end)", "(func block block br 0 end br 0 end)"),
    ("(func (param i32 i64))", "(func (param i32) (param $x i64))"),
    ("(func (local i32) (local i32 i64))", "(func (local $a i32) (local i32) (local) (local $b i64))"),
    ("(tag $e) (func (try (do nop) (catch $e nop) (catch_all nop)))",
     "(tag) (func try nop catch 0 nop catch_all nop end)"),
    ("(func (try $l (do (try (do nop) (delegate $l)))))", "(func try try nop delegate 0 end)"),
    ('(memory (data "a"))', '(memory 1 1) (data (i32.const 0) "a")'),
    ("(table funcref (elem 0 0)) (func)", "(table 2 2 funcref) (elem (table 0) (i32.const 0) func 0 0) (func)"),
    ('(func (export "f") (import "m" "n"))', '(import "m" "n" (func)) (export "f" (func 0))'),
    ("(type (sub final (func)))", "(type (func))"),
    ("(func (result (ref null any)) unreachable)", "(func (result anyref) unreachable)"),
    (r'(data "\t\n\r\"\'\\\u{1_F6_00}")', r'(data "\09\0a\0d\22\27\5c\f0\9f\98\80")'),
    ('(data "aé")', r'(data "a\c3\a9")'),
    ('(module quote "(func " "nop)")', "(module (func nop))"),
    ("(table 1 funcref) (elem 0 (i32.const 0) 0) (func)",
     "(table 1 funcref) (elem (table 0) (i32.const 0) func 0) (func)"),
]  # fmt: skip


@pytest.mark.parametrize(("short", "long"), SAME)
def test_abbreviations(short: str, long: str) -> None:
    assert wat2wasm(short, names=False) == wat2wasm(long, names=False)


# Text, message, line, column, token.
MALFORMED = [
    ("(func (i32.const0))", "unknown operator i32.const0", 1, 8, "i32.const0"),
    ("(func (i32.const 1x))", "unknown operator 1x", 1, 18, "1x"),
    ('(func br 0"a")', 'unknown operator 0"a"', 1, 10, '0"a"'),
    ("(func\n  (nop))\n(fun)", "unknown operator fun", 3, 2, "fun"),
    ("(func\r\n(nop\r nop))", "unexpected token", 3, 2, "nop"),
    ("(func", "unexpected token", 1, 6, ""),
    ("(module))", "unexpected token", 1, 9, ")"),
    ("(module) (module)", "unexpected token", 1, 10, "("),
    ("(func block)", "unexpected token", 1, 12, ")"),
    ("(func end)", "unexpected token", 1, 7, "end"),
    ("(func else)", "unexpected token", 1, 7, "else"),
    ("(func (else))", "unexpected token", 1, 8, "else"),
    ("(func (then))", "unexpected token", 1, 8, "then"),
    ("(func (i32.add i32.const 1))", "unexpected token", 1, 16, "i32.const"),
    ("(func (if (i32.const 1)))", "unexpected token", 1, 24, ")"),
    ("(func (if (then) (nop)))", "unexpected token", 1, 19, "nop"),
    ("(func (if (then) (then)))", "unexpected token", 1, 19, "then"),
    ("(func (if nop (then)))", "unexpected token", 1, 11, "nop"),
    ("(func (try (nop)))", "unexpected token", 1, 13, "nop"),
    ("(func (try (do) (catch_all) (catch 0)))", "unexpected token", 1, 30, "catch"),
    ("(func (try))", "unexpected token", 1, 11, ")"),
    ("(func if else else end)", "unexpected token", 1, 15, "else"),
    ("(func (local.get -1))", "unexpected token", 1, 18, "-1"),
    ("(func (local i32) (param i32))", "unexpected token", 1, 20, "param"),
    ("(func (result i32) (param i32))", "unexpected token", 1, 21, "param"),
    ("(func (call_indirect (param $x i32)))", "unexpected token", 1, 29, "$x"),
    ("(type (sub (sub (func))))", "unexpected token", 1, 13, "sub"),
    ("(global i32 (i32.const 0) (local))", "unexpected token", 1, 28, "local"),
    ("(func $a) (func $a)", "duplicate func $a", 1, 17, "$a"),
    ("(func (param $x i32) (local $x i32))", "duplicate local $x", 1, 29, "$x"),
    ("(type (struct (field $x i32) (field $x i32)))", "duplicate field $x", 1, 37, "$x"),
    ('(func $"a") (func $a)', "duplicate func $a", 1, 19, "$a"),
    ("(func (br $l))", "unknown label $l", 1, 11, "$l"),
    ("(func (block $l) (br $l))", "unknown label $l", 1, 22, "$l"),
    ("(func (call $f))", "unknown func $f", 1, 13, "$f"),
    ("(func (local.get $f))", "unknown local $f", 1, 18, "$f"),
    ("(func (type 1) (param i32))", "unknown type 1", 1, 13, "1"),
    ("(type $t (func)) (func (type $t) (param i32))", "inline function type", 1, 30, "$t"),
    ("(func block $a end $b)", "mismatching label $b", 1, 20, "$b"),
    ("(func block end $b)", "mismatching label $b", 1, 17, "$b"),
    ("(func if $a else $b end)", "mismatching label $b", 1, 18, "$b"),
    ("(func (i32.const 0x1_0000_0000))", "constant out of range", 1, 18, "0x1_0000_0000"),
    ("(func (f32.const 1e39))", "constant out of range", 1, 18, "1e39"),
    ("(func (f64.const nan:0x0))", "constant out of range", 1, 18, "nan:0x0"),
    ("(func (i32.const 1.0))", "unexpected token", 1, 18, "1.0"),
    ("(func (f32.const nan:canonical))", "unexpected token", 1, 18, "nan:canonical"),
    ("(func (i8x16.extract_lane_s 256))", "i8 constant out of range", 1, 29, "256"),
    ("(func (v128.const i32x4 0 0))", "wrong number of lane literals", 1, 28, ")"),
    ("(func (v128.const i64x2 0 0 0))", "wrong number of lane literals", 1, 29, "0"),
    ("(func (i8x16.shuffle 0 1))", "invalid lane length", 1, 22, "0"),
    ("(func (i32.load align=7))", "alignment must be a power of two", 1, 17, "align=7"),
    ("(func (i32.load align=0))", "alignment must be a power of two", 1, 17, "align=0"),
    ("(func (i32.load align=4 offset=1))", "unexpected token", 1, 25, "offset=1"),
    ("(func (i32.load offset=))", "unknown operator offset=", 1, 17, "offset="),
    ("(func (i32.load offset=0x1_0000_0000_0000_0000))", "i64 constant out of range", 1, 17,
     "offset=0x1_0000_0000_0000_0000"),
    ("(func (local.get 4294967296))", "i32 constant out of range", 1, 18, "4294967296"),
    ('(func) (import "" "" (func))', "import after function", 1, 23, "func"),
    ('(memory 0) (func (import "" ""))', "import after memory", 1, 13, "func"),
    ('(global i32 i32.const 0) (import "" "" (tag))', "import after global", 1, 41, "tag"),
    ("(start 0) (start 0)", "multiple start sections", 1, 12, "start"),
    ('(import "a\\80" "" (func))', "malformed UTF-8 encoding", 1, 9, '"a\\80"'),
    ('(export "\\u{d800}" (func 0))', "malformed UTF-8 encoding", 1, 9, '"\\u{d800}"'),
    ('(data "\\u{110000}")', "malformed UTF-8 encoding", 1, 7, '"\\u{110000}"'),
    ('(data "abc', "unclosed string", 1, 7, '"'),
    ('(data "a\nb")', "unclosed string", 1, 7, '"'),
    ('(data "a\tb")', "illegal control character", 1, 7, '"'),
    ('(data "\\x")', "illegal escape", 1, 7, '"'),
    ("(func) (; (; ;)", "unclosed comment", 1, 8, "(;"),
    ("(func é)", "illegal character", 1, 7, "é"),
    ("(func $)", "empty identifier", 1, 7, "$"),
    ('(func $"")', "empty identifier", 1, 7, '$""'),
    ('(func $"\\ff")', "malformed UTF-8 encoding", 1, 7, '$"\\ff"'),
    ("(@ a)", "empty annotation id", 1, 1, "(@"),
    ("(@a (b)", "unclosed annotation", 1, 1, "(@a"),
    ("(@a \x01)", "illegal character", 1, 5, "\x01"),
    ("(func (@custom \"a\"))", "misplaced @custom annotation", 1, 7, "@custom"),
    ("(@custom 1)", "@custom annotation: missing section name", 1, 10, "1"),
    ('(@custom "a" (before x))', "@custom annotation: malformed section kind", 1, 22, "x"),
    ('(@custom "a" (on code))', "@custom annotation: malformed placement", 1, 15, "on"),
    ('(module (@name "a") (@name "b"))', "@name annotation: multiple module", 1, 21, "@name"),
    ('(start (@name "a") 0)', "misplaced @name annotation", 1, 8, "@name"),
    ('(@metadata.code.branch_hint "\\01") (func)',
     "@metadata.code.branch_hint annotation: not in a function", 1, 1, "@metadata.code.branch_hint"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "line", "column", "token"), MALFORMED)
def test_malformed(text: str, message: str, line: int, column: int, token: str) -> None:
    with pytest.raises(MalformedText) as caught:
        wat2wasm(text)
    error = caught.value
    assert error.message.startswith(message)
    assert (error.line, error.column, error.token) == (line, column, token)


def test_malformed_says_where() -> None:
    with pytest.raises(MalformedModule) as caught:
        wat2wasm("(module\n  (fnc))")
    expected = "unknown operator fnc (did you mean func?) at line 2, column 4 near 'fnc'"
    assert str(caught.value) == expected
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.line) == (str(caught.value), 2)
    with pytest.raises(
        MalformedText, match=r"^unexpected token \(missing parentheses: 1\) at line 1"
    ):
        wat2wasm("(module")


def test_malformed_utf8_before_anything_else() -> None:
    with pytest.raises(MalformedText, match="malformed UTF-8 encoding at line 2, column 3"):
        wat2wasm(b"(func)\n;;\xff")


def test_branch_hint_at_no_branch_is_invalid() -> None:
    text = r'(func (@metadata.code.branch_hint "\01") nop)'
    with pytest.raises(InvalidModule, match="annotation: invalid target"):
        wat2wasm(text)


def test_every_instruction_has_a_reader() -> None:
    assert {*SIMPLE, *WITH_IMMEDIATES, *STRUCTURE} == {opcode.mnemonic for opcode in OPCODES}


@pytest.mark.parametrize("size", ["4294967296", "0x1_0000_0000"])
def test_sizes_without_memory64(size: str) -> None:
    text = f"(memory {size})"
    assert decode(assembler.wat2wasm(text)).memories[0].minimum == 1 << 32
    with pytest.raises(MalformedText, match=r"^i32 constant out of range"):
        assembler.wat2wasm(text, memory64=False)


DEPTH = 20_000
DEEP = {
    "folded": f"(func (result i32) {'(i32.eqz ' * DEPTH}(i32.const 0){')' * DEPTH})",
    "blocks": f"(func {'block $a ' * DEPTH}br $a {'end ' * DEPTH})",
    "folded blocks": f"(func {'(block ' * DEPTH}{')' * DEPTH})",
    "conditions": f"(func {'(if ' * DEPTH}(i32.const 0){'(then (i32.const 1)))' * DEPTH})",
    "branches": f"(func {'(if (i32.const 0) (then ' * DEPTH}{'))' * DEPTH})",
    "comments": f"{'(; ' * DEPTH}{';)' * DEPTH}(func)",
    "annotations": f"{'(@a ' * DEPTH}{')' * DEPTH}(func)",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting(text: str) -> None:
    assert len(decode(wat2wasm(text)).functions) == 1


def test_nothing_but_errors_of_ours() -> None:
    """Text with a few characters exchanged is read or refused, never anything else."""
    draw = random.Random(3)
    texts = list(MODULES.values())
    refused = 0
    for _ in range(3000):
        text = list(draw.choice(texts))
        for _ in range(draw.randint(1, 4)):
            text[draw.randrange(len(text))] = draw.choice('()"$;@\\0x_ é\nai.')
        try:
            wat2wasm("".join(text))
        except (MalformedText, InvalidModule):
            refused += 1
    assert refused > 1000


def test_positions_with_annotations() -> None:
    tokens = Tokens('(@a) (func\n (@b "x") nop)')
    assert tokens.words == ["(", "func", "nop", ")", ""]
    assert [tokens.place(number) for number in range(4)] == [(1, 6), (1, 7), (2, 11), (2, 14)]
    assert {number: found[0].name for number, found in tokens.annotations.items()} == {
        0: "a",
        2: "b",
    }


ADD = '(module (func $add (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))'


def test_module_from_text(tmp_path: Path) -> None:
    path = tmp_path / "add.wat"
    path.write_text(f"  ;; adds\n{ADD}")
    odd = tmp_path / "(odd"
    odd.write_bytes(wat2wasm(ADD))
    for source in (ADD, f" \n{ADD}", f";; x\n{ADD}", ADD.encode(), path, str(path), odd):
        module = Module(source)
        assert Instance(module).exports.add(2, 3) == 5
        assert module.info.function_name(0) == "add"


def test_module_from_text_that_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(MalformedText, match=r"unknown operator modul .* at line 1, column 2"):
        Module("(modul)")
    with pytest.raises(FileNotFoundError):
        Module("module")
    with pytest.raises(MalformedModule, match="magic header not detected"):
        Module(b"module")
    path = tmp_path / "wrong.wat"
    path.write_text("(modul)")
    with pytest.raises(MalformedText, match="unknown operator modul") as caught:
        Module(path)
    assert caught.value.__notes__ == [f"in {path}"]
    assert not Module.validate("(func (result i32))")
    assert not Module.validate("(func")
    assert Module.validate("(func)")


def test_wat2wasm_refuses_other_things() -> None:
    with pytest.raises(TypeError, match="the text of a module is str or bytes, not int"):
        wat2wasm(1)  # type: ignore[arg-type]
