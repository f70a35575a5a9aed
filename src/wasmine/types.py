"""The types of WebAssembly: of values, and of what a module imports and exports.

Value types and function types are interned: two that are equal are one object, so code that runs
once per instruction compares them with `is`. All types are immutable, hashable, and can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import RLock
from typing import Final, Literal, Self, TypeAlias, cast
from weakref import WeakValueDictionary

AbstractHeapType: TypeAlias = Literal[
    "func", "extern", "any", "eq", "i31", "struct", "array", "exn",
    "none", "nofunc", "noextern", "noexn",
]  # fmt: skip
HeapType: TypeAlias = AbstractHeapType | int
"""What a reference points to: the name of an abstract heap type, or the index of a defined type."""

_SHORT_NAMES: Final[dict[HeapType, str]] = {
    "none": "nullref",
    "nofunc": "nullfuncref",
    "noextern": "nullexternref",
    "noexn": "nullexnref",
}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class ValType:
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


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class RefType(ValType):
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
    if isinstance(heap, int):
        return f"(ref null {heap})"
    return _SHORT_NAMES.get(heap, f"{heap}ref")


_lock: Final = RLock()
_references: Final[WeakValueDictionary[tuple[HeapType, bool], RefType]] = WeakValueDictionary()


def ref(heap: HeapType, nullable: bool = True) -> RefType:
    """The reference type `(ref null? heap)`."""
    key = (heap, nullable)
    known = _references.get(key)
    if known is not None:
        return known
    with _lock:
        new = RefType(_reference_name(heap, nullable), nullable, heap)
        return _references.setdefault(key, new)


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
_functions: Final[WeakValueDictionary[tuple[_TypeTuple, _TypeTuple], FunctionType]] = (
    WeakValueDictionary()
)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True, init=False, repr=False)
class FunctionType:
    """Parameters and results of a function. Raises TypeError for anything but value types."""

    params: _TypeTuple
    results: _TypeTuple

    def __new__(cls, params: Iterable[ValType] = (), results: Iterable[ValType] = ()) -> Self:
        key = (tuple(params), tuple(results))
        known = _functions.get(key)
        if known is not None:
            return cast("Self", known)
        for type_ in (*key[0], *key[1]):
            if not isinstance(type_, ValType):
                raise TypeError(f"{type_!r} is not a value type")
        new = object.__new__(cls)
        object.__setattr__(new, "params", key[0])
        object.__setattr__(new, "results", key[1])
        with _lock:
            return cast("Self", _functions.setdefault(key, new))

    def __str__(self) -> str:
        return f"{_list(self.params)} -> {_list(self.results)}"

    def __repr__(self) -> str:
        return f"FunctionType({str(self)!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (FunctionType, (self.params, self.results))


def _list(types: _TypeTuple) -> str:
    return f"({', '.join(map(str, types))})"


@dataclass(frozen=True, slots=True)
class Limits:
    """A size range, in pages of a memory or elements of a table. None means no maximum."""

    minimum: int
    maximum: int | None = None

    def __str__(self) -> str:
        return f"{self.minimum}" if self.maximum is None else f"{self.minimum} {self.maximum}"


@dataclass(frozen=True, slots=True)
class TableType:
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


@dataclass(frozen=True, slots=True)
class MemoryType:
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


@dataclass(frozen=True, slots=True)
class GlobalType:
    """A global variable."""

    value: ValType
    mutable: bool = False

    def __str__(self) -> str:
        return f"global (mut {self.value})" if self.mutable else f"global {self.value}"


@dataclass(frozen=True, slots=True)
class TagType:
    """The tag of an exception; the parameters of its type are what the exception carries."""

    type: FunctionType

    def __str__(self) -> str:
        return f"tag {self.type}"


ExternType: TypeAlias = FunctionType | TableType | MemoryType | GlobalType | TagType


@dataclass(frozen=True, slots=True)
class ImportType:
    """What a module asks for under a two-level name."""

    module: str
    name: str
    type: ExternType

    def __str__(self) -> str:
        return f"{self.module}.{self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class ExportType:
    """What a module provides under a name."""

    name: str
    type: ExternType

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"
