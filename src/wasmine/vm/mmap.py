"""Anonymous memory from the operating system: address space reserved, then made accessible.

Knows pages and protections. What the memory is used for is not known here.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Literal, Self

from wasmine.errors import ResourceError

PAGE_SIZE: Final = mmap.PAGESIZE

PROT_NONE: Final = 0
PROT_READ: Final = mmap.PROT_READ
PROT_READ_WRITE: Final = mmap.PROT_READ | mmap.PROT_WRITE
# The mmap module does not name this flag; Linux has one value for it on x86-64 and aarch64.
MAP_NORESERVE: Final = 0x4000
_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE


class _PyBuffer(ctypes.Structure):
    """CPython's Py_buffer, part of its stable ABI from 3.11 on."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_get_buffer: Final = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int]
_release_buffer: Final = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.POINTER(_PyBuffer)]
_release_buffer.restype = None
_libc: Final = ctypes.CDLL(None, use_errno=True)
_mprotect: Final = _libc.mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_madvise: Final = _libc.madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MADV_REMOVE: Final = 9


def round_up_to_page_size(size: int, page_size: int = PAGE_SIZE) -> int:
    """The smallest multiple of the page size that is not below `size`."""
    return (size + page_size - 1) & -page_size


class Mmap:
    """A private anonymous mapping; its fresh pages are zero.

    It is unmapped by `close`, or when nothing refers to it any more. In a cycle of garbage that
    is after all `__del__` methods: the mapping belongs to an object of the standard library that
    unmaps when it is deallocated, and not in a finalizer, whose order nobody could know. So
    `__del__` of an object that refers to an Mmap may still use the memory.

    `base` and `length` are 0 for an empty mapping and after closing. Raises ResourceError with
    the system's reason when there is no memory or address space.
    """

    def __init__(self, length: int, protection: int = PROT_NONE) -> None:
        """Map `length` bytes, rounded up to whole pages; by default they are only reserved."""
        self.base = 0
        self.length = round_up_to_page_size(length)
        self._mapping: mmap.mmap | None = None
        if self.length == 0:
            return
        try:
            self._mapping = mmap.mmap(-1, self.length, flags=_FLAGS, prot=protection)
        except (OSError, OverflowError) as error:
            raise ResourceError(f"cannot map {length} bytes: {error}") from None
        self.base = _address(self._mapping)

    @classmethod
    def accessible(cls, length: int) -> Self:
        """A mapping that can be read and written in full."""
        return cls(length, PROT_READ_WRITE)

    @classmethod
    def largest(cls, lengths: Iterable[int], protection: int = PROT_NONE) -> Self:
        """A mapping of the first of these lengths that there is address space for."""
        error = ResourceError("no length to map")
        for length in lengths:
            try:
                return cls(length, protection)
            except ResourceError as refused:
                error = refused
        raise error

    def make_accessible(self, start: int, length: int) -> None:
        """Make `length` bytes from `start`, a page boundary, readable and writable."""
        self.protect(start, length, PROT_READ_WRITE)

    def protect(self, start: int, length: int, protection: int) -> None:
        """Change what may be done with the pages of a range; `start` is a page boundary.

        Raises ValueError if the range is not inside the mapping.
        """
        end = start + round_up_to_page_size(length)
        if start % PAGE_SIZE or not 0 <= start <= end <= self.length:
            raise ValueError(f"not pages of a mapping of {self.length} bytes: {start} to {end}")
        if start < end and _mprotect(self.base + start, end - start, protection):
            reason = os.strerror(ctypes.get_errno())
            raise ResourceError(f"cannot change access to {length} bytes: {reason}")

    def hold(self) -> object:
        """An object that keeps the memory mapped as long as it exists, also after `close`."""
        return self._mapping

    def view(self, length: int) -> memoryview:
        """The first bytes, to be read only, which stay mapped as long as the view exists."""
        return memoryview(self._mapping or b"").toreadonly()[:length]

    def close(self) -> None:
        """Give the memory back, unless it is held. May be called again."""
        self._mapping = None
        self.base = self.length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def native_view(address: int, size: int, format_: Literal["B", "i", "Q"]) -> memoryview:
    """Native memory as elements of a type; it must stay mapped as long as the view is used."""
    return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B").cast(format_)


def remove_pages(address: int, length: int) -> None:
    """Give back the memory behind pages of a shared mapping; in all mappings they are zero then."""
    if _madvise(address, length, _MADV_REMOVE):
        reason = os.strerror(ctypes.get_errno())
        raise ResourceError(f"cannot give back {length} bytes: {reason}")


def _address(mapping: mmap.mmap) -> int:
    # ctypes gives addresses of writable buffers only, and reserved memory is not even readable.
    buffer = _PyBuffer()
    _get_buffer(mapping, buffer, 0)
    address: int = buffer.buf
    _release_buffer(buffer)
    return address
