"""Linear memories: address space, limits, growth.

A memory's size is what its VMMemoryDefinition says, and nothing else: compiled code may grow a
static memory without telling Python. Who exports a memory, and to whom, is not known here.
"""

from __future__ import annotations

import ctypes
from enum import StrEnum
from threading import RLock
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from wasmine.abi.vmcontext import (
    STATIC_GUARD_SIZE,
    VMLinearMemory,
    VMMemoryDefinition,
)
from wasmine.errors import ResourceError
from wasmine.frozen import Frozen
from wasmine.types import I32, I64, Limits, MemoryType
from wasmine.vm import process
from wasmine.vm.mmap import Mmap

WASM_PAGE_SIZE: Final = 0x1_0000
"""Bytes in a page of linear memory."""
WASM_MAX_PAGES: Final = 0x1_0000
"""Pages that 32-bit addresses reach. A memory may have, and may grow to, exactly this many.

The reference refuses to *grow* to the last page although a memory may *start* with it; the
specification knows no such difference, and neither do we (reference row M04).
"""
WASM_MAX_PAGES_64: Final = 1 << 48
"""Pages that 64-bit addresses reach."""


class StaticMemory(Frozen):
    """Address space for the whole life of a memory, so that its base never moves.

    Accesses need no bounds check: a 32-bit index plus an offset below `offset_guard_size` ends
    in the memory or in pages that fault. A 64-bit index must be compared with the bound.
    """

    bound: int = WASM_MAX_PAGES
    """Pages of address space, in front of the guard."""
    bound_64: int = 1 << 20
    """The same for a memory of 64-bit addresses, if it does not start with more and may have as many.
    64 GiB: room for a thousand such memories in the 47 bits of address space that a process has."""
    offset_guard_size: int = STATIC_GUARD_SIZE
    """Bytes that stay inaccessible behind the bound."""


class DynamicMemory(Frozen):
    """Address space for the present size; growing may move the base. Accesses need a check.

    A shared memory has address space for its maximum all the same, because it must not move.
    """

    offset_guard_size: int = 0x1_0000
    """Bytes that stay inaccessible behind the space for growth."""


MemoryStyle: TypeAlias = StaticMemory | DynamicMemory

# The widest access that begins on the last byte in front of the guard's end must fault as well.
_ACCESS_GUARD: Final = 0x1_0000


class MemoryErrorKind(StrEnum):
    """Why a memory could not be made or grown; the texts are the reference's (row M02)."""

    REGION = "Error when allocating memory: {reason}"
    COULD_NOT_GROW = (
        "The memory could not grow: current size {current} pages, "
        "requested increase: {attempted_delta} pages"
    )
    INVALID_MEMORY = "The memory is invalid because {reason}"
    MINIMUM_TOO_LARGE = (
        "The minimum requested memory {min_requested} pages is greater than "
        "the maximum allowed memory {max_allowed} pages"
    )
    MAXIMUM_TOO_LARGE = (
        "The maximum requested memory {max_requested} pages is greater than "
        "the maximum allowed memory {max_allowed} pages"
    )


class LinearMemoryError(ResourceError):
    """A memory could not be made or grown: the kind, and the values that its text names."""

    def __init__(self, kind: MemoryErrorKind, fields: dict[str, int | str]) -> None:
        super().__init__(kind, fields)
        self.kind = kind
        self.fields = fields

    def __str__(self) -> str:
        return self.kind.format(**self.fields)


class LinearMemory:
    """A linear memory, its VMMemoryDefinition and its VMLinearMemory record.

    The definition lies at `definition_address`, in the VMContext of the instance that `owner`
    keeps alive, or, without an address, in this object (reference row M05).

    Raises LinearMemoryError of any kind but COULD_NOT_GROW.
    """

    def __init__(
        self,
        type_: MemoryType,
        style: MemoryStyle | None = None,
        definition_address: int = 0,
        owner: object = None,
    ) -> None:
        _check_limits(type_.limits, _PAGES[type_.address])
        self.style: Final[MemoryStyle] = StaticMemory() if style is None else style
        self._declared: Final = type_
        self._owner = owner
        # A finalizer that the garbage collector runs in the middle of growing may use the memory.
        self._lock: Final = RLock()
        self._growing = False
        self._window: memoryview | None = None
        if definition_address:
            self._definition = VMMemoryDefinition.from_address(definition_address)
        else:
            self._definition = VMMemoryDefinition()
        self._record: Final = VMLinearMemory(
            definition=self.definition_address,
            maximum_pages=_growth_limit(type_, self.style),
        )
        reserved = _reservation(type_, self.style)
        length, reserved = type_.minimum * WASM_PAGE_SIZE, reserved * WASM_PAGE_SIZE
        self._mapping = self._map(length, reserved)
        self._publish(self._mapping, length, reserved)
        _by_record[self.record_address] = self

    @property
    def definition_address(self) -> int:
        """Address of the VMMemoryDefinition."""
        return ctypes.addressof(self._definition)

    @property
    def record_address(self) -> int:
        """Address of the VMLinearMemory record."""
        return ctypes.addressof(self._record)

    @property
    def type(self) -> MemoryType:
        """The type that an importer is matched with: its minimum is the current size."""
        declared = self._declared
        return MemoryType(Limits(self.size, declared.maximum), declared.shared, declared.address)

    @property
    def shared(self) -> bool:
        """Whether instances of several stores may use it at once. Its base never moves."""
        return self._declared.shared

    @property
    def size(self) -> int:
        """The current size in pages."""
        return self.data_size // WASM_PAGE_SIZE

    @property
    def data_size(self) -> int:
        """The current size in bytes."""
        return self._definition.current_length

    @property
    def base(self) -> int:
        """Address of the first byte. Growing a dynamic memory may change it."""
        return self._definition.base

    def grow(self, delta: int) -> int:
        """Add `delta` pages of zeros and return the size before, in pages.

        Raises LinearMemoryError, COULD_NOT_GROW beyond the limits and REGION if the system refuses;
        the memory is then as it was.
        """
        if self.shared:
            return self._grow_shared(delta)
        with self._lock:
            current = self.size
            if delta == 0:
                return current
            possible = 0 < delta <= self._record.maximum_pages - current
            if not possible or self._growing:
                raise _could_not_grow(current, delta)
            self._growing = True
            try:
                self._grow_to((current + delta) * WASM_PAGE_SIZE)
            finally:
                self._growing = False
            return current

    def _grow_shared(self, delta: int) -> int:
        """Native code grows it, with a lock that compiled code in other threads takes as well."""
        if 0 <= delta <= WASM_MAX_PAGES_64:
            current = process.current().grow_memory(self.record_address, delta)
            if current >= 0:
                return current
        raise _could_not_grow(self.size, delta)

    def _grow_to(self, length: int) -> None:
        old, reserved = self.data_size, self._record.reserved_bytes
        if length <= reserved:
            self._make_accessible(self._mapping, old, length - old)
            self._publish(self._mapping, length, reserved)
        else:
            # Twice the space makes the copying of many small steps linear in the final size.
            limit = self._record.maximum_pages * WASM_PAGE_SIZE
            reserved = max(length, min(2 * reserved, limit))
            moved = self._map(length, reserved)
            ctypes.memmove(moved.base, self.base, old)
            self._publish(moved, length, reserved)

    def _map(self, accessible: int, reserved: int) -> Mmap:
        try:
            mapping = Mmap(reserved + self.style.offset_guard_size + _ACCESS_GUARD)
        except ResourceError as error:
            raise _region(error) from None
        self._make_accessible(mapping, 0, accessible)
        return mapping

    @staticmethod
    def _make_accessible(mapping: Mmap, start: int, length: int) -> None:
        try:
            mapping.make_accessible(start, length)
        except ResourceError as error:
            raise _region(error) from None

    def _publish(self, mapping: Mmap, length: int, reserved: int) -> None:
        """Let code see a mapping. No call is in here, so that no signal can interrupt it."""
        record, definition = self._record, self._definition
        record.reserved_bytes = reserved
        definition.base = mapping.base
        definition.current_length = length
        if mapping is not self._mapping:
            # Views hold the old pages; without any they go now.
            self._window = None
            self._mapping = mapping

    @property
    def window(self) -> memoryview:
        """A view of the bytes that there are now, for use on the spot: it belongs to the memory."""
        window = self._window
        if window is None or window.nbytes != self._definition.current_length:
            window = self._window = self._map_window()
        return window

    def _map_window(self) -> memoryview:
        # In this order another thread may grow the memory meanwhile: a mapping is never smaller
        # than the length was before it was looked up.
        length = self._definition.current_length
        mapping = self._mapping
        pages = (ctypes.c_ubyte * length).from_address(mapping.base)
        pages.mapping = mapping.hold()  # type: ignore[attr-defined]
        return memoryview(pages).cast("B")

    def view(self) -> memoryview:
        """The bytes that there are now, without copying, writable.

        The view keeps its pages mapped, whatever becomes of the memory. It does not grow with
        it, and after a dynamic memory has moved it shows the pages left behind.
        """
        return self.window[:]

    def read(self, offset: int, length: int) -> bytes:
        """Copy bytes out. Raises IndexError beyond the end."""
        window = self.window
        if offset < 0 or length < 0 or offset + length > len(window):
            raise _out_of_bounds(offset, length, len(window))
        return window[offset : offset + length].tobytes()

    def write(self, offset: int, data: Any) -> None:
        """Copy any bytes-like object in. Raises IndexError beyond the end: nothing is written."""
        content = as_bytes(data)
        window = self.window
        length = len(content)
        if offset < 0 or offset + length > len(window):
            raise _out_of_bounds(offset, length, len(window))
        window[offset : offset + length] = content

    def close(self) -> None:
        """Give the pages back; the memory then has none. May be called again.

        Not for a memory that compiled code can still reach: its accesses count on the guard.
        """
        with self._lock:
            self._window = None
            self._mapping.close()
            self._record.maximum_pages = 0
            self._publish(self._mapping, 0, 0)


_by_record: Final[WeakValueDictionary[int, LinearMemory]] = WeakValueDictionary()


def by_record(address: int) -> LinearMemory:
    """The memory whose VMLinearMemory record is at this address; native code knows no other."""
    return _by_record[address]


def as_bytes(data: Any) -> bytes | bytearray | memoryview:
    """The bytes of any bytes-like object, copied only if they do not lie in a row.

    Raises TypeError for an object that has none.
    """
    if isinstance(data, bytes | bytearray):
        return data
    view = memoryview(data)
    if view.ndim == 1 and view.format == "B":
        return view
    try:
        return view.cast("B")
    except (TypeError, ValueError):
        # Rows with gaps, no elements at all, elements of a format that memoryview does not know.
        return view.tobytes()


def _out_of_bounds(offset: int, length: int, size: int) -> IndexError:
    return IndexError(
        f"out of bounds memory access: {length} bytes at {offset}, the memory has {size}"
    )


_PAGES: Final = {I32: WASM_MAX_PAGES, I64: WASM_MAX_PAGES_64}
"""By address type: the pages that a memory may have."""


def _check_limits(limits: Limits, allowed: int) -> None:
    if limits.minimum > allowed:
        raise LinearMemoryError(
            MemoryErrorKind.MINIMUM_TOO_LARGE,
            {"min_requested": limits.minimum, "max_allowed": allowed},
        )
    if limits.maximum is None:
        return
    if limits.maximum > allowed:
        raise LinearMemoryError(
            MemoryErrorKind.MAXIMUM_TOO_LARGE,
            {"max_requested": limits.maximum, "max_allowed": allowed},
        )
    if limits.maximum < limits.minimum:
        raise _invalid("maximum", limits.maximum, limits.minimum)


def _could_not_grow(current: int, delta: int) -> LinearMemoryError:
    fields: dict[str, int | str] = {"current": current, "attempted_delta": delta}
    return LinearMemoryError(MemoryErrorKind.COULD_NOT_GROW, fields)


def _invalid(bound: str, pages: int, minimum: int) -> LinearMemoryError:
    reason = f"the {bound} ({pages} pages) is less than the minimum ({minimum} pages)"
    return LinearMemoryError(MemoryErrorKind.INVALID_MEMORY, {"reason": reason})


def _region(error: ResourceError) -> LinearMemoryError:
    return LinearMemoryError(MemoryErrorKind.REGION, {"reason": str(error)})


def _declared_maximum(type_: MemoryType) -> int:
    return _PAGES[type_.address] if type_.maximum is None else type_.maximum


def _reservation(type_: MemoryType, style: MemoryStyle) -> int:
    """The pages of address space that a new memory begins with."""
    if isinstance(style, DynamicMemory):
        return _declared_maximum(type_) if type_.shared else type_.minimum
    if type_.address is I64:
        return max(type_.minimum, min(_declared_maximum(type_), style.bound_64))
    if style.bound < type_.minimum:
        raise _invalid("reservation", style.bound, type_.minimum)
    return style.bound


def _growth_limit(type_: MemoryType, style: MemoryStyle) -> int:
    maximum = _declared_maximum(type_)
    return maximum if isinstance(style, DynamicMemory) else min(maximum, _reservation(type_, style))
