"""x86-64, after the System V psABI, chapter 4.4 (relocation) and B.2 (relaxing what goes by GOT)."""

from __future__ import annotations

from struct import Struct

from wasmine.compiler.architecture.base import Architecture, Fixups, Use

PC32 = 2
PLT32 = 4
GOTPCREL = 9
PC64 = 24
GOTPCRELX = 41
REX_GOTPCRELX = 42
ABSOLUTE = {1: 8, 10: 4, 11: 4}
"""Bytes of R_X86_64_64, R_X86_64_32 and R_X86_64_32S, which only stencils have."""

_USES = {
    PC32: Use.DIRECT,
    PC64: Use.DIRECT,
    PLT32: Use.BRANCH,
    GOTPCREL: Use.TABLE,
    GOTPCRELX: Use.TABLE,
    REX_GOTPCRELX: Use.TABLE,
}
_INT32 = Struct("<i")
_INT64 = Struct("<q")

_MOV_LOAD = 0x8B
_LEA = 0x8D
_CALL_INDIRECT = b"\xff\x15"
_JUMP_INDIRECT = b"\xff\x25"


def _stub(place: int, cell: int) -> bytes:
    """jmp *cell(%rip), filled up with int3"""
    return _JUMP_INDIRECT + _INT32.pack(cell - (place + 6)) + b"\xcc\xcc"


def _apply(fixups: Fixups) -> None:
    code, start, relocations, targets, inside, cell = fixups
    pack = _INT32.pack_into
    for offset, kind, symbol, addend in relocations:
        place = start + offset
        if kind in (PC32, PLT32):
            pack(code, place, targets[symbol] + addend - place)
        elif kind == PC64:
            _INT64.pack_into(code, place, targets[symbol] + addend - place)
        elif kind == GOTPCREL or not (
            inside[symbol] and _relax(code, place, targets[symbol] + addend)
        ):
            pack(code, place, cell(symbol) + addend - place)


def _relax(code: bytearray, place: int, target: int) -> bool:
    """Make the instruction whose 4-byte operand is at `place` reach `target` without its cell.

    False if it is one of those that have no such form (`cmp symbol@GOTPCREL(%rip), %rax`).
    """
    opcode = bytes(code[place - 2 : place])
    if opcode[0] == _MOV_LOAD and opcode[1] & 0xC7 == 0x05:
        code[place - 2] = _LEA
    elif opcode == _CALL_INDIRECT:
        code[place - 2 : place] = b"\x67\xe8"  # an idle address-size prefix keeps the length
    elif opcode == _JUMP_INDIRECT:
        # One byte shorter: the operand moves forward, a nop follows.
        _INT32.pack_into(code, place - 1, target - (place - 1))
        code[place - 2] = 0xE9
        code[place + 3] = 0x90
        return True
    else:
        return False
    _INT32.pack_into(code, place, target - place)
    return True


# 80 bytes from here the caller's stack begins, as the alignment of the stack pointer wants it too.
_THROW = """
leaq -72(%rsp), %rsp
movq %rbx, (%rsp)
movq %rbp, 8(%rsp)
movq %r12, 16(%rsp)
movq %r13, 24(%rsp)
movq %r14, 32(%rsp)
movq %r15, 40(%rsp)
movq 72(%rsp), %rax
movq %rax, 48(%rsp)
leaq 80(%rsp), %rax
movq %rax, 56(%rsp)
movq %rsi, 64(%rsp)
movq %rsp, %rdi
callq {walk}
movq (%rsp), %rbx
movq 8(%rsp), %rbp
movq 16(%rsp), %r12
movq 24(%rsp), %r13
movq 32(%rsp), %r14
movq 40(%rsp), %r15
movq 48(%rsp), %rcx
movq 64(%rsp), %rax
movq 56(%rsp), %rsp
jmpq *%rcx
"""

ARCHITECTURE = Architecture(
    name="x86_64",
    machine=62,
    page=4096,
    stack_register=7,
    frame_register=6,
    filler=b"\xcc",
    uses=_USES,
    stub_size=8,
    stub=_stub,
    apply=_apply,
    # rbx, rbp, r12 to r15; 16 stands for the return address.
    saved_registers=(3, 6, 12, 13, 14, 15, 16),
    throw=_THROW,
    # uc_mcontext.gregs begins at 40; REG_RSP is 15, REG_RIP is 16.
    context_pc=40 + 16 * 8,
    context_sp=40 + 15 * 8,
    # The saved frame pointer and the return address lie between.
    caller_sp=16,
    futex=202,
    red_zone=128,
    callee_saved=("rbx", "rbp", "r12", "r13", "r14", "r15"),
    # A conditional move whose operand is in memory became a branch around the load.
    llvm_options=("-x86-cmov-converter-force-mem-operand=false",),
    # Their loads can be masked. LLVM makes a load and the choice of its value one of those,
    # `volatile` or not, and then it does not trap where the value is not chosen.
    unwanted_features=("avx512", "avx10", "cf"),
)
