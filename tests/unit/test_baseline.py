"""The baseline compiler: functions by their values, what they tell of themselves, and how large they may be."""

from __future__ import annotations

import ctypes
import gc
import math
from time import process_time

import pytest

from wasmine.abi.baseline import TIER_UP, FrameLayout
from wasmine.abi.convention import INTEGER_PARAMS
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.function import compile_function
from wasmine.compiler.baseline.locations import RAX, RSI
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.target import host_machine
from wasmine.wasm.validator import checked_body

from .baseline import Placed

pytestmark = pytest.mark.skipif(
    host_machine().architecture != "x86_64", reason="there are stencils for x86-64 only"
)
NAN = math.nan

# Parameters and result, body, then arguments and the expected result, as often as one likes.
CASES: tuple[tuple[str, str, tuple[tuple[tuple[float, ...], float], ...]], ...] = (
    # what of a local is on the stack when it is set
    (
        "(param i32) (result i32)",
        "local.get 0 local.get 0 (local.set 0 (i32.const 5)) i32.add local.get 0 i32.add",
        (((7,), 19),),
    ),
    (
        "(param i32) (result i32) (local i32)",
        "local.get 0 (local.tee 0 (i32.add (local.get 0) (i32.const 1))) i32.mul",
        (((7,), 56),),
    ),
    ("(param f64) (result f64)", "local.get 0 (local.set 0 (f64.const 2)) local.get 0 f64.sub",
     (((7.5,), 5.5),)),
    # more operands than registers
    (
        "(param i32) (result i32)",
        "(i32.add (local.get 0) (i32.const 1))" * 12 + "i32.sub " * 11,
        (((0,), 0), ((5,), 0)),
    ),
    (
        "(param f64) (result f64)",
        "(f64.mul (local.get 0) (f64.const 3))" * 12 + "f64.add " * 11,
        (((0.5,), 18.0),),
    ),
    # a branch with values: those on the stack stay if it is not taken
    (
        "(param i32) (result i32)",
        "(block (result i32) (i32.const 10) (i32.const 20) (br_if 0 (local.get 0)) i32.add)",
        (((1,), 20), ((0,), 30)),
    ),
    (
        "(param i32) (result i32)",
        ("(i32.const 1) (block (result i32 i32) (i32.const 2) (i32.const 3) (i32.const 4)"
        " (br_if 0 (local.get 0)) drop) i32.sub i32.mul"),
        (((1,), -1), ((0,), -1)),
    ),
    # out of the function by a branch, with a value
    ("(param i32) (result i32)", "(i32.const 6) (br_if 0 (local.get 0)) drop (i32.const 7)",
     (((1,), 6), ((0,), 7))),
    ("(param i32) (result i32)",
     ("(block (block (block (block (br_table 0 1 2 0 1 3 (local.get 0)))"
     " (return (i32.const 10))) (return (i32.const 11))) (return (i32.const 12))) (i32.const 13)"),
     (((0,), 10), ((1,), 11), ((2,), 12), ((3,), 10), ((4,), 11), ((5,), 13), ((-1,), 13))),
    ("(param i32) (result i32)",
     "(block (block (br_table 0 1 (local.get 0))) (return (i32.const 10))) (i32.const 11)",
     (((0,), 10), ((1,), 11), ((-5,), 11))),
    # parameters of blocks
    (
        "(param i32) (result i32)",
        ("(i32.const 1) (local.get 0) (loop (param i32 i32) (result i32) (local.set 0) (i32.const 2) i32.mul"
        " (local.get 0) (i32.const 1) i32.sub (local.tee 0) (local.get 0) (br_if 0) drop)"),
        (((5,), 32), ((1,), 2)),
    ),
    (
        "(param i32) (result i32)",
        ("(i32.const 9) (i32.const 4) (if (param i32 i32) (result i32) (local.get 0) (then i32.sub)"
        " (else i32.add))"),
        (((1,), 5), ((0,), 13)),
    ),
    # what comparisons decide, and what they are if nothing is decided
    ("(param f64 f64) (result i32)",
     "(if (result i32) (f64.eq (local.get 0) (local.get 1)) (then (i32.const 1)) (else (i32.const 2)))",
     (((1, 1), 1), ((1, 2), 2), ((NAN, NAN), 2))),
    ("(param f64 f64) (result i32)",
     ("(if (result i32) (i32.eqz (f64.ne (local.get 0) (local.get 1))) (then (i32.const 1))"
     " (else (i32.const 2)))"),
     (((1, 1), 1), ((1, 2), 2), ((NAN, NAN), 2))),
    ("(param f64 f64) (result i32)",
     ("(if (result i32) (i32.eqz (f64.lt (local.get 0) (local.get 1))) (then (i32.const 1))"
     " (else (i32.const 2)))"),
     (((1, 1), 1), ((1, 2), 2), ((NAN, 1), 1))),
    ("(param f64 f64) (result i32)", "(f64.le (local.get 0) (local.get 1))",
     (((1, 1), 1), ((2, 1), 0), ((NAN, 1), 0))),
    ("(param f64 f64) (result i32)", "(f64.ne (local.get 0) (local.get 1))",
     (((1, 1), 0), ((2, 1), 1), ((NAN, 1), 1))),
    ("(param i64 i64) (result i32)", "(i64.gt_u (local.get 0) (local.get 1))",
     (((-1, 1), 1), ((1, -1), 0))),
    ("(param i32) (result i32)", "(i32.gt_s (i32.const 5) (local.get 0))", (((4,), 1), ((5,), 0))),
    ("(param i32 i32 i32) (result i32)",
     "(select (local.get 0) (local.get 1) (i32.lt_s (local.get 2) (i32.const 0)))",
     (((3, 4, -1), 3), ((3, 4, 0), 4))),
    ("(param f64 f64) (result f64)",
     "(select (local.get 0) (local.get 1) (f64.eq (local.get 0) (local.get 1)))",
     (((3, 3), 3), ((3, 4), 4), ((NAN, 4), 4))),
    ("(param f64 f64) (result i32)",
     "(select (i32.const 3) (i32.const 4) (f64.ne (local.get 0) (local.get 1)))",
     (((3, 3), 4), ((3, 4), 3), ((NAN, NAN), 3))),
    # all registers are in use when a float is chosen by floats
    (
        "(param f64) (result f64) (local i32 f64)",
        ("(select (local.get 2) (f64.add (local.get 0) (f64.const 1))"
        " (f64.lt (f64.mul (local.get 0) (f64.const 2)) (f64.mul (local.get 0) (f64.const 3))))"),
        (((1.0,), 0.0), ((-3.0,), -2.0)),
    ),
    # dead code, with blocks in it
    ("(result i32)", "(block (result i32) (i32.const 1) (br 0) (block (loop (br 1))) i32.add)", (((), 1),)),
    ("(param i32) (result i32)",
     "(if (result i32) (local.get 0) (then (return (i32.const 3)) (if (then) (else))) (else (i32.const 4)))",
     (((1,), 3), ((0,), 4))),
    # constants
    ("(result i64)", "(i64.const -1)", (((), -1),)),
    ("(result i64)", "(i64.add (i64.const -2147483648) (i64.const 0x1234567890))",
     (((), 0x1234567890 - (1 << 31)),)),
    ("(result i64)", "(block (result i64) (i64.extend_i32_u (i32.const -1)) (br_if 0 (i32.const 1)))",
     (((), 0xFFFF_FFFF),)),
    ("(result f32)", "(f32.const 1.5)", (((), 1.5),)),
)  # fmt: skip


@pytest.mark.parametrize(("type_", "body", "calls"), CASES)
def test_values(type_: str, body: str, calls: tuple[tuple[tuple[float, ...], float], ...]) -> None:
    module = Placed(f'(module (func (export "f") {type_} {body}))')
    for arguments, expected in calls:
        assert module.call("f", *arguments) == expected


def test_all_shapes_of_calls() -> None:
    """Every parameter and result arrives, through registers and through the store."""
    types = ["i32", "f64", "i64", "f32"] * 6
    assert len(types) // 2 > INTEGER_PARAMS
    count = len(types)
    gets = " ".join(f"(local.get {index})" for index in range(count))
    constants = " ".join(f"({type_}.const {3 + index})" for index, type_ in enumerate(types))
    as_f64 = {
        "i32": "f64.convert_i32_s",
        "i64": "f64.convert_i64_s",
        "f32": "f64.promote_f32",
        "f64": "",
    }
    sums = " ".join(
        f"{as_f64[type_]} (f64.const {index + 1}) f64.mul (local.get 0) f64.add (local.set 0)"
        for index, type_ in reversed([*enumerate(types)])
    )
    module = Placed(
        f"(module (func $all (param {' '.join(types)}) (result {' '.join(types)}) {gets})"
        f'(func (export "f") (result f64) (local f64) (call $all {constants}) {sums} (local.get 0))'
        f"(func $tail (param {' '.join(types)}) (result {' '.join(types)}) (return_call $all {gets}))"
        f'(func (export "t") (result f64) (local f64) (call $tail {constants}) {sums} (local.get 0)))'
    )
    expected = sum((index + 1) * (3 + index) for index in range(count))
    assert module.call("f") == expected
    assert module.call("t") == expected


def test_registers_are_preserved_by_calls() -> None:
    locals_ = "".join(
        f"(local.set {index} (i32.add (local.get 0) (i32.const {index})))" for index in range(1, 9)
    )
    used = "".join(f"(local.get {index})" for index in range(9)) + "i32.add " * 8
    module = Placed(
        f'(module (func $f (export "f") (param i32) (result i32) (local {"i32 " * 8})'
        "(if (i32.eqz (local.get 0)) (then (return (i32.const 0))))"
        f"{locals_} (call $f (i32.sub (local.get 0) (i32.const 1))) {used} i32.add))"
    )
    assert module.call("f", 3) == sum(9 * n + 36 for n in (1, 2, 3))


def test_tail_calls_take_no_stack() -> None:
    module = Placed(
        """(module (func $f (export "f") (param i64 i64) (result i64)
             (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
             (return_call $f (i64.sub (local.get 0) (i64.const 1))
                             (i64.add (local.get 1) (local.get 0)))))"""
    )
    assert module.call("f", 1_000_000, 0) == 1_000_000 * 1_000_001 // 2


COUNTING = """(module (func $g)
  (func (export "f") (param i32) (result i32) (local i32 f64)
    (loop (local.set 1 (i32.add (local.get 1) (i32.const 3)))
          (local.set 2 (f64.add (local.get 2) (f64.const 1)))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br_if 0 (local.get 0)))
    (i32.add (local.get 1) (i32.trunc_f64_s (local.get 2)))))"""
TIER_UP_TYPE = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)


def test_counters() -> None:
    """The runtime is asked when a counter is used up, and told where; all goes on as before."""
    module = Placed(COUNTING, counters=True)
    asked = []

    def tier_up(_ctx: int, function: int, loop: int) -> int:
        asked.append((function, loop))
        module.set_counters(50)
        return 0

    callback = TIER_UP_TYPE(tier_up)
    module.set_cell(TIER_UP, ctypes.cast(callback, ctypes.c_void_p).value or 0)
    module.set_counters(0)
    assert module.call("f", 120) == 480
    # The entry is the first to take one from 0; a loop is asked for after 51 rounds, twice in 120.
    assert asked == [(1, -1), (1, 0), (1, 0)]
    assert len(module.compiled[1].loops) == 1


def test_going_on_elsewhere() -> None:
    """What the runtime names at a loop takes over the frame, and returns for the function."""
    module = Placed(COUNTING, counters=True)
    place = FrameLayout(3, vectors=False).locals[1]
    code = module.place(asm.load64(RAX, RSI, place) + asm.RETURN_WASM)
    callback = TIER_UP_TYPE(lambda _ctx, _function, loop: code if loop == 0 else 0)
    module.set_cell(TIER_UP, ctypes.cast(callback, ctypes.c_void_p).value or 0)
    module.set_counters(10)
    assert module.call("f", 100) == 30


def test_frames_and_lines() -> None:
    module = Placed(
        """(module (memory 1) (func $g) (func (export "f") (param i32) (result i32)
             (call $g) (i32.div_s (i32.load (local.get 0)) (local.get 0))))"""
    )
    compiled = module.compiled[1]
    starts = [row.start for row in compiled.frames]
    assert starts == sorted({*starts})
    assert starts[0] == 0
    sizes = {row.size for row in compiled.frames if row.size}
    # The trap for a stack that is too small has a smaller frame than all that follows.
    assert len(sizes) == 2
    assert all((size - 1) % 16 == 0 for size in sizes)
    assert [*compiled.lines[::2]] == sorted(compiled.lines[::2])
    entry = module.info.bodies[1]
    assert all(entry.start <= offset < entry.end for offset in compiled.lines[1::2])


LARGE = {
    "locals": lambda size: (
        f"(result i32) (local {'i32 ' * size})"
        f"(local.set {size - 1} (i32.const 7)) (i32.add (local.get {size - 1}) (local.get 3))"
    ),
    "targets": lambda size: (
        f"(result i32) (block (block (br_table {'0 1 ' * (size // 2)} 1 (i32.const 0))))(i32.const 7)"
    ),
    "operands": lambda size: (
        f"(result i32) {'(i32.const 1) ' * size} {'drop ' * (size - 7)} {'i32.add ' * 6}"
    ),
    "local operands": lambda size: (
        f"(result i32) (local i32) (local.set 0 (i32.const 1)) {'local.get 0 (local.set 0 (i32.const 1)) ' * size}"
        f"{'drop ' * (size - 7)} {'i32.add ' * 6}"
    ),
    "blocks": lambda size: (
        f"(result i32) {'block ' * (size // 10)} {'end ' * (size // 10)} (i32.const 7)"
    ),
    "branches": lambda size: (
        f"(result i32) (block {'(br_if 0 (i32.const 0)) ' * size}) (i32.const 7)"
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_time_is_linear(kind: str) -> None:
    """Compiling eight times as much does not take thirty-two times as long."""
    seconds = []
    for size in (2_000, 16_000):
        started = process_time()
        module = Placed(f'(module (func (export "f") {LARGE[kind](size)}))')
        seconds.append(process_time() - started)
        assert module.call("f") == 7
    assert seconds[1] < 32 * max(seconds[0], 0.05)


def test_compiling_leaves_nothing_to_the_collector() -> None:
    """Cold code refers to the state of its function, which must not be kept by it."""
    module = Placed(
        """(module (memory 1) (func (param i32) (result i32)
             (loop (br_if 0 (i32.eqz (local.get 0))))
             (i32.div_s (i32.load (local.get 0)) (local.get 0))))""",
        counters=True,
    )
    body = checked_body(module.info, 0)
    gc.collect()
    gc.disable()
    try:
        compile_function(module.context, 0, body)
        assert not [each for each in gc.get_objects() if isinstance(each, FunctionState)]
    finally:
        gc.enable()
