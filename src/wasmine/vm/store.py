"""The native side of a store: the records shared by its instances, and what keeps them alive.

Everything that is made in a store lives as long as the store: a function of one instance may lie in
another's table, also when the instantiation of the first one failed (reference row I10).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from wasmine.abi.vmcontext import (
    VMCallerCheckedAnyfunc,
    VMHostFunction,
    VMStoreContext,
    size_of,
)
from wasmine.errors import ResourceError, StoreError
from wasmine.vm import process
from wasmine.vm.arena import Arena, Token
from wasmine.vm.functions import FuncDataRegistry

_libc: Final = ctypes.CDLL(None)
_libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
_libc.calloc.restype = ctypes.c_size_t
_libc.free.argtypes = [ctypes.c_size_t]
_libc.free.restype = None


class _Context(Token):
    """A VMStoreContext: when it goes, so do all boxes that externrefs of the store point to."""

    __slots__ = ()

    def __del__(
        self,
        clear_references: Callable[[int], None] = process.clear_references,
        free: Callable[[int], None] = _libc.free,
    ) -> None:
        clear_references(self)
        free(self)


class StoreContext:
    """The VMStoreContext of a store, its memory, and the Python objects it must keep alive."""

    def __init__(self, python_store: object) -> None:
        """`python_store` is what hooks get when they are called for this store; not kept alive."""
        self.process: Final = process.current()
        address = _libc.calloc(1, size_of(VMStoreContext))
        if not address:
            raise ResourceError("no memory for a store")
        self._context: Final = _Context(address)
        self.address: Final = int(address)
        self.arena: Final = Arena()
        self.functions: Final = FuncDataRegistry()
        self.roots: Final[list[object]] = []
        """Objects that native records of the store point into."""
        self._record: Final = VMStoreContext.from_address(address)
        self._record.python_store = id(python_store)

    def check_access(self) -> None:
        """Raises StoreError if another thread is running code of this store."""
        owner = self._record.thread
        if owner and owner != self.process.current_thread():
            raise StoreError("the store is in use by another thread")

    @property
    def depth(self) -> int:
        """How many calls into the store have not returned yet."""
        return self._record.depth

    def retain(self, raw: int) -> None:
        """Count one more holder of an externref's box."""
        self.process.externref_inc(raw)

    def release(self, raw: int) -> None:
        """Count one holder less. The box goes at once if no code of the store is running."""
        self.process.externref_dec(raw)
        self.settle()

    def box(self, value: object) -> int:
        """The reference to a new box for a Python object, 0 for None.

        Nobody holds it yet: it goes with the next `settle` unless it has been stored.
        """
        return self.process.externref_from(self.address, value)

    def unbox(self, raw: int) -> object:
        """The Python object that an externref refers to."""
        return self.process.object_from_externref(self.address, raw)

    def settle(self) -> None:
        """Free the boxes that nobody holds, unless code of the store may still use them."""
        if not self._record.depth and self._record.externrefs:
            self.process.drain_references(self.address)

    def host_function(
        self, function: object, explanation: object, body: int, signature: int
    ) -> int:
        """The address of a VMCallerCheckedAnyfunc for a Python callable.

        `body` is the import thunk of its type, `signature` the number of the type, `explanation`
        what the conversion of its results is given. Both objects live as long as the store.
        """
        environment = self.arena.allocate(size_of(VMHostFunction))
        record = VMHostFunction.from_address(environment)
        record.callable = id(function)
        record.store = self.address
        record.explanation = id(explanation)
        self.roots.append((function, explanation))
        return self.functions.register(VMCallerCheckedAnyfunc(body, signature, (environment,)))


