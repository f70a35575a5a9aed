"""Tables of references: storage that never moves, limits, growth, copying.

An element is 8 bytes: the address of a VMCallerCheckedAnyfunc, of an externref's box or of an object
of the garbage-collected heap, an i31, or 0 for null. How references are counted is the business of
the hooks that a table is given.
"""

from __future__ import annotations

import ctypes
from typing import Final, Protocol

from wasmine.abi.heap import RootKind
from wasmine.abi.objects import is_traced
from wasmine.abi.vmcontext import ElementKind, VMLinearTable, VMTableDefinition
from wasmine.errors import ResourceError, Trap, TrapCode
from wasmine.types import Limits, RefType, TableType, top
from wasmine.vm.mmap import Mmap

MAX_TABLE_ELEMENTS: Final = 10_000_000
"""What a table may grow to when its type allows more (reference row T02 asks for a bound).

Address space for this many elements is reserved with every table without a maximum: 80 MB of
addresses, and memory only where elements are written.
"""
ELEMENT_SIZE: Final = 8


class ReferenceCounts(Protocol):
    """What happens when a table or a global begins or ceases to hold an externref."""

    def retain(self, raw: int) -> None:
        """Count one more holder of the box at address `raw`, which is not 0."""

    def release(self, raw: int) -> None:
        """Count one holder less."""

    def track(self, kind: RootKind, address: int, memory: object) -> object:
        """Let the collector follow what lies at `address` as long as the result exists.

        `memory` keeps that memory, and what it points to, where it is.
        """


class Uncounted:
    """References that nobody counts: those to functions, which live as long as their instance."""

    def retain(self, raw: int) -> None:
        """Nothing to do."""

    def release(self, raw: int) -> None:
        """Nothing to do."""

    def track(self, kind: RootKind, address: int, memory: object) -> object:
        """Nothing to do."""


UNCOUNTED: Final = Uncounted()


class LinearTable:
    """A table, its VMTableDefinition and its VMLinearTable record.

    The definition lies at `definition_address`, in the VMContext of the instance, or, without an
    address, in this object (reference row T04). `owner` keeps that VMContext in memory. What an
    externref table holds is released by `close`, or all at once when the store goes. The number of
    elements is what the definition says; compiled code may grow the table without telling Python.

    Raises ResourceError for limits that cannot be met.
    """

    def __init__(
        self,
        type_: TableType,
        definition_address: int = 0,
        owner: object = None,
        references: ReferenceCounts = UNCOUNTED,
    ) -> None:
        kind = _ELEMENT_KINDS[top(type_.element.heap)]
        self._references = references if kind is ElementKind.EXTERNREF else UNCOUNTED
        self._declared: Final = type_
        self._owner = owner
        if definition_address:
            self._definition = VMTableDefinition.from_address(definition_address)
        else:
            self._definition = VMTableDefinition()
        maximum = _effective_maximum(type_.limits)
        self._mapping = Mmap.accessible(maximum * ELEMENT_SIZE)
        self._definition.base = self._mapping.base
        self._definition.current_elements = type_.minimum
        self._record: Final = VMLinearTable(
            definition=self.definition_address, maximum=maximum, element_kind=kind
        )
        self._root: Final = (
            references.track(
                RootKind.TABLE,
                self.definition_address,
                (self._definition, self._mapping.hold()),
            )
            if is_traced(type_.element)
            else None
        )

    @property
    def definition_address(self) -> int:
        """Address of the VMTableDefinition."""
        return ctypes.addressof(self._definition)

    @property
    def record_address(self) -> int:
        """Address of the VMLinearTable record."""
        return ctypes.addressof(self._record)

    @property
    def type(self) -> TableType:
        """The type that an importer is matched with: its minimum is the current size."""
        declared = self._declared
        limits = Limits(self.size, declared.maximum)
        return TableType(declared.element, limits, declared.address)

    @property
    def element(self) -> RefType:
        """The type of the elements."""
        return self._declared.element

    @property
    def size(self) -> int:
        """The current number of elements."""
        return self._definition.current_elements

    def get_raw(self, index: int) -> int:
        """The element as bits, still held by the table. Raises Trap if there is none."""
        self._check_range(index, 1)
        return self._elements(index, 1)[0]

    def set_raw(self, index: int, raw: int) -> None:
        """Replace an element; the table holds the new one too. Raises Trap if there is none."""
        self._check_range(index, 1)
        self._store(index, [raw])

    def fill(self, start: int, raw: int, length: int) -> None:
        """Set elements to one reference. Raises Trap, and then nothing is written."""
        self._check_range(start, length)
        self._store(start, [raw] * length)

    def grow(self, delta: int, raw: int = 0) -> int | None:
        """Add `delta` elements and return the size before; None if there may not be as many."""
        size = self.size
        if not 0 <= delta <= self._record.maximum - size:
            return None
        # Behind the last element the storage is still as it was mapped: null.
        if raw:
            self._store(size, [raw] * delta)
        self._definition.current_elements = size + delta
        return size

    def store(self, start: int, raws: list[int]) -> None:
        """Set elements to these references. Raises Trap, and then nothing is written."""
        self._check_range(start, len(raws))
        self._store(start, raws)

    def copy(self, dst: int, source: LinearTable, src: int, length: int) -> None:
        """Copy elements of `source`, which may be this table; the ranges may overlap.

        Raises Trap, the source being checked first, and then nothing is written.
        """
        source._check_range(src, length)
        self._check_range(dst, length)
        self._store(dst, list(source._elements(src, length)))

    def close(self) -> None:
        """Release the elements and give the storage back; the table then has none.

        May be called again. Not for a table that compiled code can still reach.
        """
        if self._references is not UNCOUNTED:
            self.fill(0, 0, self.size)
        self._definition.current_elements = self._definition.base = 0
        self._record.maximum = 0
        self._mapping.close()

    def _check_range(self, start: int, length: int) -> None:
        if min(start, length) < 0 or start + length > self.size:
            raise Trap(TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS)

    def _elements(self, start: int, length: int) -> ctypes.Array[ctypes.c_uint64]:
        address = self._definition.base + start * ELEMENT_SIZE
        return (ctypes.c_uint64 * length).from_address(address)

    def _store(self, start: int, raws: list[int]) -> None:
        """Replace elements; the new ones are held before the old ones are let go."""
        elements = self._elements(start, len(raws))
        if self._references is UNCOUNTED:
            elements[:] = raws  # type: ignore[assignment]
            return
        for raw in raws:
            if raw:
                self._references.retain(raw)
        old = list(elements)
        elements[:] = raws  # type: ignore[assignment]
        for raw in old:
            if raw:
                self._references.release(raw)


_ELEMENT_KINDS: Final = {
    "func": ElementKind.FUNCREF,
    "extern": ElementKind.EXTERNREF,
    "any": ElementKind.ANYREF,
    "exn": ElementKind.EXNREF,
}
"""By the hierarchy of the elements' type."""


def _effective_maximum(limits: Limits) -> int:
    if limits.maximum is not None and limits.minimum > limits.maximum:
        raise ResourceError(
            f"Table minimum ({limits.minimum}) is larger than maximum ({limits.maximum})!"
        )
    if limits.minimum > MAX_TABLE_ELEMENTS:
        raise ResourceError(
            f"Table minimum ({limits.minimum}) is larger than this implementation's bound "
            f"({MAX_TABLE_ELEMENTS})"
        )
    if limits.maximum is None:
        return MAX_TABLE_ELEMENTS
    return min(limits.maximum, MAX_TABLE_ELEMENTS)
