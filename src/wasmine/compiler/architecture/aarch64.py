"""AArch64, after "ELF for the Arm 64-bit Architecture", chapter 5.7 (relocation)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from wasmine.compiler.architecture.base import Architecture, Fixups, Use

PREL64 = 260
PREL32 = 261
PREL16 = 262
LD_PREL_LO19 = 273
ADR_PREL_LO21 = 274
ADR_PREL_PG_HI21 = 275
ADR_PREL_PG_HI21_NC = 276
ADD_ABS_LO12_NC = 277
LDST8_ABS_LO12_NC = 278
TSTBR14 = 279
CONDBR19 = 280
JUMP26 = 282
CALL26 = 283
LDST16_ABS_LO12_NC = 284
LDST32_ABS_LO12_NC = 285
LDST64_ABS_LO12_NC = 286
LDST128_ABS_LO12_NC = 299
ADR_GOT_PAGE = 311
LD64_GOT_LO12_NC = 312
PLT32 = 314

_DATA = {PREL64: Struct("<q"), PREL32: Struct("<i"), PREL16: Struct("<h"), PLT32: Struct("<i")}
_WORD = Struct("<I")

_ADD_IMMEDIATE = 0x91000000
_REGISTERS = 0x3FF  # of `ldr xD, [xN, #n]` and of `add xD, xN, #n`


def _page_distance(place: int, target: int) -> int:
    """The operand of ADRP. Images lie at multiples of 4096, so that it can be known here."""
    return (target >> 12) - (place >> 12)


def _branch(shift: int, bits: int) -> Callable[[int, int, int], int]:
    """Words, as a multiple of four, in a field of `bits` bits at `shift`."""

    def encode(word: int, place: int, target: int) -> int:
        return word | _signed((target - place) >> 2, bits) << shift

    return encode


def _adr(word: int, place: int, target: int) -> int:
    return word | _split21(target - place)


def _adrp(word: int, place: int, target: int) -> int:
    return word | _split21(_page_distance(place, target))


def _low12(shift: int) -> Callable[[int, int, int], int]:
    """The offset in the page, in units of 1 << `shift`, as the operand of an access or addition."""

    def encode(word: int, _place: int, target: int) -> int:
        return word | (target & 0xFFF) >> shift << 10

    return encode


def _split21(distance: int) -> int:
    field = _signed(distance, 21)
    return (field & 3) << 29 | field >> 2 << 5


def _signed(value: int, bits: int) -> int:
    if not -1 << (bits - 1) <= value < 1 << (bits - 1):
        raise OverflowError(f"{value} does not fit into {bits} bits")
    return value & ((1 << bits) - 1)


_INSTRUCTIONS: dict[int, Callable[[int, int, int], int]] = {
    LD_PREL_LO19: _branch(5, 19),
    ADR_PREL_LO21: _adr,
    ADR_PREL_PG_HI21: _adrp,
    ADR_PREL_PG_HI21_NC: _adrp,
    ADD_ABS_LO12_NC: _low12(0),
    LDST8_ABS_LO12_NC: _low12(0),
    LDST16_ABS_LO12_NC: _low12(1),
    LDST32_ABS_LO12_NC: _low12(2),
    LDST64_ABS_LO12_NC: _low12(3),
    LDST128_ABS_LO12_NC: _low12(4),
    TSTBR14: _branch(5, 14),
    CONDBR19: _branch(5, 19),
    JUMP26: _branch(0, 26),
    CALL26: _branch(0, 26),
}
_USES = {
    **dict.fromkeys(_DATA, Use.DIRECT),
    **dict.fromkeys(_INSTRUCTIONS, Use.DIRECT),
    JUMP26: Use.BRANCH,
    CALL26: Use.BRANCH,
    PLT32: Use.BRANCH,
    ADR_GOT_PAGE: Use.TABLE,
    LD64_GOT_LO12_NC: Use.TABLE,
}


def _stub(place: int, cell: int) -> bytes:
    """adrp x16, cell; ldr x16, [x16, #low bits of cell]; br x16; the procedure call standard
    leaves x16 to such code"""
    page = _adrp(0x90000010, place, cell)
    load = _low12(3)(0xF9400210, 0, cell)
    return b"".join(map(_WORD.pack, (page, load, 0xD61F0200, 0)))


def _apply(fixups: Fixups) -> None:
    code, start, relocations, targets, inside, cell = fixups
    for offset, kind, symbol, addend in relocations:
        place = start + offset
        if kind in _DATA:
            _DATA[kind].pack_into(code, place, targets[symbol] + addend - place)
            continue
        (word,) = _WORD.unpack_from(code, place)
        if kind in _INSTRUCTIONS:
            word = _INSTRUCTIONS[kind](word, place, targets[symbol] + addend)
        elif not inside[symbol]:
            encode = _adrp if kind == ADR_GOT_PAGE else _low12(3)
            word = encode(word, place, cell(symbol) + addend)
        elif kind == ADR_GOT_PAGE:
            word = _adrp(word, place, targets[symbol] + addend)
        else:
            # What would be loaded from the cell of a symbol inside is computed instead.
            word = _low12(0)(_ADD_IMMEDIATE | word & _REGISTERS, place, targets[symbol] + addend)
        _WORD.pack_into(code, place, word)


_THROW = """
sub sp, sp, #176
stp x19, x20, [sp]
stp x21, x22, [sp, #16]
stp x23, x24, [sp, #32]
stp x25, x26, [sp, #48]
stp x27, x28, [sp, #64]
str x29, [sp, #80]
stp d8, d9, [sp, #88]
stp d10, d11, [sp, #104]
stp d12, d13, [sp, #120]
stp d14, d15, [sp, #136]
str x30, [sp, #152]
add x9, sp, #176
str x9, [sp, #160]
str x1, [sp, #168]
mov x0, sp
bl {walk}
ldp x19, x20, [sp]
ldp x21, x22, [sp, #16]
ldp x23, x24, [sp, #32]
ldp x25, x26, [sp, #48]
ldp x27, x28, [sp, #64]
ldr x29, [sp, #80]
ldp d8, d9, [sp, #88]
ldp d10, d11, [sp, #104]
ldp d12, d13, [sp, #120]
ldp d14, d15, [sp, #136]
ldr x9, [sp, #152]
ldr x10, [sp, #160]
ldr x0, [sp, #168]
mov sp, x10
br x9
"""

ARCHITECTURE = Architecture(
    name="aarch64",
    machine=183,
    page=65536,
    stack_register=31,
    frame_register=29,
    filler=b"\0",
    uses=_USES,
    stub_size=16,
    stub=_stub,
    apply=_apply,
    # x19 to x29, the low halves of v8 to v15, x30
    saved_registers=(*range(19, 30), *range(72, 80), 30),
    throw=_THROW,
    # uc_mcontext begins at 176: fault address, x0 to x30, sp, pc.
    context_pc=176 + 8 + 32 * 8,
    context_sp=176 + 8 + 31 * 8,
    # The frame record, x29 and x30, lies between.
    caller_sp=16,
    futex=98,
    red_zone=0,
    callee_saved=tuple(f"x{number}" for number in range(19, 30)),
    llvm_options=(),
    unwanted_features=(),
)
