"""What validation says of memories and tables by their address type, and of atomic accesses.

The suite has memory64.wast, table64.wast, table_copy_mixed.wast, align64.wast and atomic.wast.
"""

from __future__ import annotations

import pytest
from wasmtime import wat2wasm

from wasmine.errors import InvalidModule
from wasmine.types import I32, I64
from wasmine.wasm.validator import validate

FIELDS = """
  (memory $m 1 10) (memory $w i64 1 10) (memory $s 1 10 shared)
  (table $t 1 10 funcref) (table $u i64 1 10 funcref)
  (type $v (func)) (data $d "abc") (elem $e func $f)
  (func $f (param $i i32) (param $l i64) """

INVALID = [
    ("alignment must not be larger", "(i32.load $w align=8 (local.get $l)) drop"),
    ("type mismatch", "(i32.load $w (local.get $i)) drop"),
    ("type mismatch", "(i32.load $m (local.get $l)) drop"),
    ("type mismatch", "(i64.store $w (local.get $i) (local.get $l))"),
    ("type mismatch", "(memory.grow $w (local.get $i)) drop"),
    ("type mismatch", "(memory.size $w) (i32.const 0) (i32.store)"),
    ("type mismatch", "(memory.fill $w (local.get $l) (local.get $i) (local.get $i))"),
    ("type mismatch", "(memory.copy $w $m (local.get $l) (local.get $i) (local.get $l))"),
    ("type mismatch", "(memory.copy $w $w (local.get $l) (local.get $l) (local.get $i))"),
    ("type mismatch", "(memory.init $w $d (local.get $l) (local.get $l) (local.get $i))"),
    ("type mismatch", "(table.get $u (local.get $i)) drop"),
    ("type mismatch", "(table.set $u (local.get $i) (ref.null func))"),
    ("type mismatch", "(table.grow $u (ref.null func) (local.get $i)) drop"),
    ("type mismatch", "(table.fill $u (local.get $l) (ref.null func) (local.get $i))"),
    ("type mismatch", "(table.copy $t $u (local.get $i) (local.get $l) (local.get $l))"),
    ("type mismatch", "(table.init $u $e (local.get $i) (local.get $i) (local.get $i))"),
    ("type mismatch", "(call_indirect $u (type $v) (local.get $i))"),
    ("atomic alignment must be natural", "(i64.atomic.load $s align=4 (local.get $i)) drop"),
    ("type mismatch", "(memory.atomic.wait64 $s (local.get $i) (local.get $i) (local.get $l)) drop"),
]  # fmt: skip

VALID = """
  (f32.store $w offset=18446744073709551615 (local.get $l) (f32.const 0))
  (memory.copy $w $m (local.get $l) (local.get $i) (local.get $i))
  (memory.copy $m $w (local.get $i) (local.get $l) (local.get $i))
  (memory.copy $w $w (local.get $l) (local.get $l) (local.get $l))
  (memory.init $w $d (local.get $l) (local.get $i) (local.get $i))
  (memory.fill $w (local.get $l) (local.get $i) (local.get $l))
  (drop (i64.add (memory.size $w) (memory.grow $w (local.get $l))))
  (drop (i64.add (table.size $u) (table.grow $u (ref.null func) (local.get $l))))
  (table.copy $t $u (local.get $i) (local.get $l) (local.get $i))
  (table.copy $u $u (local.get $l) (local.get $l) (local.get $l))
  (table.init $u $e (local.get $l) (local.get $i) (local.get $i))
  (table.fill $u (local.get $l) (table.get $u (local.get $l)) (local.get $l))
  (call_indirect $u (type $v) (local.get $l))
  (drop (memory.atomic.notify $m (local.get $i) (local.get $i)))
  (drop (memory.atomic.wait32 $s (local.get $i) (local.get $i) (local.get $l)))
  (i64.atomic.store32 $w (local.get $l) (local.get $l))
  (atomic.fence)"""


@pytest.mark.parametrize(("phrase", "code"), INVALID)
def test_operands_have_the_address_type(phrase: str, code: str) -> None:
    data = bytes(wat2wasm(f"(module {FIELDS} unreachable))"))
    validate(data)
    with pytest.raises(InvalidModule) as caught:
        validate(bytes(_assemble(code)))
    assert caught.value.message.startswith(phrase)


def _assemble(code: str) -> bytes:
    # wat2wasm checks nothing but the text
    return bytes(wat2wasm(f"(module {FIELDS} {code}))"))


def test_what_is_valid() -> None:
    info = validate(_assemble(VALID))
    assert [memory.address for memory in info.memories] == [I32, I64, I32]
    assert [memory.shared for memory in info.memories] == [False, False, True]


@pytest.mark.parametrize(
    ("phrase", "fields"),
    [
        ("shared memory must have maximum", r'"\05\03\01\02\01"'),
        ("memory size must be at most 65536 pages (4GiB)", "(memory 65537)"),
        ("memory size must be at most 2^48 pages", "(memory i64 0 0x1_0000_0000_0001)"),
        ("table size must be at most 2^32-1", r'"\04\08\01\70\00\80\80\80\80\10"'),
        ("size minimum must not be greater than maximum", "(table i64 5 4 funcref)"),
        ("type mismatch", "(memory i64 1) (data (i32.const 0))"),
        ("type mismatch", "(table i64 1 funcref) (elem (offset (i32.const 0)))"),
    ],
)
def test_limits_and_offsets(phrase: str, fields: str) -> None:
    text = (
        rf'(module binary "\00asm\01\00\00\00" {fields})'
        if "\\" in fields
        else f"(module {fields})"
    )
    with pytest.raises(InvalidModule) as caught:
        validate(bytes(wat2wasm(text)))
    assert caught.value.message.startswith(phrase)
