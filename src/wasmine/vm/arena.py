"""Native memory that lives as long as its owner: the records of a store and its instances."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final, Self

from wasmine.errors import ResourceError

_libc: Final = ctypes.CDLL(None)
_calloc: Final = _libc.calloc
_calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
_calloc.restype = ctypes.c_size_t
_free: Final = _libc.free
_free.argtypes = [ctypes.c_size_t]
_free.restype = None
_gc_untrack: Final = ctypes.pythonapi.PyObject_GC_UnTrack
_gc_untrack.argtypes = [ctypes.py_object]
_gc_untrack.restype = None

CHUNK_SIZE: Final = 16 * 1024


def untrack(value: object) -> None:
    """Hide an object from the garbage collector, which then takes it for one that is in use."""
    if gc.is_tracked(value):
        _gc_untrack(value)


class Token(int):
    """An address with something to do when the last holder lets go of it.

    The garbage collector runs the finalizers of everything in a cycle in any order, and only then
    lets go of attributes. It does not know tokens, which refer to nothing: what one does is
    therefore done after every finalizer that might still need the memory. When the interpreter
    ends the globals of a module may be gone; `__del__` finds what it calls in its defaults.
    """

    __slots__ = ()

    def __new__(cls, address: int) -> Self:
        self = super().__new__(cls, address)
        untrack(self)
        return self

    def __del__(self) -> None:
        raise NotImplementedError


class _Chunk(Token):
    """A block of zeroed memory from the C library."""

    __slots__ = ()

    def __del__(self, free: Callable[[int], None] = _free) -> None:
        free(self)


class Arena:
    """Zeroed memory in pieces that never move and are freed together, with the arena."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._next = 0
        self._end = 0

    def allocate(self, size: int, alignment: int = 16) -> int:
        """The address of `size` zeroed bytes. Raises ResourceError if there is no memory."""
        address = (self._next + alignment - 1) & -alignment
        if address + size > self._end:
            if size + alignment > CHUNK_SIZE:  # has a chunk of its own; the current one goes on
                return (self._chunk(size + alignment) + alignment - 1) & -alignment
            self._next = self._chunk(CHUNK_SIZE)
            self._end = self._next + CHUNK_SIZE
            address = (self._next + alignment - 1) & -alignment
        self._next = address + size
        return address

    def _chunk(self, size: int) -> int:
        address = _calloc(1, size)
        if not address:
            raise ResourceError(f"cannot allocate {size} bytes")
        self._chunks.append(_Chunk(address))
        return int(address)
