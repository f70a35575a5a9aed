"""Memory: a linear memory as Python sees it."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, TypeVar, cast, overload

from wasmine.api import native
from wasmine.api.limits import check_limits
from wasmine.api.store import Store, StoreObject, store_for
from wasmine.api.thunks import ensure_runtime
from wasmine.public import public
from wasmine.types import I32, I64, MemoryType
from wasmine.vm.memory import (
    DynamicMemory,
    LinearMemory,
    LinearMemoryError,
    MemoryErrorKind,
    MemoryStyle,
    StaticMemory,
    as_bytes,
)

if TYPE_CHECKING:
    from wasmine.compiler import module as compiler

T = TypeVar("T")

_VIEWS: Final[dict[str, Any]] = {
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}


def in_address_space(store: Store, make: Callable[[MemoryStyle], T]) -> T:
    """What `make` gives for memories in the style of the store's engine.

    Where the address space for static memories cannot be had, because it is limited or because
    there are tens of thousands of them, it is asked for dynamic ones instead.
    """
    if store.engine.memory == "static":
        try:
            return make(StaticMemory())
        except LinearMemoryError as error:
            if error.kind is not MemoryErrorKind.REGION:
                raise
    return make(DynamicMemory())


def style_name(style: MemoryStyle) -> compiler.MemoryStyle:
    """What the compiler calls a style: whether accesses need bounds checks."""
    return "static" if isinstance(style, StaticMemory) else "dynamic"


@public
class Memory(StoreObject):
    """A linear memory: `memory[0:4]`, `memory.read(0, 4)`, `memoryview(memory)`.

    Offsets and lengths are in bytes, sizes in pages of 64 KiB. Access beyond the end raises
    IndexError, with slices too, other than those of a list. Buffers and views share the memory's
    bytes without copying, keep them alive, and show the size that the memory had when they were
    made; make a new one after the memory has grown.

    `Memory(MemoryType(Limits(1, 10)))` makes one of its own, in `store` or a new one. Raises
    ResourceError if there is no address space for it.

    A shared memory (`MemoryType(Limits(1, 10), shared=True)`) can be imported into any store: threads
    that run instances of their own, each in its own store, have it in common. Nothing keeps what
    Python code does with its bytes apart from what others do at the same time.
    """

    __slots__ = ("__weakref__", "_linear", "_store")

    _linear: LinearMemory

    def __new__(cls, type: MemoryType, *, store: Store | None = None) -> Memory:  # noqa: A002
        """Raises TypeError or ValueError for what is no memory's type."""
        if not isinstance(type, MemoryType):
            raise TypeError(f"a memory's type is a MemoryType, not {type!r}")
        check_limits("memory", type.limits)
        if type.address not in (I32, I64):
            raise ValueError(f"addresses of a memory are i32 or i64, not {type.address}")
        if type.shared and type.maximum is None:
            raise ValueError(f"a shared memory has a maximum: {type}")
        store = store_for(store)
        linear = in_address_space(store, lambda style: LinearMemory(type, style))
        store.context.roots.append(linear)
        return cls.of(store, linear)

    @classmethod
    def of(cls, store: Store, linear: LinearMemory) -> Memory:
        """The Memory of a linear memory, always the same one."""
        objects = _shared if linear.shared else store.objects
        known: Memory | None = objects.get(linear)
        if known is not None:
            return known
        self = super().__new__(_buffer_type())
        self._store = store
        self._linear = linear
        objects[linear] = self
        return self

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'wasmine.Memory' is not an acceptable base type")

    if TYPE_CHECKING:

        def __buffer__(self, flags: int, /) -> memoryview: ...

    @property
    def linear(self) -> LinearMemory:
        """What instances are linked with."""
        return self._linear

    @property
    def type(self) -> MemoryType:
        """The memory's type; its minimum is the current size."""
        return self._linear.type

    @property
    def size(self) -> int:
        """The size in pages."""
        return self._linear.size

    @property
    def data_size(self) -> int:
        """The size in bytes."""
        return self._linear.data_size

    def grow(self, delta: int) -> int:
        """Add pages of zeros and return the size before, in pages.

        Raises ResourceError beyond the maximum and when there is no memory.
        """
        pages = operator.index(delta)
        if self._linear.shared:
            return self._linear.grow(pages)
        return self._store.context.exclusively(self._linear.grow, pages)

    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes."""
        return self._linear.read(operator.index(offset), operator.index(length))

    def write(self, offset: int, data: Any) -> None:
        """Copy the bytes of any bytes-like object into the memory."""
        self._linear.write(operator.index(offset), data)

    def read_string(self, offset: int, length: int) -> str:
        """The text that `length` bytes of UTF-8 are. Raises UnicodeDecodeError if they are none."""
        return self.read(offset, length).decode()

    def read_c_string(self, offset: int) -> str:
        """The text up to the next zero byte, as UTF-8. Raises IndexError if there is none."""
        end = self._find_zero(offset)
        return self.read_string(offset, end - offset)

    def _find_zero(self, offset: int) -> int:
        size, chunk = self.data_size, 256
        position = operator.index(offset)
        while True:
            found = self.read(position, min(chunk, max(1, size - position))).find(0)
            if found >= 0:
                return position + found
            position += chunk
            chunk *= 2

    def write_string(self, offset: int, text: str) -> int:
        """Write text as UTF-8, without a zero byte; the number of bytes."""
        data = text.encode()
        self.write(offset, data)
        return len(data)

    def __len__(self) -> int:
        return self._linear.data_size

    def _index(self, index: SupportsIndex) -> int:
        position = operator.index(index)
        size = self._linear.data_size
        if position < 0:
            position += size
        if not 0 <= position < size:
            raise IndexError(f"out of bounds memory access: {index} of {size} bytes")
        return position

    def _slice(self, index: slice) -> slice:
        """The same slice with its bounds checked; Python's own would quietly take less."""
        start, stop = index.start, index.stop
        if type(start) is type(stop) is int and 0 <= start <= stop <= self._linear.data_size:
            return index  # nearly always, and not worth more time
        start = None if start is None else operator.index(start)
        stop = None if stop is None else operator.index(stop)
        size = self._linear.data_size
        for bound in (start, stop):
            if bound is not None and not -size <= bound <= size:
                raise IndexError(f"out of bounds memory access: {bound} of {size} bytes")
        return slice(start, stop, index.step)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytes: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | bytes:
        # The index first: asking for it may run code that grows the memory.
        if isinstance(index, slice):
            part = self._slice(index)
            return self._linear.window[part].tobytes()
        position = self._index(index)
        return self._linear.window[position]

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        if isinstance(index, slice):
            part = self._slice(index)
            content = as_bytes(value)
            self._linear.window[part] = content
        else:
            position, byte = self._index(index), operator.index(value)
            self._linear.window[position] = byte

    def _typed(self, kind: str, offset: int) -> memoryview:
        view: memoryview = self._linear.view().cast(_VIEWS[kind])
        start = operator.index(offset)
        if not 0 <= start <= len(view):
            raise IndexError(f"out of bounds memory access: {kind} element {start} of {len(view)}")
        return view[start:]

    def uint8_view(self, offset: int = 0) -> memoryview:
        """The memory as unsigned bytes, from element `offset` on; writable, without copying.

        This and the other views are typed memoryviews: they index, slice and assign like arrays,
        and NumPy takes them as they are (`numpy.asarray(view)`).
        """
        return self._typed("uint8", offset)

    def int8_view(self, offset: int = 0) -> memoryview:
        """As signed bytes."""
        return self._typed("int8", offset)

    def uint16_view(self, offset: int = 0) -> memoryview:
        """As unsigned integers of 16 bits; `offset` counts elements."""
        return self._typed("uint16", offset)

    def int16_view(self, offset: int = 0) -> memoryview:
        """As signed integers of 16 bits."""
        return self._typed("int16", offset)

    def uint32_view(self, offset: int = 0) -> memoryview:
        """As unsigned integers of 32 bits."""
        return self._typed("uint32", offset)

    def int32_view(self, offset: int = 0) -> memoryview:
        """As signed integers of 32 bits."""
        return self._typed("int32", offset)

    def uint64_view(self, offset: int = 0) -> memoryview:
        """As unsigned integers of 64 bits."""
        return self._typed("uint64", offset)

    def int64_view(self, offset: int = 0) -> memoryview:
        """As signed integers of 64 bits."""
        return self._typed("int64", offset)

    def float32_view(self, offset: int = 0) -> memoryview[float]:
        """As floats of 32 bits."""
        return cast("memoryview[float]", self._typed("float32", offset))

    def float64_view(self, offset: int = 0) -> memoryview[float]:
        """As floats of 64 bits."""
        return cast("memoryview[float]", self._typed("float64", offset))

    def __repr__(self) -> str:
        return f"<wasmine.Memory of {self.size} pages>"


_shared: Final[weakref.WeakValueDictionary[object, Memory]] = weakref.WeakValueDictionary()
"""The Memory of each shared linear memory: it is the same one in all stores."""


@functools.cache
def _buffer_type() -> type[Memory]:
    """The type of all memories: before the runtime is there, nothing can be a buffer."""
    made = native.exporting_buffer(Memory, ensure_runtime().resolve("wasmine_get_buffer"))
    made.__module__ = Memory.__module__
    return made
