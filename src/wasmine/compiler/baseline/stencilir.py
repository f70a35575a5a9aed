"""Stencils as LLVM IR.

A stencil is a function whose parameters are all registers of a baseline function, as the convention `ghccc`
passes them, and that ends in a tail call to the next one with the same registers, some of them changed.
Values are symbols with a known range, which become fields with a relocation.

Operands are in registers that machine code always gives a fourth bit, so that they can be exchanged
for any other without a change of length; those of vectors can be exchanged for the first eight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from typing import Final

from wasmine.compiler.baseline import recipes
from wasmine.compiler.baseline.drafts import Draft
from wasmine.compiler.baseline.locations import FIRST_VECTOR
from wasmine.compiler.ir import IN_MEMORY, UNLIKELY, VECTOR

GENERAL_PARAMETERS: Final = (3, 14, 6, 7, 8, 9, 15)
VECTOR_PARAMETERS: Final = tuple(range(1, 7))
"""The registers of the convention behind the VMContext, the frame and the memory base, in its order."""
_PARAMETERS: Final = (
    "ptr %vm, ptr %fp, ptr %mem"
    + "".join(f", i64 %g{number}" for number in GENERAL_PARAMETERS)
    + "".join(f", {VECTOR} %x{number}" for number in VECTOR_PARAMETERS)
)


class _Text:
    """The IR of one stencil."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.lines: list[str] = []
        self.symbols: dict[str, str] = {}
        """The range of each symbol for a value."""
        self.traps: set[str] = set()

    def write(self, function: str) -> str:
        """The function of this name."""
        draft, add = self.draft, self.lines.append
        places = draft.places
        first = int(draft.has_result)
        fields: dict[str, str] = {"r": "%r"}
        for index, type_ in enumerate(draft.row.operands):
            letter = recipes.OPERANDS[index]
            fields[letter] = self._operand(index + first, type_, places[index + first])
        text = draft.row.text.replace(IN_MEMORY, "")
        for letter, value in fields.items():
            text = text.replace(f"{{{letter}}}", value)
        blocks = count()
        for line in text.splitlines():
            if line.startswith("trap_if "):
                _, condition, code = line.split()
                self._jump_if(condition, f"trap.{code}", next(blocks), UNLIKELY)
                self.traps.add(code)
            elif line.startswith("branch_if "):
                self._jump_if(line.split()[1], "target", next(blocks), UNLIKELY)
            else:
                add(line)
        changed = ("", "")
        if draft.has_result:
            changed = self._result(places[0])
        self._continue("next", changed)
        body = "\n".join(self.lines)
        return f"define ghccc void @{function}({_PARAMETERS}) #0 {{\n{body}\n}}"

    def _symbol(self, name: str, range_: str) -> str:
        self.symbols[name] = range_
        return f"ptrtoint (ptr @{name} to i64)"

    def _frame(self, index: int) -> str:
        self.lines.append(
            f"%p{index} = getelementptr i8, ptr %fp, i64 {self._symbol(f'h{index}', _DISPLACEMENTS)}"
        )
        return f"%p{index}"

    def _operand(self, index: int, type_: str, place: int | None) -> str:
        """Lines that make an operand, and its name."""
        letter, name, add = self.draft.pattern[index], f"%o{index}", self.lines.append
        if type_ == "ptr":
            return self._pointer(index, place)
        if place is not None:
            return self._from_register(name, type_, place)
        if letter == "l":
            add(f"{name} = load {type_}, ptr {self._frame(index)}, align 1")
        elif letter == "z":
            return "zeroinitializer" if type_[0] == "<" else "0" if type_[0] == "i" else "0.0"
        elif self.draft.magic:
            return str(self.draft.magic)
        else:
            # An i32 is cut from a symbol whose upper half is known to be zero.
            narrow = self.draft.types[index] in "ws"
            range_ = _ALL if letter == "k" else _UNSIGNED if narrow else _SIGNED
            symbol = self._symbol(f"{letter}{index}{'n' if narrow else 'w'}", range_)
            self._from_bits(name, type_, symbol)
        return name

    def _from_bits(self, name: str, type_: str, bits: str) -> None:
        add = self.lines.append
        if type_ == "i64":
            add(f"{name} = add i64 {bits}, 0")
        elif type_ == "i32":
            add(f"{name} = trunc i64 {bits} to i32")
        elif type_ == "double":
            add(f"{name} = bitcast i64 {bits} to double")
        else:
            add(f"{name}b = trunc i64 {bits} to i32\n{name} = bitcast i32 {name}b to float")

    def _from_register(self, name: str, type_: str, place: int) -> str:
        add = self.lines.append
        if place < FIRST_VECTOR:
            if type_ == "i64":
                return f"%g{place}"
            add(f"{name} = trunc i64 %g{place} to i32")
            return name
        register = f"%x{place - FIRST_VECTOR}"
        if type_ in _SCALARS:
            shape = _SCALARS[type_]
            add(f"{name}v = bitcast {VECTOR} {register} to {shape}")
            add(f"{name} = extractelement {shape} {name}v, i32 0")
        else:
            add(f"{name} = bitcast {VECTOR} {register} to {type_}")
        return name

    def _pointer(self, index: int, place: int | None) -> str:
        """The address of an access."""
        add = self.lines.append
        offset = len(self.draft.types) - 1
        if place is None:
            total = self._symbol(f"h{offset + 1}", _DISPLACEMENTS)
            add(f"%o{index} = getelementptr i8, ptr %mem, i64 {total}")
            return f"%o{index}"
        if self.draft.types[index] == "m":
            add(f"%p{index} = getelementptr i8, ptr %mem, i64 %g{place}")
        else:
            add(f"%p{index} = inttoptr i64 %g{place} to ptr")
        symbol = self._symbol(f"h{offset}", _DISPLACEMENTS)
        add(f"%o{index} = getelementptr i8, ptr %p{index}, i64 {symbol}")
        return f"%o{index}"

    def _result(self, place: int | None) -> tuple[str, str]:
        """Lines that put the result where it belongs; the parameter that changes, and its value."""
        type_, add = self.draft.row.result, self.lines.append
        if place is None:
            # An i32 has zeros above it, and what is stored is as long as what may be loaded.
            if type_ == "i32":
                add(f"%z = zext i32 %r to i64\nstore i64 %z, ptr {self._frame(0)}, align 1")
            elif type_ == "float":
                self._widen(type_)
                add("%y = extractelement <2 x i64> %z, i32 0")
                add(f"store i64 %y, ptr {self._frame(0)}, align 1")
            else:
                add(f"store {type_} %r, ptr {self._frame(0)}, align 1")
            return "", ""
        if place < FIRST_VECTOR:
            if type_ != "i32":
                return f"%g{place}", "%r"
            add("%z = zext i32 %r to i64")
            return f"%g{place}", "%z"
        self._widen(type_)
        return f"%x{place - FIRST_VECTOR}", "%z"

    def _widen(self, type_: str) -> None:
        shape = _SCALARS.get(type_)
        if shape:
            self.lines.append(f"%w = insertelement {shape} poison, {type_} %r, i32 0")
            self.lines.append(f"%z = bitcast {shape} %w to {VECTOR}")
        else:
            self.lines.append(f"%z = bitcast {type_} %r to {VECTOR}")

    def _jump_if(self, condition: str, target: str, block: int, weights: str) -> None:
        self.lines.append(
            f"br i1 {condition}, label %t{block}, label %n{block}{weights}\nt{block}:"
        )
        self._continue(target, ("", ""))
        self.lines.append(f"n{block}:")

    def _continue(self, target: str, changed: tuple[str, str]) -> None:
        old, new = changed
        arguments = re.sub(rf"{old}(?=,|$)", new, _PARAMETERS) if old else _PARAMETERS
        self.lines.append(f"musttail call ghccc void @{target}({arguments})\nret void")


_SCALARS: Final = {"float": "<4 x float>", "double": "<2 x double>"}
_DISPLACEMENTS: Final = "!0"
_SIGNED: Final = "!2"
_UNSIGNED: Final = "!4"
_ALL: Final = "!3"
_RANGES: Final = """
!0 = !{i64 0, i64 2147483648}
!1 = !{!"branch_weights", i32 1, i32 1048575}
!2 = !{i64 -2147483648, i64 2147483648}
!3 = !{i64 -1, i64 -1}
!4 = !{i64 0, i64 4294967296}
"""


def module_text(drafts: Iterable[Draft]) -> str:
    """The LLVM module with a function `s<n>` for each draft."""
    functions: list[str] = []
    symbols: dict[str, str] = {}
    targets = {"next", "target"}
    for number, draft in enumerate(drafts):
        text = _Text(draft)
        functions.append(text.write(f"s{number}"))
        symbols |= text.symbols
        targets |= {f"trap.{code}" for code in text.traps}
    body = "\n".join(functions)
    types = re.sub(r" %\w+", "", _PARAMETERS)
    return "\n".join(
        (
            *(
                f"@{name} = external hidden global i8, !absolute_symbol {range_}"
                for name, range_ in symbols.items()
            ),
            *(f"declare hidden ghccc void @{target}({types})" for target in sorted(targets)),
            body,
            "attributes #0 = { nounwind noredzone }",
            _RANGES,
        )
    )
