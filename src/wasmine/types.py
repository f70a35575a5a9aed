"""The types of WebAssembly (specification 2.3): of values, and of what a module imports and exports.

Value types, function types and defined types are interned: two that are equal are one object, so
code that runs once per instruction compares them with `is`. All types are immutable, hashable, and
can be pickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from threading import RLock
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias, TypeVar, cast, get_args
from weakref import WeakValueDictionary

from wasmine.frozen import Frozen
from wasmine.public import public

AbstractHeapType: TypeAlias = Literal[
    "func", "extern", "any", "eq", "i31", "struct", "array", "exn",
    "none", "nofunc", "noextern", "noexn",
]  # fmt: skip
_HEAP_TYPES: Final[tuple[AbstractHeapType, ...]] = get_args(AbstractHeapType)
HeapType: TypeAlias = "AbstractHeapType | DefinedType | int"
"""What a reference points to: the name of an abstract heap type, or a defined type. The index of a
type stands for itself where a module has no such type, or where its indices are kept as written."""

_SHORT_NAMES: Final[dict[object, str]] = {
    "none": "nullref",
    "nofunc": "nullfuncref",
    "noextern": "nullexternref",
    "noexn": "nullexnref",
}


@public
class ValType(Frozen, eq=False, weakref=True):
    """The type of a value: a number, a vector or a reference. `str()` is the text format's name."""

    name: str

    @property
    def is_num(self) -> bool:
        """Whether this is i32, i64, f32 or f64."""
        return not self.is_ref and not self.is_vec

    @property
    def is_vec(self) -> bool:
        """Whether this is v128."""
        return self.name == "v128"

    @property
    def is_ref(self) -> bool:
        """Whether this is a `RefType`."""
        return False

    @property
    def is_defaultable(self) -> bool:
        """Whether a local of this type starts with a default value (zero or null)."""
        return True

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[object, ...]:
        return (_number_type, (self.name,))


@public
class RefType(ValType, eq=False):
    """The type of a reference. Obtained by `ref`, never constructed: comparing is by identity."""

    nullable: bool
    heap: HeapType

    @property
    def is_ref(self) -> bool:
        return True

    @property
    def is_defaultable(self) -> bool:
        return self.nullable

    def __reduce__(self) -> str | tuple[object, ...]:
        return (ref, (self.heap, self.nullable))


def _reference_name(heap: HeapType, nullable: bool) -> str:
    if not nullable:
        return f"(ref {heap})"
    if isinstance(heap, str):
        return _SHORT_NAMES.get(heap, f"{heap}ref")
    return f"(ref null {heap})"


_lock: Final = RLock()
# Another thread may hold it, which a child process has not got.
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
_references: Final[WeakValueDictionary[tuple[HeapType, bool], RefType]] = WeakValueDictionary()


@public
def ref(heap: HeapType | CompositeType, nullable: bool = True) -> RefType:
    """The reference type `(ref null? heap)`: `ref("any")`, `ref(StructType(...), nullable=False)`.

    A composite type stands for what `defined` makes of it. Raises TypeError for what is no heap type.
    """
    if not isinstance(heap, str | int):
        return _type_of_references(heap).references[nullable]
    key = (heap, nullable)
    known = _references.get(key)
    if known is not None:
        return known
    if isinstance(heap, str) and heap not in _HEAP_TYPES:
        raise TypeError(f"{heap!r} is not a heap type, which are {', '.join(_HEAP_TYPES)}")
    with _lock:
        new = RefType(_reference_name(heap, nullable), nullable, heap)
        return _references.setdefault(key, new)


def _type_of_references(type_: object) -> DefinedType:
    if isinstance(type_, CompositeType):
        return defined(type_)
    if not isinstance(type_, DefinedType):
        raise TypeError(f"{type_!r} is not a heap type")
    return type_


I32: Final = ValType("i32")
I64: Final = ValType("i64")
F32: Final = ValType("f32")
F64: Final = ValType("f64")
V128: Final = ValType("v128")
FUNCREF: Final = ref("func")
EXTERNREF: Final = ref("extern")

_NUMBER_TYPES: Final = {type_.name: type_ for type_ in (I32, I64, F32, F64, V128)}


def _number_type(name: str) -> ValType:
    return _NUMBER_TYPES[name]


_TypeTuple: TypeAlias = tuple[ValType, ...]
# Keyed by identities: a key that held types would keep alive those that refer to themselves.
_composites: Final[WeakValueDictionary[Hashable, Any]] = WeakValueDictionary()
_Composite = TypeVar("_Composite", bound="FunctionType | StructType | ArrayType | FieldType")


def _intern(new: _Composite, key: Hashable, **values: object) -> _Composite:
    """The object with this key: the new one with these attributes, if there is none yet."""
    for name, value in values.items():
        object.__setattr__(new, name, value)
    with _lock:
        return cast("_Composite", _composites.setdefault(key, new))


@public
class FunctionType(Frozen, eq=False, weakref=True, init=False):
    """Parameters and results of a function: `FunctionType([I32, I32], [I32])`.

    Raises TypeError for anything but value types.
    """

    params: _TypeTuple
    results: _TypeTuple

    def __new__(cls, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Self:
        params, results = tuple(params), tuple(results)
        key = (*map(id, params), None, *map(id, results))
        known = _composites.get(key)
        if known is not None:
            return cast("Self", known)
        for type_ in (*params, *results):
            if not isinstance(type_, ValType):
                raise TypeError(f"{type_!r} is not a value type such as wasmine.I32")
        return _intern(object.__new__(cls), key, params=params, results=results)

    def __str__(self) -> str:
        return f"{_list(self.params)} -> {_list(self.results)}"

    def __repr__(self) -> str:
        return f"FunctionType({str(self)!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (FunctionType, (self.params, self.results))


def _list(types: _TypeTuple) -> str:
    return f"({', '.join(map(str, types))})"


StorageType: TypeAlias = ValType | Literal["i8", "i16"]


@public
class FieldType(Frozen, eq=False, weakref=True, init=False):
    """A field of a struct, or the elements of an array: `FieldType(I32)`, `FieldType("i8", mutable=True)`.

    `storage` is a value type, or "i8" or "i16": integers that are packed into so many bits. Raises
    TypeError for anything else.
    """

    storage: StorageType
    mutable: bool

    def __new__(cls, storage: StorageType, mutable: bool = False) -> Self:
        if not isinstance(storage, ValType) and storage not in ("i8", "i16"):
            raise TypeError(f"{storage!r} is not a storage type: a value type, 'i8' or 'i16'")
        packed = isinstance(storage, str)
        key = ("field", storage if packed else id(storage), bool(mutable))
        known = _composites.get(key)
        if known is not None:
            return cast("Self", known)
        return _intern(object.__new__(cls), key, storage=storage, mutable=bool(mutable))

    @property
    def is_packed(self) -> bool:
        """Whether this holds 8 or 16 bits of an i32."""
        return isinstance(self.storage, str)

    @property
    def value(self) -> ValType:
        """The type of the values that are read and written."""
        return I32 if isinstance(self.storage, str) else self.storage

    def __str__(self) -> str:
        return f"(mut {self.storage})" if self.mutable else f"{self.storage}"

    def __repr__(self) -> str:
        return f"FieldType({str(self)!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (FieldType, (self.storage, self.mutable))


def _check_field(field: object) -> None:
    if not isinstance(field, FieldType):
        raise TypeError(f"{field!r} is not a field type: write FieldType({field!r})")


@public
class StructType(Frozen, eq=False, weakref=True, init=False):
    """The type of a Struct: `StructType([FieldType(I32), FieldType(F64, mutable=True)])`.

    Raises TypeError for anything but field types.
    """

    fields: tuple[FieldType, ...]

    def __new__(cls, fields: Iterable[FieldType] = ()) -> Self:
        fields = tuple(fields)
        key = ("struct", *map(id, fields))
        known = _composites.get(key)
        if known is not None:
            return cast("Self", known)
        for field in fields:
            _check_field(field)
        return _intern(object.__new__(cls), key, fields=fields)

    def __str__(self) -> str:
        return f"struct ({', '.join(map(str, self.fields))})"

    def __repr__(self) -> str:
        return f"StructType({str(self)!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (StructType, (self.fields,))


@public
class ArrayType(Frozen, eq=False, weakref=True, init=False):
    """The type of an Array: `ArrayType(FieldType("i8", mutable=True))`.

    Raises TypeError for anything but a field type.
    """

    field: FieldType

    def __new__(cls, field: FieldType) -> Self:
        key = ("array", id(field))
        known = _composites.get(key)
        if known is not None:
            return cast("Self", known)
        _check_field(field)
        return _intern(object.__new__(cls), key, field=field)

    def __str__(self) -> str:
        return f"array {self.field}"

    def __repr__(self) -> str:
        return f"ArrayType({str(self)!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (ArrayType, (self.field,))


CompositeType: TypeAlias = FunctionType | StructType | ArrayType


@public
class DefinedType(Frozen, eq=False, weakref=True, init=False):
    """A type as a module defines it, such as those of `Module.types`: a member of a recursion group.

    `composite` is the function, struct or array type, `supertype` the type it is declared to be a subtype
    of; one that is `final` can have no subtypes. Groups that are equal but for the names of their members
    are the same objects, of whatever modules they are: equality up to isomorphism of groups, as in the
    specification.
    """

    composite: CompositeType
    final: bool
    supertype: DefinedType | None
    depth: int
    """How many supertypes are above it."""
    position: int
    """Its place in the group."""
    references: tuple[RefType, RefType]
    """The types of references to it: not nullable, nullable."""
    _group: _Group

    @property
    def group(self) -> tuple[DefinedType, ...]:
        """All members of its recursion group, in order."""
        return self._group.members

    def is_subtype_of(self, other: DefinedType) -> bool:
        """Whether this is the other type, or is declared to be a subtype of it."""
        type_: DefinedType | None = self
        while type_ is not None and type_ is not other:
            type_ = type_.supertype
        return type_ is not None

    def __str__(self) -> str:
        text = str(self.composite)
        return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text

    def __repr__(self) -> str:
        return f"<DefinedType {self}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (_member, (self.position, self._group.shape))


_LONGEST: Final = 60
"""Characters of a defined type in messages."""


class Declaration(NamedTuple):
    """What a module says of one type of a recursion group.

    References to members of the same group are `ref(number)`, and so is a supertype of the same
    group a number: that of the group's first type plus the place in the group.
    """

    composite: CompositeType
    final: bool = True
    supertype: DefinedType | int | None = None


_Shape: TypeAlias = tuple[tuple[Any, ...], ...]
"""A group as `Declaration`s taken apart, with places in the group where it refers to itself."""


class _Group(Frozen, eq=False, weakref=True):
    shape: _Shape
    members: tuple[DefinedType, ...]


_groups: Final[WeakValueDictionary[_Shape, _Group]] = WeakValueDictionary()

_Place: TypeAlias = tuple[int, bool]
"""A reference to a member of the group: its place, and whether the reference is nullable."""


def _parts(
    composite: CompositeType, convert: Callable[[StorageType], object]
) -> tuple[object, ...]:
    """The kind of a composite type and its value types, each converted."""
    match composite:
        case FunctionType(params, results):
            return ("func", tuple(map(convert, params)), tuple(map(convert, results)))
        case StructType(fields):
            return ("struct", tuple((convert(field.storage), field.mutable) for field in fields))
        case ArrayType(field):
            return ("array", convert(field.storage), field.mutable)


def _composite(parts: Sequence[Any], convert: Callable[[Any], Any]) -> CompositeType:
    """The opposite of `_parts`."""
    match parts:
        case ("func", params, results):
            return FunctionType(map(convert, params), map(convert, results))
        case ("struct", fields):
            return StructType(FieldType(convert(type_), mutable) for type_, mutable in fields)
        case _:
            _, element, mutable = parts
            return ArrayType(FieldType(convert(element), mutable))


def define(declarations: Sequence[Declaration], first: int = 0) -> tuple[DefinedType, ...]:
    """The types of a recursion group, where `ref(first)` is a reference to the first of them.

    A supertype that is a number is one of an earlier type of the group.
    """
    end = first + len(declarations)

    def place(type_: StorageType) -> StorageType | _Place:
        if isinstance(type_, RefType) and isinstance(type_.heap, int) and first <= type_.heap < end:
            return type_.heap - first, type_.nullable
        return type_

    shape = tuple(
        (
            final,
            supertype - first if isinstance(supertype, int) else supertype,
            *_parts(composite, place),
        )
        for composite, final, supertype in declarations
    )
    known = _groups.get(shape)
    return (known or _new_group(shape)).members


def _new_group(shape: _Shape) -> _Group:
    members = tuple(object.__new__(DefinedType) for _ in shape)
    group = _Group(shape, members)

    def resolve(type_: StorageType | _Place) -> StorageType:
        return members[type_[0]].references[type_[1]] if isinstance(type_, tuple) else type_

    for member in members:
        # their names are those of the composite types, which refer to them
        pair = tuple(RefType("", nullable, member) for nullable in (False, True))
        object.__setattr__(member, "references", pair)
    for position, (member, row) in enumerate(zip(members, shape, strict=True)):
        final, supertype, *parts = row
        if isinstance(supertype, int):
            supertype = members[supertype]
        values = {
            "composite": _composite(parts, resolve),
            "final": final,
            "supertype": supertype,
            "depth": 0 if supertype is None else supertype.depth + 1,
            "position": position,
            "_group": group,
        }
        for name, value in values.items():
            object.__setattr__(member, name, value)
    for member in members:
        # in a name, a member of the same group is only a word
        kind = _KINDS[type(member.composite)]
        for reference in member.references:
            object.__setattr__(reference, "name", _reference_name(kind, reference.nullable))
    names = [str(member) for member in members]
    for member, name in zip(members, names, strict=True):
        for reference in member.references:
            null = "null " if reference.nullable else ""
            object.__setattr__(reference, "name", f"(ref {null}({name}))")
    with _lock:
        return _groups.setdefault(shape, group)


def _member(position: int, shape: _Shape) -> DefinedType:
    return (_groups.get(shape) or _new_group(shape)).members[position]


@public
def defined(composite: CompositeType) -> DefinedType:
    """What `(type $t (struct ...))` defines: a type on its own, final, and without a supertype."""
    return _member(0, ((True, None, *_parts(composite, lambda type_: type_)),))


_KINDS: Final[dict[type, AbstractHeapType]] = {
    FunctionType: "func",
    StructType: "struct",
    ArrayType: "array",
}
_ABOVE: Final[dict[AbstractHeapType, frozenset[AbstractHeapType]]] = {
    "func": frozenset(),
    "extern": frozenset(),
    "exn": frozenset(),
    "any": frozenset(),
    "eq": frozenset({"any"}),
    "i31": frozenset({"eq", "any"}),
    "struct": frozenset({"eq", "any"}),
    "array": frozenset({"eq", "any"}),
    "none": frozenset({"i31", "struct", "array", "eq", "any"}),
    "nofunc": frozenset({"func"}),
    "noextern": frozenset({"extern"}),
    "noexn": frozenset({"exn"}),
}
"""The abstract heap types that each one is a subtype of, besides itself."""

_BOTTOMS: Final[dict[str, AbstractHeapType]] = {
    "func": "nofunc",
    "extern": "noextern",
    "any": "none",
    "exn": "noexn",
}


def kind(type_: DefinedType) -> Literal["func", "struct", "array"]:
    """The abstract heap type right above a defined type."""
    return cast('Literal["func", "struct", "array"]', _KINDS[type(type_.composite)])


def top(heap: HeapType) -> Literal["func", "extern", "any", "exn"]:
    """The hierarchy of a heap type, by the name of its topmost type. Raises TypeError for an index."""
    if isinstance(heap, int):
        raise TypeError(f"type {heap} is only an index")
    name = kind(heap) if isinstance(heap, DefinedType) else heap
    for found in ("func", "extern", "any", "exn"):
        if name == found or found in _ABOVE[name]:
            return found
    raise TypeError(f"{heap!r} is not a heap type")


def bottom(heap: HeapType) -> AbstractHeapType:
    """The type below all others of a heap type's hierarchy. Raises TypeError for an index."""
    return _BOTTOMS[top(heap)]


def heap_matches(heap: HeapType, other: HeapType) -> bool:
    """Whether a heap type is a subtype of another one."""
    if heap is other or heap == other:
        return True
    if isinstance(heap, int) or isinstance(other, int):
        return False
    if isinstance(heap, DefinedType):
        if isinstance(other, DefinedType):
            return heap.is_subtype_of(other)
        above = kind(heap)
        return other == above or other in _ABOVE[above]
    if isinstance(other, DefinedType):
        return heap == bottom(other)
    return other in _ABOVE[heap]


def matches(type_: ValType, other: ValType) -> bool:
    """Whether a value type is a subtype of another one."""
    if type_ is other:
        return True
    if not isinstance(type_, RefType) or not isinstance(other, RefType):
        return False
    if type_.nullable and not other.nullable:
        return False
    return heap_matches(type_.heap, other.heap)


def types_match(types: Sequence[ValType], others: Sequence[ValType]) -> bool:
    """Whether value types are subtypes of as many others, one by one."""
    return len(types) == len(others) and all(map(matches, types, others))


def composite_matches(type_: CompositeType, other: CompositeType) -> bool:
    """Whether one composite type may be declared as a subtype of another one."""
    match type_, other:
        case FunctionType(), FunctionType():
            return types_match(other.params, type_.params) and types_match(
                type_.results, other.results
            )
        case StructType(), StructType():
            return len(type_.fields) >= len(other.fields) and all(
                map(field_matches, type_.fields, other.fields)
            )
        case ArrayType(), ArrayType():
            return field_matches(type_.field, other.field)
        case _:
            return False


def field_matches(type_: FieldType, other: FieldType) -> bool:
    """Whether a field is a subtype of another one; one that can be written must be the same."""
    if type_.mutable or other.mutable or type_.is_packed or other.is_packed:
        return type_ is other
    return matches(type_.value, other.value)


@public
class Limits(Frozen):
    """A size range, in pages of a memory or elements of a table. None means no maximum."""

    minimum: int
    maximum: int | None = None

    def __str__(self) -> str:
        return f"{self.minimum}" if self.maximum is None else f"{self.minimum} {self.maximum}"


@public
class TableType(Frozen):
    """A table of references; `address` is the type of its indices."""

    element: RefType
    limits: Limits
    address: ValType = I32

    @property
    def minimum(self) -> int:
        """The initial number of elements."""
        return self.limits.minimum

    @property
    def maximum(self) -> int | None:
        """The number of elements it may grow to."""
        return self.limits.maximum

    def __str__(self) -> str:
        return f"table {_address(self.address)}{self.limits} {self.element}"


@public
class MemoryType(Frozen):
    """A linear memory, measured in pages of 64 KiB; `address` is the type of its addresses."""

    limits: Limits
    shared: bool = False
    address: ValType = I32

    @property
    def minimum(self) -> int:
        """The initial size in pages."""
        return self.limits.minimum

    @property
    def maximum(self) -> int | None:
        """The size in pages that it may grow to."""
        return self.limits.maximum

    def __str__(self) -> str:
        return f"memory {_address(self.address)}{self.limits}{' shared' if self.shared else ''}"


def _address(type_: ValType) -> str:
    return "" if type_ is I32 else f"{type_} "


@public
class GlobalType(Frozen):
    """A global variable."""

    value: ValType
    mutable: bool = False

    def __str__(self) -> str:
        return f"global (mut {self.value})" if self.mutable else f"global {self.value}"


@public
class TagType(Frozen):
    """The type of a Tag; the parameters of its function type are what the exception carries."""

    type: FunctionType
    definition: DefinedType = None  # type: ignore[assignment]
    """Where a module defines the type in a recursion group, its place there: tags of such types differ
    from those of types that stand alone."""

    def __post_init__(self) -> None:
        if self.definition is None:
            object.__setattr__(self, "definition", defined(self.type))  # type: ignore[unreachable]

    def __str__(self) -> str:
        return f"tag {self.type}"


ExternType: TypeAlias = FunctionType | TableType | MemoryType | GlobalType | TagType


@public
class ImportType(Frozen):
    """What a module asks for under a two-level name."""

    module: str
    name: str
    type: ExternType

    def __str__(self) -> str:
        return f"{self.module}.{self.name}: {self.type}"


@public
class ExportType(Frozen):
    """What a module provides under a name."""

    name: str
    type: ExternType

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"
