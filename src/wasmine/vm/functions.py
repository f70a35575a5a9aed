"""Function references that belong to no instance: one record for each value, at a fixed address."""

from __future__ import annotations

import ctypes
from typing import Final

from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.vm.locks import lock

_RECORDS_PER_BLOCK: Final = 256


class FuncDataRegistry:
    """Gives equal VMCallerCheckedAnyfunc records one address, which stays valid as long as it lives.

    Records lie in blocks that are never moved or freed; the reference keeps them in a vector that
    moves when it grows. Threads may share a registry.
    """

    def __init__(self) -> None:
        self._addresses: Final[dict[tuple[int, int, int], int]] = {}
        self._blocks: Final[list[ctypes.Array[VMCallerCheckedAnyfunc]]] = []
        self._lock: Final = lock()

    def register(self, anyfunc: VMCallerCheckedAnyfunc) -> int:
        """The address of the record that is equal to this one, a copy of it if there is none."""
        with self._lock:
            known = self._addresses.get(anyfunc.key)
            if known is not None:
                return known
            place = len(self._addresses) % _RECORDS_PER_BLOCK
            if place == 0:
                self._blocks.append((VMCallerCheckedAnyfunc * _RECORDS_PER_BLOCK)())
            block = self._blocks[-1]
            block[place] = anyfunc
            address = ctypes.addressof(block) + place * ctypes.sizeof(VMCallerCheckedAnyfunc)
            self._addresses[anyfunc.key] = address
            return address

    def __len__(self) -> int:
        return len(self._addresses)
