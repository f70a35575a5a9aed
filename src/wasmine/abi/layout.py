"""How a native record is written down, and where its fields lie for any pointer size.

A record is a ctypes structure or union with annotated fields, under the decorator `record`:

    @record
    class VMMemoryDefinition(ctypes.Structure):
        base: Pointer
        current_length: Size

The annotations are what type checkers see (int, float, another record) and what the layouts are
derived from, for this machine and for others.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from wasmine.frozen import Frozen

HOST_POINTER_SIZE = ctypes.sizeof(ctypes.c_void_p)


class Kind(Frozen):
    """How a field is stored: its type on this machine, and its size anywhere (0: a pointer's)."""

    host: Any
    size: int
    count: int = 1

    def size_for(self, pointer_size: int) -> int:
        """Bytes of one element of the field where pointers have `pointer_size` bytes."""
        return self.size or pointer_size


# c_size_t rather than c_void_p: a null pointer then reads as 0 and not as None.
Pointer: TypeAlias = Annotated[int, Kind(ctypes.c_size_t, 0)]
Size: TypeAlias = Annotated[int, Kind(ctypes.c_size_t, 0)]
U32: TypeAlias = Annotated[int, Kind(ctypes.c_uint32, 4)]
I32: TypeAlias = Annotated[int, Kind(ctypes.c_int32, 4)]
U64: TypeAlias = Annotated[int, Kind(ctypes.c_uint64, 8)]
I64: TypeAlias = Annotated[int, Kind(ctypes.c_int64, 8)]
F32: TypeAlias = Annotated[float, Kind(ctypes.c_float, 4)]
F64: TypeAlias = Annotated[float, Kind(ctypes.c_double, 8)]

Record: TypeAlias = type[ctypes.Structure] | type[ctypes.Union]
RecordT = TypeVar("RecordT", bound=Record)


class Layout(Frozen):
    """Where a record's fields lie, in bytes, for one pointer size."""

    size: int
    alignment: int
    offsets: dict[str, int]


_FIELDS: dict[Record, dict[str, Kind | Record]] = {}


def record(cls: RecordT) -> RecordT:
    """Give `cls` the native fields that its annotations name."""
    fields: dict[str, Kind | Record] = {}
    names = vars(sys.modules[cls.__module__])
    for name, annotation in cls.__annotations__.items():
        # Most are plain names, and evaluating each would take longer than all that follows.
        hint = names.get(annotation) or eval(annotation, names)
        if hint in _FIELDS:
            fields[name] = hint
        elif hasattr(hint, "__metadata__"):
            fields[name] = hint.__metadata__[0]
    _FIELDS[cls] = fields
    cls._fields_ = [(name, _host_type(kind)) for name, kind in fields.items()]
    return cls


def _host_type(kind: Kind | Record) -> Any:
    if not isinstance(kind, Kind):
        return kind
    return kind.host if kind.count == 1 else kind.host * kind.count


@cache
def layout(cls: Record, pointer_size: int = HOST_POINTER_SIZE) -> Layout:
    """The layout of a record by the C rules: each field at a multiple of its own alignment."""
    offsets = {}
    end = size = 0
    alignment: int = getattr(cls, "ALIGNMENT", 1)
    for name, kind in _FIELDS[cls].items():
        if isinstance(kind, Kind):
            field_alignment = kind.size_for(pointer_size)
            field_size = field_alignment * kind.count
        else:
            inner = layout(kind, pointer_size)
            field_size, field_alignment = inner.size, inner.alignment
        offset = 0 if issubclass(cls, ctypes.Union) else align(end, field_alignment)
        offsets[name] = offset
        end = offset + field_size
        size = max(size, end)
        alignment = max(alignment, field_alignment)
    return Layout(align(size, alignment), alignment, offsets)


def align(offset: int, width: int) -> int:
    """The first multiple of `width` that is not below `offset`."""
    return (offset + width - 1) // width * width


def offset_of(cls: Record, field: str, pointer_size: int = HOST_POINTER_SIZE) -> int:
    """Bytes from the start of a record to one of its fields. KeyError if it has none so named."""
    return layout(cls, pointer_size).offsets[field]


def size_of(cls: Record, pointer_size: int = HOST_POINTER_SIZE) -> int:
    """Bytes that a record takes, padding at its end included."""
    return layout(cls, pointer_size).size


def alignment_of(cls: Record, pointer_size: int = HOST_POINTER_SIZE) -> int:
    """The power of two that a record's address must be a multiple of."""
    return layout(cls, pointer_size).alignment
