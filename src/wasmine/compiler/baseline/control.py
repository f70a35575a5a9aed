"""Structured control flow.

Wherever paths meet, all operands are in their places in the frame, and locals where they always are; so
paths agree without looking at each other. A branch moves the values that it brings to the places where
its label wants them. Branches to the function's own label are returns.

Handlers return True where control does not go on; the walk then skips to the `else` or `end` of the
block and calls `else_unreached` or `end_unreached`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.calls import store_values
from wasmine.compiler.baseline.counters import count_loop
from wasmine.compiler.baseline.emission import Target
from wasmine.compiler.baseline.locations import FRAME, GENERAL, RAX, RCX, SLOT, Location
from wasmine.compiler.baseline.state import FunctionState
from wasmine.errors import TrapCode
from wasmine.types import FunctionType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

SMALL_TABLE: Final = 3
"""Up to so many labels, br_table compares; else it jumps through a table."""


class Label:
    """What a branch aims at: the end of a block, or the start of a loop."""

    __slots__ = ("alternative", "arity", "height", "parameters", "target", "used")

    def __init__(self, arity: int, height: int, parameters: int = 0) -> None:
        self.arity = arity
        """How many values a branch brings."""
        self.height = height
        """Number of operands below the block's."""
        self.parameters = parameters
        """How many operands the block starts with."""
        self.target = Target()
        self.used = False
        self.alternative: Target | None = None
        """Where the `else` of an `if` begins, until it has come."""

    @property
    def leads_on(self) -> bool:
        """Whether control comes in at the end, beside by branches: then `finish` writes something."""
        return False

    def finish(self, f: FunctionState) -> None:
        """Write what belongs behind the end of the block, where control does not come in."""


class Loop(Label):
    """A label that stands in front of its block."""

    __slots__ = ()


# --- labels --------------------------------------------------------------------------------------


def bring(f: FunctionState, label: Label) -> None:
    """Move the operands that a branch takes along to their places. The stack stays as it is."""
    label.used = True
    if not label.arity:
        return
    place = f.first_operand + label.height * f.slot
    # No operand is in a place above its own, so that none is overwritten before it is read.
    for location in f.stack[-label.arity :]:
        f.move(place, location)
        place += f.slot
    f.height = max(f.height, label.height + label.arity)


def is_brought(f: FunctionState, label: Label) -> bool:
    """Whether `bring` has nothing to move."""
    if not label.arity:
        return True
    place = f.first_operand + label.height * f.slot
    wanted = range(place, place + label.arity * f.slot, f.slot)
    return f.stack[-label.arity :] == list(wanted)


def meet(f: FunctionState, label: Label) -> None:
    """Paths to a label meet here, with its operands in their places."""
    f.bind(label.target)
    _restart(f, label, label.arity)


def _restart(f: FunctionState, label: Label, count: int) -> None:
    """The stack has so many operands of a block on it, all in their places."""
    f.release(*f.stack[label.height :])
    place = f.first_operand + label.height * f.slot
    f.stack[label.height :] = range(place, place + count * f.slot, f.slot)


def _block(f: FunctionState, _position: int, type_: FunctionType) -> None:
    f.flush()
    parameters = len(type_.params)
    f.labels.append(Label(len(type_.results), len(f.stack) - parameters, parameters))


def _loop(f: FunctionState, position: int, type_: FunctionType) -> None:
    f.flush()
    parameters = len(type_.params)
    label = Loop(parameters, len(f.stack) - parameters, parameters)
    f.labels.append(label)
    f.bind(label.target)
    count_loop(f, position)


def _if(f: FunctionState, _position: int, type_: FunctionType) -> None:
    operand = f.stack.pop()
    f.flush()
    if_on(f, test(f, operand), type_)


def if_on(f: FunctionState, condition: int, type_: FunctionType) -> None:
    """Begin an `if` whose condition the flags hold; the stack has been flushed before."""
    parameters = len(type_.params)
    label = Label(len(type_.results), len(f.stack) - parameters, parameters)
    label.alternative = Target()
    f.labels.append(label)
    f.jump_if(condition ^ 1, label.alternative)


def _else(f: FunctionState, _position: int, _: Any) -> None:
    label = f.labels[-1]
    bring(f, label)
    f.jump(label.target)
    else_unreached(f)


def else_unreached(f: FunctionState) -> None:
    """The other half of an `if`, whose first half does not reach its end."""
    label = f.labels[-1]
    if label.alternative is not None:
        f.bind(label.alternative)
    label.alternative = None
    _restart(f, label, label.parameters)


def end(f: FunctionState, _position: int, _: Any) -> None:
    """The end of a block that control reaches from within."""
    label = f.labels[-1]
    if len(f.labels) == 1:
        _leave(f)
        f.labels.pop()
        return
    if type(label) is Loop:
        f.labels.pop()
        return
    if label.alternative is not None:
        f.flush()
        f.bind(label.alternative)
        label.used = True
    if label.used or label.leads_on:
        bring(f, label)
        if label.leads_on:
            f.jump(label.target)
            label.finish(f)
        meet(f, label)
    else:
        label.finish(f)
    f.labels.pop()


def end_unreached(f: FunctionState, position: int) -> bool:
    """The end of a block that control does not reach from within. Whether it goes on behind it."""
    label = f.labels[-1]
    if label.alternative is not None:
        else_unreached(f)
        end(f, position, None)
        return True
    label.finish(f)
    f.labels.pop()
    if not f.labels or type(label) is Loop or not label.used:
        return False
    meet(f, label)
    return True


# --- branches ------------------------------------------------------------------------------------


def test(f: FunctionState, operand: Location) -> int:
    """Set flags by an i32 that was popped; the condition code says that it is not zero."""
    if type(operand) is int and operand >= SLOT:
        f.add(asm.compare_memory_immediate(0, FRAME, operand - SLOT, 0))
    else:
        register = f.in_register(operand, GENERAL)
        f.add(asm.test32(register, register))
        f.release(register)
    return asm.NOT_EQUAL


def _br(f: FunctionState, _position: int, depth: int) -> bool:
    branch(f, depth)
    return True


def branch(f: FunctionState, depth: int) -> None:
    """Go on at the label that is `depth` blocks outward, with its operands."""
    label = f.labels[-1 - depth]
    if label is f.labels[0]:
        _leave(f)
        f.jump(f.exit)
    else:
        bring(f, label)
        f.jump(label.target)


def _br_if(f: FunctionState, _position: int, depth: int) -> None:
    branch_if(f, test(f, f.stack.pop()), depth)


def branch_if(f: FunctionState, condition: int, depth: int) -> None:
    """`branch` if a condition code holds; else nothing happens, and the stack is as before."""
    label = f.labels[-1 - depth]
    if label is f.labels[0]:
        if not f.type.results:
            f.jump_if(condition, f.exit)
            return
    elif is_brought(f, label):
        label.used = True
        f.jump_if(condition, label.target)
        return
    over = Target()
    f.jump_if(condition ^ 1, over)
    branch(f, depth)
    f.bind(over)


def _br_table(f: FunctionState, _position: int, immediate: tuple[tuple[int, ...], int]) -> bool:
    depths, default = immediate
    selector = f.pop_register()
    targets: dict[int, Target] = {}
    ways: list[int] = []
    for depth in {*depths, default}:
        label = f.labels[-1 - depth]
        if label is not f.labels[0] and is_brought(f, label):
            label.used = True
            targets[depth] = label.target
        elif label is f.labels[0] and not f.type.results:
            targets[depth] = f.exit
        else:
            targets[depth] = Target()
            ways.append(depth)
    if len(depths) <= SMALL_TABLE:
        for number, depth in enumerate(depths):
            f.add(asm.compare_immediate(0, selector, number))
            f.jump_if(asm.EQUAL, targets[depth])
        f.jump(targets[default])
    else:
        f.add(asm.compare_immediate(0, selector, len(depths)))
        f.jump_if(asm.ABOVE_EQUAL, targets[default])
        _jump_through(f, selector, [targets[depth] for depth in depths])
    f.release(selector)
    for depth in sorted(ways):
        f.bind(targets[depth])
        branch(f, depth)
    return True


def _jump_through(f: FunctionState, selector: int, targets: list[Target]) -> None:
    """Jump to the target that a register numbers; their distances from the table stand behind the jump."""
    jump = asm.add64(RAX, RCX) + asm.jump_register(RAX)
    load = asm.load_scaled32(RCX, RAX, selector)
    f.add(asm.lea_relative(RAX)[:-4], (len(load) + len(jump)).to_bytes(4, "little"), load, jump)
    f.tables.append((len(f.code), targets))
    f.code += bytes(4 * len(targets))


def table_bytes(start: int, targets: list[Target]) -> bytes:
    """The distances of bound targets from their table."""
    return array("i", [target.at - start for target in targets]).tobytes()


# --- leaving the function ------------------------------------------------------------------------


def _leave(f: FunctionState) -> None:
    """Move the function's results to where its caller takes them from."""
    how = f.convention
    results = how.results
    if not results:
        return
    values = f.stack[-len(results) :]
    if how.stores_results:
        store_values(f, results, values)
        values = [
            value for passed, value in zip(results, values, strict=True) if passed.register >= 0
        ]
    f.move_all(how.result_registers, values)


def _return(f: FunctionState, _position: int, _: Any) -> bool:
    branch(f, len(f.labels) - 1)
    return True


def _unreachable(f: FunctionState, position: int, _: Any) -> bool:
    f.jump(f.trap(position, TrapCode.UNREACHABLE_CODE_REACHED))
    return True


HANDLERS: Final[dict[str, Handler]] = {
    "unreachable": _unreachable,
    "block": _block,
    "loop": _loop,
    "if": _if,
    "else": _else,
    "end": end,
    "br": _br,
    "br_if": _br_if,
    "br_table": _br_table,
    "return": _return,
}
