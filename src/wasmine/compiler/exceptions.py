"""Exceptions: throwing and catching.

Where a call in a `try_table` throws, native code comes back at the landing pad of its block, P, which
keeps the exception in a slot, x, and goes on to the dispatch, D: that compares the tag with those of the
clauses and branches to a label, or to the dispatch of the next block around it, or throws on out of the
function. A throw within the block needs no unwinding: it goes to the dispatch, or where the tag alone
tells which clause it is, to the label, and then there may be no exception at all.

The blocks of the old proposal differ only in what their clauses lead to: C, the code behind `catch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from wasmine.abi.convention import is_counted
from wasmine.abi.objects import TAG_OFFSET, exception_layout
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.control import Label, bring, end, end_unreached
from wasmine.compiler.heap import allocate
from wasmine.compiler.ir import LLVM_TYPES
from wasmine.compiler.objects import KEEP
from wasmine.errors import InternalError, TrapCode
from wasmine.types import FunctionType

THROW: Final = "wasmine_throw"
"""Throws an exception from where it is called."""
PERSONALITY: Final = "wasmine_personality"
"""What LLVM wants functions with landing pads to name. Nobody calls it, and it does not exist."""
EXTERNALS: Final = f"""
declare void @{THROW}(ptr, ptr) #6
declare i32 @{PERSONALITY}(...)
"""


class Clause(NamedTuple):
    """What is caught, and where control goes then."""

    tag: int | None
    """None for every exception."""
    reference: bool
    """Whether the label takes the exception itself, behind what it carries."""
    target: Label | None
    """None in the old proposal, where the code of the clause stands in the block."""
    code: str = ""
    """The block with that code."""


class Try(Label):
    """A block that catches. The innermost open one is the handler of the FunctionBuilder."""

    __slots__ = ("caught", "clauses", "landed", "old", "outer")

    def __init__(
        self,
        position: int,
        types: tuple[str, ...],
        height: int,
        clauses: Sequence[Clause] = (),
        old: bool = False,
    ) -> None:
        super().__init__(position, types, height)
        self.clauses = list(clauses)
        self.old = old
        """Whether its clauses are still to come."""
        self.landed = False
        """Whether calls throw to its landing pad."""
        self.caught = False
        """Whether anything comes to its dispatch."""
        self.outer: Try | None = None
        """Where exceptions go on that it does not catch; None: to the caller."""

    def open(self, f: FunctionBuilder) -> None:
        """Be where calls throw to from here on."""
        f.entry.append(f"%x{self.position} = alloca ptr")
        f.labels.append(self)
        self.outer, f.handler = f.handler, self

    def close(self, f: FunctionBuilder) -> None:
        """Be that no longer, if it is still."""
        if f.handler is self:
            f.handler = self.outer

    @property
    def in_clause(self) -> bool:
        """Whether what is open is a clause of the old proposal, which may throw again what it caught."""
        return self.old and bool(self.clauses)

    @property
    def leads_on(self) -> bool:
        return self.landed or self.caught

    def finish(self, f: FunctionBuilder) -> None:
        """Write landing pad and dispatch, at the end of the block; control does not come in here."""
        self.close(f)
        n = self.position
        if self.landed:
            f.unwinds = True
            f.append(
                f"P{n}:\n%P{n}l = landingpad {{ ptr, i32 }} catch ptr null\n"
                f"%P{n}e = extractvalue {{ ptr, i32 }} %P{n}l, 0"
            )
            _go_to_dispatch(f, self, f"%P{n}e")
        if self.caught:
            stack = f.stack[:]
            f.append(f"D{n}:\n%D{n}e = load ptr, ptr %x{n}")
            self._dispatch(f, f"%D{n}e")
            f.stack[:] = stack

    def _dispatch(self, f: FunctionBuilder, exception: str) -> None:
        tag = ""
        for number, clause in enumerate(self.clauses):
            name = f"{self.position}_{number}"
            if clause.tag is not None:
                if not tag:
                    tag = f"{exception}t"
                    f.append(
                        f"{tag}p = getelementptr i8, ptr {exception}, i64 {TAG_OFFSET}\n"
                        f"{tag} = load ptr, ptr {tag}p"
                    )
                # Loaded here and not in the entry block: who does not throw is to pay nothing.
                f.context_load(f"%H{name}g", "ptr", f.module.offsets.vmctx_tag(clause.tag))
                f.append(
                    f"%H{name}c = icmp eq ptr {tag}, %H{name}g\n"
                    f"br i1 %H{name}c, label %H{name}, label %G{name}\nH{name}:"
                )
            if clause.target is None:
                f.append(f"br label %{clause.code}")
            else:
                f.stack[:] = (
                    () if clause.tag is None else _payload(f, f"H{name}", clause.tag, exception)
                )
                if clause.reference:
                    f.stack.append(exception)
                _branch(f, clause.target)
            if clause.tag is None:
                return
            f.append(f"G{name}:")
        throw_on(f, self.position, self.outer, exception)


def _branch(f: FunctionBuilder, label: Label) -> None:
    bring(f, label)
    f.append(f"br label %{label.name}")


def _payload(f: FunctionBuilder, name: str, tag_index: int, exception: str) -> list[str]:
    """The values that an exception with this tag carries; `name` is a stem for theirs."""
    type_ = f.module.tags[tag_index].type
    values = []
    for number, (value, offset) in enumerate(
        zip(type_.params, exception_layout(type_).offsets, strict=True)
    ):
        result = f"%{name}_{number}"
        f.append(
            f"{result}p = getelementptr i8, ptr {exception}, i64 {offset}\n"
            f"{result} = load {LLVM_TYPES[value]}, ptr {result}p"
        )
        values.append(result)
    return values


def _go_to_dispatch(f: FunctionBuilder, handler: Try, exception: str) -> None:
    handler.caught = True
    f.append(f"store ptr {exception}, ptr %x{handler.position}\nbr label %D{handler.position}")


def throw_on(f: FunctionBuilder, position: int, handler: Try | None, exception: str) -> None:
    """Throw an exception to a handler of this function, or out of the function."""
    if handler is not None:
        _go_to_dispatch(f, handler, exception)
        return
    f.calls = True
    location = f.location(position)
    f.append(f"call void @{THROW}(ptr %vmctx, ptr {exception}) #6{location}\nunreachable")


# --- throwing ------------------------------------------------------------------------------------


def _find_clause(f: FunctionBuilder, thrown: int) -> tuple[Try | None, Clause | None]:
    """The handler in this function that catches a tag, as far as that can be told, and its clause.

    Without a clause the dispatch of the handler has to look. Without a handler nobody catches here.
    """
    imported = f.module.info.imported_tags
    handler = f.handler
    while handler is not None:
        if handler.old:
            return handler, None
        for clause in handler.clauses:
            if clause.tag in (None, thrown):
                return handler, clause
            # A tag of the module's own is no other; two imports may be the same one.
            if max(clause.tag or 0, thrown) < imported:
                return handler, None
        handler = handler.outer
    return None, None


def _make(f: FunctionBuilder, position: int, tag_index: int, values: Sequence[str]) -> str:
    """A new exception with this tag that carries these values."""
    tag = f.module.tags[tag_index]
    layout = exception_layout(tag.type)
    f.context_load(f"%t{position}", "i32", f.module.offsets.vmctx_signature_id(tag.type_index))
    new = allocate(f, position, f"%t{position}", layout.size)
    f.context_load(f"%k{position}", "ptr", f.module.offsets.vmctx_tag(tag_index))
    f.append(
        f"{new}g = getelementptr i8, ptr {new}, i64 {TAG_OFFSET}\n"
        f"store ptr %k{position}, ptr {new}g"
    )
    for number, (type_, offset, value) in enumerate(
        zip(tag.type.params, layout.offsets, values, strict=True)
    ):
        place = f"{new}_{number}"
        f.append(f"{place} = getelementptr i8, ptr {new}, i64 {offset}")
        if is_counted(type_):
            f.append(f"call void @{KEEP}(ptr {value}) #3{f.location(position)}")
        f.append(f"store {LLVM_TYPES[type_]} {value}, ptr {place}")
    return new


def _throw(f: FunctionBuilder, position: int, tag_index: int) -> bool:
    values = f.pop(len(f.module.tags[tag_index].type.params))
    handler, clause = _find_clause(f, tag_index)
    if clause is None or clause.target is None:
        throw_on(f, position, handler, _make(f, position, tag_index, values))
        return True
    if clause.tag is not None:
        f.stack += values
    if clause.reference:
        f.stack.append(_make(f, position, tag_index, values))
    _branch(f, clause.target)
    return True


def _throw_ref(f: FunctionBuilder, position: int, _: Any) -> bool:
    exception = f.stack.pop()
    f.append(f"%i{position} = icmp eq ptr {exception}, null")
    f.trap_if(f"%i{position}", position, TrapCode.NULL_EXCEPTION)
    throw_on(f, position, f.handler, exception)
    return True


# --- catching ------------------------------------------------------------------------------------


def _try_table(
    f: FunctionBuilder,
    position: int,
    immediate: tuple[FunctionType, tuple[tuple[int, int | None, int], ...]],
) -> None:
    type_, catches = immediate
    signature = f.module.signature(type_)
    height = len(f.stack) - len(signature.params)
    clauses = [Clause(tag, bool(kind & 1), f.labels[-1 - depth]) for kind, tag, depth in catches]
    Try(position, signature.results, height, clauses).open(f)


# --- the old proposal ----------------------------------------------------------------------------


def _try(f: FunctionBuilder, position: int, type_: FunctionType) -> None:
    signature = f.module.signature(type_)
    height = len(f.stack) - len(signature.params)
    Try(position, signature.results, height, old=True).open(f)


def _catch(f: FunctionBuilder, position: int, tag_index: int | None) -> None:
    _branch(f, f.labels[-1])
    catch_unreached(f, position, tag_index)


def catch_unreached(f: FunctionBuilder, position: int, tag_index: int | None) -> None:
    """A clause, where control does not come in from before."""
    label = _old_try(f, 0)
    label.close(f)
    label.clauses.append(Clause(tag_index, False, None, f"C{position}"))
    del f.stack[label.height :]
    f.cache.clear()
    f.append(f"C{position}:")
    if tag_index is not None:
        f.append(f"%C{position}e = load ptr, ptr %x{label.position}")
        f.stack += _payload(f, f"C{position}", tag_index, f"%C{position}e")


def _rethrow(f: FunctionBuilder, position: int, depth: int) -> bool:
    label = _old_try(f, depth)
    f.append(f"%v{position} = load ptr, ptr %x{label.position}")
    throw_on(f, position, f.handler, f"%v{position}")
    return True


def _delegate(f: FunctionBuilder, position: int, depth: int) -> None:
    _set_delegate(f, depth)
    end(f, position, None)


def delegate_unreached(f: FunctionBuilder, position: int, depth: int) -> bool:
    """The end of a block that control does not reach from within. Whether it goes on behind it."""
    _set_delegate(f, depth)
    return end_unreached(f, position)


def _set_delegate(f: FunctionBuilder, depth: int) -> None:
    """Let what the block does not catch be thrown in the block of another label."""
    label = _old_try(f, 0)
    label.close(f)
    around = f.labels[: len(f.labels) - 1 - depth]
    open_ones = []
    handler = f.handler
    while handler is not None:
        open_ones.append(handler)
        handler = handler.outer
    label.outer = next((other for other in open_ones if other in around), None)


def _old_try(f: FunctionBuilder, depth: int) -> Try:
    label = f.labels[-1 - depth]
    if not isinstance(label, Try):
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
