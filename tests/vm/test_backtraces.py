"""Row X08: the frames of a trap name function, index and instruction exactly."""

from __future__ import annotations

import pickle
from functools import cache

import pytest

from tests.harness import assemble, instance
from wasmine import Engine, Instance, Store, Trap, TrapCode
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import BY_NAME

ENGINES = {
    "none": Engine(opt_level="none", tier="optimized"),
    "light": Engine(tier="optimized"),
    "O2": Engine(opt_level="O2", tier="optimized"),
    "baseline": Engine(tier="baseline"),
}

# Cold paths beside hot ones (so that prologues are shrink-wrapped), leaf functions, stack arguments.
CALLS = """(module $calls
  (type $unary (func (param i32) (result i32)))
  (import "other" "imported" (func $imported (param i32) (result i32)))
  (import "other" "many" (func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32) (result i32)))
  (memory 1)
  (table 4 4 funcref)
  (elem (i32.const 0) func $leaf $cold $imported)
  (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
  (func $divide (param i32) (result i32) (i32.div_u (i32.const 100) (local.get 0)))
  (func $stop (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then unreachable)) (local.get 0))
  (func $cold (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
    (i32.add (local.get 0) (i32.mul (call $leaf (local.get 0)) (call $leaf (local.get 0)))))
  (func $loop (param i32) (result i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (call $divide (local.get 0))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (call $divide (local.get 0)) (local.get 1)))
  (func $indirect (param i32 i32) (result i32)
    (i32.add (i32.const 1) (call_indirect (type $unary) (local.get 0) (local.get 1))))
  (func (export "direct") (param i32) (result i32)
    (i32.add (call $cold (local.get 0)) (local.get 0)))
  (func (export "looping") (param i32) (result i32)
    (i32.sub (call $loop (local.get 0)) (local.get 0)))
  (func (export "through the table") (param i32) (result i32)
    (i32.add (call $indirect (local.get 0) (i32.const 1)) (local.get 0)))
  (func (export "by import") (param i32) (result i32)
    (i32.add (call $imported (local.get 0)) (local.get 0)))
  (func (export "by import in the table") (param i32) (result i32)
    (i32.add (call $indirect (local.get 0) (i32.const 2)) (local.get 0)))
  (func (export "null") (param i32) (result i32)
    (i32.add (call $indirect (local.get 0) (i32.const 3)) (local.get 0)))
  (func (export "stack arguments") (param i32) (result i32)
    (i32.add (local.get 0) (call $many
      (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
      (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (local.get 0))))
  (func (export "cold") (param i32) (result i32) (i32.add (call $stop (local.get 0)) (local.get 0)))
  (func (export "bulk") (param i32) (result i32)
    (memory.fill (local.get 0) (i32.const 1) (i32.const 8)) (i32.const 0)))"""
OTHER = """(module $other
  (memory 1)
  (func $deep (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "imported") (param i32) (result i32)
    (i32.xor (call $deep (local.get 0)) (i32.const 3)))
  (func (export "many") (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32) (result i32)
    (i32.add (call $deep (local.get 10)) (i32.wrap_i64 (i64.add (local.get 0) (local.get 9))))))"""
FAR = 0x7000_0000
# The argument, the code, and from the inside out: module, function, instruction, its occurrence.
EXPECTED = {
    "direct": (
        FAR,
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
        ["calls leaf i32.load 0", "calls cold call 0", "calls direct call 0"],
    ),
    "looping": (
        3,
        TrapCode.INTEGER_DIVISION_BY_ZERO,
        ["calls divide i32.div_u 0", "calls loop call 1", "calls looping call 0"],
    ),
    "through the table": (
        FAR,
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
        [
            "calls leaf i32.load 0",
            "calls cold call 0",
            "calls indirect call_indirect 0",
            "calls through the table call 0",
        ],
    ),
    "by import": (
        FAR,
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
        ["other deep i32.load8_u 0", "other imported call 0", "calls by import call 0"],
    ),
    "by import in the table": (
        FAR,
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
        [
            "other deep i32.load8_u 0",
            "other imported call 0",
            "calls indirect call_indirect 0",
            "calls by import in the table call 0",
        ],
    ),
    "null": (
        FAR,
        TrapCode.INDIRECT_CALL_TO_NULL,
        ["calls indirect call_indirect 0", "calls null call 0"],
    ),
    "stack arguments": (
        FAR,
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
        ["other deep i32.load8_u 0", "other many call 0", "calls stack arguments call 0"],
    ),
    "cold": (
        0,
        TrapCode.UNREACHABLE_CODE_REACHED,
        ["calls stop unreachable 0", "calls cold call 0"],
    ),
    "bulk": (FAR, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS, ["calls bulk memory.fill 0"]),
}


@cache
def calls(engine: str) -> Instance:
    store = Store(ENGINES[engine])
    other = instance(OTHER, engine=ENGINES[engine], store=store)
    return instance(CALLS, {"other": other.exports}, engine=ENGINES[engine], store=store)


def instructions(text: str, function: int, name: str) -> list[tuple[int, int]]:
    """Where an instruction occurs in a function: offsets in the module and in the body."""
    info = decode(assemble(text))
    local = function - info.imported_functions
    body = decode_body(info, local)
    code = BY_NAME[name].index
    first = info.bodies[local].start
    return [
        (offset, offset - first)
        for number, offset in zip(body.codes, body.offsets, strict=False)
        if number == code
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", EXPECTED)
def test_frames(name: str, engine: str) -> None:
    argument, code, expected = EXPECTED[name]
    with pytest.raises(Trap) as caught:
        calls(engine).exports[name](argument)
    trap = caught.value
    assert trap.code is code
    located = [frame for frame in trap.trace if frame.module_offset is not None]
    if engine == "O2":  # calls are inlined: where the trap was and who was entered is known
        located, expected = located[:1], expected[:1]
        assert trap.trace[-1].function_name == name
    assert len(located) == len(expected), [str(frame) for frame in trap.trace]
    for frame, line in zip(located, expected, strict=True):
        module, _, rest = line.partition(" ")
        function, instruction, occurrence = rest.rsplit(" ", 2)
        assert (frame.module_name, frame.function_name) == (module, function)
        text = {"calls": CALLS, "other": OTHER}[module]
        places = instructions(text, frame.function_index, instruction)
        assert (frame.module_offset, frame.function_offset) == places[int(occurrence)]
        opcode = BY_NAME[instruction].code
        found = assemble(text)[frame.module_offset or 0]
        assert found == (opcode if opcode < 0x100 else 0xFC)
    assert str(trap).splitlines() == [
        code.message,
        *(f"    at {frame}" for frame in trap.trace),
    ]


LOAD = "(i64.load offset=16 (local.get 1))"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "use",
    [
        f"(i64.add (local.get 0) {LOAD})",
        f"(i64.mul {LOAD} (i64.const 7))",
        f"(i64.shr_u {LOAD} (local.get 0))",
        f"(i64.rem_u {LOAD} (i64.const 10))",
        f"(i64.popcnt {LOAD})",
        f"(i64.extend32_s {LOAD})",
        f"(i64.extend_i32_u (i64.lt_u (local.get 0) {LOAD}))",
        f"(i64.extend_i32_u (i64.eqz {LOAD}))",
        f"(i64.extend_i32_u (i64.eqz (i64.and {LOAD} (i64.const 64))))",
        f"(i64.xor (i64.load (i32.const 0)) {LOAD})",
        f"(i64.sub (i64.const 0) (i64.xor {LOAD} (i64.const -1)))",
        f"(i64.trunc_sat_f64_s (f64.convert_i64_s {LOAD}))",
        f"(select {LOAD} (local.get 0) (local.get 1))",
        f"(select (i64.const 3) (i64.mul (local.get 0) (local.get 0)) (i32.wrap_i64 {LOAD}))",
        f"(if (result i64) (i64.eq {LOAD} (local.get 0)) (then (i64.const 3)) (else (local.get 0)))",
        f"(local.set 0 {LOAD}) (i64.or (local.get 0) (i64.const 5))",
        f"(i64.store offset=16 (local.get 1) (i64.add {LOAD} (local.get 0))) (local.get 0)",
        f"(i64.store offset=16 (local.get 1) (i64.shl {LOAD} (i64.const 1))) (local.get 0)",
    ],
)
def test_the_offset_of_a_load_that_is_part_of_another_instruction(use: str, engine: str) -> None:
    """The location of the instruction that uses the value is the one that LLVM keeps."""
    text = (
        '(module (memory 1) (func (export "f") (param i64 i32) (result i64)'
        f"(i64.store (i32.const 8) (local.get 0)) {use}))"
    )
    with pytest.raises(Trap) as caught:
        instance(text, engine=ENGINES[engine]).exports.f(1, -1)
    (frame,) = caught.value.trace
    assert frame.module_offset == instructions(text, 0, "i64.load")[-1][0]


def test_the_text_of_a_frame() -> None:
    with pytest.raises(Trap) as caught:
        calls("light").exports["by import"](FAR)
    offset = instructions(OTHER, 0, "i32.load8_u")[0][0]
    assert str(caught.value.trace[0]) == f"deep (other[0]:{offset:#x})"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_function_called_before_it_traps_leaves_no_frame(engine: str) -> None:
    """Values that are alive across calls change where the frame ends, call by call."""
    names = [f"$f{i}" for i in range(40)]
    functions = "".join(
        f"(func {name} (param i64 i64 i32) (result i64) (local i64 i64)"
        f"(local.set 3 (i64.mul (local.get 0) (i64.const {3 + i})))"
        + "(local.set 4 (i64.add (local.get 4) (i64.div_u (local.get 3) (local.get 1))))" * (i % 5)
        + (
            f"(i64.add (local.get 3) (i64.xor (local.get 4) (call {names[i + 1]}"
            " (local.get 3) (local.get 1) (local.get 2))))"
            if i + 1 < len(names)
            else "(i64.store (local.get 2) (local.get 4)) (local.get 3)"
        )
        + ")"
        for i, name in enumerate(names)
    )
    made = instance(
        f'(module (memory 1) {functions} (export "f" (func $f0)))', engine=ENGINES[engine]
    )
    with pytest.raises(Trap) as caught:
        made.exports.f(1, 1, -1)
    indices = [frame.function_index for frame in caught.value.trace]
    if engine == "O2":  # calls are inlined
        assert indices == sorted(indices, reverse=True)
        assert (indices[0], indices[-1]) == (39, 0)
    else:
        assert indices == list(range(39, -1, -1))


def test_a_trace_survives_its_module_and_pickling() -> None:
    made = instance('(module $gone (func $inner unreachable) (func (export "f") (call $inner)))')
    try:
        made.exports.f()
    except Trap as error:
        trap = error
    names = [frame.function_name for frame in trap.trace]
    assert names == ["inner", "f"]
    del made
    assert [frame.function_name for frame in trap.trace] == names
    copy = pickle.loads(pickle.dumps(trap))
    assert copy.code is trap.code
    assert copy.trace == trap.trace
    assert str(copy) == str(trap)


def test_a_trace_read_after_its_module_is_gone() -> None:
    """What is resolved late is still right, or left out; never another module's names."""
    traps = []
    for number in range(20):
        made = instance(
            f"(module $m{number} (func $inner{number} unreachable)"
            f' (func (export "f") (call $inner{number})))'
        )
        try:
            made.exports.f()
        except Trap as error:
            traps.append(error.with_traceback(None))
        del made
    for number, trap in enumerate(traps):
        names = {frame.module_name for frame in trap.trace}
        assert names <= {f"m{number}"}, number
