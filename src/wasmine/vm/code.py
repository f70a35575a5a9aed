"""Executable memory: maps images, so that their functions have addresses.

A page is writable or executable, never both: code is written before it becomes executable, or
mapped from a file and never written; the address table has pages of its own, which become read-only
once they are filled.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from array import array
from collections.abc import Callable
from functools import cached_property
from typing import Final, Protocol

from wasmine.abi.image import HEADER_SIZE, Header, Image, round_up
from wasmine.errors import DeserializeError, InternalError, ResourceError
from wasmine.vm.mmap import MAP_NORESERVE, Mmap

_MACHINES: Final = {"x86_64": 62, "aarch64": 183, "arm64": 183}
"""What ELF calls the processors of systems."""
MACHINE: Final = _MACHINES.get(os.uname().machine)
"""What it calls this one; None if code is generated for no such processor."""

_MAP_FIXED: Final = 0x10
_MREMAP_FIXED: Final = 1 | 2  # MREMAP_MAYMOVE, without which it may not be
_READ_EXECUTE: Final = mmap.PROT_READ | mmap.PROT_EXEC

_libc: Final = ctypes.CDLL(None, use_errno=True)
_mmap: Final = _libc.mmap
_mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int64,
]
_mmap.restype = ctypes.c_size_t
_mremap: Final = _libc.mremap
_mremap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_void_p,
]
_mremap.restype = ctypes.c_size_t
_mprotect: Final = _libc.mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MAP_FAILED: Final = ctypes.c_size_t(-1).value


class NativeCode(Protocol):
    """Code of a module that is mapped: what backtraces, signals and exceptions ask of it.

    Addresses are those of instructions; for a return address pass it minus one.
    """

    @property
    def base(self) -> int:
        """Where the code begins; what is in the frames table counts from there."""

    @property
    def end(self) -> int:
        """The address behind it."""

    def frames_address(self) -> int:
        """The address of a FrameTable in native form, for all code that there is now."""

    def function_at(self, pc: int) -> int | None:
        """The index, with imports, of the WebAssembly function at an address."""

    def wasm_offset(self, pc: int) -> int | None:
        """The offset in the module of what is at an address."""

    def frame_size_at(self, pc: int) -> int | None:
        """Bytes from the stack pointer to the canonical frame address."""


class Code:
    """An image in executable memory. The memory is freed by `close`, or with the object."""

    image: Image
    base: int
    """The address of the image's code; 0 once closed."""
    end: int
    """The address behind the image's code; 0 once closed."""

    def __init__(self, image: Image, resolve: Callable[[str], int]) -> None:
        """Map a copy of the image's code.

        `resolve` gives the address of each name in the image's slots, or 0 if it has none.
        Raises InternalError naming the one it does not know, ResourceError if the system does not
        give the memory, DeserializeError if the code is for another processor.
        """
        self._allocate(image)
        code = bytes(image.code)
        ctypes.memmove(self.base, code, len(code))
        # On AArch64 Linux makes the caches agree when a page first becomes executable.
        self._memory.protect(0, image.table_offset, _READ_EXECUTE)
        self._fill_table(resolve)

    @classmethod
    def map_file(
        cls, fd: int, offset: int, resolve: Callable[[str], int], *, verify: bool = True
    ) -> Code:
        """Map the code of the serialised image that begins at `offset` of a file.

        `offset` must be a page boundary; `fd` may be closed afterwards, but the file must never be
        written again (replace it instead). `verify` is as in Image.from_bytes.
        Raises DeserializeError if there is no such image, and what the constructor raises.
        """
        if offset % mmap.PAGESIZE:
            raise InternalError(f"an image at {offset:#x} of a file, which is no page boundary")
        header = Header.read(os.pread(fd, HEADER_SIZE, offset))
        if os.fstat(fd).st_size < offset + header.total_size:  # or reading would be a bus error
            raise DeserializeError("truncated: the file ends within the image")
        self = cls.__new__(cls)
        view = map_view(fd, offset, header.total_size)
        self._allocate(Image.from_bytes(view, verify=verify))
        if header.code_size:
            map_file(
                self.base, self.image.table_offset, _READ_EXECUTE, fd, offset + header.code_offset
            )
        self._fill_table(resolve)
        return self

    def _allocate(self, image: Image) -> None:
        """Get writable memory for code and address table."""
        if image.machine != MACHINE:
            raise DeserializeError("compiled for another processor")
        self.image = image
        # Empty code has an address too.
        size = max(image.page, image.table_offset + round_up(image.table_size, image.page))
        self._memory = Mmap.accessible(size)
        self.base = self._memory.base
        self.end = self.base + len(image.code)

    def _fill_table(self, resolve: Callable[[str], int]) -> None:
        """Write the address table and make it read-only."""
        addresses = array("Q")
        for name in self.image.slots:
            # Code that compares the address of a function in the image with another has a cell.
            address = self.address(name) if name in self.image else resolve(name)
            if not address:
                raise InternalError(f"compiled code needs {name!r}, which has no address")
            addresses.append(address)
        start = self.image.table_offset
        ctypes.memmove(self.base + start, addresses.tobytes(), self.image.table_size)
        self._memory.protect(start, self._memory.length - start, mmap.PROT_READ)

    def address(self, name: str) -> int:
        """The address of a function. Raises InternalError if there is none of that name."""
        if not self.base:
            raise InternalError("this code has been closed")
        return self.base + self.image.extent(name).start

    def frames_address(self) -> int:
        """The address of the image's FrameTable in native form; it lives as long as this object."""
        return ctypes.addressof(self._frames)

    @cached_property
    def _frames(self) -> ctypes.Array[ctypes.c_char]:
        return ctypes.create_string_buffer(self.image.frame_table.native())

    def contains(self, pc: int) -> bool:
        """Whether `pc` is the address of an instruction or a constant of the image."""
        return self.base <= pc < self.end

    def offset(self, pc: int) -> int:
        """Where in the image an address in it is."""
        return pc - self.base

    def function_at(self, pc: int) -> int | None:
        """The index, with imports, of the WebAssembly function that has the instruction at `pc`."""
        extent = self.image.function_at(self.offset(pc))
        # Code that takes over a function at a loop has the loop behind its name.
        index = "" if extent is None else extent.name.removeprefix("f").partition("_loop")[0]
        return int(index) if index.isdecimal() else None

    def wasm_offset(self, pc: int) -> int | None:
        """The offset in the module that the instruction at `pc` came from, None if that is unknown."""
        return self.image.wasm_offset(self.offset(pc))

    def frame_size_at(self, pc: int) -> int | None:
        """As Image.frame_size_at, for an address."""
        return self.image.frame_size_at(self.offset(pc))

    def close(self) -> None:
        """Free the memory. Nothing may run in it, nor point to it. May be called again."""
        self._memory.close()
        self.base = self.end = 0


def map_file(
    address: int, size: int, protection: int, fd: int, offset: int, *, shared: bool = False
) -> None:
    """Map bytes of a file, in place of what is mapped at `address`.

    What is written to a `shared` mapping is seen in the others. Raises ResourceError.
    """
    flags = (mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE) | _MAP_FIXED
    result = int(_mmap(address, size, protection, flags, fd, offset))
    if result == _MAP_FAILED:
        reason = os.strerror(ctypes.get_errno())
        raise ResourceError(f"cannot map {size} bytes of a file: {reason}")


def map_twice(
    size: int, address: int, protection: int, second: int, second_protection: int
) -> None:
    """Map fresh memory at two addresses, in place of what is there, without a file.

    Raises ResourceError.
    """
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | MAP_NORESERVE | _MAP_FIXED
    if (
        _mmap(address, size, protection, flags, -1, 0) == _MAP_FAILED
        # Of no old bytes, it leaves the old mapping in place.
        or _mremap(address, 0, size, _MREMAP_FIXED, second) == _MAP_FAILED
        or _mprotect(second, size, second_protection)
    ):
        reason = os.strerror(ctypes.get_errno())
        raise ResourceError(f"cannot map {size} bytes twice: {reason}")


def map_view(fd: int, offset: int, size: int) -> memoryview:
    """The bytes of a file, read when they are looked at.

    Unlike mmap.mmap of a file this keeps no file descriptor open: there may be many images. The bytes
    stay as long as memory of Mmap does.
    """
    memory = Mmap(size, mmap.PROT_READ)
    map_file(memory.base, size, mmap.PROT_READ, fd, offset)
    return memory.view(size)
