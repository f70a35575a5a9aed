"""The guest's linear memory as WASI functions see it: every address is checked, none trusted.

Addresses and lengths are unsigned and come from the guest; one that leaves the memory is EFAULT.
Knows nothing of what the bytes mean beyond integers and lists of buffers.
"""

from __future__ import annotations

from typing import Protocol

from wasmine.wasi.abi import IOV_MAX, IOVEC, MAX_U32, PATH_MAX, Errno, ErrnoError


class LinearMemory(Protocol):
    """What WASI needs of `wasmine.Memory`."""

    @property
    def data_size(self) -> int: ...
    def uint8_view(self) -> memoryview: ...


class GuestMemory:
    """Checked access to a linear memory. A program without one faults at every address."""

    def __init__(self, memory: LinearMemory | None) -> None:
        self._memory = memory
        self._view = memoryview(b"")

    def view(self) -> memoryview:
        """All bytes that there are now, for use on the spot: the memory may grow, and then move.

        Raises ErrnoError(EFAULT) where there is no memory.
        """
        memory = self._memory
        if memory is None:
            raise ErrnoError(Errno.EFAULT)
        view = self._view
        # A memory that keeps its size has not moved.
        if len(view) != memory.data_size:
            view = self._view = memory.uint8_view()
        return view

    def read(self, address: int, length: int) -> bytes:
        """A copy of `length` bytes. Raises ErrnoError(EFAULT) out of bounds."""
        return bytes(buffer(self.view(), address, length))

    def write(self, address: int, data: bytes) -> None:
        """Copies `data` into the memory, or nothing: raises ErrnoError(EFAULT) out of bounds."""
        buffer(self.view(), address, len(data))[:] = data

    def check(self, address: int, length: int) -> None:
        """Raises ErrnoError(EFAULT) unless `length` bytes can be written there later on."""
        buffer(self.view(), address, length)


def buffer(memory: memoryview, address: int, length: int) -> memoryview:
    """A view of `length` bytes. Raises ErrnoError(EFAULT) out of bounds."""
    if address + length > len(memory):
        raise ErrnoError(Errno.EFAULT)
    return memory[address : address + length]


def path(memory: memoryview, address: int, length: int) -> bytes:
    """A path, in UTF-8. Raises ErrnoError: EFAULT, ENAMETOOLONG, EINVAL, EILSEQ."""
    if length >= PATH_MAX:
        raise ErrnoError(Errno.ENAMETOOLONG)
    text = bytes(buffer(memory, address, length))
    if b"\0" in text:
        raise ErrnoError(Errno.EINVAL)
    try:
        text.decode()
    except UnicodeDecodeError:
        raise ErrnoError(Errno.EILSEQ) from None
    return text


def buffers(memory: memoryview, iovs: int, count: int) -> list[memoryview]:
    """Views of the buffers that `count` (address, length) pairs describe, empty ones left out.

    They may overlap each other and the array, which is read first. Raises ErrnoError: EFAULT
    when any of them leaves the memory, EINVAL when there are too many or their sum is no u32.
    """
    if count > IOV_MAX:
        raise ErrnoError(Errno.EINVAL)
    size = len(memory)
    end = iovs + count * IOVEC.size
    if end > size:
        raise ErrnoError(Errno.EFAULT)
    views = []
    total = 0
    for address, length in IOVEC.iter_unpack(memory[iovs:end]):
        if address + length > size:
            raise ErrnoError(Errno.EFAULT)
        if length:
            views.append(memory[address : address + length])
            total += length
    if total > MAX_U32:
        raise ErrnoError(Errno.EINVAL)
    return views
