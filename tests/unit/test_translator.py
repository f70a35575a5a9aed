"""Control flow, calls, memory, variables: what translated functions do, and what their IR says."""

from __future__ import annotations

import ctypes
import re

import pytest
from llvmlite import binding as llvm
from wasmtime import wat2wasm

from wasmine.abi.libcalls import BUILTINS
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.compiler.module import MemoryStyle, ModuleContext, Options
from wasmine.compiler.unit import Unit, translate_unit
from wasmine.errors import TrapCode
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import OPCODES

from .jit import Program, checked_bodies, translate


def ir(source: str, options: Options | None = None) -> str:
    return translate(decode(bytes(wat2wasm(source))), options)


def function(text: str, index: int) -> str:
    """The definition of one function in the text of a unit."""
    found = re.search(rf"^define [^\n]* @f{index}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


# --- control flow --------------------------------------------------------------------------------

CONTROL = r"""(module
  (func (export "factorial") (param i64) (result i64)
    (if (result i64) (i64.eqz (local.get 0))
      (then (i64.const 1))
      (else (i64.mul (local.get 0) (call 0 (i64.sub (local.get 0) (i64.const 1)))))))
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "loop parameters") (param i32) (result i32)
    (i32.const 1) (local.get 0)
    (loop $again (param i32 i32) (result i32)
      (local.set 0)
      (i32.mul (i32.const 3))
      (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))
      (if (param i32) (result i32) (then (local.get 0) (br $again)) (else))))
  (func (export "swap") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func (export "swapped twice") (param i32 f64) (result i32 f64)
    (local f64 i32)
    (call 3 (local.get 0) (local.get 1)) (local.set 3) (local.set 2) (local.get 3) (local.get 2))
  (func (export "switch") (param i32) (result i32)
    (block $c (result i32)
      (block $b (result i32)
        (block $a (result i32)
          (br_table $a $b $c $a $b (i32.const 10) (local.get 0)))
        (i32.add (i32.const 1)))
      (i32.add (i32.const 100))))
  (func (export "br_if keeps") (param i32) (result i32)
    (block $out (result i32)
      (br_if $out (i32.const 5) (local.get 0))
      (i32.add (i32.const 2))))
  (func (export "one-armed") (param i32) (result i32) (local i32)
    (local.set 1 (i32.const 3))
    (if (local.get 0) (then (local.set 1 (i32.const 4))))
    (local.get 1))
  (func (export "one-armed value") (param i32 i32) (result i32)
    (local.get 1)
    (if (param i32) (result i32) (local.get 0) (then (i32.add (i32.const 1)))))
  (func (export "dead code") (param i32) (result i32)
    (block $out
      (br_if $out (local.get 0))
      (return (i32.const 1))
      (drop) (i32.add) (if (then (unreachable)) (else (br $out))) (loop (br 0)) (drop))
    (block (result i32)
      (block (br 1 (i32.const 2)) (drop) (br 0))
      (i32.const 3)))
  (func (export "dead if") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (return (i32.const 7))) (else (return (i32.const 8))))
    (i32.add (i32.const 1)))
  (func (export "dead then") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (br 1 (i32.const 7))) (else (i32.const 8)))
    (i32.add (i32.const 1)))
  (func (export "stale") (param i32 i32) (result i32) (local i32)
    (local.set 2 (i32.const 1))
    (if (local.get 0)
      (then (local.set 2 (i32.const 2)) (local.set 1 (local.get 2)))
      (else (local.set 1 (i32.add (local.get 2) (i32.const 10)))))
    (i32.add (local.get 1) (local.get 2)))
  (func (export "select") (param i32 i64 i64) (result i64)
    (select (local.get 1) (local.get 2) (i32.lt_s (local.get 0) (i32.const 0))))
  (func (export "br_if out") (param i32) (result i32 i64)
    (i32.const 1) (i64.const 2) (br_if 0 (local.get 0)) (drop) (i64.const 3))
  (func (export "unreachable") (unreachable))
)"""


@pytest.fixture(scope="module")
def control() -> Program:
    return Program(CONTROL)


@pytest.mark.parametrize(
    ("name", "operands", "results"),
    [
        ("factorial", (20,), (2432902008176640000,)),
        ("sum", (100,), (5050,)),
        ("loop parameters", (4,), (81,)),
        ("swap", (3, 0x4000 << 48), (0x4000 << 48, 3)),
        ("swapped twice", (3, 0x4000 << 48), (3, 0x4000 << 48)),
        ("switch", (0,), (111,)),
        ("switch", (1,), (110,)),
        ("switch", (2,), (10,)),
        ("switch", (3,), (111,)),
        ("switch", (4,), (110,)),
        ("switch", (0xFFFF_FFFF,), (110,)),
        ("br_if keeps", (0,), (7,)),
        ("br_if keeps", (9,), (5,)),
        ("one-armed", (0,), (3,)),
        ("one-armed", (1,), (4,)),
        ("one-armed value", (0, 5), (5,)),
        ("one-armed value", (1, 5), (6,)),
        ("dead code", (0,), (1,)),
        ("dead code", (1,), (2,)),
        ("dead if", (0,), (8,)),
        ("dead if", (1,), (7,)),
        ("dead then", (0,), (9,)),
        ("dead then", (1,), (7,)),
        ("stale", (0, 0), (12,)),
        ("stale", (1, 0), (4,)),
        ("select", (0xFFFF_FFFF, 5, 6), (5,)),
        ("select", (1, 5, 6), (6,)),
        ("br_if out", (0,), (1, 3)),
        ("br_if out", (1,), (1, 2)),
        ("unreachable", (), TrapCode.UNREACHABLE_CODE_REACHED),
    ],
)
def test_control_flow(
    control: Program, name: str, operands: tuple[int, ...], results: tuple[int, ...] | TrapCode
) -> None:
    assert control.call(name, *operands) == results


def test_many_results() -> None:
    types = ("i32", "i64", "f32", "f64") * 5
    constants = " ".join(f"({type_}.const {number})" for number, type_ in enumerate(types))
    program = Program(f"""(module
      (func $all (result {" ".join(types)}) {constants})
      (func (export "ends") (result i32 f64) (local f64)
        (call $all) (local.set 0) {"(drop)" * 18} (local.get 0)))""")
    assert program.call("ends") == (0, 0x4033_0000_0000_0000)


# --- calls ---------------------------------------------------------------------------------------

INDIRECT = """(module
  (type $unary (func (param i32) (result i32)))
  (type $same (func (param i32) (result i32)))
  (type $other (func (param i64) (result i32)))
  (table 4 funcref)
  (func $double (type $same) (i32.shl (local.get 0) (i32.const 1)))
  (func $wrong (type $other) (i32.const 0))
  (elem declare func $double)
  (func (export "call") (param i32 i32) (result i32)
    (call_indirect (type $unary) (local.get 1) (local.get 0)))
  (func (export "put") (param i32) (table.set (local.get 0) (ref.func $double)))
  (func (export "null") (param i32) (result i32) (ref.is_null (table.get (local.get 0))))
  (func (export "size") (result i32) (table.size))
)"""


def test_indirect_calls() -> None:
    program = Program(INDIRECT)
    program.table(0, [0, 1, None])
    assert program.call("call", 0, 21) == (42,)
    assert program.call("call", 1, 21) is TrapCode.BAD_SIGNATURE
    assert program.call("call", 2, 21) is TrapCode.INDIRECT_CALL_TO_NULL
    assert program.call("call", 3, 21) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    assert program.call("call", 0xFFFF_FFFF, 21) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
    assert program.call("size") == (3,)
    assert program.call("null", 2) == (1,)
    assert program.call("put", 2) == ()
    assert program.call("null", 2) == (0,)
    assert program.call("call", 2, 5) == (10,)
    assert program.call("put", 3) is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS


def test_table_of_fixed_size_needs_no_load() -> None:
    source = INDIRECT.replace("(table 4 funcref)", "(table 4 4 funcref)")
    text = function(ir(source), 2)
    assert "icmp uge i32 %arg0, 4" in text
    assert "%table0n" not in text


def test_recursion_without_end_overflows_the_stack() -> None:
    program = Program("""(module (func (export "f") (param i32) (result i32)
      (i32.add (i32.const 1) (call 0 (local.get 0)))))""")
    program.store.stack_limit = program.stack_pointer() - (1 << 18)
    assert program.call("f", 1) is TrapCode.STACK_OVERFLOW
    assert program.call("f", 1) is TrapCode.STACK_OVERFLOW


def test_stack_checks() -> None:
    source = """(module (import "" "" (func)) (memory 1)
      (func $leaf (i32.store (i32.const 0) (i32.div_s (i32.const 1) (i32.const 2))))
      (func $calls (call $leaf))
      (func $grows (drop (memory.grow (i32.const 1))))
      (func $imports (call 0)))"""
    text = ir(source)
    assert "stacksave" not in function(text, 1)
    for index in (2, 3, 4):
        assert "stacksave" in function(text, index)
    assert "stacksave" not in ir(source, Options(stack_checks=False))


def test_imported_functions_are_called_with_their_environment() -> None:
    source = """(module (import "" "f" (func (param i32) (result i32)))
      (func (export "g") (param i32) (result i32) (call 0 (i32.add (local.get 0) (i32.const 1)))))"""
    program = Program(source)
    target = program.module.offsets
    # The import is a function whose environment is this context: g itself, in another life.
    other = Program(
        '(module (func (export "h") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7))))'
    )
    program.put(target.vmctx_imported_function_body(0), other.function_address(0))
    program.put(target.vmctx_imported_function_environment(0), other.vmctx)
    assert program.call("g", 5) == (42,)


# --- memory --------------------------------------------------------------------------------------

MEMORY = """(module (memory 1 2)
  (func (export "load8_s") (param i32) (result i32) (i32.load8_s offset=1 (local.get 0)))
  (func (export "load16_u") (param i32) (result i64) (i64.load16_u (local.get 0)))
  (func (export "load64") (param i32) (result i64) (i64.load offset=65528 (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load8_u offset=4294967295 (local.get 0)))
  (func (export "store16") (param i32 i64) (i64.store16 (local.get 0) (local.get 1)))
  (func (export "move f32") (param i32 i32) (f32.store (local.get 0) (f32.load (local.get 1))))
  (func (export "constant") (result i32) (i32.load offset=4 (i32.const -1)))
  (func (export "twice") (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0))))
  (func (export "size") (result i32) (memory.size)))"""


@pytest.mark.parametrize("style", ["static", "dynamic"])
def test_memory(style: MemoryStyle) -> None:
    program = Program(MEMORY, Options((style,)))
    memory = (ctypes.c_uint8 * 65536).from_address(program.memories[0].base)
    memory[11], memory[65535] = 0x80, 0x7F
    assert program.call("load8_s", 10) == (0xFFFF_FF80,)
    assert program.call("load16_u", 10) == (0x8000,)
    assert program.call("load64", 0) == (0x7F << 56,)
    assert program.call("store16", 3, 0xABCD_1234) == ()
    assert bytes(memory[2:6]) == b"\0\x34\x12\0"
    memory[20:24] = [1, 0, 0xA0, 0x7F]  # a signalling NaN
    assert program.call("move f32", 40, 20) == ()
    assert bytes(memory[40:44]) == b"\1\0\xa0\x7f"
    memory[100], memory[104] = 3, 4
    assert program.call("twice", 100) == (7,)
    assert program.call("size") == (1,)
    # Beyond the guard, so that the static style checks too.
    assert program.call("far", 0) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    assert program.call("far", 1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


def test_dynamic_memory_checks_every_access() -> None:
    program = Program(MEMORY, Options(("dynamic",)))
    for name, *operands in (
        ("load8_s", 65535),
        ("load16_u", 65535),
        ("load64", 1),
        ("load64", 0xFFFF_FFFF),
        ("store16", 65535, 0),
        ("move f32", 0, 65533),
        ("move f32", 65533, 0),
        ("constant",),
        ("twice", 65532),
    ):
        assert program.call(str(name), *map(int, operands)) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    assert program.call("load16_u", 65534) == (0,)


def test_addresses_are_computed_once() -> None:
    text = function(ir(MEMORY), 7)
    assert text.count("zext i32 %arg0 to i64") == 1
    assert text.count("load volatile i32") == 2
    # The base is loaded in the entry block of functions that use the memory, and in no others.
    assert "%memory0 = load ptr" in text
    assert "%memory0 = load ptr" not in function(ir(MEMORY), 8)


# Imported and local tables side by side; the memory takes its turn.
BULK = """(module
  MEMORY
  (import "" "t" (table 1 funcref)) (table 1 funcref) (table 1 externref)
  (data "") (elem funcref)
  (func (drop (memory.grow (i32.const 1))))
  (func (memory.fill (i32.const 1) (i32.const 2) (i32.const 3)))
  (func (memory.copy (i32.const 1) (i32.const 2) (i32.const 3)))
  (func (memory.init 0 (i32.const 1) (i32.const 2) (i32.const 3)) (data.drop 0))
  (func (table.init 1 0 (i32.const 1) (i32.const 2) (i32.const 3)) (elem.drop 0))
  (func (table.copy 0 1 (i32.const 1) (i32.const 2) (i32.const 3)))
  (func (table.fill 2 (i32.const 1) (ref.null extern) (i32.const 3)))
  (func (drop (table.grow 0 (ref.null func) (i32.const 5)))
        (drop (table.grow 1 (ref.null func) (i32.const 5)))))"""
IMPORTED = '(import "" "m" (memory 1))'
LOCAL = '(import "" "g" (global i32))'


@pytest.mark.parametrize(
    ("memory", "index", "calls"),
    [
        (IMPORTED, 0, ["imported_memory32_grow(i32 1, i32 0)"]),
        (LOCAL, 0, ["memory32_grow(i32 1, i32 0)"]),
        (IMPORTED, 1, ["imported_memory_fill(i32 0, i32 1, i32 2, i32 3)"]),
        (LOCAL, 1, ["memory_fill(i32 0, i32 1, i32 2, i32 3)"]),
        (IMPORTED, 2, ["imported_memory_copy(i32 0, i32 1, i32 2, i32 3)"]),
        (LOCAL, 2, ["memory_copy(i32 0, i32 1, i32 2, i32 3)"]),
        (LOCAL, 3, ["memory_init(i32 0, i32 0, i32 1, i32 2, i32 3)", "data_drop(i32 0)"]),
        (LOCAL, 4, ["table_init(i32 1, i32 0, i32 1, i32 2, i32 3)", "elem_drop(i32 0)"]),
        (LOCAL, 5, ["table_copy(i32 0, i32 1, i32 1, i32 2, i32 3)"]),
        (IMPORTED, 6, ["table_fill(i32 2, i32 1, ptr null, i32 3)"]),
        (
            IMPORTED,
            7,
            ["imported_table_grow(ptr null, i32 5, i32 0)", "table_grow(ptr null, i32 5, i32 0)"],
        ),
    ],
)
def test_builtins_get_the_index_that_they_count_with(
    memory: str, index: int, calls: list[str]
) -> None:
    source = BULK.replace("MEMORY", memory)
    if memory is LOCAL:
        source = source.replace("(data", "(memory 1) (data", 1)
    info = decode(bytes(wat2wasm(source)))
    offsets = VMOffsets.for_host(info)
    by_offset = {offsets.vmctx_builtin(row.index): row.name for row in BUILTINS}
    text = function(translate(info), index)
    names = dict(re.findall(r"(%b\d+)p = getelementptr i8, ptr %vmctx, i64 (\d+)", text))
    found = [
        f"{by_offset[int(names[name])]}({arguments})"
        for name, arguments in re.findall(r"call \w+ (%b\d+)\(ptr %vmctx, ([^)]*)\)", text)
    ]
    assert found == calls


# --- globals and references ----------------------------------------------------------------------


def test_globals() -> None:
    program = Program("""(module
      (global (mut i64) (i64.const 0)) (global f32 (f32.const -nan:0x200001)) (global (mut f64) (f64.const 0))
      (func (export "get") (result i64) (global.get 0))
      (func (export "set") (param i64) (global.set 0 (local.get 0)))
      (func (export "constant") (result f32) (global.get 1))
      (func (export "bump") (result f64)
        (global.set 2 (f64.add (global.get 2) (f64.const 1.5))) (global.get 2)))""")
    program.global_(0).storage.as_i64 = -5
    assert program.call("get") == ((1 << 64) - 5,)
    assert program.call("set", 1 << 63) == ()
    assert program.global_(0).storage.as_u64 == 1 << 63
    assert program.call("constant") == (0xFFA0_0001,)
    assert program.call("bump") == (0x3FF8_0000_0000_0000,)
    assert program.call("bump") == (0x4008_0000_0000_0000,)


def test_stores_that_a_trap_must_not_overtake_are_volatile() -> None:
    text = ir("""(module (memory 1) (table 1 funcref) (global (mut i32) (i32.const 0))
      (func (global.set 0 (i32.const 1)) (i32.store (i32.const 2) (i32.const 3))
            (table.set (i32.const 0) (ref.null func)) (drop (i32.load (i32.const 1)))))""")
    accesses = re.findall(r"^(?:%\w+ = )?(?:load|store) [^\n]*", function(text, 0), re.MULTILINE)
    ours = [line for line in accesses if "!tbaa" in line and "!tbaa !5" not in line]
    assert len(ours) == 4
    assert all("volatile" in line for line in ours)


def test_externrefs_are_counted_where_they_are_kept() -> None:
    text = ir("""(module (table 1 externref) (global (mut externref) (ref.null extern))
      (func (result externref) (global.get 0))
      (func (param externref) (global.set 0 (local.get 0)))
      (func (result externref) (table.get (i32.const 0)))
      (func (param externref) (table.set (i32.const 0) (local.get 0)))
      (func (param externref) (result externref) (local.get 0)))""")
    for index, expected in enumerate(["activate", "store", "activate", "store", ""]):
        called = re.findall(r"call \w+ @wasmine_externref_(\w+)", function(text, index))
        assert called == [expected] * bool(expected)


# --- units ---------------------------------------------------------------------------------------


def test_lines_are_byte_offsets() -> None:
    info = decode(bytes(wat2wasm(MEMORY)))
    body = checked_bodies(info)[1]
    position = next(n for n, code in enumerate(body.codes) if OPCODES[code].name == "i64.load16_u")
    lines = re.findall(r"DILocation\(line: (\d+)", function(translate(info), 1))
    assert set(lines) == {str(body.offsets[position])}
    assert info.data[body.offsets[position]] == 0x33


def test_units_declare_what_they_do_not_define() -> None:
    info = decode(bytes(wat2wasm(CONTROL)))
    bodies = checked_bodies(info)
    text = translate_unit(info, [4], Options(), [bodies[4]])
    assert "declare hidden tailcc { double, i32 } @f3(ptr, i32, double)" in text
    assert text.count("define ") == 2  # f4 and @trap
    parsed = llvm.parse_assembly(text, llvm.create_context())
    parsed.verify()


def test_the_same_module_gives_the_same_text() -> None:
    assert ir(CONTROL) == ir(CONTROL)


def test_a_module_context_serves_several_units() -> None:
    info = decode(bytes(wat2wasm(CONTROL)))
    bodies = checked_bodies(info)
    context = ModuleContext(info, Options())
    texts = []
    for index, body in enumerate(bodies):
        unit = Unit(context)
        unit.add(index, body)
        texts.append(unit.text())
    assert texts == [translate_unit(info, [n], Options(), [b]) for n, b in enumerate(bodies)]


def test_a_wide_function_of_many_locals_and_labels() -> None:
    depth = 500
    source = "(block " * depth + "(br_if 250 (local.get 0))" + ")" * depth
    program = Program(f"""(module (func (export "f") (param i32) (result i32)
      (local {"i64 " * 2000}) {source} (local.get 0)))""")
    assert program.call("f", 3) == (3,)
