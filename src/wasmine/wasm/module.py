"""What a module consists of, as `decode` reads it and everything after it uses it.

Function bodies stay where they are in the bytes; `decode_body` reads one of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args, overload

from wasmine.errors import CompileError, InvalidModule
from wasmine.frozen import Frozen
from wasmine.types import (
    DefinedType,
    FunctionType,
    GlobalType,
    HeapType,
    MemoryType,
    RefType,
    TableType,
)
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.opcodes import Opcode, by_name

if TYPE_CHECKING:
    from wasmine.wasm.names import Names

Kind: TypeAlias = Literal["func", "table", "memory", "global", "tag"]
Space: TypeAlias = Literal["func", "table", "memory", "global", "tag", "type", "export", "start"]

_REF_FUNC: Final = by_name("ref.func")
_I32_CONST: Final = by_name("i32.const")


class SubType(Frozen):
    """What a type that is declared with `sub` says about other types."""

    final: bool
    supertypes: tuple[int, ...]


class ConstExpr(Frozen, eq=False):
    """A constant expression: instructions with their immediates, without the final `end`."""

    instructions: tuple[tuple[Opcode, object], ...]
    offset: int


class FunctionItems(Sequence[ConstExpr]):
    """Items of an element segment that are written as indices of functions: of each the expression
    `ref.func`. There may be many, and most uses need the indices only."""

    __slots__ = ("_data", "_start", "indices")

    def __init__(self, indices: array[int], data: bytes, start: int) -> None:
        """The indices are written from `start` in the module's bytes on."""
        self.indices: Final = indices
        self._data = data
        self._start = start

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> ConstExpr: ...
    @overload
    def __getitem__(self, place: slice) -> list[ConstExpr]: ...
    def __getitem__(self, place: int | slice) -> ConstExpr | list[ConstExpr]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        index = self.indices[place]
        return ConstExpr(((_REF_FUNC, index),), self.offset(place))

    def __iter__(self) -> Iterator[ConstExpr]:
        for index, offset in zip(self.indices, self._offsets(), strict=False):
            yield ConstExpr(((_REF_FUNC, index),), offset)

    def offset(self, place: int) -> int:
        """The offset in the module of an item."""
        return next(islice(self._offsets(), place % len(self), None))

    def _offsets(self) -> Iterator[int]:
        data, offset = self._data, self._start
        while True:
            yield offset
            while data[offset] >= 0x80:
                offset += 1
            offset += 1


class Import(Frozen):
    """What a module asks for; `type` is a type index for functions and tags."""

    module: str
    name: str
    kind: Kind
    type: int | TableType | MemoryType | GlobalType


class Export(Frozen):
    """What a module gives out, by its index among its kind."""

    name: str
    kind: Kind
    index: int


class ElementSegment(Frozen):
    """References to put into a table; `offset` is None unless the segment is active."""

    form: int
    """The number from 0 to 7 that it begins with: which of its parts are written, and how."""
    mode: Literal["active", "passive", "declarative"]
    type: RefType
    table: int
    offset: ConstExpr | None
    items: Sequence[ConstExpr]

    @property
    def has_table(self) -> bool:
        """Whether an active segment names its table, which may be the first."""
        return bool(self.form & 2)

    @property
    def has_expressions(self) -> bool:
        """Whether its items are written as expressions, not as indices of functions."""
        return bool(self.form & 4)


class DataSegment(Frozen):
    """Bytes `start` to `end` of the module, to put into a memory."""

    mode: Literal["active", "passive"]
    memory: int
    offset: ConstExpr | None
    start: int
    end: int


class DataSegments(Sequence[DataSegment]):
    """Where the bytes of all data segments are, and where they go. There may be a hundred thousand.

    Nearly all are plain: active, of the first memory, at an `i32.const`. Their facts are in columns, in
    which `others` have zeros.
    """

    __slots__ = ("addresses", "ends", "expressions", "others", "starts")

    def __init__(self) -> None:
        self.addresses: Final = array("I")
        self.expressions: Final = array("I")
        """Offsets in the module of the expressions that are the addresses."""
        self.starts: Final = array("I")
        self.ends: Final = array("I")
        self.others: Final[dict[int, DataSegment]] = {}
        """Those that are not plain, by index."""

    def append(self, segment: DataSegment) -> None:
        """Adds a segment of any kind."""
        self.others[len(self)] = segment
        self.append_plain(0, 0, segment.start, segment.end)

    def append_plain(self, address: int, expression: int, start: int, end: int) -> None:
        """Adds a plain one."""
        self.addresses.append(address)
        self.expressions.append(expression)
        self.starts.append(start)
        self.ends.append(end)

    @property
    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """All that there is to know if all are plain."""
        return self.addresses, self.expressions, self.starts, self.ends

    def different(self) -> Iterator[DataSegment]:
        """One of the plain ones and all others, in order: a rule that these keep, all keep."""
        plain = next((index for index in range(len(self)) if index not in self.others), None)
        for index in sorted({*self.others, *(() if plain is None else (plain,))}):
            yield self[index]

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> DataSegment: ...
    @overload
    def __getitem__(self, place: slice) -> list[DataSegment]: ...
    def __getitem__(self, place: int | slice) -> DataSegment | list[DataSegment]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        index = range(len(self))[place]
        if index in self.others:
            return self.others[index]
        address = self.addresses[index]
        signed = address - (address >> 31 << 32)
        offset = ConstExpr(((_I32_CONST, signed),), self.expressions[index])
        return DataSegment("active", 0, offset, self.starts[index], self.ends[index])


class CodeEntry(Frozen):
    """Where in the module a function's locals and body are."""

    start: int
    end: int


class Bodies(Sequence[CodeEntry]):
    """Where the bodies of all functions are. There may be a hundred thousand, of which most are never
    looked at."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: Final = array("I")
        self.ends: Final = array("I")

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> CodeEntry: ...
    @overload
    def __getitem__(self, place: slice) -> list[CodeEntry]: ...
    def __getitem__(self, place: int | slice) -> CodeEntry | list[CodeEntry]:
        if isinstance(place, slice):
            return list(map(CodeEntry, self.starts[place], self.ends[place]))
        return CodeEntry(self.starts[place], self.ends[place])


class CustomSection(Frozen):
    """A section that the specification gives no meaning: its content is `start` to `end`."""

    name: str
    start: int
    end: int


class Section(Frozen):
    """Where in the module the content of a section is; its number says of what kind it is."""

    number: int
    start: int
    end: int


class ModuleInfo:
    """A decoded module. Index spaces begin with what is imported, as in the specification."""

    find_data: Callable[[], DataSegments | None] | None = None
    """See `decode`."""

    def __init__(self, data: bytes, features: Features = DEFAULT, resolve: bool = True) -> None:
        self.data: Final = data
        self.features: Final = features
        """The proposals that the module may use."""
        self.resolve: Final = resolve
        """Whether type indices in types and immediates become the types that they stand for. As they
        are written, they are for printing only: not even a group's members know of each other."""
        self.types: list[DefinedType] = []
        self.rec_groups: list[tuple[int, int]] = []
        """Explicit recursion groups: index of the first type and number of types."""
        self.subtypes: dict[int, SubType] = {}

        self.imports: list[Import] = []
        self.functions: list[int] = []
        """Type index of every function."""
        self.tables: list[TableType] = []
        self.memories: list[MemoryType] = []
        self.globals: list[GlobalType] = []
        self.tags: list[int] = []
        """Type index of every tag."""
        self.imported_functions = 0
        self.imported_tables = 0
        self.imported_memories = 0
        self.imported_globals = 0
        self.imported_tags = 0

        self.exports: list[Export] = []
        self.start: int | None = None
        self.global_initializers: list[ConstExpr] = []
        """One for each global that is not imported."""
        self.table_initializers: list[ConstExpr | None] = []
        """One for each table that is not imported; None where its elements start as null."""
        self.elements: list[ElementSegment] = []
        self.data_count: int | None = None
        """What the data count section says, None without one."""
        self.data_segments = DataSegments()
        self.bodies: Final = Bodies()
        """One for each function that is not imported."""
        self.sections: list[Section] = []
        """All sections, in their order."""
        self.custom_sections: list[CustomSection] = []
        self.places: dict[Space, array[int]] = {space: array("Q") for space in get_args(Space)}
        """Offsets in the module: of each type, function and so on, imported ones at their import."""

    @property
    def code_size(self) -> int:
        """Bytes of all bodies, and of what is between them."""
        return self.bodies[-1].end - self.bodies[0].start if self.bodies else 0

    def function_type(self, type_index: int, offset: int | None = None) -> FunctionType:
        """The function type with this index.

        Raises InvalidModule, with the offset of what names the type, if there is none.
        """
        try:
            type_ = self.types[type_index].composite
        except IndexError:
            raise InvalidModule(f"unknown type {type_index}", offset) from None
        if not isinstance(type_, FunctionType):
            raise InvalidModule(f"type mismatch: type {type_index} is not a function", offset)
        return type_

    def heap_type(self, type_index: int) -> HeapType:
        """What a type index in a reference type stands for: itself if there is no such type."""
        if self.resolve and type_index < len(self.types):
            return self.types[type_index]
        return type_index

    @cached_property
    def names(self) -> Names:
        """What the name section says; empty without one."""
        from wasmine.wasm.names import read_names  # few programs ask for any

        return read_names(self._custom("name"))

    @cached_property
    def producers(self) -> dict[str, list[tuple[str, str]]]:
        """What the producers section says: by field, the tools and their versions."""
        from wasmine.wasm.names import read_producers

        return read_producers(self._custom("producers"))

    @cached_property
    def declared_functions(self) -> frozenset[int]:
        """Functions that are referred to outside of function bodies, so that `ref.func` may."""
        found = {entry.index for entry in self.exports if entry.kind == "func"}
        expressions = {*self.global_initializers, *filter(None, self.table_initializers)}
        for segment in self.elements:
            if isinstance(segment.items, FunctionItems):
                found.update(segment.items.indices)
            else:
                expressions.update(segment.items)
        for expression in expressions:
            found.update(
                immediate
                for opcode, immediate in expression.instructions
                if opcode.name == "ref.func" and isinstance(immediate, int)
            )
        return frozenset(found)

    def _custom(self, name: str) -> bytes:
        for section in self.custom_sections:
            if section.name == name:
                return self.data[section.start : section.end]
        return b""

    @cached_property
    def _public_names(self) -> dict[int, str]:
        """Names of functions from exports, and from imports where they are not exported."""
        imports = [entry for entry in self.imports if entry.kind == "func"]
        found = {index: f"{entry.module}.{entry.name}" for index, entry in enumerate(imports)}
        exports = [entry for entry in self.exports if entry.kind == "func"]
        # the first export of a function counts
        found.update((entry.index, entry.name) for entry in reversed(exports))
        return found

    def blame(self, error: CompileError, function: int) -> None:
        """Say in an error which function it is about, by its index with imports."""
        error.function = function
        error.function_name = self.function_name(function)

    def function_name(self, index: int) -> str | None:
        """A name for people: from the name section, else from an export, else from its import."""
        return self.names.functions.get(index) or self._public_names.get(index)
