"""Casts and type tests: which of two labels a reference of some type goes to."""

from __future__ import annotations

from typing import Final

from wasmine.abi.heap import TypeKind, VMTypeRecord
from wasmine.abi.objects import FOREIGN_BIT, I31_BIT
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc, offset_of
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.control import bring
from wasmine.compiler.heap import is_subtype, type_of, type_record
from wasmine.compiler.ir import IN_CONTEXT, INVARIANT, UNLIKELY
from wasmine.compiler.objects import place_at
from wasmine.errors import TrapCode
from wasmine.frozen import Frozen
from wasmine.types import DefinedType, RefType, top


class _Cast(Frozen):
    """Code that goes to one of two labels, by whether a reference is of a type.

    The blocks in between are called C<position> and a letter, their names %k<position>.
    """

    f: FunctionBuilder
    position: int
    value: str
    yes: str
    no: str
    weights: str = ""

    @property
    def stem(self) -> str:
        """What names begin with."""
        return f"%k{self.position}"

    def branch(self, condition: str, yes: str | None = None) -> None:
        """To `yes`, else to the label for references of other types."""
        self.f.append(
            f"{condition}n = xor i1 {condition}, true\n"
            f"br i1 {condition}n, label %{self.no}, label %{yes or self.yes}{self.weights}"
        )

    def block(self, letter: str) -> str:
        """The name of a block in between."""
        return f"C{self.position}{letter}"

    def to(self, target: RefType) -> None:
        """Compare with a type of the reference's hierarchy."""
        f, stem, heap = self.f, self.stem, target.heap
        if f"{self.value}!" not in f.cache:
            f.append(f"{stem}z = icmp eq ptr {self.value}, null")
            null = self.yes if target.nullable else self.no
            f.append(f"br i1 {stem}z, label %{null}, label %{self.block('a')}\n{self.block('a')}:")
        if isinstance(heap, DefinedType):
            self._defined(heap)
        elif heap in ("eq", "i31", "struct", "array"):
            self._abstract(heap)
        else:
            label = self.no if heap in ("none", "nofunc", "noextern", "noexn") else self.yes
            f.append(f"br label %{label}")

    def _bits(self, mask: int) -> str:
        f, stem = self.f, self.stem
        f.append(f"{stem}v = ptrtoint ptr {self.value} to i64\n{stem}b = and i64 {stem}v, {mask}")
        return f"{stem}b"

    def _abstract(self, heap: str) -> None:
        f, stem = self.f, self.stem
        if heap == "i31":
            f.append(f"{stem}q = icmp ne i64 {self._bits(I31_BIT)}, 0")
        elif heap == "eq":
            # An i31 has any bit above its lowest.
            f.append(f"{stem}q = icmp ne i64 {self._bits(I31_BIT | FOREIGN_BIT)}, {FOREIGN_BIT}")
        else:
            number = self._object()
            kind = TypeKind.ARRAY if heap == "array" else TypeKind.FIXED
            record = type_record(f, stem, number)
            f.append(
                f"{stem}p = getelementptr i8, ptr {record}, i64 {offset_of(VMTypeRecord, 'kind')}\n"
                f"{stem}k = load i32, ptr {stem}p{INVARIANT}{IN_CONTEXT}\n"
                f"{stem}q = icmp eq i32 {stem}k, {kind.value}"
            )
        self.branch(f"{stem}q")

    def _object(self) -> str:
        """The number of the type of an object; what is none is of another type."""
        f, stem = self.f, self.stem
        f.append(f"{stem}y = icmp eq i64 {self._bits(I31_BIT | FOREIGN_BIT)}, 0")
        self.branch(f"{stem}y", self.block("b"))
        f.append(f"{self.block('b')}:")
        return type_of(f, self.position, self.value)

    def _defined(self, type_: DefinedType) -> None:
        f, stem = self.f, self.stem
        expected = f"{stem}t"
        index = f.module.type_index(type_)
        f.context_load(expected, "i32", f.module.offsets.vmctx_signature_id(index))
        if top(type_) == "func":
            offset = offset_of(VMCallerCheckedAnyfunc, "type_index")
            place, actual = place_at(f, f"{stem}f", self.value, offset), f"{stem}i"
            f.append(f"{actual} = load i32, ptr {place}{IN_CONTEXT}")
        else:
            actual = self._object()
        if not type_.final:
            # What is of the type itself needs no look at its record.
            f.append(
                f"{stem}q = icmp eq i32 {actual}, {expected}\n"
                f"br i1 {stem}q, label %{self.yes}, label %{self.block('c')}\n{self.block('c')}:"
            )
        self.branch(is_subtype(f, self.position, actual, expected, type_))


def _ref_test(f: FunctionBuilder, position: int, target: RefType) -> None:
    yes, no, meet = (f"C{position}{letter}" for letter in "yne")
    _Cast(f, position, f.stack.pop(), yes, no).to(target)
    r = f"%c{position}"
    f.append(
        f"{yes}:\nbr label %{meet}\n{no}:\nbr label %{meet}\n"
        f"{meet}:\n{r}b = phi i1 [ true, %{yes} ], [ false, %{no} ]\n{r} = zext i1 {r}b to i32"
    )
    f.stack.append(r)


def _ref_cast(f: FunctionBuilder, position: int, target: RefType) -> None:
    trap = f.trap(position, TrapCode.CAST_FAILURE)
    value = f.stack[-1]
    _Cast(f, position, value, f"N{position}", trap, UNLIKELY).to(target)
    f.append(f"N{position}:")
    if not target.nullable:
        f.know(value)


def _br_on_cast(taken: bool) -> Handler:
    def branch(f: FunctionBuilder, position: int, immediate: tuple[int, RefType, RefType]) -> None:
        depth, _, target = immediate
        label = f.labels[-1 - depth]
        value = f.stack[-1]
        bring(f, label)
        on = f"N{position}"
        yes, no = (label.name, on) if taken else (on, label.name)
        _Cast(f, position, value, yes, no).to(target)
        f.append(f"{on}:")

    return branch


HANDLERS: Final[dict[str, Handler]] = {
    "ref.test": _ref_test,
    "ref.test/null": _ref_test,
    "ref.cast": _ref_cast,
    "ref.cast/null": _ref_cast,
    "br_on_cast": _br_on_cast(taken=True),
    "br_on_cast_fail": _br_on_cast(taken=False),
}
