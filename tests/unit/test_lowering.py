"""Every scalar numeric instruction on the cross product of edge values, against wasmtime.

Each instruction runs on parameters, and then with one operand constant, because constants take other
templates. Bits are compared, and NaNs by what the specification says of them.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

import pytest
import wasmtime

from wasmine.errors import TrapCode
from wasmine.wasm.opcodes import OPCODES, Opcode

from .jit import Program

Outcome: TypeAlias = int | TrapCode
"""The bits of the result, or the trap."""

INTEGER = {"i32": "i32", "i64": "i64", "f32": "i32", "f64": "i64"}
WIDTH = {"i32": 32, "f32": 32, "i64": 64, "f64": 64}
MANTISSA = {"f32": 23, "f64": 52}
NUMERIC = [
    opcode
    for opcode in OPCODES
    if opcode.name.partition(".")[0] in INTEGER
    and opcode.params
    and opcode.results
    and not opcode.immediates
]
# These move bits; all others make NaNs arithmetic.
BITWISE = ("abs", "neg", "copysign", "reinterpret")


def _integers(width: int) -> list[int]:
    top = 1 << width - 1
    small = [0, 1, 2, 7, 10, 31, 32, 33, 63, 64, 127, 128, 0xFF80, 0x8000, 0x1234_5678]
    return sorted({value % (2 * top) for value in (*small, top - 1, top, top + 1, -1, -2, -128)})


def _bits(kind: str, value: float) -> int:
    return int.from_bytes(struct.pack("<f" if kind == "f32" else "<d", value), "little")


def _floats(kind: str, conversions: bool) -> list[int]:
    quiet = 1 << MANTISSA[kind] - 1
    infinity, sign = _bits(kind, float("inf")), 1 << WIDTH[kind] - 1
    values = [0.0, 1.0, 1.5, 1e-30, 2.0**-149, 4.9e-324, 1e38]
    if conversions:
        # The ends of the integer types, and the floats next to them.
        for end in (2.0**31, 2.0**32, 2.0**63, 2.0**64):
            middle = _bits(kind, end)
            values += [_value(kind, middle + step) for step in (-1, 0, 1)]
        values += [0.3, 0.5, 2.5, 3.7, 8388609.0, 4503599627370497.0, 1e39]
        values += [2147483647.0, 2147483647.5, 2147483648.5, 4294967295.5]
    finite = [value for value in values if kind == "f64" or value < 3.5e38]
    positive = [_bits(kind, value) for value in finite]
    positive += [infinity, infinity - 1, infinity | quiet, infinity | quiet | 5, infinity | 5]
    return sorted({bits | top for bits in positive for top in (0, sign)})


def _value(kind: str, bits: int) -> float:
    code = "<f" if kind == "f32" else "<d"
    (value,) = struct.unpack(code, bits.to_bytes(WIDTH[kind] // 8, "little"))
    return float(value)


@cache
def edges(opcode: Opcode) -> list[list[int]]:
    """The values to try for each operand: many floats for the one of a conversion."""
    params, _ = types(opcode)
    return [
        _integers(WIDTH[kind]) if kind in ("i32", "i64") else _floats(kind, len(params) == 1)
        for kind in params
    ]


def is_nan(kind: str, bits: Outcome) -> bool:
    if isinstance(bits, TrapCode):
        return False
    magnitude = bits & (1 << WIDTH[kind] - 1) - 1
    return kind in MANTISSA and magnitude > _bits(kind, float("inf"))


def is_canonical(kind: str, bits: int) -> bool:
    quiet = 1 << MANTISSA[kind] - 1
    return bits & (1 << WIDTH[kind] - 1) - 1 == _bits(kind, float("inf")) | quiet


def types(opcode: Opcode) -> tuple[list[str], str]:
    (result,) = opcode.results or ()
    return [str(param) for param in opcode.params or ()], str(result)


def _case(kind: str, bits: int) -> str:
    """A constant of the text format, exact also for NaNs."""
    if kind in ("i32", "i64"):
        return f"{kind}.const {bits:#x}"
    if is_nan(kind, bits):
        sign = "-" if bits >> WIDTH[kind] - 1 else ""
        return f"{kind}.const {sign}nan:{bits & (1 << MANTISSA[kind]) - 1:#x}"
    return f"{kind}.const {_value(kind, bits).hex()}"


class Reference:
    """The same functions in wasmtime, with integers for floats: Python would change NaNs."""

    def __init__(self, opcodes: Iterable[Opcode]) -> None:
        functions = []
        for opcode in opcodes:
            params, result = types(opcode)
            operands = " ".join(
                f"(local.get {number})"
                if kind in ("i32", "i64")
                else f"({kind}.reinterpret_{INTEGER[kind]} (local.get {number}))"
                for number, kind in enumerate(params)
            )
            body = f"({opcode.name} {operands})"
            if result in MANTISSA:
                body = f"({INTEGER[result]}.reinterpret_{result} {body})"
            functions.append(
                f'(func (export "{opcode.name}") (param {" ".join(INTEGER[kind] for kind in params)})'
                f" (result {INTEGER[result]}) {body})"
            )
        self.store = wasmtime.Store()
        module = wasmtime.Module(self.store.engine, f"(module {' '.join(functions)})")
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)

    def call(self, opcode: Opcode, operands: Iterable[int]) -> Outcome:
        params, result = types(opcode)
        function: Any = self.exports[opcode.name]
        signed = [
            bits - (1 << WIDTH[kind]) if bits >> WIDTH[kind] - 1 else bits
            for kind, bits in zip(params, operands, strict=True)
        ]
        try:
            value: int = function(self.store, *signed)
        except wasmtime.Trap as trap:
            return next(code for code in TrapCode if code.message in trap.message)
        return value % (1 << WIDTH[result])


@cache
def expected(opcode: Opcode) -> dict[tuple[int, ...], Outcome]:
    """What the reference says of each combination of edge values."""
    reference = Reference([opcode])
    return {
        operands: reference.call(opcode, operands) for operands in itertools.product(*edges(opcode))
    }


def check(opcode: Opcode, operands: tuple[int, ...], found: Outcome) -> None:
    wanted = expected(opcode)[operands]
    params, result = types(opcode)
    shown = f"{opcode.name} {[hex(bits) for bits in operands]}: {found!r}, expected {wanted!r}"
    exact = not is_nan(result, wanted) or any(name in opcode.name for name in BITWISE)
    if isinstance(found, TrapCode) or exact:
        assert found == wanted, shown
    else:
        nans = [
            is_canonical(kind, bits)
            for kind, bits in zip(params, operands, strict=True)
            if is_nan(kind, bits)
        ]
        if all(nans):
            assert is_canonical(result, found), shown
        else:
            assert is_nan(result, found), shown
            assert found & 1 << MANTISSA[result] - 1, shown


def run(program: Program, name: str, *bits: int) -> Outcome:
    outcome = program.call(name, *bits)
    return outcome if isinstance(outcome, TrapCode) else outcome[0]


@pytest.mark.parametrize("opcode", NUMERIC, ids=lambda opcode: opcode.name)
def test_matches_wasmtime(opcode: Opcode) -> None:
    params, result = types(opcode)
    signature = f"(param {' '.join(params)}) (result {result})"
    operands = " ".join(f"(local.get {number})" for number in range(len(params)))
    functions = [f'(func (export "both") {signature} ({opcode.name} {operands}))']
    # The last operand constant, then the first.
    for place, kind in enumerate(params):
        for number, bits in enumerate(edges(opcode)[place]):
            mixed = [
                f"({_case(kind, bits)})" if other == place else f"(local.get {other})"
                for other in range(len(params))
            ]
            functions.append(
                f'(func (export "{place} {number}") {signature} ({opcode.name} {" ".join(mixed)}))'
            )
    program = Program(f"(module {' '.join(functions)})")
    for values in itertools.product(*edges(opcode)):
        check(opcode, values, run(program, "both", *values))
        for place, choices in enumerate(edges(opcode)):
            number = choices.index(values[place])
            check(opcode, values, run(program, f"{place} {number}", *values))
