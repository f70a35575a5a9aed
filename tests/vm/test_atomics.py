"""Atomic accesses: values of every width, and which trap comes first.

The suite has proposals/threads/atomic.wast, which knows one memory of 32 bits and no bits that an
instruction is to ignore.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import assemble, instance
from wasmine import Engine, Trap, TrapCode
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import OPCODES

from .harness import trap_of

ENGINES = {
    "static": Engine(tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}
STYLES = pytest.mark.parametrize("style", ENGINES)
MEMORIES = pytest.mark.parametrize(
    ("memory", "address"), [("1 2 shared", "i32"), ("i64 1 2", "i64")]
)
PAGE = 1 << 16
WIDTHS = [("i32", 32), ("i32", 16), ("i32", 8), ("i64", 64), ("i64", 32), ("i64", 16), ("i64", 8)]
OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "xchg": lambda _, new: new,
}
OLD = 0x8182_8384_8586_8788
NEW = 0x9FA1_92B3_F4C5_D6E7


def name_of(kind: str, bits: int, operation: str) -> str:
    """As the text format has it."""
    if operation in ("load", "store"):
        narrow = f"{bits}{'_u' if operation == 'load' else ''}"
        return f"{kind}.atomic.{operation}" + ("" if kind == f"i{bits}" else narrow)
    narrow, suffix = ("", "") if kind == f"i{bits}" else (str(bits), "_u")
    return f"{kind}.atomic.rmw{narrow}.{operation}{suffix}"


def function(kind: str, bits: int, operation: str, address: str, offset: int) -> str:
    name = name_of(kind, bits, operation)
    count = {"load": 0, "cmpxchg": 2}.get(operation, 1)
    result = "" if operation == "store" else f"(result {kind})"
    values = " ".join([kind] * count)
    operands = " ".join(f"(local.get {i})" for i in range(count + 1))
    return (
        f'(func (export "{name} {offset}") (param {address} {values}) {result}'
        f" ({name} offset={offset} {operands}))"
    )


def module(memory: str, address: str) -> str:
    functions = "\n".join(
        function(kind, bits, operation, address, offset)
        for kind, bits in WIDTHS
        for operation in ("load", "store", "cmpxchg", *OPERATIONS)
        for offset in (0, 3, PAGE)
    )
    return f"""(module (memory (export "memory") {memory}) (func (export "fence") (atomic.fence))
      {functions})"""


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


@STYLES
@MEMORIES
def test_values(style: str, memory: str, address: str) -> None:
    made: Any = instance(module(memory, address), engine=ENGINES[style]).exports
    made.fence()

    def call(kind: str, bits: int, operation: str, *values: int) -> int:
        made.memory[68:84] = b"\xee" * 4 + OLD.to_bytes(8, "little") + b"\xee" * 4
        width = int(kind[1:])
        arguments = (signed(value, width) for value in values)
        result = made[f"{name_of(kind, bits, operation)} 3"](69, *arguments)
        assert bytes(made.memory[72 + bits // 8 : 80]) == OLD.to_bytes(8, "little")[bits // 8 :]
        return 0 if result is None else int(result) & (1 << width) - 1

    def cell(bits: int) -> int:
        return int.from_bytes(made.memory[72 : 72 + bits // 8], "little")

    for kind, bits in WIDTHS:
        mask = (1 << bits) - 1
        assert call(kind, bits, "load") == OLD & mask
        call(kind, bits, "store", NEW)
        assert cell(bits) == NEW & mask
        for name, compute in OPERATIONS.items():
            assert call(kind, bits, name, NEW) == OLD & mask
            assert cell(bits) == compute(OLD, NEW) & mask, name
        assert call(kind, bits, "cmpxchg", OLD, NEW) == OLD & mask
        assert cell(bits) == NEW & mask
        assert call(kind, bits, "cmpxchg", OLD ^ 1, NEW) == OLD & mask
        assert cell(bits) == OLD & mask
        if kind != f"i{bits}":
            # What does not fit into the cell is not compared.
            assert call(kind, bits, "cmpxchg", OLD ^ 1 << bits, NEW) == OLD & mask
            assert cell(bits) == NEW & mask


@STYLES
@MEMORIES
def test_alignment_is_checked_before_bounds(style: str, memory: str, address: str) -> None:
    made: Any = instance(module(memory, address), engine=ENGINES[style]).exports
    for kind, bits in WIDTHS:
        size = bits // 8
        for operation in ("load", "store", "cmpxchg", "add"):
            values = (0,) * {"load": 0, "cmpxchg": 2}.get(operation, 1)
            name = name_of(kind, bits, operation)
            for offset, start in ((0, 0), (0, 4), (0, PAGE), (0, -1), (3, 4), (3, 5), (PAGE, 2)):
                first = (start & (0xFFFF_FFFF if address == "i32" else (1 << 64) - 1)) + offset
                expected = None
                if first % size:
                    expected = TrapCode.UNALIGNED_ATOMIC
                elif first + size > PAGE:
                    expected = TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
                assert trap_of(made[f"{name} {offset}"], start, *values) is expected, (
                    name,
                    offset,
                    start,
                )


def test_constant_addresses() -> None:
    made: Any = instance(
        """(module (memory 1 1 shared)
          (func (export "good") (result i32) (i32.atomic.load offset=2 (i32.const 2)))
          (func (export "odd") (result i32) (i32.atomic.load offset=2 (i32.const 4)))
          (func (export "far") (result i32) (i32.atomic.load offset=4 (i32.const 65532))))"""
    ).exports
    assert made.good() == 0
    assert trap_of(made.odd) is TrapCode.UNALIGNED_ATOMIC
    assert trap_of(made.far) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


@STYLES
def test_waiting_on_a_memory_that_is_not_shared(style: str) -> None:
    """The address is looked at first; nobody can be notified there."""
    made: Any = instance(
        """(module (memory 1 1)
          (func (export "wait32") (param i32) (result i32)
            (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const 0)))
          (func (export "wait64") (param i32) (result i32)
            (memory.atomic.wait64 (local.get 0) (i64.const 0) (i64.const 0)))
          (func (export "notify") (param i32) (result i32)
            (memory.atomic.notify (local.get 0) (i32.const -1))))""",
        engine=ENGINES[style],
    ).exports
    for name in ("wait32", "wait64", "notify"):
        assert trap_of(made[name], 2) is TrapCode.UNALIGNED_ATOMIC
        assert trap_of(made[name], PAGE) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    assert trap_of(made.wait32, 4) is TrapCode.EXPECTED_SHARED_MEMORY
    assert trap_of(made.wait64, 8) is TrapCode.EXPECTED_SHARED_MEMORY
    assert trap_of(made.wait64, 4) is TrapCode.UNALIGNED_ATOMIC
    assert made.notify(4) == 0


@STYLES
@pytest.mark.parametrize(
    ("code", "first", "name"),
    [
        ("(i32.atomic.rmw.add (local.get 0) (i32.const 1))", "i32.add", "i32.atomic.rmw.add"),
        ("(i32.atomic.rmw8.and_u (local.get 0) (i32.const 1))", "i32.add", "i32.atomic.rmw8.and_u"),
        ("(i32.atomic.load (local.get 0))", "i32.mul", "i32.atomic.load"),
        ("(i32.atomic.load16_u (local.get 0))", "i32.sub", "i32.atomic.load16_u"),
        (
            "(memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const 0))",
            "i32.sub",
            "memory.atomic.wait32",
        ),
    ],
)
def test_traps_are_where_the_access_is(style: str, code: str, first: str, name: str) -> None:
    """Also where LLVM makes the access part of the instruction that uses its value."""
    text = f"""(module (memory 1 1 shared) (func (export "run") (param i32) (result i32)
      (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 5)))
      ({first} (i32.add (local.get 0) (i32.const 3)) {code})))"""
    data = assemble(text)
    body = decode_body(decode(data), 0)
    place = max(
        offset
        for opcode, offset in zip(body.codes, body.offsets, strict=True)
        if OPCODES[opcode].name == name
    )
    run = instance(text, engine=ENGINES[style]).exports.run
    assert isinstance(run(8), int)
    with pytest.raises(Trap) as caught:
        run(PAGE)
    assert caught.value.code is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    assert caught.value.trace[0].module_offset == place
