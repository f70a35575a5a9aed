"""What the stencil library has of atomic accesses: a row for each, whose first operand is the cell.

That the address of the cell is a multiple of its size has been checked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wasmine.compiler.lanes import Row
from wasmine.wasm.opcodes import OPCODES, Opcode

_NAME: Final = re.compile(r"(i32|i64)\.atomic\.(load|store|rmw)(\d*)\.?([a-z]*)(?:_u)?$")
"""Of an access: its type, what it is, bits if they are fewer than the type's, the operation of a rmw."""


def _row(opcode: Opcode) -> Row | None:
    """The row of an atomic access, None for other instructions."""
    match = _NAME.match(opcode.name)
    if match is None:
        return None
    kind, what, bits, operation = match.groups()
    stored, size = f"i{bits}" if bits else kind, opcode.access
    if what == "load":
        line = f"load atomic volatile {stored}, ptr {{a}} seq_cst, align {size}"
        return Row(("ptr",), kind, _widened(line, kind, stored))
    cut, value = _narrowed("b", kind, stored)
    if what == "store":
        line = f"store atomic volatile {stored} {value}, ptr {{a}} seq_cst, align {size}"
        return Row(("ptr", kind), "void", cut + line)
    if operation == "cmpxchg":
        cut_new, new = _narrowed("c", kind, stored)
        pair = (
            f"{{r}}y = cmpxchg volatile ptr {{a}}, {stored} {value}, {stored} {new}"
            f" seq_cst seq_cst, align {size}\n"
        )
        line = f"extractvalue {{ {stored}, i1 }} {{r}}y, 0"
        return Row(("ptr", kind, kind), kind, cut + cut_new + pair + _widened(line, kind, stored))
    line = f"atomicrmw volatile {operation} ptr {{a}}, {stored} {value} seq_cst, align {size}"
    return Row(("ptr", kind), kind, cut + _widened(line, kind, stored))


def _narrowed(operand: str, kind: str, stored: str) -> tuple[str, str]:
    """Lines for the low bits of an operand, and their name."""
    if kind == stored:
        return "", f"{{{operand}}}"
    return f"{{r}}{operand} = trunc {kind} {{{operand}}} to {stored}\n", f"{{r}}{operand}"


def _widened(line: str, kind: str, stored: str) -> str:
    """Lines that give what `line` gives, zero-extended."""
    if kind == stored:
        return f"{{r}} = {line}"
    return f"{{r}}n = {line}\n{{r}} = zext {stored} {{r}}n to {kind}"


def _rows() -> Iterator[tuple[str, Row]]:
    for opcode in OPCODES:
        row = _row(opcode)
        if row is not None:
            yield opcode.name, row


ACCESSES: Final = dict(_rows())
"""By the instruction's name. The result is `void` for stores."""
