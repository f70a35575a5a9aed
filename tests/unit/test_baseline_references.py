"""The baseline compiler: instructions that objects need, and what exceptions mean for counted loops."""

from __future__ import annotations

import pytest

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.context import BaselineContext, BaselineOptions
from wasmine.compiler.baseline.function import compile_function
from wasmine.compiler.baseline.locations import R9, R12, R13, R15, RAX, RBP, RCX, RSI
from wasmine.compiler.target import host_machine
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import Features
from wasmine.wasm.text.assembler import wat2wasm
from wasmine.wasm.validator import checked_body

from .baseline import library

pytestmark = pytest.mark.skipif(
    host_machine().architecture != "x86_64", reason="there are stencils for x86-64 only"
)

# As objdump reads them back.
INSTRUCTIONS = {
    "movzbl 0x10(%r13),%eax": (asm.load8_u(RAX, R13, 16), "41 0f b6 45 10"),
    "movswl 0x4(%r12),%esi": (asm.load16_s(RSI, R12, 4), "41 0f bf 74 24 04"),
    "mov %sil,0x4(%r12)": (asm.store8(RSI, R12, 4), "41 88 74 24 04"),
    "mov %sil,0x4(%rbp)": (asm.store8(RSI, RBP, 4), "40 88 75 04"),
    "mov %r9w,0x12c(%rbp)": (asm.store16(R9, RBP, 300), "66 44 89 8d 2c 01 00 00"),
    "movss 0x4(%r12),%xmm9": (asm.load_x32(9, R12, 4), "f3 45 0f 10 4c 24 04"),
    "lea 0x0(%r13,%r9,8),%rax": (asm.lea_indexed(RAX, R13, R9, 8), "4b 8d 84 cd 00 00 00 00"),
    "lea -0x5(%rax,%r15,4),%rcx": (
        asm.lea_indexed(RCX, RAX, R15, 4, -5),
        "4a 8d 8c b8 fb ff ff ff",
    ),
    "shl $0x1,%esi": (asm.shift_left32(RSI, 1), "c1 e6 01"),
    "sar $0x1,%r9d": (asm.shift_right_s32(R9, 1), "41 c1 f9 01"),
    "or $0x1,%rsi": (asm.or_immediate(RSI, 1), "48 83 ce 01"),
    "xor $0x2,%r9": (asm.xor_immediate(R9, 2), "49 83 f1 02"),
    "test $0x3,%r9d": (asm.test_immediate32(R9, 3), "41 f7 c1 03 00 00 00"),
}


@pytest.mark.parametrize("text", INSTRUCTIONS)
def test_instructions(text: str) -> None:
    made, expected = INSTRUCTIONS[text]
    assert made.hex(" ") == expected


def test_loops_in_clauses_of_the_old_proposal_do_not_count() -> None:
    """There the exception is among the operands, where whoever takes over a frame expects none."""
    text = """(module (tag $t) (func (export "f") (param i32)
      (loop $first (br_if $first (local.get 0)))
      try
        (loop $second (br_if $second (local.get 0)))
        throw $t
      catch $t
        (loop $third (br_if $third (local.get 0)))
      catch_all
        (loop $fourth (br_if $fourth (local.get 0)))
        rethrow 0
      end
      (loop $fifth (br_if $fifth (local.get 0)))))"""
    data = wat2wasm(text)
    info = decode(data, Features(legacy_exceptions=True))
    context = BaselineContext(info, library(), BaselineOptions(counters=True))
    body = checked_body(info, 0)
    compiled = compile_function(context, 0, body)
    loops = [
        at
        for at, byte in zip(body.offsets, (data[at] for at in body.offsets), strict=True)
        if byte == 3
    ]
    assert len(loops) == 5
    assert compiled.loops == [loops[0], loops[1], loops[4]]
