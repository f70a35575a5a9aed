"""Every SIMD instruction on random operands, in a form that any engine can run from memory alone.

A case is 64 bytes: three operands and the result, 16 bytes each. For each instruction, a function runs
it on all cases in a row, and there are functions with one operand constant, because a compiler looks at
constants. Relaxed instructions are written with strict ones for the reference: their results are those
of the specification's deterministic profile.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import wasmtime

from wasmine.wasm.opcodes import OPCODES, Opcode

CASE: Final = 64
RESULT: Final = 48
PAGES: Final = 8
"""Of the memory that holds the cases."""

INSTRUCTIONS: Final = [
    opcode
    for opcode in OPCODES
    if opcode.feature in ("simd", "relaxed-simd")
    and not any(kind in ("memarg", "v128") for kind in opcode.immediates)
]

_DOT: Final = (
    "(i16x8.narrow_i32x4_s"
    " (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s {0}) (i16x8.extend_low_i8x16_s {1}))"
    " (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s {0}) (i16x8.extend_high_i8x16_s {1})))"
)
STRICT: Final = {
    "i8x16.relaxed_swizzle": "(i8x16.swizzle {0} {1})",
    "i32x4.relaxed_trunc_f32x4_s": "(i32x4.trunc_sat_f32x4_s {0})",
    "i32x4.relaxed_trunc_f32x4_u": "(i32x4.trunc_sat_f32x4_u {0})",
    "i32x4.relaxed_trunc_f64x2_s_zero": "(i32x4.trunc_sat_f64x2_s_zero {0})",
    "i32x4.relaxed_trunc_f64x2_u_zero": "(i32x4.trunc_sat_f64x2_u_zero {0})",
    **{
        f"{shape}.relaxed_laneselect": "(v128.bitselect {0} {1} {2})"
        for shape in ("i8x16", "i16x8", "i32x4", "i64x2")
    },
    **{
        f"{shape}.relaxed_{name}": f"({shape}.{name} {{0}} {{1}})"
        for shape in ("f32x4", "f64x2")
        for name in ("min", "max")
    },
    **{
        f"{shape}.relaxed_{name}": f"({shape}.add ({shape}.mul {factor} {{1}}) {{2}})"
        for shape in ("f32x4", "f64x2")
        for name, factor in (("madd", "{0}"), ("nmadd", f"({shape}.neg {{0}})"))
    },
    "i16x8.relaxed_q15mulr_s": "(i16x8.q15mulr_sat_s {0} {1})",
    "i16x8.relaxed_dot_i8x16_i7x16_s": _DOT,
    "i32x4.relaxed_dot_i8x16_i7x16_add_s": (
        f"(i32x4.add (i32x4.extadd_pairwise_i16x8_s {_DOT}) {{2}})"
    ),
}
"""What each relaxed instruction does, in strict ones."""

_WIDTHS: Final = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}
_FLOATS: Final = (
    *(
        0.0,
        1.0,
        0.5,
        1.5,
        2.5,
        3.0,
        0.49999999999999994,
        8388609.0,
        4503599627370497.0,
        1e-45,
        1e30,
    ),
    *(2147483520.0, 2147483647.0, 2147483648.0, 4294967040.0, 4294967295.0, 4294967296.0),
    *(
        2147483649.0,
        9.3e18,
        1.8e19,
        math.inf,
        3.4028234663852886e38,
        5e-324,
        1.1754943508222875e-38,
    ),
)


@dataclass(frozen=True)
class Constant:
    """A function with one operand constant, for one case."""

    name: str
    case: int
    operand: int


def _float_lane(random: Random, width: int) -> int:
    code, quiet, exponent = (
        ("<f", 1 << 22, 0x7F80_0000) if width == 32 else ("<d", 1 << 51, 0x7FF << 52)
    )
    choice = random.randrange(8)
    if choice == 0:
        bits = exponent | quiet | random.choice((0, 0, 1, 5))
    elif choice == 1:
        bits = exponent | random.choice((1, 5, quiet - 1))
    elif choice == 2:
        bits = random.getrandbits(width - 1)
    else:
        value = random.choice((*_FLOATS, random.gauss(0.0, 1000.0)))
        bits = int.from_bytes(struct.pack(code, value), "little")
    return bits | random.getrandbits(1) << width - 1


def _integer_lane(random: Random, width: int) -> int:
    edge = 1 << random.randrange(width)
    top = 1 << width - 1
    return random.choice(
        (0, 1, 2, -1, edge, -edge, edge - 1, top, top - 1, random.getrandbits(width), 15, 16, 127)
    ) % (1 << width)


def _operand(random: Random, kind: str) -> bytes:
    """Sixteen bytes, of lanes of this kind, now and then all alike."""
    width = _WIDTHS[kind]
    lane = _float_lane if kind[0] == "f" else _integer_lane
    count = 128 // width
    lanes = [lane(random, width) for _ in range(count)]
    if random.random() < 0.25:
        lanes = lanes[:1] * count
    return b"".join(value.to_bytes(width // 8, "little") for value in lanes)


def cases(opcode: Opcode, seed: int, count: int) -> bytes:
    """The memory that an instruction's function is run on."""
    random = Random(f"{opcode.name} {seed}")
    kinds = [kind for kind in re.findall(r"[if]\d+", opcode.name) if kind in _WIDTHS]
    found = bytearray()
    for _ in range(count):
        for _ in range(3):
            usual = random.random() < 0.9 and kinds
            found += _operand(random, random.choice(kinds if usual else list(_WIDTHS)))
        found += bytes(CASE - RESULT)
    return bytes(found)


def immediate(opcode: Opcode, random: Random) -> str:
    """Lane numbers for an instruction, as text."""
    count = 16 if "lanes" in opcode.immediates else len(opcode.immediates)
    if count == 16 and random.random() < 0.5:
        # Whole lanes of some width, as most shuffles have them.
        size = random.choice((2, 4, 8))
        first = [random.randrange(32 // size) * size for _ in range(16 // size)]
        return " ".join(str(start + byte) for start in first for byte in range(size))
    return " ".join(str(random.randrange(opcode.lanes)) for _ in range(count))


def _text(opcode: Opcode, chosen: str, operands: list[str], strict: bool) -> str:
    if strict and opcode.name in STRICT:
        return STRICT[opcode.name].format(*operands)
    return f"({opcode.name} {chosen} {' '.join(operands)})"


def constant(kind: str, content: bytes) -> str:
    """The constant of a type with the bits at the beginning of 16 bytes."""
    if kind == "v128":
        return f"(v128.const i8x16 {' '.join(map(str, content))})"
    width = _WIDTHS[kind]
    bits = int.from_bytes(content[: width // 8], "little")
    if kind[0] == "i":
        return f"({kind}.const {bits})"
    return f"({kind}.reinterpret_i{width} (i{width}.const {bits}))"


def functions(
    opcode: Opcode, seed: int, constants: int, strict: bool
) -> tuple[list[str], list[Constant]]:
    """The functions for an instruction as text, and those of them with constants.

    The one that has the instruction's name takes the number of cases. `constants` is for how many
    cases there are functions with constants, which take the place of the case.
    """
    assert opcode.params is not None
    assert opcode.results is not None
    random = Random(f"{opcode.name} {seed} immediates")
    memory = cases(opcode, seed, constants)
    kinds = [type_.name for type_ in opcode.params]
    (result,) = (type_.name for type_ in opcode.results)
    loads = [
        f"({kind}.load offset={16 * number} (local.get 0))" for number, kind in enumerate(kinds)
    ]
    lines = [loop(opcode.name, result, _text(opcode, immediate(opcode, random), loads, strict))]
    found = []
    for case in range(constants):
        chosen = immediate(opcode, random)
        for number, kind in enumerate(kinds):
            start = CASE * case + 16 * number
            operands = list(loads)
            operands[number] = constant(kind, memory[start : start + 16])
            body = _text(opcode, chosen, operands, strict)
            name = f"{opcode.name} {case} {number}"
            lines.append(
                f'(func (export "{name}") (param i32)'
                f" ({result}.store offset={RESULT} (local.get 0) {body}))"
            )
            found.append(Constant(name, case, number))
    return lines, found


def loop(name: str, result: str, body: str) -> str:
    """A function that stores what an expression makes of each case at the address in local 0.

    The expression may use local 2, a v128.
    """
    return (
        f'(func (export "{name}") (param i32) (local $end i32) (local v128)'
        f" (local.set $end (i32.mul (local.get 0) (i32.const {CASE}))) (local.set 0 (i32.const 0))"
        f" (loop $again ({result}.store offset={RESULT} (local.get 0) {body})"
        f" (local.set 0 (i32.add (local.get 0) (i32.const {CASE})))"
        " (br_if $again (i32.lt_u (local.get 0) (local.get $end)))))"
    )


def module(lines: list[str]) -> str:
    """A module of such functions."""
    return f'(module (memory (export "memory") {PAGES})\n' + "\n".join(lines) + ")"


def modules(opcodes: Sequence[Opcode], seed: int, constants: int) -> tuple[str, str]:
    """A module for some instructions, and the one for the reference."""
    ours, theirs = (
        [line for opcode in opcodes for line in functions(opcode, seed, constants, strict)[0]]
        for strict in (False, True)
    )
    return module(ours), module(theirs)


def _lanes(content: bytes, width: int) -> Iterator[int]:
    size = width // 8
    for start in range(0, len(content), size):
        yield int.from_bytes(content[start : start + size], "little")


_MOVES: Final = ("abs", "neg", "pmin", "pmax", "splat", "lane", "eq", "ne", "lt", "gt", "le", "ge")
"""Operations on floats that say nothing of NaNs, so that every bit counts."""


def arithmetic(opcode: Opcode) -> str:
    """The kind of the lanes in which an instruction makes NaNs; empty if it makes none."""
    shape, _, operation = opcode.name.partition(".")
    if shape not in ("f32x4", "f64x2") or operation in _MOVES or "lane" in operation:
        return ""
    return shape[:3]


def difference(opcode: Opcode, operands: bytes, found: bytes, expected: bytes) -> str | None:
    """What is wrong with a result, where `expected` is the reference's."""
    kind = arithmetic(opcode)
    shown = f"{opcode.name} {operands.hex(' ', 16)}: {found.hex()}, expected {expected.hex()}"
    if not kind:
        return None if found == expected else shown
    width = _WIDTHS[kind]
    quiet, infinity = (1 << 22, 0x7F80_0000) if width == 32 else (1 << 51, 0x7FF << 52)
    magnitude = (1 << width - 1) - 1
    for ours, theirs in zip(_lanes(found, width), _lanes(expected, width), strict=True):
        if theirs & magnitude <= infinity:
            if ours != theirs:
                return shown
        elif ours & magnitude < infinity | quiet:
            return f"{shown}: no quiet NaN"
        elif ours & magnitude != infinity | quiet and not _payloads(opcode, operands):
            return f"{shown}: not canonical"
    return None


def _payloads(opcode: Opcode, operands: bytes) -> bool:
    """Whether an operand holds a NaN that is not canonical, in any lane."""
    assert opcode.params is not None
    for width, infinity, quiet in ((32, 0x7F80_0000, 1 << 22), (64, 0x7FF << 52, 1 << 51)):
        for lane in _lanes(operands[: 16 * len(opcode.params)], width):
            magnitude = lane & (1 << width - 1) - 1
            if magnitude > infinity and magnitude != infinity | quiet:
                return True
    return False


Run = Callable[[bytes, str, int], bytes]
"""Fills the memory, calls an export with an integer, gives the memory."""


def reference(source: str) -> Run:
    """A module's memory in wasmtime, before and after a call."""
    store = wasmtime.Store()
    compiled = wasmtime.Module(store.engine, source)
    exports = wasmtime.Instance(store, compiled, []).exports(store)
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory)

    def run(content: bytes, name: str, argument: int) -> bytes:
        memory.write(store, content)
        function = exports[name]
        assert isinstance(function, wasmtime.Func)
        function(store, argument)
        return bytes(memory.read(store, 0, len(content)))

    return run


def differences(
    opcode: Opcode, seed: int, count: int, constants: int, ours: Run, theirs: Run
) -> Iterator[str]:
    """Where two engines disagree that run the two of `modules`, on at least `constants` cases."""
    memory = cases(opcode, seed, count)
    _, folded = functions(opcode, seed, constants, strict=False)
    runs = [(opcode.name, count, range(count))]
    runs += [(one.name, CASE * one.case, range(one.case, one.case + 1)) for one in folded]
    for name, argument, touched in runs:
        found, expected = ours(memory, name, argument), theirs(memory, name, argument)
        for case in touched:
            start = CASE * case
            wrong = difference(
                opcode,
                memory[start : start + RESULT],
                found[start + RESULT : start + CASE],
                expected[start + RESULT : start + CASE],
            )
            if wrong:
                yield f"{name}: {wrong}"
