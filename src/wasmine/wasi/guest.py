"""The guest's linear memory as WASI functions see it: every address is checked, none trusted.

Addresses and lengths are unsigned and come from the guest; one that leaves the memory is EFAULT.
Knows nothing of what the bytes mean beyond integers and lists of buffers.
"""

from __future__ import annotations

from typing import Protocol

from wasmine.wasi.abi import IOV_MAX, IOVEC, MAX_U32, PATH_MAX, Errno, ErrnoError


class LinearMemory(Protocol):
    """What WASI needs of `wasmine.Memory`; `read` and `write` raise IndexError out of bounds."""

    @property
    def data_size(self) -> int: ...
    def read(self, offset: int, length: int, /) -> bytes: ...
    def write(self, offset: int, data: bytes, /) -> object: ...
    def uint8_view(self) -> memoryview: ...


class GuestMemory:
    """Checked access to a linear memory. A program without one faults at every address."""

    def __init__(self, memory: LinearMemory | None) -> None:
        self._memory = memory

    def read(self, address: int, length: int) -> bytes:
        """A copy of `length` bytes. Raises ErrnoError(EFAULT) out of bounds."""
        if self._memory is None:
            raise ErrnoError(Errno.EFAULT)
        try:
            return self._memory.read(address, length)
        except IndexError:
            raise ErrnoError(Errno.EFAULT) from None

    def write(self, address: int, data: bytes) -> None:
        """Copies `data` into the memory, or nothing: raises ErrnoError(EFAULT) out of bounds."""
        if self._memory is None:
            raise ErrnoError(Errno.EFAULT)
        try:
            self._memory.write(address, data)
        except IndexError:
            raise ErrnoError(Errno.EFAULT) from None

    def check(self, address: int, length: int) -> None:
        """Raises ErrnoError(EFAULT) unless `length` bytes can be written there later on."""
        if self._memory is None or address + length > self._memory.data_size:
            raise ErrnoError(Errno.EFAULT)

    def path(self, address: int, length: int) -> bytes:
        """A path, in UTF-8. Raises ErrnoError: EFAULT, ENAMETOOLONG, EINVAL, EILSEQ."""
        if length >= PATH_MAX:
            raise ErrnoError(Errno.ENAMETOOLONG)
        path = self.read(address, length)
        if b"\0" in path:
            raise ErrnoError(Errno.EINVAL)
        try:
            path.decode()
        except UnicodeDecodeError:
            raise ErrnoError(Errno.EILSEQ) from None
        return path

    def buffers(self, iovs: int, count: int) -> list[memoryview]:
        """Views of the buffers that `count` (address, length) pairs describe, empty ones left out.

        They may overlap each other and the array, which is read first. Raises ErrnoError: EFAULT
        when any of them leaves the memory, EINVAL when there are too many or their sum is no u32.
        """
        if count > IOV_MAX:
            raise ErrnoError(Errno.EINVAL)
        table = self.read(iovs, count * IOVEC.size)
        whole = self._view()
        views = []
        total = 0
        for address, length in IOVEC.iter_unpack(table):
            if address + length > len(whole):
                raise ErrnoError(Errno.EFAULT)
            if length:
                views.append(whole[address : address + length])
                total += length
        if total > MAX_U32:
            raise ErrnoError(Errno.EINVAL)
        return views

    def buffer(self, address: int, length: int) -> memoryview:
        """A view of `length` bytes. Raises ErrnoError(EFAULT) out of bounds."""
        whole = self._view()
        if address + length > len(whole):
            raise ErrnoError(Errno.EFAULT)
        return whole[address : address + length]

    def _view(self) -> memoryview:
        if self._memory is None:
            raise ErrnoError(Errno.EFAULT)
        return self._memory.uint8_view()
