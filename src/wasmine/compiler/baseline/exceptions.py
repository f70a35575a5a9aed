"""Exceptions in baseline code: throwing and catching.

A call in a block that catches comes back at the block's pad, with the exception in RAX and all callee-saved
registers as they were. A throw within the block jumps there itself. The pad, which stands behind the
block, compares the tag with those of the clauses, puts what the exception carries into the places where the
label wants it, or goes on to the pad around it, or throws on out of the function.

In a `catch` of the old proposal, the exception is the operand below all others of the clause, so that
`rethrow` finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wasmine.abi.convention import is_counted
from wasmine.abi.objects import TAG_OFFSET, exception_layout
from wasmine.compiler.architecture import x86_64_assembler as asm
from wasmine.compiler.baseline.aggregates import keep, new_object, settle
from wasmine.compiler.baseline.control import Label, branch, bring, end, end_unreached
from wasmine.compiler.baseline.emission import Target
from wasmine.compiler.baseline.locations import RAX, RCX, RDI, RSI, VM
from wasmine.compiler.baseline.state import FunctionState
from wasmine.compiler.baseline.storage import copy_to_place, store_storage
from wasmine.errors import InternalError, TrapCode
from wasmine.types import FunctionType

if TYPE_CHECKING:
    from wasmine.compiler.baseline.function import Handler

THROW: Final = "wasmine_throw"


class Clause(NamedTuple):
    """What is caught, and where control goes then."""

    tag: int | None
    """None for every exception."""
    reference: bool
    """Whether the label takes the exception itself, behind what it carries."""
    label: Label | None
    """None in the old proposal, where the code of the clause stands in the block."""
    code: Target
    """Where that code is."""


class Try(Label):
    """A block that catches."""

    __slots__ = ("clauses", "old", "opened", "outer", "pad", "position")

    def __init__(
        self, position: int, type_: FunctionType, height: int, clauses: Sequence[Clause] = ()
    ) -> None:
        super().__init__(len(type_.results), height, len(type_.params))
        self.position = position
        self.clauses = list(clauses)
        self.pad = Target()
        self.opened = False
        """Whether exceptions go to the pad now."""
        self.outer: Target | None = None
        """Where exceptions go on that it does not catch; None: to the caller."""

    def open(self, f: FunctionState) -> None:
        """Be where exceptions land from here on."""
        f.labels.append(self)
        self.outer, self.opened = f.landing, True
        _land(f, self.pad)

    def close(self, f: FunctionState) -> None:
        """Be that no longer, if it is still."""
        if self.opened:
            self.opened = False
            _land(f, self.outer)

    @property
    def leads_on(self) -> bool:
        return True

    def finish(self, f: FunctionState) -> None:
        """Write the pad, at the end of the block; control does not come in here."""
        self.close(f)
        stack = f.stack[:]
        f.bind(self.pad)
        f.reload_after_call()
        _dispatch(f, self)
        f.stack[:] = stack


class OldTry(Try):
    """A block of the old proposal, whose clauses come one by one."""

    __slots__ = ("hides",)

    def __init__(self, position: int, type_: FunctionType, height: int) -> None:
        super().__init__(position, type_, height)
        self.hides = False
        """Whether the exception is among the operands."""

    def finish(self, f: FunctionState) -> None:
        f.hidden -= self.hides
        super().finish(f)


def _land(f: FunctionState, target: Target | None) -> None:
    """From here on exceptions land there, or leave the function."""
    f.landing = target
    f.frames.append((len(f.code), target))


def _dispatch(f: FunctionState, block: Try) -> None:
    """Go to the clause that catches the exception in RAX."""
    base = f.stack[: block.height]
    for clause in block.clauses:
        no = Target()
        if clause.tag is not None:
            f.add(
                asm.load64(RCX, RAX, TAG_OFFSET),
                asm.compare_memory64(RCX, VM, f.offsets.vmctx_tag(clause.tag)),
            )
            f.jump_if(asm.NOT_EQUAL, no)
        if clause.label is None:
            # The exception stays below what it carries.
            f.stack[:] = base
            f.move(_push_place(f), RAX)
            _push_payload(f, clause.tag)
            f.jump(clause.code)
        else:
            _catch_at(f, block, clause, clause.label)
        if clause.tag is None:
            return
        f.bind(no)
    _throw_on(f, block.position, block.outer)


def _catch_at(f: FunctionState, block: Try, clause: Clause, label: Label) -> None:
    """Branch to the label of a clause, with the exception in RAX."""
    outermost = label is f.labels[0]
    # Where the label wants them, if it has places.
    f.stack[:] = f.stack[: block.height if outermost else label.height]
    _push_payload(f, clause.tag)
    if clause.reference:
        f.move(_push_place(f), RAX)
    if outermost:
        branch(f, len(f.labels) - 1)
    else:
        bring(f, label)
        f.jump(label.target)


def _push_place(f: FunctionState) -> int:
    """Push an operand that is in its place, which is returned."""
    place = f.first_operand + len(f.stack) * f.slot
    f.stack.append(place)
    f.height = max(f.height, len(f.stack))
    return place


def _push_payload(f: FunctionState, tag: int | None) -> None:
    """Push what the exception in RAX carries, which stays there."""
    if tag is None:
        return
    type_ = f.info.function_type(f.info.tags[tag])
    for value, offset in zip(type_.params, exception_layout(type_).offsets, strict=True):
        copy_to_place(f, value, _push_place(f), RAX, offset)


def _throw_on(f: FunctionState, position: int, target: Target | None) -> None:
    """Throw the exception in RAX to a pad of this function, or out of it."""
    if target is not None:
        f.jump(target)
        return
    landing = f.landing
    _land(f, None)
    f.add(asm.move64(RSI, RAX), asm.move64(RDI, VM))
    f.locate(position)
    f.calls = True
    f.call_cell(THROW)
    _land(f, landing)


# --- throwing ------------------------------------------------------------------------------------


def _throw(f: FunctionState, position: int, tag_index: int) -> bool:
    type_index = f.info.tags[tag_index]
    type_ = f.info.function_type(type_index)
    layout = exception_layout(type_)
    values = settle(f, len(type_.params))
    for type_of_value, value in zip(type_.params, values, strict=True):
        if is_counted(type_of_value):
            keep(f, position, value)
    exception = new_object(f, position, type_index, layout.size)
    f.add(
        asm.load64(RCX, VM, f.offsets.vmctx_tag(tag_index)),
        asm.store64(RCX, exception, TAG_OFFSET),
    )
    for storage, value, offset in zip(type_.params, values, layout.offsets, strict=True):
        store_storage(f, storage, value, exception, offset)
    f.add(asm.move64(RAX, exception))
    f.release(exception)
    _throw_on(f, position, f.landing)
    return True


def _throw_ref(f: FunctionState, position: int, _: Any) -> bool:
    exception = f.pop_register()
    f.add(asm.test64(exception, exception))
    f.jump_if(asm.EQUAL, f.trap(position, TrapCode.NULL_EXCEPTION))
    if f.landing is not None:
        f.flush_for_call()
    f.add(asm.move64(RAX, exception))
    f.release(exception)
    _throw_on(f, position, f.landing)
    return True


# --- catching ------------------------------------------------------------------------------------


def _try_table(
    f: FunctionState,
    position: int,
    immediate: tuple[FunctionType, tuple[tuple[int, int | None, int], ...]],
) -> None:
    type_, catches = immediate
    f.flush()
    clauses = [
        Clause(tag, bool(kind & 1), f.labels[-1 - depth], Target()) for kind, tag, depth in catches
    ]
    Try(position, type_, len(f.stack) - len(type_.params), clauses).open(f)


# --- the old proposal ----------------------------------------------------------------------------


def _try(f: FunctionState, position: int, type_: FunctionType) -> None:
    f.flush()
    OldTry(position, type_, len(f.stack) - len(type_.params)).open(f)


def _catch(f: FunctionState, position: int, tag_index: int | None) -> None:
    label = f.labels[-1]
    bring(f, label)
    f.jump(label.target)
    catch_unreached(f, position, tag_index)


def catch_unreached(f: FunctionState, _position: int, tag_index: int | None) -> None:
    """A clause, where control does not come in from before."""
    label = _old_try(f, 0)
    label.close(f)
    clause = Clause(tag_index, False, None, Target())
    label.clauses.append(clause)
    f.hidden += not label.hides
    label.hides = True
    f.release(*f.stack[label.height :])
    del f.stack[label.height :]
    f.bind(clause.code)
    count = 0
    if tag_index is not None:
        count = len(f.info.function_type(f.info.tags[tag_index]).params)
    for _ in range(1 + count):
        _push_place(f)


def _rethrow(f: FunctionState, position: int, depth: int) -> bool:
    label = _old_try(f, depth)
    f.flush_for_call()
    f.move(RAX, f.first_operand + label.height * f.slot)
    _throw_on(f, position, f.landing)
    return True


def _delegate(f: FunctionState, position: int, depth: int) -> None:
    _set_delegate(f, depth)
    end(f, position, None)


def delegate_unreached(f: FunctionState, position: int, depth: int) -> bool:
    """The end of a block that control does not reach from within. Whether it goes on behind it."""
    _set_delegate(f, depth)
    return end_unreached(f, position)


def _set_delegate(f: FunctionState, depth: int) -> None:
    """Let what the block does not catch be thrown in the block of another label."""
    label = _old_try(f, 0)
    label.close(f)
    around = f.labels[: len(f.labels) - 1 - depth]
    label.outer = next(
        (other.pad for other in reversed(around) if isinstance(other, Try) and other.opened), None
    )


def _old_try(f: FunctionState, depth: int) -> OldTry:
    label = f.labels[-1 - depth]
    if not isinstance(label, OldTry):
        raise InternalError("a label that is none of a try block")
    return label


HANDLERS: Final[dict[str, Handler]] = {
    "throw": _throw,
    "throw_ref": _throw_ref,
    "try_table": _try_table,
    "try": _try,
    "catch": _catch,
    "catch_all": _catch,
    "rethrow": _rethrow,
    "delegate": _delegate,
}
