"""SIMD in wasmine and wasmtime: each instruction on random operands, and expressions of many.

python -m tests.fuzz.vectors --count 100 --seed 0
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
from collections.abc import Iterator
from random import Random
from typing import Final

import wasmtime

import wasmine
from tests.vectors import (
    CASE,
    INSTRUCTIONS,
    RESULT,
    STRICT,
    Run,
    arithmetic,
    cases,
    constant,
    differences,
    immediate,
    loop,
    module,
    modules,
    reference,
)
from wasmine.api import tiering
from wasmine.api.engine import Tier
from wasmine.api.tiering import Policy
from wasmine.wasm.opcodes import Opcode

from .campaign import TIERS

EXPRESSIONS: Final = 20
"""For each seed."""
_CASES: Final = 64
_CONSTANTS: Final = 2
_PART: Final = 16
"""One instruction in so many is looked at for a seed."""
_BY_RESULT: Final = {
    kind: [opcode for opcode in INSTRUCTIONS if str((opcode.results or ())[0]) == kind]
    for kind in ("v128", "i32", "i64", "f32", "f64")
}


def engine(seed: int, tier: Tier) -> wasmine.Engine:
    """With the options that a seed picks; better code comes at calls and loops that it picks too."""
    tiering.policy = Policy(first=seed % 4, at_once=Random(seed))
    return wasmine.Engine(
        opt_level="O2" if seed % 4 == 3 else "light",
        memory="dynamic" if seed % 5 == 4 else "static",
        tier=tier,
        cache=False,
    )


def compiled(source: str, seed: int, tier: Tier) -> Run:
    """A module's memory in wasmine, before and after a call."""
    wasm = bytes(wasmtime.wat2wasm(source))
    exports = wasmine.Instance(wasmine.Module(wasm, engine=engine(seed, tier))).exports

    def run(content: bytes, name: str, argument: int) -> bytes:
        exports.memory.write(0, content)
        exports[name](argument)
        return bytes(exports.memory.read(0, len(content)))

    return run


def instructions(seed: int, opcodes: list[Opcode]) -> Iterator[str]:
    """Where the engines differ in instructions alone."""
    source, strict = modules(opcodes, seed, _CONSTANTS)
    theirs = reference(strict)
    for tier in TIERS:
        ours = compiled(source, seed, tier)
        for opcode in opcodes:
            for text in differences(opcode, seed, _CASES, _CONSTANTS, ours, theirs):
                yield f"{tier}: {text}"


class _Expression:
    """Text for both engines, which grows from the result downward."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = Random(f"expression {seed} {number}")
        self._memory = cases(self._random.choice(INSTRUCTIONS), seed, 8)

    def make(self, kind: str, depth: int) -> tuple[str, str]:
        """An expression of a type, and its strict form."""
        random = self._random
        if depth == 0 or random.random() < 0.1:
            if random.random() < 0.3:
                start = 16 * random.randrange(len(self._memory) // 16)
                text = constant(kind, self._memory[start : start + 16])
            else:
                text = f"({kind}.load offset={16 * random.randrange(3)} (local.get 0))"
            return text, text
        opcode = random.choice(_BY_RESULT[kind])
        operands = [self.make(str(type_), depth - 1) for type_ in opcode.params or ()]
        if opcode.name in STRICT:
            # Operands occur several times in a strict form: those of relaxed ones stay small.
            operands = [self.make(str(type_), 0) for type_ in opcode.params or ()]
            strict = STRICT[opcode.name].format(*(text for _, text in operands))
            plain = f"({opcode.name} {' '.join(text for text, _ in operands)})"
        else:
            chosen = immediate(opcode, random)
            plain, strict = (
                f"({opcode.name} {chosen} {' '.join(texts)})"
                for texts in zip(*operands, strict=True)
            )
        return _canonical(opcode, plain), _canonical(opcode, strict)


def _canonical(opcode: Opcode, text: str) -> str:
    """The same with the canonical NaN for all that arithmetic makes, whose bits engines choose."""
    kind = arithmetic(opcode)
    if not kind:
        return text
    shape, nan = {"f32": ("f32x4", "nan nan nan nan"), "f64": ("f64x2", "nan nan")}[kind]
    return (
        f"(v128.bitselect (local.tee 2 {text}) (v128.const {shape} {nan})"
        f" ({shape}.eq (local.get 2) (local.get 2)))"
    )


def expressions(seed: int, count: int = EXPRESSIONS) -> Iterator[str]:
    """Where the engines differ in expressions."""
    lines: list[list[str]] = [[], []]
    for number in range(count):
        kind = "v128" if number % 4 else Random(f"{seed} {number}").choice(("i32", "v128"))
        texts = _Expression(seed, number).make(kind, 2 + number % 3)
        for side, text in zip(lines, texts, strict=True):
            side.append(loop(str(number), kind, text))
    theirs = reference(module(lines[1]))
    for tier in TIERS:
        ours = compiled(module(lines[0]), seed, tier)
        for number in range(count):
            memory = cases(Random(f"{seed} {number} cases").choice(INSTRUCTIONS), seed, _CASES)
            found, expected = (run(memory, str(number), _CASES) for run in (ours, theirs))
            difference = _first_difference(memory, found, expected)
            if difference:
                yield f"{tier}: expression {number}, {difference}\n{lines[0][number]}"


def _first_difference(memory: bytes, found: bytes, expected: bytes) -> str:
    for start in range(0, len(memory), CASE):
        result = slice(start + RESULT, start + CASE)
        if found[result] != expected[result]:
            operands = memory[start : start + RESULT].hex(" ", 16)
            return f"{operands}: {found[result].hex()}, expected {expected[result].hex()}"
    return ""


def examine(seed: int) -> list[str]:
    """All differences of a seed: some of the instructions, and expressions."""
    chosen = INSTRUCTIONS[seed % _PART :: _PART]
    return [*instructions(seed, chosen), *expressions(seed)]


def main() -> int:
    """Exit code 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.vectors", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    arguments = parser.parse_args()
    faulthandler.enable()
    findings = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        for text in examine(seed):
            findings += 1
            sys.stdout.write(f"--- seed {seed}\n{text}\n")
    sys.stdout.write(f"{arguments.count} seeds, {findings} findings\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
