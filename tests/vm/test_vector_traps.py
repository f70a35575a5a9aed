"""Accesses of vectors trap exactly: wherever the instructions that use a load may have swallowed it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import assemble, instance
from tests.vectors import INSTRUCTIONS
from wasmine import Engine, Trap, TrapCode
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import OPCODES, Opcode

PAGE = 65536
ENGINES = {
    "light": Engine(tier="optimized"),
    "O2": Engine(opt_level="O2", tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
JOINED = ("i32x4.relaxed_dot_i8x16_i7x16_add_s", "i64x2.shl", "i64x2.shr_s", "i64x2.shr_u")
"""Where LLVM makes one instruction of several, which has the place of one of their loads."""
ACCESSES = [
    opcode
    for opcode in OPCODES
    if opcode.name.startswith("v128.") and "memarg" in opcode.immediates
]


def _users() -> Iterator[tuple[str, str]]:
    """For each operand of each instruction a function whose load of that operand is at its address."""
    for opcode in INSTRUCTIONS:
        assert opcode.params is not None
        assert opcode.results is not None
        lanes = " ".join(["1"] * (16 if "lanes" in opcode.immediates else len(opcode.immediates)))
        for number, type_ in enumerate(opcode.params):
            operands = " ".join(
                f"({other}.load (local.get {0 if place == number else 1}))"
                for place, other in enumerate(opcode.params)
            )
            name = (
                f"{opcode.name} {number} {16 if type_.name == 'v128' else int(type_.name[1:]) // 8}"
            )
            (result,) = opcode.results
            yield (
                name,
                (
                    f'(func (export "{name}") (param i32 i32) (result {result})'
                    f" ({opcode.name} {lanes} {operands}))"
                ),
            )


def _loads(text: str) -> dict[str, list[int]]:
    """Where the loads of each exported function are in the module, in their order."""
    info = decode(assemble(text))
    return {
        export.name: [
            offset
            for code, offset in zip(body.codes, body.offsets, strict=True)
            if OPCODES[code].access
        ]
        for export in info.exports
        for body in [decode_body(info, export.index)]
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_traps_whoever_uses_it(engine: str) -> None:
    functions = dict(_users())
    text = "(module (memory 1 1) " + "\n".join(functions.values()) + ")"
    exports = instance(text, engine=ENGINES[engine]).exports
    offsets = _loads(text)
    for name in functions:
        instruction, number, size = name.split()
        for address in (PAGE - int(size) + 1, PAGE - 9, PAGE - 1, PAGE):
            if address + int(size) <= PAGE:
                continue
            with pytest.raises(Trap) as caught:
                exports[name](address, 0)
            assert caught.value.code is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS, name
            place = caught.value.trace[0].module_offset
            assert place == offsets[name][int(number)] or instruction in JOINED, name
        exports[name](PAGE - int(size), 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("opcode", ACCESSES, ids=lambda opcode: opcode.name)
def test_accesses_end_where_the_memory_ends(opcode: Opcode, engine: str) -> None:
    assert opcode.params is not None
    result = "(result v128)" if opcode.results else ""
    lane = str(opcode.lanes - 1) if opcode.lanes else ""
    vector = "(v128.const i64x2 1 2)" if len(opcode.params) == 2 else ""
    text = (
        f'(module (memory 1 1) (func (export "run") (param i32) {result}'
        f" ({opcode.name} offset=3 {lane} (local.get 0) {vector})))"
    )
    run = instance(text, engine=ENGINES[engine]).exports.run
    last = PAGE - opcode.access - 3
    run(last)
    for address in (last + 1, last + opcode.access, PAGE, 0xFFFF_FFFF):
        with pytest.raises(Trap) as caught:
            run(address)
        assert caught.value.code is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
