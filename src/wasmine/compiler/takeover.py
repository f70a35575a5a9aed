"""Taking over a running function: code that begins at the header of a loop, with a frame of baseline code.

Such code is the whole function, entered elsewhere: it loads the locals and the operands below the loop
from the frame, and goes to the loop. What stands in front of the loop and is not in another loop around
it cannot be reached then, and LLVM drops it. Its results are the function's.

The values of operands below the loop have names that are defined in front of it. From the header on they
have others, those of what is loaded from slots. Who comes to the header, or to that of a loop around it,
stores them there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wasmine.abi.baseline import FrameLayout, may_hold_vectors, mentions_vectors
from wasmine.compiler.builder import FunctionBuilder
from wasmine.compiler.control import Label, bring, meet
from wasmine.compiler.deadcode import OPENING
from wasmine.compiler.exceptions import Try
from wasmine.compiler.ir import LLVM_TYPES
from wasmine.wasm.body import Body
from wasmine.wasm.code_validator import operands_before
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import BY_NAME

BEGINNING: Final = "taken"
"""The block that loads the operands."""
UNREACHED: Final = "unreached"
"""The block where the body begins."""


LOOP: Final = BY_NAME["loop"].index
CLOSING: Final = frozenset(BY_NAME[name].index for name in ("end", "delegate"))


class Takeover(NamedTuple):
    """A loop at whose header the code of a function begins."""

    position: int
    """Of the `loop` in the body."""
    types: tuple[str, ...]
    """LLVM types of the operands there, the loop's own parameters included."""
    around: frozenset[int]
    """Positions of the loops around it."""
    layout: FrameLayout

    def name(self, f: FunctionBuilder) -> str:
        """The symbol of the code."""
        return takeover_name(f.index, f.offsets[self.position])

    def local_slots(self, f: FunctionBuilder) -> list[str]:
        """Lines that give each local a stack slot with its value in the frame."""
        lines = []
        for index, (type_, offset) in enumerate(zip(f.locals, self.layout.locals, strict=True)):
            value = f.cache[index] = f"%arg{index}"
            lines.append(
                f"{_load(value, type_, offset)}\n"
                f"%l{index} = alloca {type_}\nstore {type_} {value}, ptr %l{index}"
            )
        return lines

    def keep(self, f: FunctionBuilder, label: Label) -> None:
        """Store the operands below the loop, or a loop around it, whose label is open.

        Those below the next loop outside have been stored there, and cannot have changed since.
        """
        loops = (outer.height for outer in f.labels[-2::-1] if outer.position in self.around)
        for number in range(next(loops, 0), label.height):
            f.append(f"store {self.types[number]} {f.stack[number]}, ptr %below{number}")

    def enter(self, f: FunctionBuilder, label: Label) -> None:
        """Begin the loop, whose label is open, with the operands of the frame or those of the stack."""
        height, position = label.height, label.position
        for number, type_ in enumerate(self.types[:height]):
            f.entry.append(f"%below{number} = alloca {type_}")
        self.keep(f, label)
        bring(f, label)
        f.append(f"br label %{label.name}\n{BEGINNING}:")
        for number, type_ in enumerate(self.types):
            slot = f"%below{number}" if number < height else f"%s{position}_{number - height}"
            f.append(_load(f"%taken{number}", type_, self.layout.operand(number)))
            f.append(f"store {type_} %taken{number}, ptr {slot}")
        f.append(f"br label %{label.name}")
        meet(f, label)
        for number, type_ in enumerate(self.types[:height]):
            f.append(f"%under{number} = load {type_}, ptr %below{number}")
            f.stack[number] = f"%under{number}"
        # The exception that a clause of the old proposal may throw again is in no frame.
        f.entered = not any(isinstance(outer, Try) and outer.in_clause for outer in f.labels)


def takeover_name(index: int, offset: int) -> str:
    """The symbol of a function that begins at the loop at an offset in the module."""
    return f"f{index}_loop{offset}"


def takeover_at(info: ModuleInfo, index: int, body: Body, offset: int) -> Takeover:
    """How to enter a function, by its index with imports, at the loop at an offset in the module.

    `body` has been validated.
    """
    position = body.offsets.index(offset)
    operands = operands_before(info, index - info.imported_functions, body, position)
    vectors = may_hold_vectors(mentions_vectors(info), body)
    return Takeover(
        position,
        tuple(LLVM_TYPES[type_] for type_ in operands),
        _loops_around(body, position),
        FrameLayout(len(body.locals), vectors=vectors),
    )


def _loops_around(body: Body, position: int) -> frozenset[int]:
    """Positions of the loops that are open in front of an instruction."""
    opened: list[int] = []
    for place, code in enumerate(body.codes[:position]):
        if code in OPENING:
            opened.append(place)
        elif code in CLOSING:
            opened.pop()
    return frozenset(place for place in opened if body.codes[place] == LOOP)


def _load(name: str, type_: str, offset: int) -> str:
    return (
        f"{name}p = getelementptr i8, ptr %frame, i64 {offset}\n"
        f"{name} = load {type_}, ptr {name}p, align 8"
    )
