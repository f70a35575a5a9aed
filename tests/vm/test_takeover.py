"""Code that begins at a loop, with frames as baseline code has them, made by hand."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.harness import instance, module
from wasmine.abi.baseline import FrameLayout, may_hold_vectors, mentions_vectors
from wasmine.api import pipeline
from wasmine.api.worker import Job, compile_hot
from wasmine.compiler.takeover import takeover_name
from wasmine.vm import process
from wasmine.vm.code import Code
from wasmine.wasm.code_validator import operands_before
from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.validator import checked_body

LOOP = BY_NAME["loop"].index
FORMS = {"i32": "<Q", "i64": "<Q", "f32": "<fI", "f64": "<d"}


class Case(NamedTuple):
    """A function that returns an i64, one of its loops, and the frame at its header."""

    body: str
    loop: int
    locals: tuple[Any, ...]
    operands: tuple[Any, ...]
    expected: int
    rest: str = ""
    """More of the module; the function itself is the last one, and is called $f."""


COUNT = "(param $n i64) (local $sum i64)"
STEP = """
(local.set $sum (i64.add (local.get $sum) (local.get $n)))
(br_if {} (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))
"""

CASES = {
    "locals": Case(
        f"{COUNT} (local.set $sum (i64.const 7)) (loop {STEP.format(0)}) (local.get $sum)",
        *(0, (4, 100), (), 110),
    ),
    "operands below": Case(
        f"{COUNT} (i64.mul (local.get $n) (i64.const 3)) (i64.const 5)"
        f"(loop {STEP.format(0)}) (i64.mul) (i64.add (local.get $sum))",
        *(0, (4, 100), (1000, 6), 6110),
    ),
    "parameters": Case(
        """(param $n i64) (i64.const 1) (i64.const 2)
        (loop (param i64 i64) (result i64)
          (i64.add (local.get $n)) (i64.add)
          (local.set $n (i64.sub (local.get $n) (i64.const 1)))
          (i64.const 9)
          (br_if 0 (i64.ne (i64.const 0) (local.get $n)))
          (i64.add))""",
        *(0, (3,), (1000, 50), 1000 + 50 + 3 + 9 + 2 + 9 + 1 + 9),
    ),
    # the second time round the operand between the loops is another one
    "inner loop": Case(
        """(param $n i64) (local $i i64) (local $sum i64)
        (i64.const 1000000)
        (loop $outer
          (i64.mul (local.get $n) (i64.const 100))
          (local.set $i (local.get $n))
          (loop $inner
            (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
            (br_if $inner
              (i64.ne (i64.const 0) (local.tee $i (i64.sub (local.get $i) (i64.const 1))))))
          (local.set $sum (i64.add (local.get $sum)))
          (br_if $outer
            (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (i64.add (local.get $sum))""",
        *(1, (3, 2, 0), (5_000_000, 10_000)),
        5_000_000 + 10_000 + 200 + 100 + 2 + 2 + 1,
    ),
    # the middle loop goes on without new operands from the outer one
    "three loops": Case(
        """(param $n i64) (local $i i64) (local $j i64) (local $sum i64)
        (loop $outer
          (i64.mul (local.get $n) (i64.const 1000))
          (local.set $i (i64.const 2))
          (loop $middle
            (i64.mul (local.get $i) (i64.const 10))
            (local.set $j (i64.const 2))
            (loop $inner
              (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
              (br_if $inner
                (i64.ne (i64.const 0) (local.tee $j (i64.sub (local.get $j) (i64.const 1))))))
            (local.set $sum (i64.add (local.get $sum)))
            (br_if $middle
              (i64.ne (i64.const 0) (local.tee $i (i64.sub (local.get $i) (i64.const 1))))))
          (local.set $sum (i64.add (local.get $sum)))
          (br_if $outer
            (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (local.get $sum)""",
        *(2, (2, 2, 1, 0), (77_000, 300)),
        77_000 + 300 + 1 + 10 + 2 + 1000 + 20 + 2 + 10 + 2,
    ),
    "floats and vectors": Case(
        """(param $n i64) (local $a f32) (local $v v128) (local $i i32) (local $b f64)
        (f64.const 1)
        (v128.const i64x2 1 2)
        (f32.const 3)
        (loop
          (local.set $a (f32.add (local.get $a) (f32.const 1)))
          (local.set $v (i64x2.add (local.get $v) (v128.const i64x2 10 20)))
          (br_if 0 (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (local.set $a (f32.add (local.get $a)))
        (local.set $v (i64x2.add (local.get $v)))
        (i64.trunc_f64_s)
        (i64.add (i64.trunc_f32_s (local.get $a)))
        (i64.add (i64x2.extract_lane 0 (local.get $v)))
        (i64.add (i64x2.extract_lane 1 (local.get $v)))
        (i64.add (i64.extend_i32_u (local.get $i)))
        (i64.add (i64.trunc_f64_s (local.get $b)))""",
        *(0, (2, 0.5, (100, 200), 0xFFFF_FFFF, 1000.0), (5.0, (3, 4), 30.5)),
        5 + 33 + 123 + 244 + 0xFFFF_FFFF + 1000,
    ),
    "caught": Case(
        """(param $n i64) (local $sum i64)
        (block $caught (result i64)
          (try_table (catch $e $caught)
            (i64.const 1)
            (loop
              (if (i64.eqz (local.get $n)) (then (call $thrower (i64.const 500))))
              (local.set $sum (i64.add (local.get $sum) (local.get $n)))
              (local.set $n (i64.sub (local.get $n) (i64.const 1)))
              (br 0))
            (unreachable))
          (i64.const 0))
        (i64.add (local.get $sum))""",
        *(0, (3, 20), (9,), 526),
        "(tag $e (param i64)) (func $thrower (param i64) (throw $e (local.get 0)))",
    ),
    "in the handler of exceptions": Case(
        """(param $n i64) (local $sum i64)
        (block $caught (result i64)
          (try_table (catch $e $caught) (call $thrower (i64.const 1)))
          (i64.const 0))
        (loop
          (local.set $sum (i64.add (local.get $sum) (local.get $n)))
          (br_if 0 (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (i64.add (local.get $sum))""",
        *(0, (3, 20), (900,), 926),
        "(tag $e (param i64)) (func $thrower (param i64) (throw $e (local.get 0)))",
    ),
    "tail call": Case(
        f"{COUNT} (loop {STEP.format(0)}) (return_call $twice (local.get $sum))",
        *(0, (4, 100), (), 220),
        "(func $twice (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))",
    ),
    "calls of itself": Case(
        """(param $n i64) (local $sum i64)
        (loop
          (local.set $sum (i64.add (local.get $sum) (local.get $n)))
          (local.set $n (i64.sub (local.get $n) (i64.const 1)))
          (if (i64.gt_s (local.get $n) (i64.const 1))
            (then (local.set $sum (i64.add (local.get $sum) (call $f (i64.const 1))))))
          (br_if 0 (i64.gt_s (local.get $n) (i64.const 0))))
        (local.get $sum)""",
        *(0, (3, 100), (), 107),
    ),
    "in one half of an if": Case(
        """(param $n i64) (local $sum i64)
        (i64.const 1) (i64.const 2)
        (loop $outer (param i64 i64) (result i64)
          (i64.and (local.get $n) (i64.const 1))
          (if (param i64 i64) (result i64 i64) (i32.wrap_i64)
            (then
              (loop (br_if 0 (i64.lt_s (i64.const 0)
                (local.tee $sum (i64.sub (local.get $sum) (i64.const 1)))))))
            (else (i64.add) (i64.const 7)))
          (br_if $outer (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))
          (i64.mul))""",
        *(1, (3, 2), (10, 20)),
        # 3: as they are; 2: 30 and 7; 1: as they are, after counting down from 0
        30 * 7,
    ),
}


def pack(type_: str, value: Any) -> bytes:
    if type_ == "v128":
        return struct.pack("<2Q", *value)
    return struct.pack(FORMS[type_], *((value, 0xAAAA_AAAA) if type_ == "f32" else (value,)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("opt_level", ["none", "light", "O2"])
def test_goes_on_from_the_frame(name: str, opt_level: str) -> None:
    case = CASES[name]
    text = f"""(module (func $go (import "host" "go")) {case.rest}
        (func (export "enter") (call $go))
        (func $f {case.body}))"""
    text = _result_behind_parameters(text)
    results = []
    enter: list[Callable[[], int]] = []
    exports = instance(text, {"host": {"go": lambda: results.append(enter[0]())}})
    info = module(text).info
    index = len(info.functions) - 1
    local = index - info.imported_functions
    body = checked_body(info, local)
    loops = [position for position, code in enumerate(body.codes) if code == LOOP]
    position = loops[case.loop]
    offset = body.offsets[position]
    options = pipeline.options_for(())
    every = range(info.imported_functions, index + 1)
    image = pipeline.compile_functions(info, every, [(index, offset)], options, opt_level)
    code = Code(image, process.current().resolve)
    registration = process.current().add_code(code, info)
    types = operands_before(info, local, body, position)
    layout = FrameLayout(len(body.locals), vectors=may_hold_vectors(mentions_vectors(info), body))
    frame = bytearray(b"\xaa" * layout.size(len(types)))
    for type_, place, value in zip(body.locals, layout.locals, case.locals, strict=True):
        content = pack(str(type_), value)
        frame[place : place + len(content)] = content
    for height, (type_, value) in enumerate(zip(types, case.operands, strict=True)):
        content = pack(str(type_), value)
        place = layout.operand(height)
        frame[place : place + len(content)] = content
    native = ctypes.create_string_buffer(bytes(frame), len(frame) + 16)
    address = -(-ctypes.addressof(native) // 16) * 16
    ctypes.memmove(address, bytes(frame), len(frame))
    kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_size_t, ctypes.c_size_t)
    function = kind(code.address(takeover_name(index, offset)))
    vmctx = exports._handle.vmctx
    enter.append(lambda: function(vmctx, address))
    exports.exports.enter()
    assert results == [case.expected]
    del registration


def _result_behind_parameters(text: str) -> str:
    """The text format wants results behind parameters."""
    start = text.index("(func $f ")
    head, tail = text[:start], text[start + len("(func $f ") :]
    end = tail.index(")") + 1
    return f"{head}(func $f {tail[:end]} (result i64) {tail[end:]}"


def test_a_function_that_has_better_code_is_taken_over_alone() -> None:
    text = "(module (func) (func (loop (call 0) (call 1) (br 0))))"
    info = module(text).info
    body = checked_body(info, 1)
    offset = body.offsets[body.codes.index(LOOP)]
    job = Job(0, info.features, (), "light", (), loops=((1, offset),), warm=(0, 1))
    names = [extent.name for extent in compile_hot(info, job).functions]
    assert [name for name in names if name.startswith("f")] == ["f0", takeover_name(1, offset)]
