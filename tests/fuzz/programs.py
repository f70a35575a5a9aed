"""Modules from our own grammar: where wasm-smith is thin, and few things trap.

Random instruction sequences seldom hold two operands of one type, let alone a memory.copy within
bounds. Here expressions grow from the type that is wanted, over all numeric instructions alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final

from wasmine.types import F32, F64, I32, I64, ValType
from wasmine.wasm.opcodes import OPCODES, Opcode

from .script import value_of

_NUMBERS: Final = (I32, I64, F32, F64)
_LOCALS: Final = 3
"""Locals of each type; the parameters are one more."""
_FUNCTIONS: Final = 6
_TABLE: Final = 8
_TAME: Final = 0.98
"""How often an operation that might trap is written so that it cannot."""
_HEADER: Final = f"""(module
  (type $unary (func (param i32) (result i32)))
  (import "host" "call" (func $host (param i32 i64 f32 f64) (result i64)))
  (memory (export "memory") 1 3)
  (table $table (export "table") {_TABLE} {2 * _TABLE} funcref)
  (data $bytes "some bytes\\00\\01\\02\\7f\\80\\ff")
  (elem $functions funcref (ref.func $small0) (ref.null func) (ref.func $small1))
  (elem $table (i32.const 0) func $small0 $small1 $small0 $small0 $small1 $small1 $small0)
  (func $small0 (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $small1 (param i32) (result i32) (i32.mul (local.get 0) (i32.const -3)))
"""


def _simple(opcode: Opcode) -> bool:
    types = (*(opcode.params or ()), *(opcode.results or ()))
    return "atomic" not in opcode.name and all(type_ in _NUMBERS for type_ in types)


def _by_result(immediates: tuple[str, ...], prefix: str = "") -> dict[ValType, list[Opcode]]:
    found: dict[ValType, list[Opcode]] = {type_: [] for type_ in _NUMBERS}
    for opcode in OPCODES:
        if not (_simple(opcode) and opcode.params and opcode.results):
            continue
        if opcode.immediates == immediates and prefix in opcode.name:
            found[opcode.results[0]].append(opcode)
    return found


_OPERATIONS: Final = _by_result(())
_LOADS: Final = _by_result(("memarg",), ".load")
_STORES: Final = [opcode for opcode in OPCODES if _simple(opcode) and ".store" in opcode.name]


def constant(type_: ValType, value: float) -> str:
    """The instruction for a constant."""
    if isinstance(value, int):
        return f"({type_}.const {value})"
    return f"({type_}.const {'nan' if math.isnan(value) else value.hex()})"


def _literal(type_: ValType, random: Random) -> str:
    return constant(type_, value_of(type_, random))


class _Writer:
    """Writes one function."""

    def __init__(self, random: Random, index: int) -> None:
        self._random = random
        self._index = index
        self._loops = 0
        self._labels = 0

    def expression(self, type_: ValType, depth: int) -> str:
        """Something that computes a value of a type."""
        random = self._random
        if depth <= 0:
            if random.random() < 0.4:
                return _literal(type_, random)
            return f"({random.choice(('local', 'local', 'global'))}.get ${type_}{random.randrange(_LOCALS)})"
        choice = random.random()
        if choice < 0.7:
            return self._operation(random.choice(_OPERATIONS[type_]), depth)
        if choice < 0.8:
            opcode = random.choice(_LOADS[type_])
            return (
                f"({opcode.name} offset={random.choice((0, 1, 8, 65000))} {self._address(depth)})"
            )
        if choice < 0.88:
            first, second = self.expression(type_, depth - 1), self.expression(type_, depth - 1)
            return f"(select {first} {second} {self.expression(I32, depth - 1)})"
        if choice < 0.96:
            first, second = self.expression(type_, depth - 1), self.expression(type_, depth - 1)
            condition = self.expression(I32, depth - 1)
            return f"(if (result {type_}) {condition} (then {first}) (else {second}))"
        return self._special(type_, depth)

    def _operation(self, opcode: Opcode, depth: int) -> str:
        assert opcode.params is not None
        operands = [self.expression(type_, depth - 1) for type_ in opcode.params]
        if opcode.name.endswith("copysign") or "reinterpret_f" in opcode.name:
            operands[-1] = self._no_nan(opcode.params[-1], operands[-1])
        name = opcode.name
        if self._random.random() < _TAME:
            if "div_" in name or "rem_" in name:
                type_ = opcode.params[-1]
                operands[-1] = (
                    f"({type_}.or ({type_}.shr_u {operands[-1]} ({type_}.const 1)) ({type_}.const 1))"
                )
            name = name.replace("trunc_f", "trunc_sat_f")
        return f"({name} {' '.join(operands)})"

    @staticmethod
    def _no_nan(type_: ValType, value: str) -> str:
        """The same value unless it is a NaN, whose bits are each engine's own affair."""
        spare = f"$spare_{type_}"
        same = f"({type_}.eq (local.get {spare}) (local.get {spare}))"
        return f"(select (local.tee {spare} {value}) ({type_}.const 1.5) {same})"

    def _special(self, type_: ValType, depth: int) -> str:
        if type_ is I32:
            index = f"(i32.and {self.expression(I32, depth - 1)} (i32.const {_TABLE - 1}))"
            argument = self.expression(I32, depth - 1)
            return self._random.choice(
                (
                    "(memory.size)",
                    "(table.size $table)",
                    f"(memory.grow (i32.and {argument} (i32.const 1)))",
                    f"(table.grow $table (ref.func $small0) (i32.and {argument} (i32.const 3)))",
                    f"(ref.is_null (table.get $table {index}))",
                    f"(call_indirect $table (type $unary) {argument} {index})",
                )
            )
        if type_ is I64 and not self._loops:
            return f"(call $host {self._arguments(depth - 1)})"
        return _literal(type_, self._random)

    def _arguments(self, depth: int) -> str:
        return " ".join(self.expression(type_, depth) for type_ in _NUMBERS)

    def _address(self, depth: int, mask: int = 0x3FF) -> str:
        if self._random.random() < 0.02:
            mask = 0x1FFFF
        return f"(i32.and {self.expression(I32, depth - 1)} (i32.const {mask}))"

    def statement(self, depth: int) -> str:
        """Something that is done."""
        kinds: list[Callable[[int], str]] = [self._bulk_memory, self._bulk_table]
        kinds += [self._assign] * 4
        kinds += [self._store] * 3
        if depth > 0:
            kinds += [self._if, self._block, self._switch]
            if self._loops < 2:
                kinds.append(self._loop)
            if self._index and not self._loops:
                kinds.append(self._call)
        return self._random.choice(kinds)(depth)

    def statements(self, depth: int) -> str:
        """A few of them."""
        return "\n".join(self.statement(depth) for _ in range(self._random.randint(1, 4)))

    def _assign(self, _: int) -> str:
        type_ = self._random.choice(_NUMBERS)
        place = self._random.choice(("local", "global"))
        value = self.expression(type_, 4)
        return f"({place}.set ${type_}{self._random.randrange(_LOCALS)} {value})"

    def _store(self, _: int) -> str:
        opcode = self._random.choice(_STORES)
        assert opcode.params is not None
        type_ = opcode.params[1]
        value = self.expression(type_, 3)
        if type_ in (F32, F64):
            value = self._no_nan(type_, value)
        return (
            f"({opcode.name} offset={self._random.choice((0, 3, 64))} {self._address(2)} {value})"
        )

    def _bulk_memory(self, _: int) -> str:
        target, source = self._address(2), self._address(2)
        return self._random.choice(
            (
                f"(memory.copy {target} {source} {self._address(2, 0x7F)})",
                f"(memory.fill {target} {self.expression(I32, 2)} {self._address(2, 0x7F)})",
                f"(memory.init $bytes {target} {self._address(1, 7)} {self._address(1, 7)})",
            )
        )

    def _bulk_table(self, _: int) -> str:
        place, other, count = self._address(2, 7), self._address(2, 3), self._address(2, 1)
        return self._random.choice(
            (
                f"(table.copy $table $table {place} {other} {count})",
                f"(table.init $table $functions {place} {count} {count})",
                f"(table.fill $table {place} (ref.func $small1) {count})",
                f"(table.set $table {place} (table.get $table {other}))",
            )
        )

    def _if(self, depth: int) -> str:
        condition, yes, no = (
            self.expression(I32, 3),
            self.statements(depth - 1),
            self.statements(depth - 1),
        )
        return f"(if {condition} (then {yes}) (else {no}))"

    def _block(self, depth: int) -> str:
        self._labels += 1
        label = f"$block{self._labels}"
        before, after = self.statements(depth - 1), self.statements(depth - 1)
        return f"(block {label} {before} (br_if {label} {self.expression(I32, 2)}) {after})"

    def _switch(self, depth: int) -> str:
        choice = f"(br_table 0 2 1 {self.expression(I32, 2)})"
        first, second = self.statements(depth - 1), self.statements(depth - 1)
        return f"(block (block (block {choice}) {first} (br 1)) {second})"

    def _loop(self, depth: int) -> str:
        counter = f"$counter{self._loops}"
        self._loops += 1
        body = self.statements(depth - 1)
        self._loops -= 1
        again = f"(br_if 0 (local.tee {counter} (i32.sub (local.get {counter}) (i32.const 1))))"
        times = self._random.randint(1, 5)
        return f"(local.set {counter} (i32.const {times})) (loop {body} {again})"

    def _call(self, _: int) -> str:
        # Only functions written before, so that everything ends.
        return f"(drop (call $f{self._random.randrange(self._index)} {self._arguments(2)}))"


def program(seed: int) -> str:
    """The text of a module."""
    random = Random(seed)
    numbered = [(type_, index) for type_ in _NUMBERS for index in range(_LOCALS)]
    lines = [_HEADER]
    lines += [
        f'  (global ${type_}{index} (export "{type_}{index}") (mut {type_}) {_literal(type_, random)})'
        for type_, index in numbered
    ]
    variables = [f"(local ${type_}{index} {type_})" for type_, index in numbered if index]
    variables += ["(local $counter0 i32) (local $counter1 i32)"]
    variables += ["(local $spare_f32 f32) (local $spare_f64 f64)"]
    params = " ".join(f"(param ${type_}0 {type_})" for type_ in _NUMBERS)
    for index in range(_FUNCTIONS):
        writer = _Writer(random, index)
        result = random.choice(_NUMBERS)
        body = "\n".join(writer.statement(2) for _ in range(random.randint(1, 6)))
        value = writer.expression(result, 5)
        lines.append(
            f'(func $f{index} (export "f{index}") {params} (result {result})\n'
            f"{' '.join(variables)}\n{body}\n{value})"
        )
    return "\n".join([*lines, ")"])
