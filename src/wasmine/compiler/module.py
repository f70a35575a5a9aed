"""What the functions of a module have in common: where its memories, tables and globals are found.

Made once for a module and shared by all its units. Pointers named here are defined in the entry
block of the functions that use them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from wasmine.abi.convention import is_counted
from wasmine.abi.vmcontext import (
    VMGlobalDefinition,
    VMLinearMemory,
    VMMemoryDefinition,
    VMTableDefinition,
    offset_of,
)
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.compiler.ir import (
    CONSTANT,
    IN_CONTEXT,
    INVARIANT,
    LLVM_TYPES,
    Signature,
    signature,
)
from wasmine.frozen import Frozen
from wasmine.types import I64, DefinedType, FunctionType, ValType
from wasmine.wasm.module import ConstExpr, ModuleInfo

T = TypeVar("T")
MemoryStyle: TypeAlias = Literal["static", "dynamic"]
"""Whether the base of a memory stays where it is, with room and a guard behind it, so that accesses
need no check, or one against a constant for 64-bit addresses (reference: MemoryStyle)."""

PAGE_SHIFT: Final = 16
"""A page of linear memory is 1 << PAGE_SHIFT bytes."""

_BASE: Final = offset_of(VMMemoryDefinition, "base")
_LENGTH: Final = offset_of(VMMemoryDefinition, "current_length")
_RESERVED: Final = offset_of(VMLinearMemory, "reserved_bytes")
_ELEMENTS: Final = offset_of(VMTableDefinition, "base")
_COUNT: Final = offset_of(VMTableDefinition, "current_elements")
_STORAGE: Final = offset_of(VMGlobalDefinition, "storage")


class Options(Frozen):
    """How code is generated; part of the key of a compiled module."""

    memory_styles: tuple[MemoryStyle, ...] = ()
    """By memory index; memories beyond the end are static."""
    stack_checks: bool = True
    """Whether functions compare the stack pointer with the store's limit."""
    ssse3: bool = False
    """Whether the processor is an x86-64 with SSSE3, for vectors.SSSE3."""
    entries: bool = False
    """Whether functions of the module that a unit does not define are called through
    VMContext.entries, where they can be replaced, and not by name."""


class Pointer(Frozen):
    """A pointer that stays the same for a whole call, and the lines that compute it."""

    name: str
    text: str


def _load(name: str, base: str, offset: int, kind: str = "ptr") -> str:
    return (
        f"{name}p = getelementptr i8, ptr {base}, i64 {offset}\n"
        f"{name} = load {kind}, ptr {name}p{INVARIANT}{IN_CONTEXT}"
    )


def _address(name: str, base: str, offset: int) -> str:
    return f"{name} = getelementptr i8, ptr {base}, i64 {offset}"


class Memory(Frozen):
    """A linear memory. `base` and `reserved` may be used only if it is static."""

    index: int
    local: int | None
    """Index among the memories that the module defines; None for an imported one."""
    static: bool
    wide: bool
    """Whether addresses are i64."""
    shared: bool
    minimum: int
    """Bytes that it has at least."""
    definition: Pointer
    base: Pointer
    length: Pointer
    """Where the length in bytes is, an i64."""
    record: Pointer
    """The VMLinearMemory."""
    reserved: Pointer
    """No pointer: how many bytes of address space there are from the base on, an i64."""


class Table(Frozen):
    """A table. Its elements never move."""

    index: int
    local: int | None
    """Index among the tables that the module defines; None for an imported one."""
    wide: bool
    """Whether indices are i64."""
    counted: bool
    """Whether the elements are externrefs, which tables count."""
    size: int | None
    """The number of elements, if it cannot change."""
    definition: Pointer
    base: Pointer
    length: Pointer
    """Where the number of elements is, an i32."""


class Global(Frozen):
    """A global variable, or the constant that it always is."""

    type: str
    mutable: bool
    counted: bool
    """Whether it holds an externref, which globals count."""
    constant: str | None
    definition: Pointer


class Tag(Frozen):
    """A tag of exceptions."""

    type: FunctionType
    type_index: int


def _memory(info: ModuleInfo, options: Options, offsets: VMOffsets, index: int) -> Memory:
    type_ = info.memories[index]
    name = f"%memory{index}d"
    imported = index < info.imported_memories
    local = index - info.imported_memories
    style = options.memory_styles[index : index + 1]
    return Memory(
        index,
        None if imported else local,
        style != ("dynamic",),
        type_.address is I64,
        type_.shared,
        type_.minimum << PAGE_SHIFT,
        Pointer(
            name,
            _load(name, "%vmctx", offsets.vmctx_imported_memory(index))
            if imported
            else _address(name, "%vmctx", offsets.vmctx_memory_definition(local)),
        ),
        Pointer(f"%memory{index}", _load(f"%memory{index}", name, _BASE)),
        Pointer(f"%memory{index}n", _address(f"%memory{index}n", name, _LENGTH)),
        Pointer(
            f"%memory{index}r",
            _load(
                f"%memory{index}r",
                "%vmctx",
                offsets.vmctx_imported_memory_from(index)
                if imported
                else offsets.vmctx_memory_record(local),
            ),
        ),
        Pointer(
            f"%memory{index}s", _load(f"%memory{index}s", f"%memory{index}r", _RESERVED, "i64")
        ),
    )


def _table(info: ModuleInfo, offsets: VMOffsets, index: int) -> Table:
    type_ = info.tables[index]
    name = f"%table{index}d"
    imported = index < info.imported_tables
    local = index - info.imported_tables
    return Table(
        index,
        None if imported else local,
        type_.address is I64,
        is_counted(type_.element),
        # An import's size lies within the limits that it was asked to have, and stays there.
        type_.minimum if type_.minimum == type_.maximum else None,
        Pointer(
            name,
            _load(name, "%vmctx", offsets.vmctx_imported_table(index))
            if imported
            else _address(name, "%vmctx", offsets.vmctx_table_definition(local)),
        ),
        Pointer(f"%table{index}", _load(f"%table{index}", name, _ELEMENTS)),
        Pointer(f"%table{index}n", _address(f"%table{index}n", name, _COUNT)),
    )


def _global(info: ModuleInfo, offsets: VMOffsets, index: int) -> Global:
    type_ = info.globals[index]
    name = f"%global{index}"
    local = index - info.imported_globals
    constant = None
    if local < 0:
        definition = f"{name}d"
        text = _load(definition, "%vmctx", offsets.vmctx_imported_global(index))
        text += f"\n{_address(name, definition, _STORAGE)}"
    else:
        # The reference goes by a pointer here too, but that of an own global never changes.
        text = _address(name, "%vmctx", offsets.vmctx_global_storage(local) + _STORAGE)
        if not type_.mutable:
            constant = _constant(info.global_initializers[local])
    return Global(
        LLVM_TYPES[type_.value],
        type_.mutable,
        is_counted(type_.value),
        constant,
        Pointer(name, text),
    )


def _tag(info: ModuleInfo, index: int) -> Tag:
    type_index = info.tags[index]
    return Tag(info.function_type(type_index), type_index)


def _constant(initializer: ConstExpr) -> str | None:
    """The value of an expression that is a single number."""
    if len(initializer.instructions) != 1:
        return None
    ((opcode, immediate),) = initializer.instructions
    write = CONSTANT.get(opcode.name)
    return None if write is None else write(immediate)


class Lazy(dict[int, T]):
    """The parts of a module by index, made when they are first asked for."""

    def __init__(self, make: Callable[[int], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, index: int) -> T:
        return self.setdefault(index, self._make(index))


class ModuleContext:
    """A module, where its parts lie in VMContext, and how its code is to be generated."""

    def __init__(
        self, info: ModuleInfo, options: Options, defined: Container[int] = frozenset()
    ) -> None:
        """`defined` are the functions of the unit, if others are called through `entries`."""
        self.info = info
        self._defined = defined
        self.options = options
        self.offsets = offsets = VMOffsets.for_host(info)
        self.memories = Lazy(lambda index: _memory(info, options, offsets, index))
        self.tables = Lazy(lambda index: _table(info, offsets, index))
        self.globals = Lazy(lambda index: _global(info, offsets, index))
        self.tags = Lazy(lambda index: _tag(info, index))
        self._signatures: dict[FunctionType, Signature] = {}
        self._type_indices = {type_: index for index, type_ in enumerate(info.types)}
        self._has_objects = not all(
            isinstance(type_.composite, FunctionType) for type_ in info.types
        )

    def certain(self, locals_: Sequence[ValType]) -> frozenset[int]:
        """The locals whose types have no null, if the module has objects whose fields are read."""
        if not self._has_objects:
            return frozenset()
        return frozenset(index for index, type_ in enumerate(locals_) if not type_.is_defaultable)

    def has_name(self, function_index: int) -> bool:
        """Whether a function of the module is called by name."""
        return not self.options.entries or function_index in self._defined

    def type_index(self, type_: DefinedType) -> int:
        """An index of a defined type that the module names."""
        return self._type_indices[type_]

    def signature(self, type_: FunctionType) -> Signature:
        """The native signature of a function type."""
        known = self._signatures.get(type_)
        if known is None:
            known = self._signatures[type_] = signature(type_)
        return known

    def signature_of(self, function_index: int) -> Signature:
        """The native signature of a function of the module."""
        info = self.info
        return self.signature(info.function_type(info.functions[function_index]))
