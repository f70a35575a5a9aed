"""The instructions that no stencil can be: those that conventions and distances decide.

Each function returns the bytes of one instruction. General registers are 0 to 15, `x` registers those
of vectors, 0 to 15 too. Memory operands are a base register and a displacement in bytes. All forms
are those of the manual's volume 2; displacements from the program counter are four zero bytes at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final

cached: Final = lru_cache(maxsize=1 << 14)

_INT32: Final = Struct("<i")
_UINT32: Final = Struct("<I")
_UINT64: Final = Struct("<Q")

_SP_LIKE: Final = 4  # rsp and r12 as a base need a SIB byte
_BP_LIKE: Final = 5  # rbp and r13 as a base need a displacement

RELATIVE: Final = b"\0\0\0\0"
"""A displacement that is filled in later."""

# Condition codes, as in the low four bits of jcc.
BELOW, ABOVE_EQUAL, EQUAL, NOT_EQUAL, BELOW_EQUAL, ABOVE, SIGN = 2, 3, 4, 5, 6, 7, 8
PARITY, NOT_PARITY, LESS, GREATER_EQUAL, LESS_EQUAL, GREATER = 10, 11, 12, 13, 14, 15
FLOAT_EQUAL, FLOAT_NOT_EQUAL = 16, 17
"""Not the processor's: EQUAL and ordered, NOT_EQUAL or unordered. One bit negates any of these."""


def _rex(wide: int, register: int, base: int, *, always: bool = False) -> bytes:
    byte = 0x40 | wide << 3 | register >> 3 << 2 | base >> 3
    return bytes((byte,)) if byte != 0x40 or always else b""


def _memory(register: int, base: int, displacement: int) -> bytes:
    """The ModRM byte and what follows it, for a memory operand."""
    low, register = base & 7, (register & 7) << 3
    sib = b"\x24" if low == _SP_LIKE else b""
    if not displacement and low != _BP_LIKE:
        return bytes((register | low,)) + sib
    if -128 <= displacement < 128:
        return bytes((0x40 | register | low,)) + sib + bytes((displacement & 0xFF,))
    return bytes((0x80 | register | low,)) + sib + _INT32.pack(displacement)


def _registers(register: int, other: int) -> bytes:
    return bytes((0xC0 | (register & 7) << 3 | other & 7,))


def _load_like(opcode: bytes, wide: int, prefix: bytes = b"") -> Callable[[int, int, int], bytes]:
    @cached
    def instruction(register: int, base: int, displacement: int) -> bytes:
        rex = _rex(wide, register, base)
        return prefix + rex + opcode + _memory(register, base, displacement)

    return instruction


def _register_like(opcode: bytes, wide: int, prefix: bytes = b"") -> Callable[[int, int], bytes]:
    @cached
    def instruction(register: int, other: int) -> bytes:
        return prefix + _rex(wide, register, other) + opcode + _registers(register, other)

    return instruction


# (register, base, displacement)
load64: Final = _load_like(b"\x8b", 1)
load32: Final = _load_like(b"\x8b", 0)
"""The upper half of the register becomes zero."""
store64: Final = _load_like(b"\x89", 1)
store32: Final = _load_like(b"\x89", 0)
lea: Final = _load_like(b"\x8d", 1)
compare_memory64: Final = _load_like(b"\x3b", 1)
"""Compares a register with memory."""
compare_memory32: Final = _load_like(b"\x3b", 0)
add_memory64: Final = _load_like(b"\x03", 1)
load_x64: Final = _load_like(b"\x0f\x7e", 0, b"\xf3")
"""movq: the upper half of the x register becomes zero."""
store_x64: Final = _load_like(b"\x0f\xd6", 0, b"\x66")
load_x128: Final = _load_like(b"\x0f\x10", 0)
"""movups"""
store_x128: Final = _load_like(b"\x0f\x11", 0)

# (to, from)
move64: Final = _register_like(b"\x8b", 1)
move32: Final = _register_like(b"\x8b", 0)
"""The upper half becomes zero."""
move_x: Final = _register_like(b"\x0f\x28", 0)
"""movaps"""
xor32: Final = _register_like(b"\x33", 0)
xor_x: Final = _register_like(b"\x0f\x57", 0)
"""xorps"""
test64: Final = _register_like(b"\x85", 1)
test32: Final = _register_like(b"\x85", 0)
compare64: Final = _register_like(b"\x3b", 1)
compare32: Final = _register_like(b"\x3b", 0)
add64: Final = _register_like(b"\x03", 1)


def vector_operation(*opcode: int, prefix: bytes = b"\x66") -> Callable[..., bytes]:
    """An instruction of two x registers, the first of which is an operand and the result.

    `opcode` is what follows 0F. What comes out takes the registers, then the immediate byte if there is one.
    """
    code = bytes((0x0F, *opcode))

    @cached
    def instruction(to: int, other: int, *immediate: int) -> bytes:
        rex = _rex(0, to, other)
        return prefix + rex + code + _registers(to, other) + bytes(immediate)

    return instruction


shuffle_bytes: Final = vector_operation(0x38, 0x00)
"""pshufb"""
or_x: Final = vector_operation(0xEB)
"""por"""
ones_x: Final = vector_operation(0x76)
"""pcmpeqd: all bits are set if both registers are the same."""


@cached
def conditional_move64(condition: int, to: int, other: int) -> bytes:
    """Moves if a condition code holds."""
    return _rex(1, to, other) + bytes((0x0F, 0x40 | condition)) + _registers(to, other)


@cached
def move_immediate(register: int, value: int) -> bytes:
    """A register of 64 bits becomes a number, signed or not, by the shortest instruction."""
    value &= (1 << 64) - 1
    if not value:
        return xor32(register, register)
    if value < 1 << 32:
        return _rex(0, 0, register) + bytes((0xB8 | register & 7,)) + _UINT32.pack(value)
    if value >= (1 << 64) - (1 << 31):
        rex = _rex(1, 0, register)
        return rex + b"\xc7" + _registers(0, register) + _INT32.pack(value - (1 << 64))
    return _rex(1, 0, register) + bytes((0xB8 | register & 7,)) + _UINT64.pack(value)


@cached
def store_immediate64(base: int, displacement: int, value: int) -> bytes:
    """Stores a number from -2**31 to 2**31 - 1, extended with its sign."""
    return _rex(1, 0, base) + b"\xc7" + _memory(0, base, displacement) + _INT32.pack(value)


@cached
def add_immediate64(register: int, value: int) -> bytes:
    """`value` is signed and has 32 bits."""
    rex = _rex(1, 0, register)
    if -128 <= value < 128:
        return rex + b"\x83" + _registers(0, register) + bytes((value & 0xFF,))
    return rex + b"\x81" + _registers(0, register) + _INT32.pack(value)


@cached
def push(register: int) -> bytes:
    return _rex(0, 0, register) + bytes((0x50 | register & 7,))


@cached
def pop(register: int) -> bytes:
    return _rex(0, 0, register) + bytes((0x58 | register & 7,))


@cached
def call_memory(base: int, displacement: int) -> bytes:
    return _rex(0, 0, base) + b"\xff" + _memory(2, base, displacement)


@cached
def call_register(register: int) -> bytes:
    return _rex(0, 0, register) + b"\xff" + _registers(2, register)


@cached
def jump_register(register: int) -> bytes:
    return _rex(0, 0, register) + b"\xff" + _registers(4, register)


@cached
def jump_if(condition: int) -> bytes:
    """A near jump if a condition code holds."""
    return bytes((0x0F, 0x80 | condition)) + RELATIVE


# The distance is filled in later.
JUMP: Final = b"\xe9" + RELATIVE
CALL_CELL: Final = b"\xff\x15" + RELATIVE
"""Calls what a cell holds the address of."""
RETURN_WASM: Final = b"\xc2\x08\x00"
"""ret $8: see abi.convention."""
TRAP: Final = b"\x0f\x0b"
"""ud2"""


@cached
def load_cell(register: int) -> bytes:
    """A register from a cell at a distance."""
    return _rex(1, register, 0) + b"\x8b" + bytes(((register & 7) << 3 | 5,)) + RELATIVE


@cached
def lea_relative(register: int) -> bytes:
    """A register becomes the address at a distance."""
    return _rex(1, register, 0) + b"\x8d" + bytes(((register & 7) << 3 | 5,)) + RELATIVE


@cached
def load_scaled32(register: int, base: int, index: int) -> bytes:
    """movslq (base, index, 4), register; `base` is none of rbp and r13."""
    rex = 0x48 | register >> 3 << 2 | index >> 3 << 1 | base >> 3
    sib = 2 << 6 | (index & 7) << 3 | base & 7
    return bytes((rex, 0x63, (register & 7) << 3 | 4, sib))


# sub dword [rip + distance], 1; the immediate byte follows the distance.
COUNT_DOWN: Final = b"\x83\x2d" + RELATIVE + b"\x01"
COUNT_DOWN_TRAILING: Final = 1


@cached
def lea_scaled64(register: int, base: int, index: int) -> bytes:
    """register = base + 8 * index; `base` is none of rbp and r13."""
    rex = 0x48 | register >> 3 << 2 | index >> 3 << 1 | base >> 3
    return bytes((rex, 0x8D, (register & 7) << 3 | 4, 3 << 6 | (index & 7) << 3 | base & 7))


@cached
def load_x64_relative(register: int) -> bytes:
    """movq from a distance; the upper half of the x register becomes zero."""
    return (
        b"\xf3" + _rex(0, register, 0) + b"\x0f\x7e" + bytes(((register & 7) << 3 | 5,)) + RELATIVE
    )


@cached
def load_x128_relative(register: int) -> bytes:
    """movups from a distance."""
    return _rex(0, register, 0) + b"\x0f\x10" + bytes(((register & 7) << 3 | 5,)) + RELATIVE


@cached
def compare_float(wide: int, first: int, second: int) -> bytes:
    """ucomisd or ucomiss of two x registers: ABOVE if greater, BELOW if less or unordered."""
    prefix = b"\x66" if wide else b""
    return prefix + _rex(0, first, second) + b"\x0f\x2e" + _registers(first, second)


STORE_ZEROS: Final = b"\xf3\x48\xab"
"""rep stosq: RCX times 8 bytes of RAX from RDI on."""


@cached
def compare_immediate(wide: int, register: int, value: int) -> bytes:
    """Compares a register with a signed number of 32 bits; `wide` registers have 64."""
    if not value:
        return (test64 if wide else test32)(register, register)
    rex = _rex(wide, 0, register)
    if -128 <= value < 128:
        return rex + b"\x83" + _registers(7, register) + bytes((value & 0xFF,))
    return rex + b"\x81" + _registers(7, register) + _INT32.pack(value)


@cached
def compare_memory_immediate(wide: int, base: int, displacement: int, value: int) -> bytes:
    """Compares memory with a signed number of 32 bits."""
    rex = _rex(wide, 0, base)
    if -128 <= value < 128:
        return rex + b"\x83" + _memory(7, base, displacement) + bytes((value & 0xFF,))
    return rex + b"\x81" + _memory(7, base, displacement) + _INT32.pack(value)


memory_compare64: Final = _load_like(b"\x39", 1)
"""Compares memory with a register: (register, base, displacement)."""
memory_compare32: Final = _load_like(b"\x39", 0)


@cached
def zero_extend8(register: int, other: int) -> bytes:
    """movzx from the low byte of RAX, RCX, RDX or RBX."""
    return _rex(0, register, other) + b"\x0f\xb6" + _registers(register, other)


@cached
def compare_float_memory(wide: int, first: int, base: int, displacement: int) -> bytes:
    """The same with a second operand in memory."""
    prefix = b"\x66" if wide else b""
    return prefix + _rex(0, first, base) + b"\x0f\x2e" + _memory(first, base, displacement)


AND_AL_CL: Final = b"\x20\xc8"
OR_AL_CL: Final = b"\x08\xc8"


@cached
def set_if(condition: int, register: int) -> bytes:
    """The low byte of RAX, RCX, RDX or RBX becomes 1 if a condition code holds, else 0."""
    return bytes((0x0F, 0x90 | condition)) + _registers(0, register)


SKIP_IF_UNORDERED: Final = b"\x7a\x06"
"""jp over a jump of 6 bytes, as `jump_if` gives."""


@cached
def shift_right64(register: int, count: int) -> bytes:
    """Shifts zeros in."""
    return _rex(1, 0, register) + b"\xc1" + _registers(5, register) + bytes((count,))


FENCE: Final = b"\x0f\xae\xf0"
"""mfence"""


@cached
def test_low_byte(mask: int) -> bytes:
    """Whether any of these bits is set in RAX."""
    return bytes((0xA8, mask))


# --- fields, elements, references ------------------------------------------------------------------

# (register, base, displacement)
load8_u: Final = _load_like(b"\x0f\xb6", 0)
load8_s: Final = _load_like(b"\x0f\xbe", 0)
load16_u: Final = _load_like(b"\x0f\xb7", 0)
load16_s: Final = _load_like(b"\x0f\xbf", 0)
"""Extended to 32 bits; the upper half becomes zero."""
store16: Final = _load_like(b"\x89", 0, b"\x66")
load_x32: Final = _load_like(b"\x0f\x10", 0, b"\xf3")
store_x32: Final = _load_like(b"\x0f\x11", 0, b"\xf3")
"""movss"""


@cached
def store8(register: int, base: int, displacement: int) -> bytes:
    # Without a prefix the numbers from 4 to 7 are those of other parts of registers.
    rex = _rex(0, register, base, always=True)
    return rex + b"\x88" + _memory(register, base, displacement)


@cached
def lea_indexed(to: int, base: int, index: int, scale: int, displacement: int = 0) -> bytes:
    """`to` becomes the address base + index * scale + displacement; `scale` is 1, 2, 4 or 8."""
    rex = 0x48 | to >> 3 << 2 | index >> 3 << 1 | base >> 3
    sib = (scale.bit_length() - 1) << 6 | (index & 7) << 3 | base & 7
    return bytes((rex, 0x8D, 0x84 | (to & 7) << 3, sib)) + _INT32.pack(displacement)


def _immediate8(operation: int, wide: int, opcode: int) -> Callable[[int, int], bytes]:
    @cached
    def instruction(register: int, value: int) -> bytes:
        rex = _rex(wide, 0, register)
        return rex + bytes((opcode,)) + _registers(operation, register) + bytes((value & 0xFF,))

    return instruction


# (register, value); the value is signed and has 8 bits
or_immediate: Final = _immediate8(1, 1, 0x83)
and_immediate32: Final = _immediate8(4, 0, 0x83)
xor_immediate: Final = _immediate8(6, 1, 0x83)
shift_left32: Final = _immediate8(4, 0, 0xC1)
shift_right_u32: Final = _immediate8(5, 0, 0xC1)
shift_right_s32: Final = _immediate8(7, 0, 0xC1)
"""The upper half becomes zero."""


@cached
def test_immediate32(register: int, value: int) -> bytes:
    """Sets flags by the lower half and a number."""
    return _rex(0, 0, register) + b"\xf7" + _registers(0, register) + _INT32.pack(value)


@cached
def multiply_immediate(to: int, register: int, value: int) -> bytes:
    """`to` becomes the product of 64 bits."""
    return _rex(1, to, register) + b"\x69" + _registers(to, register) + _INT32.pack(value)
