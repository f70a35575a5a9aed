"""One number for each defined type, and the records in native memory that go by these numbers."""

from __future__ import annotations

import ctypes
from typing import Final

from wasmine.abi.heap import MAXIMUM_DEPTH, NO_TYPE, TypeKind, VMTypeRecord
from wasmine.abi.layout import size_of
from wasmine.abi.objects import ArrayLayout, layout
from wasmine.errors import ResourceError
from wasmine.types import DefinedType, FunctionType, defined
from wasmine.vm.arena import Arena
from wasmine.vm.locks import lock
from wasmine.vm.mmap import PROT_READ_WRITE, Mmap

MAXIMUM_TYPES: Final = (1 << 20, 1 << 16)
"""How many types an engine can number. Address space is reserved for their records, for fewer of them
where there is little."""


class SignatureRegistry:
    """A bijection of types and small integers, shared by all modules of an engine.

    Numbers are dense, start at 1 and are never given up; 0 is in the header of what is no object.
    Threads may share a registry.
    """

    def __init__(self) -> None:
        self._numbers: Final[dict[DefinedType, int]] = {}
        self._types: Final[list[DefinedType]] = []
        self._lock: Final = lock()
        self._records: Final = Mmap.largest(
            (maximum * size_of(VMTypeRecord) for maximum in MAXIMUM_TYPES), PROT_READ_WRITE
        )
        self._arena: Final = Arena()

    @property
    def records(self) -> int:
        """The address of the array of VMTypeRecord, by number. It never moves."""
        return self._records.base

    def register(self, type_: DefinedType | FunctionType) -> int:
        """The number of a type, a new one if it has none yet.

        A function type alone is a group of its own, final and without a supertype. Raises
        ResourceError if there are too many types.
        """
        if isinstance(type_, FunctionType):
            type_ = defined(type_)
        number = self._numbers.get(type_)
        if number is not None:
            return number
        with self._lock:
            if type_.supertype is not None:
                self.register(type_.supertype)
            if type_ in self._numbers:
                return self._numbers[type_]
            number = len(self._types) + 1
            if number >= self._records.length // size_of(VMTypeRecord):
                raise ResourceError("too many types")
            self._write(number, type_)
            self._types.append(type_)
            # Last: who finds a number without the lock may use its record.
            self._numbers[type_] = number
            return number

    def lookup(self, number: int) -> DefinedType | None:
        """The type with this number, or None."""
        with self._lock:
            return self._types[number - 1] if 1 <= number <= len(self._types) else None

    def __len__(self) -> int:
        return len(self._types)

    def _write(self, number: int, type_: DefinedType) -> None:
        record = VMTypeRecord.from_address(self.records + number * size_of(VMTypeRecord))
        record.depth = type_.depth
        line = [number]
        supertype = type_.supertype
        while supertype is not None:
            line.append(self._numbers[supertype])
            supertype = supertype.supertype
        line.reverse()
        record.display[:] = [*line, *[NO_TYPE] * (MAXIMUM_DEPTH + 1 - len(line))]
        shape = layout(type_.composite)
        if isinstance(shape, ArrayLayout):
            record.kind = TypeKind.ARRAY
            record.size, record.element_size = shape.elements, shape.element_size
            record.references = int(shape.traced)
            return
        record.kind = TypeKind.FIXED
        record.size = shape.size
        if shape.references:
            record.references = len(shape.references)
            content = (ctypes.c_uint32 * len(shape.references))(*shape.references)
            record.offsets = self._arena.allocate(ctypes.sizeof(content))
            ctypes.memmove(record.offsets, content, ctypes.sizeof(content))
