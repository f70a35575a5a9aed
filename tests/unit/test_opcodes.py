"""The opcode table against wasm-tools: every row's name, code, immediates, type and feature."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence

import pytest

from wasmine.compiler import function, vectormemory, vectors
from wasmine.types import ref
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import ALL
from wasmine.wasm.identifiers import Identifiers
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import (
    BY_CODE,
    BY_NAME,
    IMMEDIATES,
    OPCODES,
    PREFIXES,
    Opcode,
    by_code,
    by_name,
)
from wasmine.wasm.text.assembler import wat2wasm
from wasmine.wasm.textformat import InstructionWriter, TypeWriter

from .outside import assemble, objection

# How to make a module of an instruction that cannot stand alone: text and position in it.
STRUCTURED = {
    "block": ("block end", 0),
    "loop": ("loop end", 0),
    "if": ("if end", 0),
    "else": ("if else end", 1),
    "end": ("", 0),
    "try": ("try catch_all end", 0),
    "catch": ("try catch 0 end", 1),
    "catch_all": ("try catch_all end", 1),
    "rethrow": ("try catch_all rethrow 0 end", 2),
    "delegate": ("try delegate 0", 1),
    "try_table": ("try_table (catch_all 0) end", 0),
}

# An example of each kind of immediate, as `decode_body` represents it.
EXAMPLES: dict[str, object] = {
    "labels": ((0, 0), 0),
    "lanes": bytes(range(16, 32)),
    "memarg": (0, 4, 0),
    "i32": -5,
    "i64": -(1 << 40),
    "f32": 0x7FA0_0001,
    "f64": 0x3FF8_0000_0000_0000,
    "v128": 0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100,
    "ref_null": ref("func"),
    "ref": ref("func", False),
    "types": ref("extern"),
    "cast": (0, ref("any"), ref("eq", False)),
    "zero": None,
}

NOTHING = Identifiers(ModuleInfo(b""))
WRITER = InstructionWriter(ModuleInfo(b""), NOTHING, TypeWriter(NOTHING))

NATURAL = [opcode for opcode in OPCODES if "memarg" in opcode.immediates]
TYPED = [opcode for opcode in OPCODES if opcode.params is not None]
MISSING = re.compile("is not enabled|requires the .* proposal|feature required")
FEATURES = sorted({opcode.feature for opcode in OPCODES} - {"mvp"})


def example(opcode: Opcode) -> object:
    """Immediates of this instruction."""
    values = []
    for kind in opcode.immediates:
        value = EXAMPLES.get(kind, 0)
        if kind == "memarg":
            value = (opcode.access.bit_length() - 1, 4, 0)
        if kind == "lane":
            value = opcode.lanes - 1
        values.append(value)
    return tuple(values) if len(values) > 1 else (*values, None)[0]


def snippet(opcode: Opcode) -> tuple[str, int]:
    """Text that holds the instruction, and its position there."""
    if opcode.name in STRUCTURED:
        return STRUCTURED[opcode.name]
    return WRITER.instruction(opcode, example(opcode)), 0


def module_of(bodies: Sequence[str]) -> bytes:
    """A module with these function bodies, and one of everything they refer to."""
    functions = "\n".join(f"(func {body})" for body in bodies)
    return assemble(
        "(module (type $empty (func)) (memory 1) (table 1 funcref) (global i32 i32.const 0)"
        f" (tag (type $empty)) (data) (elem funcref)\n{functions})"
    )


@functools.cache
def assembled() -> ModuleInfo:
    """Each instruction in a function of its own, as wasm-tools writes it."""
    return decode(module_of([f"(local i32) {snippet(opcode)[0]}" for opcode in OPCODES]), ALL)


def leb128(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + leb128(value >> 7)


@pytest.mark.parametrize("opcode", OPCODES, ids=lambda opcode: opcode.name)
def test_name_code_and_immediates_are_those_of_wasm_tools(opcode: Opcode) -> None:
    info = assembled()
    body = decode_body(info, opcode.index)
    position = snippet(opcode)[1]
    prefix, number = opcode.prefix, opcode.number
    encoded = bytes([prefix]) + leb128(number) if prefix else bytes([number])
    assert info.data[body.offsets[position] :].startswith(encoded)
    assert body.codes[position] == opcode.index
    if opcode.name not in STRUCTURED:
        assert body.immediates[position] == example(opcode)
        assert len(body.codes) == 2


def typed_function(opcode: Opcode) -> str:
    """A function that has the type which the table gives to an instruction."""
    types = {"param": opcode.params or (), "result": opcode.results or ()}
    declared = " ".join(f"({word} {type_})" for word, list_ in types.items() for type_ in list_)
    operands = " ".join(f"local.get {index}" for index in range(len(types["param"])))
    return f"{declared} {operands} {snippet(opcode)[0]}"


def test_types_and_limits_of_immediates_are_those_of_wasm_tools() -> None:
    assert objection(module_of(list(map(typed_function, TYPED)))) == ""


@functools.cache
def accesses() -> ModuleInfo:
    """Each instruction that accesses memory, without the alignment: that means the natural one."""
    lanes = {opcode: " 0" if "lane" in opcode.immediates else "" for opcode in NATURAL}
    return decode(module_of([opcode.mnemonic + lane for opcode, lane in lanes.items()]), ALL)


@pytest.mark.parametrize("opcode", NATURAL, ids=lambda opcode: opcode.name)
def test_accesses_are_as_large_as_wasm_tools_says(opcode: Opcode) -> None:
    immediate = decode_body(accesses(), NATURAL.index(opcode)).immediates[0]
    memarg = (opcode.access.bit_length() - 1, 0, 0)
    assert immediate == ((memarg, 0) if "lane" in opcode.immediates else memarg)


@pytest.mark.parametrize("feature", FEATURES)
def test_features_are_those_of_wasm_tools(feature: str) -> None:
    for opcode in OPCODES:
        if opcode.feature == feature:
            data = wat2wasm(f"(module (memory 1) (func unreachable {snippet(opcode)[0]}))")
            assert MISSING.search(objection(data, f"all,-{feature}")), opcode


def test_what_needs_no_feature_is_in_the_first_version() -> None:
    first = [opcode for opcode in TYPED if opcode.feature == "mvp"]
    functions = "".join(f"(func {typed_function(opcode)})" for opcode in first)
    assert objection(assemble(f"(module (memory 1) {functions})"), "mvp") == ""


def test_rows_are_unique_and_dense() -> None:
    assert [opcode.index for opcode in OPCODES] == list(range(len(OPCODES)))
    assert len(BY_NAME) == len(BY_CODE) == len(OPCODES)
    assert {opcode.prefix for opcode in OPCODES} - {0} == set(PREFIXES)


def test_single_rows_are_those_of_the_table() -> None:
    assert all(by_name(opcode.name) is opcode for opcode in OPCODES)
    assert all(by_code(opcode.prefix, opcode.number) is opcode for opcode in OPCODES)
    assert by_code(0, 0xFF) is by_code(0xFC, 0xFFF) is None


def test_all_of_each_proposal_is_there() -> None:
    assert Counter(opcode.feature for opcode in OPCODES) == {
        "mvp": 172,
        "sign-extension": 5,
        "saturating-float-to-int": 8,
        "bulk-memory": 7,
        "reference-types": 9,
        "simd": 236,
        "relaxed-simd": 20,
        "tail-call": 2,
        "function-references": 5,
        "gc": 32,
        "exceptions": 3,
        "legacy-exceptions": 5,
        "threads": 67,
    }


def test_every_kind_of_immediate_is_used() -> None:
    assert {kind for opcode in OPCODES for kind in opcode.immediates} == IMMEDIATES.keys()


def test_names_of_a_mnemonic_differ() -> None:
    variants = [opcode for opcode in OPCODES if "/" in opcode.name]
    assert [opcode.name for opcode in variants] == [
        "select/typed",
        "ref.test/null",
        "ref.cast/null",
    ]
    assert [opcode.mnemonic for opcode in variants] == ["select", "ref.test", "ref.cast"]


def test_every_instruction_is_lowered_in_one_way() -> None:
    tables = (*(table for _, table in function.TABLES), vectors.HANDLERS, vectormemory.HANDLERS)
    names = Counter(name for table in tables for name in table)
    assert names == Counter(opcode.name for opcode in OPCODES)
