"""The native side of a store: the records shared by its instances, and what keeps them alive.

Everything that is made in a store lives as long as the store: a function of one instance may lie in
another's table, also when the instantiation of the first one failed (reference row I10).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakSet

from wasmine.abi.heap import RootKind
from wasmine.abi.vmcontext import (
    Landing,
    VMCallerCheckedAnyfunc,
    VMHostFunction,
    VMStoreContext,
    size_of,
)
from wasmine.errors import ResourceError
from wasmine.types import TagType
from wasmine.vm import process
from wasmine.vm.arena import Arena, Token
from wasmine.vm.functions import FuncDataRegistry
from wasmine.vm.heap import Heap, Root, Roots
from wasmine.vm.tags import TagCell

P = ParamSpec("P")
T = TypeVar("T")

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


class References:
    """The externrefs of a store: boxes for Python objects, and how many hold each of them.

    Tables and globals of the store refer to this and not to the store, which refers to them: so a
    store that nobody needs any more goes at once and does not wait for the garbage collector.
    """

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._record = VMStoreContext.from_address(int(context))
        self._process = process.current()
        self._heap: Heap | None = None
        self._roots: Final = Roots(context)

    @property
    def heap(self) -> Heap:
        """The heap of the store, made on first need. Raises ResourceError."""
        if self._heap is None:
            heap = Heap(self._context, self._record.types, self._roots)
            self._record.heap = heap.address
            self._heap = heap
        return self._heap

    @property
    def has_heap(self) -> bool:
        """Whether something in the store has needed the heap."""
        return self._heap is not None

    def track(self, kind: RootKind, address: int, memory: object) -> object:
        """Let the collector follow what lies at `address` as long as the result exists.

        `memory` keeps that memory, and what it points to, where it is.
        """
        return Root(self._roots, kind, address, memory)

    def box(self, value: object) -> int:
        """The reference to a new box for a Python object, 0 for None.

        Nobody holds it yet: it goes with the next `settle` unless it has been stored.
        """
        return self._process.externref_from(self._context, value)

    def unbox(self, raw: int) -> object:
        """The Python object that an externref refers to."""
        return self._process.object_from_externref(self._context, raw)

    def retain(self, raw: int) -> None:
        """Count one more holder of an externref's box."""
        self._process.externref_inc(raw)

    def release(self, raw: int) -> None:
        """Count one holder less. The box goes at once if no code of the store is running."""
        self._process.externref_dec(raw)
        self.settle()

    def keep(self, raw: int) -> None:
        """Leave an externref's box to the collector: an object will hold it, or an anyref."""
        self._process.externref_keep(raw)

    def settle(self) -> None:
        """Free the boxes that nobody holds, unless code of the store may still use them."""
        if not self._record.depth and self._record.externrefs:
            self._process.drain_references(self._context)


class StoreContext:
    """The VMStoreContext of a store, its memory, and the Python objects it must keep alive."""

    def __init__(self, python_store: object, types: int = 0) -> None:
        """`python_store` is what hooks get when they are called for this store; not kept alive.

        `types` is the address of the engine's array of VMTypeRecord, which must outlive the store.
        """
        self.process: Final = process.current()
        address = _libc.calloc(1, size_of(VMStoreContext))
        if not address:
            raise ResourceError("no memory for a store")
        VMStoreContext.from_address(address).types = types
        context = _Context(address)
        self.address: Final = int(address)
        self.token: Final[object] = context
        """Who holds it keeps the VMStoreContext in memory."""
        self.references: Final = References(context)
        self.arena: Final = Arena()
        self.functions: Final = FuncDataRegistry()
        self.tags: Final[dict[int, TagCell]] = {}
        """By the address of their records. Exceptions with them may be anywhere in the heap."""
        self.gate: object = None
        """A NativeCallable of the store; set before the first use of `exclusively`."""
        self.roots: Final[list[object]] = []
        """Objects that native records of the store point into. None may refer to this context."""
        self._record: Final = VMStoreContext.from_address(address)
        self._record.python_store = id(python_store)
        _stores.add(self)

    def exclusively(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `action` while the store belongs to this thread, as during a call into it.

        It may have addresses of objects in numbers: what a finalizer or a signal's handler does
        meanwhile collects nothing.
        References that nobody holds afterwards are freed, if this was the outermost call. Raises
        StoreError if the store belongs to another thread.
        """
        return self._claim(1, action, *args, **kwargs)

    def running(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for an action that runs code for as long as that takes: it may collect."""
        return self._claim(0, action, *args, **kwargs)

    def _claim(self, pinned: int, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        landing = Landing()
        address = ctypes.addressof(landing)
        enter, leave, gate = self.process.enter, self.process.leave, id(self.gate)
        # A signal's handler may raise after any call, but not before a call of native code. So
        # this is no context manager: one in Python could be interrupted before it has left.
        try:
            enter(gate, address)
            landing.pinned = pinned
            return action(*args, **kwargs)
        finally:
            if landing.store:
                leave(address)

    def make_tag(self, type_: TagType, number: int) -> TagCell:
        """A new tag of this type, which has this number."""
        cell = TagCell(type_, number, self.arena)
        self.tags[cell.address] = cell
        return cell

    @property
    def depth(self) -> int:
        """How many calls into the store have not returned yet."""
        return self._record.depth

    def host_function(
        self, function: object, explanation: object, body: int, record: int, signature: int
    ) -> int:
        """The address of a VMCallerCheckedAnyfunc for a Python callable.

        `body` is the import thunk of its type, `record` the address of its SignatureRecord,
        `signature` the number of the type, `explanation` what the conversion of its results is
        given. Both objects live as long as the store.
        """
        environment = self.arena.allocate(size_of(VMHostFunction))
        fields = VMHostFunction.from_address(environment)
        fields.callable = id(function)
        fields.store = self.address
        fields.explanation = id(explanation)
        fields.signature = record
        self.roots.append((function, explanation))
        return self.functions.register(VMCallerCheckedAnyfunc(body, signature, (environment,)))

    @staticmethod
    def explanation(anyfunc: VMCallerCheckedAnyfunc) -> Any:
        """What `host_function` was given as the explanation of this record's callable."""
        record = VMHostFunction.from_address(anyfunc.vmctx.host_env)
        return ctypes.cast(record.explanation, ctypes.py_object).value


_stores: Final[WeakSet[StoreContext]] = WeakSet()


def live_stores() -> list[StoreContext]:
    """All stores of this process."""
    return list(_stores)
