"""What the stencil library has of scalars: a row for each name, with the text that lowering gives it.

Texts are those of `lanes.Row`: `{a}`, `{b}`, `{c}`, `{d}` are the operands and `{r}` is the result. Two lines are
shorthands, for jumps out of the stencil:

    trap_if CONDITION CODE      go to code that traps, if an i1 holds
    branch_if CONDITION         the last line: go to the branch's target, else go on

Types of operands are LLVM's. A `ptr` is an address of memory, to which the static offset was added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from wasmine.compiler import lowering
from wasmine.compiler.builder import FunctionBuilder
from wasmine.compiler.ir import LLVM_TYPES, VECTOR
from wasmine.compiler.lanes import Row
from wasmine.errors import TrapCode
from wasmine.wasm.opcodes import OPCODES, Opcode

OPERANDS: Final = "abcd"
_R: Final = "%v0"


class _Recorder:
    """As much of a FunctionBuilder as the handlers of numeric instructions want."""

    def __init__(self, operands: int) -> None:
        self.stack = [f"%{letter}" for letter in OPERANDS[:operands]]
        self.lines: list[str] = []
        self.append = self.lines.append

    def located(self, lines: str, *_: str) -> str:
        return lines

    def trap_if(
        self, condition: str, _: int, code: TrapCode | str, __: str = "", before: str = ""
    ) -> None:
        if isinstance(code, str):
            # A truncation: one code for what is no number, another for what is too low or too high.
            low, high, _either = self.lines.pop().splitlines()
            unordered, _choice = before.splitlines()
            tests = (
                (unordered, TrapCode.BAD_CONVERSION_TO_INTEGER),
                (low, TrapCode.INTEGER_OVERFLOW),
                (high, TrapCode.INTEGER_OVERFLOW),
            )
            for line, reason in tests:
                self.lines += (line, f"trap_if {line.partition(' ')[0]} {reason.value}")
        else:
            self.append(f"trap_if {condition} {code.value}")


def _text(name: str, operands: int) -> str:
    """What lowering writes for an instruction."""
    names = [f"%{letter}" for letter in OPERANDS[:operands]]
    for table in (lowering.BINARY, lowering.COMPARE, lowering.UNARY):
        if name in table:
            text, result = table[name](_R, *names), _R
            break
    else:
        recorder = _Recorder(operands)
        lowering.HANDLERS[name](cast(FunctionBuilder, recorder), 0, None)
        text, result = "\n".join(recorder.lines), recorder.stack[-1]
    text = text.replace(result, "{r}")
    for letter, operand in zip(OPERANDS, names, strict=False):
        text = text.replace(operand, f"{{{letter}}}")
    return text


def _numeric() -> Iterator[tuple[str, Row]]:
    """Every numeric instruction; and comparisons as conditions of branches and choices."""
    for opcode in OPCODES:
        if opcode.name not in _NUMERIC:
            continue
        operands = tuple(LLVM_TYPES[type_] for type_ in opcode.params or ())
        result = LLVM_TYPES[(opcode.results or ())[0]]
        row = Row(operands, result, _text(opcode.name, len(operands)))
        yield opcode.name, row
        condition, _, widened = row.text.rpartition("\n")
        if widened == "{r} = zext i1 {r}b to i32":
            yield from _conditional(opcode.name, operands, condition)


_NUMERIC: Final = frozenset(
    (*lowering.BINARY, *lowering.COMPARE, *lowering.UNARY, *lowering.HANDLERS)
)


def _conditional(name: str, operands: tuple[str, ...], condition: str) -> Iterator[tuple[str, Row]]:
    """What depends on a condition, `{r}b`, of these operands."""
    yield f"{name}.br_if", Row(operands, "void", f"{condition}\nbranch_if {{r}}b")
    inverted = f"{condition}\n{{r}}i = xor i1 {{r}}b, true\nbranch_if {{r}}i"
    yield f"{name}.br_unless", Row(operands, "void", inverted)
    shifted = condition.replace("{b}", "{d}").replace("{a}", "{c}")
    choice = "\n{r} = select i1 {r}b, i64 {a}, i64 {b}"
    yield f"{name}.select", Row(("i64", "i64", *operands), "i64", shifted + choice)


def _tests() -> Iterator[tuple[str, Row]]:
    """Whether an integer, or what two have in common, is not zero."""
    for type_ in lowering.INTEGERS:
        test = f"{{r}}b = icmp ne {type_} {{a}}, 0"
        yield from _conditional(f"{type_}.nonzero", (type_,), test)
        both = f"{{r}}n = and {type_} {{a}}, {{b}}\n{{r}}b = icmp ne {type_} {{r}}n, 0"
        yield from _conditional(f"{type_}.and", (type_, type_), both)


def _choices() -> Iterator[tuple[str, Row]]:
    for name, type_ in (("i64", "i64"), ("f32", "float"), ("f64", "double"), ("v128", VECTOR)):
        text = (
            f"{{r}}b = icmp ne i32 {{c}}, 0\n{{r}} = select i1 {{r}}b, {type_} {{a}}, {type_} {{b}}"
        )
        yield f"{name}.select", Row((type_, type_, "i32"), type_, text)


def _moves() -> Iterator[tuple[str, Row]]:
    for name, type_ in (*lowering.LLVM.items(), ("v128", VECTOR)):
        yield f"{name}.move", Row((type_,), type_, f"{{r}} = freeze {type_} {{a}}")


# --- memory ----------------------------------------------------------------------------------------


def _access(opcode: Opcode) -> Row:
    """A load or store of a scalar; see `memories`."""
    bits = f"i{8 * opcode.access}"
    if ".load" in opcode.name:
        type_ = LLVM_TYPES[(opcode.results or ())[0]]
        extend = {"s": "sext", "u": "zext"}.get(opcode.name[-1])
        if extend is None:
            return Row(("ptr",), type_, f"{{r}} = load volatile {type_}, ptr {{a}}, align 1")
        narrow = f"{{r}}n = load volatile {bits}, ptr {{a}}, align 1\n"
        return Row(("ptr",), type_, f"{narrow}{{r}} = {extend} {bits} {{r}}n to {type_}")
    type_ = LLVM_TYPES[(opcode.params or ())[1]]
    if not opcode.name[-1].isdigit() or f"i{8 * opcode.access}" == type_:
        return Row(("ptr", type_), "void", f"store volatile {type_} {{b}}, ptr {{a}}, align 1")
    cut = f"{{r}}n = trunc {type_} {{b}} to {bits}\n"
    return Row(("ptr", type_), "void", f"{cut}store volatile {bits} {{r}}n, ptr {{a}}, align 1")


def _accesses() -> Iterator[tuple[str, Row]]:
    for type_ in lowering.LLVM:
        for opcode in OPCODES:
            if opcode.name.startswith((f"{type_}.load", f"{type_}.store")):
                yield opcode.name, _access(opcode)


RECIPES: Final = dict([*_numeric(), *_tests(), *_choices(), *_moves()])
"""What works on registers, by name."""
ACCESSES: Final = dict(_accesses())
"""What accesses memory; the first operand is the address."""
