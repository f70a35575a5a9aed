"""Exceptions of WebAssembly in Python: Tag and WasmException."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmine.abi.objects import TAG_OFFSET, exception_layout
from wasmine.api.convert import from_bits, to_bits
from wasmine.api.owner import StoreObject, foreign_object
from wasmine.errors import WasmineError
from wasmine.public import public
from wasmine.types import I64, FieldType, FunctionType, RefType, TagType, ValType
from wasmine.vm.objects import read, write
from wasmine.vm.tags import TagCell

if TYPE_CHECKING:
    from wasmine.api.store import Store
    from wasmine.vm.heap import Held


@public
class Tag(StoreObject):
    """What tells one kind of exception from another, and says what it carries.

    `Tag(FunctionType([I32]))` makes one of its own, in `store` or a new one, for a module that imports
    it; modules export theirs. `exception.tag is tag` tells what was thrown. Raises TypeError for a type
    that has results.
    """

    __slots__ = ("__weakref__", "_cell", "_store")

    _cell: TagCell

    def __init__(
        self,
        type: FunctionType | TagType,  # noqa: A002
        *,
        store: Store | None = None,
    ) -> None:
        self._require_new()
        if isinstance(type, FunctionType):
            type = TagType(type)  # noqa: A001
        if not isinstance(type, TagType):
            raise TypeError(f"a tag's type is a FunctionType, not {type!r}")
        if type.type.results:
            raise TypeError(f"a tag's type has no results, but {type.type} has")
        from wasmine.api.store import store_for

        store = store_for(store)
        self._attach(store, store.make_tag(type))

    @classmethod
    def of(cls, store: Store, cell: TagCell) -> Tag:
        """The Tag of a cell, always the same one."""
        known: Tag | None = store.objects.get(cell)
        if known is not None:
            return known
        self = cls.__new__(cls)
        self._attach(store, cell)
        return self

    def _attach(self, store: Store, cell: TagCell) -> None:
        self._store = store
        self._cell = cell
        store.objects[cell] = self

    @property
    def cell(self) -> TagCell:
        """What instances are linked with."""
        return self._cell

    @property
    def type(self) -> TagType:
        """The tag's type."""
        return self._cell.type

    def __repr__(self) -> str:
        return f"<wasmine.Tag {self.type.type}>"


@public
class WasmException(WasmineError):
    """An exception of WebAssembly : a tag, and the values that its type says.

    It comes out of the outermost call if nobody caught it; a host function raises one of its own,
    `raise WasmException(tag, 1, 2.5)`, to throw it in the code that called. What passes through
    WebAssembly code and out again is the same exception, as long as somebody holds this object.

    Raises TypeError or OverflowError naming the value that does not fit the tag's type.
    """

    tag: Tag
    payload: tuple[Any, ...]
    """The values, as results of a Function are."""

    def __init__(self, tag: Tag, *values: object) -> None:
        if not isinstance(tag, Tag):
            raise TypeError(f"an exception has a Tag, not {tag!r}")
        types = tag.type.type.params
        if len(values) != len(types):
            plural = "value" if len(types) == 1 else "values"
            raise TypeError(
                f"an exception of {tag!r} carries {len(types)} {plural}, not {len(values)}"
            )
        super().__init__(tag, *values)
        self.tag = tag
        self.payload = tuple(
            value if isinstance(type_, RefType) else _number(position, type_, value, tag.store)
            for position, (type_, value) in enumerate(zip(types, values, strict=True))
        )
        self.held: Held | None = None
        """Keeps the exception in the heap that this one was, or has become."""

    def __str__(self) -> str:
        return f"WebAssembly exception with {', '.join(map(repr, self.payload)) or 'no values'}"


def _number(position: int, type_: ValType, value: object, store: Store) -> object:
    """A value as WebAssembly sees it."""
    try:
        return from_bits(type_, to_bits(type_, value, store), store)
    except (TypeError, OverflowError) as error:
        kind = OverflowError if isinstance(error, OverflowError) else TypeError
        raise kind(f"value {position} of an exception ({type_}): {error}") from None


def exception_at(store: Store, address: int) -> WasmException:
    """The Python exception for one in the heap; the same as before while that is held."""
    known = store.exceptions.get(address)
    if known is not None:
        return known
    cell = store.context.tags[read(address + TAG_OFFSET, FieldType(I64))]
    type_ = cell.type.type
    values = [
        from_bits(kind, read(address + offset, FieldType(kind)), store)
        for kind, offset in zip(type_.params, exception_layout(type_).offsets, strict=True)
    ]
    made = WasmException(Tag.of(store, cell), *values)
    _remember(made, store, store.context.references.heap.hold(address))
    return made


def exception_address(store: Store, exception: WasmException) -> int:
    """The address in the heap that stands for a Python exception; the store is claimed.

    Raises StoreError if its tag belongs to another store, TypeError for a reference that does not fit.
    """
    tag = exception.tag
    if tag.store is not store:
        raise foreign_object(tag)
    if exception.held is not None:
        return exception.held.address
    type_ = tag.type.type
    layout = exception_layout(type_)
    raws = [
        to_bits(kind, value, store)
        for kind, value in zip(type_.params, exception.payload, strict=True)
    ]
    held = store.context.references.heap.allocate(tag.cell.number, layout.size)
    _remember(exception, store, held)
    address = held.address
    write(address + TAG_OFFSET, FieldType(I64), tag.cell.address)
    for kind, offset, raw in zip(type_.params, layout.offsets, raws, strict=True):
        store.allocator.write(address + offset, FieldType(kind), raw)
    return address


def _remember(exception: WasmException, store: Store, held: Held) -> None:
    exception.held = held
    store.exceptions[held.address] = exception
