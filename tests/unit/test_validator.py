"""Validation: the specification's phrase for each rule, dead code, and what is switched off."""

from __future__ import annotations

from typing import Any

import pytest

from wasmine.errors import CompileError, InternalError, InvalidModule, MalformedModule
from wasmine.types import EXTERNREF, F64, I32, I64, DefinedType, ValType
from wasmine.wasm import aggregates, flow, rules
from wasmine.wasm.body import decode_body
from wasmine.wasm.code_validator import RULES, validate_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import ALL, Features
from wasmine.wasm.opcodes import BY_NAME, OPCODES
from wasmine.wasm.rules import typed_rule
from wasmine.wasm.validator import validate, validate_module

from .binary import HEADER, section
from .outside import assemble

INVALID_BODIES = [
    ("type mismatch: instruction requires [i32] but stack has []", "i32.eqz drop"),
    ("type mismatch: instruction requires [i32] but stack has [i64]", "i64.const 0 i32.eqz drop"),
    (
        "type mismatch: instruction requires [i32 i32] but stack has [i32]",
        "i32.const 0 i32.add drop",
    ),
    (
        "type mismatch: instruction requires [i32 i32] but stack has [f32 i32]",
        "f32.const 0 i32.const 0 i32.add drop",
    ),
    ("type mismatch: block requires [] but stack has [i32]", "i32.const 0"),
    ("type mismatch: instruction requires [i64] but stack has [i32]", "(block (result i64) i32.const 0) drop"),
    ("type mismatch: if without else", "i32.const 0 if (result i32) i32.const 0 end drop"),
    ("type mismatch: instruction requires an operand", "drop"),
    ("type mismatch: instruction requires an operand", "i32.const 0 (block drop)"),
    ("type mismatch: labels of br_table", "(block (result i32) (block i32.const 0 i32.const 0 br_table 0 1) i32.const 0) drop"),
    ("type mismatch: operands of select", "i32.const 0 i64.const 0 i32.const 0 select drop"),
    ("type mismatch: select without a type", "ref.null func ref.null func i32.const 0 select drop"),
    ("type mismatch: instruction requires a reference", "i32.const 0 ref.is_null drop"),
    ("type mismatch: elements of type", "i32.const 0 i32.const 0 i32.const 0 table.copy 0 1"),
    ("type mismatch: elements of type", "i32.const 0 i32.const 0 i32.const 0 table.init 1 0"),
    ("type mismatch: call_indirect", "i32.const 0 call_indirect 1 (type 0)"),
    ("type mismatch", "i32.const 0 call 1"),
    ("type mismatch", "i32.const 0 br_if 0 i32.const 0"),
    ("type mismatch", "ref.null extern global.set 0"),
    ("unknown local 3", "local.get 3 drop"),
    ("unknown local 9", "i32.const 0 local.set 9"),
    ("unknown local 9", "i32.const 0 local.tee 9 drop"),
    ("unknown global 7", "global.get 7 drop"),
    ("unknown function 9", "call 9"),
    ("unknown type 9", "i32.const 0 call_indirect (type 9)"),
    ("unknown table 5", "i32.const 0 table.get 5 drop"),
    ("unknown label 1", "br 1"),
    ("unknown label 2", "(block i32.const 0 br_table 0 2 0)"),
    ("unknown data segment 4", "data.drop 4"),
    ("unknown elem segment 4", "elem.drop 4"),
    ("unknown memory 1", "i32.const 0 i32.load 1 drop"),
    ("immutable global 1", "i32.const 0 global.set 1"),
    ("undeclared function reference 0", "ref.func 0 drop"),
    ("alignment must not be larger than natural", "i32.const 0 i32.load8_u align=2 drop"),
    ("alignment must not be larger than natural", "i32.const 0 i64.const 0 i64.store align=16"),
    ("offset out of range", "i32.const 0 i32.load offset=4294967296 drop"),
    ("invalid lane index 16", "v128.const i64x2 0 0 i8x16.extract_lane_u 16 drop"),
    ("invalid lane index 2", "i32.const 0 v128.const i64x2 0 0 v128.store64_lane 2"),
]  # fmt: skip


def in_module(body: str) -> bytes:
    """A module with this body and something of every kind around it."""
    return assemble(
        f"""(module
        (type (func)) (type (func (param i64)))
        (memory 1) (table 1 funcref) (table 1 externref)
        (global (mut i32) (i32.const 0)) (global i32 (i32.const 0))
        (elem declare func 1) (elem externref (ref.null extern)) (data "x")
        (func (local i32 f32 externref) {body})
        (func (type 1)))"""
    )


@pytest.mark.parametrize(("message", "body"), INVALID_BODIES, ids=lambda text: text[:60])
def test_invalid_bodies(message: str, body: str) -> None:
    with pytest.raises(InvalidModule) as caught:
        validate(in_module(body))
    assert str(caught.value).startswith(message)
    assert caught.value.function == 0
    assert caught.value.offset is not None


INVALID_MODULES = [
    ("unknown type 3", "(func (type 3))"),
    ("unknown function 3", '(export "a" (func 3))'),
    ("unknown table 3", '(export "a" (table 3))'),
    ("unknown memory 3", '(export "a" (memory 3))'),
    ("unknown global 3", '(export "a" (global 3))'),
    ("duplicate export name 'a'", '(memory 1) (export "a" (memory 0)) (export "a" (memory 0))'),
    ("unknown function 3", "(start 3)"),
    ("start function", "(func (param i32)) (start 0)"),
    ("memory size must be at most 65536 pages (4GiB)", "(memory 65537)"),
    ("memory size must be at most 65536 pages (4GiB)", "(memory 1 65537)"),
    ("size minimum must not be greater than maximum", "(memory 2 1)"),
    ("size minimum must not be greater than maximum", "(table 2 1 funcref)"),
    ("table size must be at most 2^32-1", "(table 0x1_0000_0000 funcref)"),
    ("constant expression required", "(global i32 (i32.clz (i32.const 1)))"),
    (
        "constant expression required",
        "(global (mut i32) (i32.const 1)) (global i32 (global.get 0))",
    ),
    ("type mismatch", "(global i32 (i64.const 1))"),
    ("type mismatch", "(global i32)"),
    ("type mismatch", "(global i32 i32.const 1 i32.const 2)"),
    ("type mismatch", "(global i32 i32.const 1 i32.add)"),
    ("unknown global 0", "(global i32 (global.get 0))"),
    ("unknown global 1", "(global i32 (global.get 1)) (global i32 (i32.const 1))"),
    ("unknown function 1", "(global funcref (ref.func 1))"),
    ("type mismatch", "(global externref (ref.null func))"),
    ("unknown memory 0", '(data (i32.const 0) "")'),
    ("type mismatch", '(memory 1) (data (i64.const 0) "")'),
    ("unknown table 0", "(elem (i32.const 0) func)"),
    ("type mismatch", "(table 1 externref) (elem (i32.const 0) func)"),
    ("type mismatch", "(elem externref (ref.null func))"),
    ("unknown function 4", "(elem declare func 4)"),
]


@pytest.mark.parametrize(("message", "fields"), INVALID_MODULES, ids=lambda text: text[:60])
def test_invalid_modules(message: str, fields: str) -> None:
    info = decode(assemble(f"(module {fields})"))
    with pytest.raises(InvalidModule) as caught:
        validate_module(info)
    assert str(caught.value).startswith(message)
    assert caught.value.offset is not None


def test_a_block_is_not_constant() -> None:
    # nor does its type have to exist: that is not what is wrong here
    data = HEADER + section(6, b"\1\x7f\0\2\5\x41\0\x0b\x0b")
    with pytest.raises(InvalidModule, match="constant expression required, not block"):
        validate(data)


VALID = [
    "(func (result i32) unreachable)",
    "(func (result i32) unreachable i32.add)",
    "(func (result i64) unreachable i64.const 0 drop i64.add)",
    "(func unreachable (block (param i32 f64) drop drop))",
    "(func (loop br 0 f32.neg drop))",
    "(func return i64.eqz drop)",
    "(func unreachable select drop)",
    "(func unreachable drop drop i32.const 0 unreachable)",
    "(func unreachable br_if 0)",
    "(func (block (br_table 0 0 (i32.const 0)) i32.add drop))",
    "(func (result i32 i64) (block (result i32 i64) unreachable br_table 0 0 0))",
    "(func unreachable ref.is_null drop)",
    "(func (param i32) (result i32) local.get 0 (block (param i32) (result i32) i32.eqz))",
    "(func (param i32) (result i32) (if (result i32) (local.get 0) (then i32.const 1) (else unreachable)))",
    "(global i32 (i32.const 1)) (global i32 (i32.add (global.get 0) (i32.const 2)))",
    "(global i64 (i64.mul (i64.const 3) (i64.sub (i64.const 3) (i64.const 1))))",
    "(global v128 (v128.const i64x2 0 0)) (global funcref (ref.func 0)) (func)",
    "(table 1 funcref) (elem (i32.const 0) func 0) (func (drop (ref.func 0)))",
    '(func (export "a") (drop (ref.func 0)))',
    "(memory 0 65536) (table 0 0xffff_ffff funcref)",
]  # fmt: skip


def test_errors_name_the_function() -> None:
    text = "(module (func) (func $bad (result i32)) (func $ok))"
    with pytest.raises(InvalidModule, match=r"\(function 1 'bad', offset 0x[0-9a-f]+\)$") as caught:
        validate(assemble(text))
    assert (caught.value.function, caught.value.function_name) == (1, "bad")
    with pytest.raises(InvalidModule, match=r"\(function 0 'longlong.{31}\u2026', offset "):
        validate(assemble(f"(module (func ${'long' * 20} drop))"))


@pytest.mark.parametrize("fields", VALID, ids=lambda text: text[:60])
def test_valid_modules(fields: str) -> None:
    validate(assemble(f"(module {fields})"))


DEAD = [
    "unreachable i64.const 0 i32.add drop",
    "unreachable i64.const 0 br_if 0 i32.eqz drop",
    "(block (result i32) unreachable i64.const 0) drop",
    "(block (result i32) i32.const 0 i32.const 0 br_if 0 i64.eqz unreachable) drop",
    "return i32.const 0",
    "br 0 (block i32.const 0)",
    "unreachable (block drop)",
    "unreachable ref.null func i32.const 0 select",
    "unreachable f32.const 0 i32.const 0 i32.const 0 select drop",
]


@pytest.mark.parametrize("body", DEAD)
def test_dead_code_is_checked(body: str) -> None:
    with pytest.raises(InvalidModule, match=r"^type mismatch"):
        validate(in_module(body))


SELECTS: list[tuple[str, ValType]] = [
    ("i64.const 0 i64.const 0 i32.const 0 select drop", I64),
    ("unreachable select drop", I32),
    ("unreachable f64.const 0 i32.const 0 select drop", F64),
    ("ref.null extern ref.null extern i32.const 0 select (result externref) drop", EXTERNREF),
]


@pytest.mark.parametrize(("body", "type_"), SELECTS)
def test_select_gets_the_type_of_its_operands(body: str, type_: ValType) -> None:
    info = decode(in_module(body))
    decoded = decode_body(info, 0)
    validate_body(info, 0, decoded)
    selects = [
        immediate
        for code, immediate in zip(decoded.codes, decoded.immediates, strict=True)
        if OPCODES[code].mnemonic == "select"
    ]
    assert selects == [type_]


def test_an_error_points_at_its_instruction() -> None:
    data = in_module("nop nop i64.const 5 i32.eqz drop")
    with pytest.raises(InvalidModule) as caught:
        validate(data)
    assert caught.value.offset is not None
    assert data[caught.value.offset - 3 : caught.value.offset + 1] == b"\x01\x42\x05\x45"


OFF = [
    ("sign_extension", MalformedModule, "illegal opcode c0", "(func unreachable i32.extend8_s drop)"),
    ("saturating_float_to_int", MalformedModule, "illegal opcode fc 00", "(func unreachable i32.trunc_sat_f32_s drop)"),
    ("multi_value", InvalidModule, "invalid result arity", "(type (func (result i32 i32)))"),
    ("multi_value", MalformedModule, "malformed block type", "(func unreachable (block (param i32) drop))"),
    ("reference_types", MalformedModule, "malformed value type", "(func (param externref))"),
    ("reference_types", MalformedModule, "illegal opcode d0", "(func ref.null func drop)"),
    ("reference_types", InvalidModule, "multiple tables", "(table 1 funcref) (table 1 funcref)"),
    ("bulk_memory", MalformedModule, "illegal opcode fc 0b", "(memory 1) (func unreachable memory.fill)"),
    ("bulk_memory", MalformedModule, "malformed section id", '(data "") (func data.drop 0)'),
    ("simd", MalformedModule, "malformed value type", "(func (param v128))"),
    ("simd", MalformedModule, "illegal opcode fd 15", "(func unreachable i8x16.extract_lane_s 0 drop)"),
    ("relaxed_simd", MalformedModule, "illegal opcode fd 100", "(func unreachable i8x16.relaxed_swizzle drop)"),
    ("multi_memory", InvalidModule, "multiple memories", "(memory 1) (memory 1)"),
    ("memory64", MalformedModule, "malformed limits flags", "(memory i64 1)"),
    ("memory64", MalformedModule, "malformed limits flags", "(table i64 1 funcref)"),
    ("extended_const", InvalidModule, "constant expression required", "(global i32 (i32.add (i32.const 1) (i32.const 1)))"),
    ("tail_call", MalformedModule, "illegal opcode 12", "(func return_call 0)"),
    ("function_references", MalformedModule, "malformed value type", "(func (param (ref func)))"),
    ("function_references", MalformedModule, "illegal opcode d4", "(func unreachable ref.as_non_null drop)"),
    ("function_references", MalformedModule, "malformed reference type", "(table 1 funcref (ref.null func))"),
    ("exceptions", MalformedModule, "malformed section id", "(tag)"),
    ("exceptions", MalformedModule, "malformed import kind", '(import "" "" (tag))'),
    ("exceptions", MalformedModule, "malformed value type", "(func (param exnref))"),
    ("exceptions", MalformedModule, "illegal opcode 0a", "(func unreachable throw_ref)"),
    ("gc", MalformedModule, "malformed definition type", "(type (struct))"),
    ("gc", MalformedModule, "malformed definition type", "(rec)"),
    ("gc", MalformedModule, "malformed definition type", "(type (sub (func)))"),
    ("gc", MalformedModule, "malformed value type", "(func (local anyref))"),
    ("gc", MalformedModule, "illegal opcode fb 1c", "(func (drop (ref.i31 (i32.const 0))))"),
    ("gc", InvalidModule, "unknown global 0", "(global i32 (i32.const 1)) (global i32 (global.get 0))"),
    ("gc", InvalidModule, "unknown type 0", "(type (func (param (ref 0))))"),
    ("threads", MalformedModule, "malformed limits flags", "(memory 1 1 shared)"),
    ("threads", MalformedModule, "illegal opcode fe 03", "(func atomic.fence)"),
    ("legacy_exceptions", MalformedModule, "illegal opcode 06", "(func try end)"),
]  # fmt: skip


@pytest.mark.parametrize(("feature", "error", "phrase", "fields"), OFF)
def test_what_is_off_is_refused_as_if_it_did_not_exist(
    feature: str, error: type[CompileError], phrase: str, fields: str
) -> None:
    data = assemble(f"(module {fields})")
    # tags came with either proposal for exceptions
    features = ALL if feature == "legacy_exceptions" else Features()
    validate(data, features)
    with pytest.raises(error) as caught:
        validate(data, features.replace(**{feature: False}))
    assert type(caught.value) is error
    assert caught.value.message.startswith(phrase)
    if phrase == "unknown type 0":
        return
    name = feature.replace("_", "-")
    assert caught.value.message.endswith(f"needs the {name} proposal, which is off")


def test_without_several_memories_no_access_names_its_memory() -> None:
    load = b"\0\x41\0\x28\x40\0\0\x1a\x0b"
    types = section(1, b"\1\x60\0\0") + section(3, b"\1\0") + section(5, b"\1\0\1")
    data = HEADER + types + section(10, bytes([1, len(load)]) + load)
    validate(data)
    with pytest.raises(MalformedModule, match="malformed memop flags"):
        validate(data, Features(multi_memory=False))


def test_every_proposal_has_a_test() -> None:
    assert {feature for feature, *_ in OFF} == set(Features.defaults)


def test_every_opcode_belongs_to_a_proposal_that_can_be_switched() -> None:
    nothing = Features(**dict.fromkeys(Features.defaults, False))
    for opcode in OPCODES:
        assert ALL.has(opcode.feature)
        assert nothing.has(opcode.feature) is (opcode.feature == "mvp")


def test_features_are_true_or_false() -> None:
    wrong: Any = 1
    with pytest.raises(TypeError, match="gc is True or False, not 1"):
        Features(gc=wrong)


def test_every_instruction_has_one_rule() -> None:
    for opcode in OPCODES:
        assert (
            (opcode.name in RULES) is (opcode.params is None)
            or "memory" in opcode.name
            or ("table" in opcode.name or opcode.name == "nop")
        ), opcode
    assert RULES.keys() <= BY_NAME.keys()
    tables = (rules.RULES, flow.RULES, aggregates.RULES)
    assert sum(map(len, tables)) == len(RULES)


def test_an_instruction_without_a_rule_fails_at_import() -> None:
    unbound = BY_NAME["drop"].replace(name="i32.new")
    with pytest.raises(InternalError, match=r"no validation rule for i32\.new"):
        typed_rule(unbound)


def test_declared_functions_are_those_named_outside_of_bodies() -> None:
    info = decode(
        assemble(
            """(module (func (export "a")) (func) (func) (func) (func (drop (ref.func 3)))
            (global funcref (ref.func 1)) (elem declare func 2) (start 4))"""
        )
    )
    assert info.declared_functions == {0, 1, 2}


def types_of(text: str) -> list[DefinedType]:
    return decode(assemble(f"(module {text})")).types


INVALID_TYPES = [
    ("unknown type 1", "(type (func (param (ref 1))))"),
    ("unknown type 2", "(rec (type (struct (field (ref 2)))) (type (struct)))"),
    ("unknown type 1", "(type (sub 1 (struct))) (type (sub (struct)))"),
    ("unknown type 0", "(type (sub 0 (struct)))"),
    ("sub type 1 of type 0, which is final", "(type (struct)) (type (sub 0 (struct)))"),
    ("sub type 1 has more than one", "(type (sub (func))) (type (sub 0 0 (func)))"),
    ("sub type 1 does not match", "(type (sub (struct (field i32)))) (type (sub 0 (struct)))"),
    ("sub type 1 does not match", "(type (sub (array i8))) (type (sub 0 (array i16)))"),
    ("sub type 1 does not match", "(type (sub (array (mut anyref)))) (type (sub 0 (array (mut eqref))))"),
    ("sub type 1 does not match", "(type (sub (func (param eqref)))) (type (sub 0 (func (param (ref eq)))))"),
    ("sub type 1 does not match", "(type (sub (func))) (type (sub 0 (struct)))"),
    ("non-empty tag result type", "(tag (result i32))"),
    ("type mismatch: type 0 is not a function", "(type (struct)) (func (type 0))"),
    ("type mismatch: table of (ref func) needs", "(table 1 (ref func))"),
    ("type mismatch", "(table 1 funcref (ref.null extern))"),
    ("unknown global 0", "(table 1 funcref (global.get 0)) (global funcref (ref.null func))"),
    ("shared memory must have maximum", "(memory 1 shared)"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "fields"), INVALID_TYPES, ids=lambda text: text[:60])
def test_invalid_types(message: str, fields: str) -> None:
    with pytest.raises(InvalidModule) as caught:
        validate(assemble(f"(module {fields})"))
    assert caught.value.message.startswith(message)
    assert caught.value.offset is not None


def chain(length: int) -> str:
    """Types, each a subtype of the one before."""
    return "(type (sub (func)))" + "".join(
        f"(type (sub {index} (func)))" for index in range(length)
    )


def test_supertypes_are_at_most_63() -> None:
    assert validate(assemble(f"(module {chain(63)})")).types[-1].depth == 63
    with pytest.raises(InvalidModule, match="sub type 64 has more than 63 supertypes"):
        validate(assemble(f"(module {chain(64)})"))


def test_equal_groups_are_the_same_types_wherever_they_are() -> None:
    tree = (
        "(rec (type (sub (struct (field (ref null {0}) (ref {1})))))"
        " (type (func (param (ref {0})))))"
    )
    first = types_of(tree.format(0, 1))
    second = types_of("(type (array i8)) " + tree.format(1, 2))
    assert second[1:] == first
    assert types_of("(rec (type (func)))")[0] is types_of("(type (func))")[0]
    assert types_of("(rec (type (func)) (type (struct)))")[0] is not types_of("(type (func))")[0]
    assert types_of("(type (sub (func)))")[0] is not types_of("(type (func))")[0]


WITH_TYPES = """(module
  (type $f (func (param i32) (result i32))) (type $empty (func)) (type $wide (func (result i64)))
  (type $s (struct (field i32) (field (mut i8)) (field (mut anyref)))) (type $nonnull (struct (field (ref any))))
  (type $a (array (mut i32))) (type $bytes (array i8)) (type $refs (array (mut (ref null $s))))
  (rec (type $base (sub (struct))) (type $derived (sub $base (struct (field i32)))))
  (tag $t (param i32)) (table $funcs 1 (ref null $f)) (table $externs 1 externref)
  (memory 1) (elem $e funcref) (data $d "x") (func $g (type $f) local.get 0) (elem declare func $g)
  (func (param $p (ref $s)) (local $l (ref $s)) (local $n (ref null $s)) {}))"""

VALID_3 = [
    "(drop (call_ref $f (i32.const 1) (ref.func $g)))",
    "(drop (call_indirect $funcs (type $f) (i32.const 1) (i32.const 0)))",
    "(return_call_ref $empty (ref.null $empty))",
    "(local.set $l (local.get $p)) (drop (local.get $l)) (local.set $n (local.get $l))",
    "(drop (local.tee $l (local.get $p))) (block (drop (local.get $l)))",
    "(drop (block (result (ref $s)) (br_on_non_null 0 (local.get $n)) (local.get $p)))",
    "(block (drop (br_on_null 0 (local.get $n))))",
    "(drop (block (result anyref) (br_on_cast 0 anyref (ref $s) (local.get $n)) (drop) (ref.null none)))",
    "(drop (block (result (ref any)) (br_on_cast_fail 0 anyref nullref (local.get $p)) (drop) (local.get $p)))",
    "unreachable ref.as_non_null ref.is_null drop",
    "unreachable br_on_null 0 ref.cast (ref $s) struct.get $s 0 drop",
    "unreachable call_ref $f i32.eqz drop",
    "unreachable array.new_fixed $a 4000000000 drop",
    "(drop (block (result i32) (try_table (catch $t 0)) (i32.const 0)))",
    "(block (result i32 exnref) (try_table (catch_ref $t 0)) (throw $t (i32.const 1))) throw_ref",
    "(block (try_table (catch_all 0) unreachable))",
    "(drop (struct.new $s (i32.const 1) (i32.const 2) (local.get $p)))",
    "(struct.set $s 1 (local.get $p) (struct.get_u $s 1 (struct.new_default $s)))",
    "(array.set $a (array.new $a (i32.const 1) (i32.const 2)) (i32.const 0) (i32.const 0))",
    "(drop (array.new_fixed $refs 2 (local.get $p) (ref.null none)))",
    "(drop (array.get_s $bytes (array.new_data $bytes $d (i32.const 0) (i32.const 1)) (i32.const 0)))",
    "(drop (ref.eq (ref.i31 (i32.const 1)) (local.get $p)))",
    "(drop (ref.test (ref $derived) (extern.convert_any (local.get $p)) (any.convert_extern)))",
    "(drop (struct.get $derived 0 (ref.cast (ref null $derived) (struct.new $base))))",
    "(drop (i31.get_u (ref.cast i31ref (local.get $p))))",
]  # fmt: skip


@pytest.mark.parametrize("body", VALID_3)
def test_valid_bodies_of_3(body: str) -> None:
    validate(assemble(WITH_TYPES.format(body)))


INVALID_3 = [
    ("uninitialized local 1", "(drop (local.get $l))"),
    ("uninitialized local 1", "(block (local.set $l (local.get $p))) (drop (local.get $l))"),
    ("uninitialized local 1", "(if (i32.const 1) (then (local.set $l (local.get $p))) (else (drop (local.get $l))))"),
    ("type mismatch: instruction requires [(ref (struct", "(local.set $l (local.get $n))"),
    ("type mismatch: call_indirect", "(drop (call_indirect $externs (type $f) (i32.const 1) (i32.const 0)))"),
    ("type mismatch: function returns [] but callee [i32]", "(return_call $g (i32.const 1))"),
    ("type mismatch", "(call_ref $empty (ref.func $g))"),
    ("type mismatch", "(call_ref $s (local.get $p))"),
    ("type mismatch: label 0 of br_on_non_null", "(br_on_non_null 0 (local.get $n))"),
    ("type mismatch: externref is no subtype of anyref", "(block (result externref) (br_on_cast 0 anyref externref (local.get $n)) drop (ref.null extern)) drop"),
    ("type mismatch: label 0 takes [i31ref] but gets [structref]", "(block (result i31ref) (br_on_cast 0 anyref structref (local.get $n)) drop (ref.null i31)) drop"),
    ("type mismatch", "unreachable ref.as_non_null i32.eqz drop"),
    ("type mismatch: instruction requires a reference", "(ref.as_non_null (i32.const 1)) drop"),
    ("type mismatch: catch gives [i32]", "(block (try_table (catch $t 0)))"),
    ("type mismatch: instruction requires [i32] but stack has []", "throw $t"),
    ("unknown tag 3", "throw 3"),
    ("type mismatch", "(throw_ref (ref.null any))"),
    ("unknown field 3", "(drop (struct.get $s 3 (local.get $p)))"),
    ("immutable field 0", "(struct.set $s 0 (local.get $p) (i32.const 0))"),
    ("type mismatch: (mut i8) is packed", "(drop (struct.get $s 1 (local.get $p)))"),
    ("type mismatch: i32 is not packed", "(drop (struct.get_u $s 0 (local.get $p)))"),
    ("type mismatch: (ref any) has no default", "(drop (struct.new_default $nonnull))"),
    ("type mismatch: type 3 is a struct", "(drop (array.new_default $s (i32.const 1)))"),
    ("immutable array 6", "unreachable array.fill $bytes"),
    ("array types do not match", "unreachable array.copy $a $bytes"),
    ("array type is not numeric or vector", "unreachable array.init_data $refs $d"),
    ("type mismatch: elements of type funcref", "unreachable array.new_elem $refs $e drop"),
    ("type mismatch", "(drop (array.new_fixed $a 4000000000 (i32.const 1)))"),
    ("unknown type 90", "(drop (array.new_default 90 (i32.const 1)))"),
    ("unknown type 90", "(drop (ref.null 90))"),
    ("unknown type 90", "(block (param (ref 90)) unreachable)"),
    ("type mismatch", "(drop (ref.cast (ref func) (local.get $p)))"),
    ("type mismatch", "(drop (ref.eq (ref.null extern) (local.get $p)))"),
    ("unknown type 90", "(local (ref null 90))"),
    ("atomic alignment must be natural", "(drop (i64.atomic.load align=4 (i32.const 0)))"),
    ("atomic alignment must be natural", "(i32.atomic.store align=2 (i32.const 0) (i32.const 0))"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "body"), INVALID_3)
def test_invalid_bodies_of_3(message: str, body: str) -> None:
    with pytest.raises(InvalidModule) as caught:
        validate(assemble(WITH_TYPES.format(body)))
    assert caught.value.message.startswith(message)
    assert caught.value.offset is not None


CONSTANTS_3 = [
    "(global (ref $s) (struct.new $s (i32.const 1)))",
    "(global (ref null $s) (struct.new_default $s))",
    "(global (ref $a) (array.new_fixed $a 2 (i64.const 1) (i64.const 2)))",
    "(global anyref (ref.i31 (i32.add (i32.const 1) (i32.const 2))))",
    "(global externref (extern.convert_any (ref.i31 (i32.const 1))))",
    "(global $g (ref $s) (struct.new_default $s)) (global eqref (global.get $g))",
    "(func $f) (table 1 (ref func) (ref.func $f)) (elem (ref func) (ref.func $f))",
]


@pytest.mark.parametrize("fields", CONSTANTS_3)
def test_constant_expressions_of_3(fields: str) -> None:
    types = "(type $s (struct (field i32))) (type $a (array i64))"
    validate(assemble(f"(module {types} {fields})"))


LEGACY = [
    "try end",
    "try (result i32) i32.const 1 catch $t catch_all i32.const 2 end drop",
    "try try i32.const 1 throw $t delegate 0 catch $t drop rethrow 0 end",
]
INVALID_LEGACY = [
    ("invalid rethrow label 0", "try rethrow 0 end"),
    ("unknown label 1", "try delegate 1"),
    ("type mismatch", "try catch $t end"),
]


@pytest.mark.parametrize("body", LEGACY)
def test_legacy_exceptions(body: str) -> None:
    validate(assemble(f"(module (tag $t (param i32)) (func {body}))"), ALL)


@pytest.mark.parametrize(("message", "body"), INVALID_LEGACY)
def test_invalid_legacy_exceptions(message: str, body: str) -> None:
    data = assemble(f"(module (tag $t (param i32)) (func {body}))")
    with pytest.raises(InvalidModule) as caught:
        validate(data, ALL)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("message", "code"),
    [("misplaced catch", b"\x19"), ("misplaced catch_all", b"\6\x40\x19\x19\x0b")],
)
def test_misplaced_parts_of_a_try(message: str, code: bytes) -> None:
    body = b"\0" + code + b"\x0b"
    types = section(1, b"\1\x60\0\0") + section(3, b"\1\0")
    with pytest.raises(InvalidModule) as caught:
        validate(HEADER + types + section(10, bytes([1, len(body)]) + body), ALL)
    assert caught.value.message.startswith(message)
