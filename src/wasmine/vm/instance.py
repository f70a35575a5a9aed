"""An instance: one native allocation for its VMContext, and the objects that it owns or imports.

Follows the order of the reference (section 5.2): memories, tables and globals are made, every region
of VMContext is filled, then element segments, data segments and the start function run.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from wasmine.abi.convention import is_counted
from wasmine.abi.heap import RootKind
from wasmine.abi.objects import is_traced
from wasmine.abi.runtime import VMINSTANCE_SIZE, VMInstance
from wasmine.abi.vmcontext import (
    FastGasCounter,
    VMCallerCheckedAnyfunc,
    VMFunctionImport,
    VMGlobalImport,
    VMMemoryImport,
    VMSegment,
    VMTableImport,
    offset_of,
    size_of,
)
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.errors import InternalError, Trap, TrapCode
from wasmine.types import FunctionType, TagType
from wasmine.vm.artifact import Artifact
from wasmine.vm.constants import Evaluator
from wasmine.vm.globals import GlobalCell
from wasmine.vm.memory import LinearMemory, MemoryStyle
from wasmine.vm.mmap import native_view
from wasmine.vm.objects import Allocator
from wasmine.vm.signatures import SignatureRegistry
from wasmine.vm.store import StoreContext
from wasmine.vm.table import LinearTable
from wasmine.vm.tags import TagCell
from wasmine.wasm.module import (
    ConstExpr,
    DataSegments,
    ElementSegment,
    FunctionItems,
    ModuleInfo,
)

UNLIMITED_GAS: Final = (1 << 64) - 1


def _needs_heap(info: ModuleInfo) -> bool:
    """Whether code of the module may make objects: there is a type of some, or of an exception."""
    return bool(info.tags) or not all(
        isinstance(type_.composite, FunctionType) for type_ in info.types
    )


def _required(expression: ConstExpr | None) -> ConstExpr:
    if expression is None:
        raise InternalError("an active segment has no offset")
    return expression


def _function_reference(vmctx: int, offsets: VMOffsets, index: int) -> int:
    return vmctx + offsets.vmctx_anyfunc(index)


RecordT = TypeVar("RecordT", bound=ctypes.Structure)


class Imports:
    """What an instance imports, each kind in the order of the module; functions by their record."""

    def __init__(self) -> None:
        self.functions: list[int] = []
        """Addresses of VMCallerCheckedAnyfunc."""
        self.tables: list[LinearTable] = []
        self.memories: list[LinearMemory] = []
        self.globals: list[GlobalCell] = []
        self.tags: list[TagCell] = []


class InstanceHandle:
    """An instance of a module in a store. Its VMContext lives as long as the store."""

    def __init__(
        self,
        store: StoreContext,
        artifact: Artifact,
        imports: Imports,
        signatures: SignatureRegistry,
        memory_styles: Sequence[MemoryStyle],
    ) -> None:
        """Allocate and fill the VMContext; nothing of the module runs yet.

        `memory_styles` are those of the module's own memories. Raises ResourceError if a memory
        or a table cannot be had.
        """
        # Not the store itself, which refers to this: a cycle would keep both until the garbage
        # collector comes by, and all memories with them.
        self._arena: Final = store.arena
        self._references: Final = store.references
        if _needs_heap(artifact.info):
            # Compiled code takes it for granted.
            _ = store.references.heap
        self.artifact: Final = artifact
        self._info = artifact.info
        self._offsets = offsets = artifact.offsets
        template = artifact.template(signatures)
        header = store.arena.allocate(len(template))
        ctypes.memmove(header, template, len(template))
        self.vmctx: Final = header + VMINSTANCE_SIZE
        # The VMContext as words of 8 bytes; nearly all that is written here are pointers.
        size = offsets.size_of_vmctx() & -8
        self._words = (
            memoryview((ctypes.c_ubyte * size).from_address(self.vmctx)).cast("B").cast("Q")
        )
        self.memories: Final = [*imports.memories]
        self.tables: Final = [*imports.tables]
        self.globals: Final = [*imports.globals]
        self.tags: Final = [*imports.tags]
        self._evaluate = Evaluator(
            artifact.info.types,
            self.globals,
            # Not a method: whoever refers to this keeps it until the garbage collector comes by.
            partial(_function_reference, self.vmctx, offsets),
            Allocator(store.references, signatures),
        )
        self._segment_roots: Final[list[object]] = []
        self._make_memories(memory_styles)
        self._make_tables()
        self._make_globals()
        self._make_tags(store, signatures)
        self._fill_header(header, store.address)
        self._fill_imports(imports)
        self._fill_functions(imports)
        self._fill_runtime(store.address)
        self._initialize_globals()
        # Nothing outside knows an address of this instance yet. From here on the store may hold
        # some for ever, also when what `initialize` does fails.
        store.roots.append((self, artifact, imports))

    def _record(self, kind: type[RecordT], region: str, index: int) -> RecordT:
        """An element of a region of the VMContext, to be written."""
        return kind.from_address(self.vmctx + self._offsets.element(region, index))

    def _pointer(self, region: str, index: int, value: int) -> None:
        self._words[self._offsets.element(region, index) >> 3] = value

    def _make_memories(self, styles: Sequence[MemoryStyle]) -> None:
        own = self._info.memories[self._info.imported_memories :]
        for slot, (type_, style) in enumerate(zip(own, styles, strict=True)):
            address = self.vmctx + self._offsets.vmctx_memory_definition(slot)
            # Instances of other stores may keep a shared memory, and its definition is in here.
            memory = LinearMemory(type_, style, address, self._arena if type_.shared else None)
            self._pointer("memory_records", slot, memory.record_address)
            self.memories.append(memory)

    def _make_tables(self) -> None:
        for slot, type_ in enumerate(self._info.tables[self._info.imported_tables :]):
            address = self.vmctx + self._offsets.vmctx_table_definition(slot)
            table = LinearTable(type_, address, references=self._references)
            self._pointer("table_records", slot, table.record_address)
            self.tables.append(table)

    def _make_globals(self) -> None:
        for slot, type_ in enumerate(self._info.globals[self._info.imported_globals :]):
            address = self.vmctx + self._offsets.vmctx_global_storage(slot)
            self._pointer("globals", slot, address)
            self.globals.append(GlobalCell(type_, address, references=self._references))

    def _make_tags(self, store: StoreContext, signatures: SignatureRegistry) -> None:
        info = self._info
        for type_index in info.tags[info.imported_tags :]:
            definition = info.types[type_index]
            type_ = TagType(info.function_type(type_index), definition)
            self.tags.append(store.make_tag(type_, signatures.register(definition)))
        for slot, tag in enumerate(self.tags):
            self._pointer("tags", slot, tag.address)

    def _fill_header(self, address: int, store: int) -> None:
        header = VMInstance.from_address(address)
        info, offsets = self._info, self._offsets
        header.instance = id(self)
        header.store = store
        header.memories = self._pointer_array([memory.record_address for memory in self.memories])
        header.imported_memories = info.imported_memories
        header.tables = self._pointer_array([table.record_address for table in self.tables])
        header.imported_tables = info.imported_tables
        header.data_segments = self.vmctx + offsets.begin("data_segments")
        header.element_segments = self.vmctx + offsets.begin("element_segments")
        header.anyfuncs = self.vmctx + offsets.begin("anyfuncs")

    def _pointer_array(self, values: Sequence[int]) -> int:
        """The address of an array of pointers that lives as long as the store."""
        content = array("Q", values)
        address = self._arena.allocate(max(8, len(content) * 8))
        ctypes.memmove(address, content.tobytes(), len(content) * 8)
        return address

    def _fill_imports(self, imports: Imports) -> None:
        for index, address in enumerate(imports.functions):
            anyfunc = VMCallerCheckedAnyfunc.from_address(address)
            function = self._record(VMFunctionImport, "imported_functions", index)
            function.body = anyfunc.func_ptr
            function.signature = anyfunc.type_index
            function.environment = anyfunc.vmctx
        for index, table in enumerate(imports.tables):
            table_import = self._record(VMTableImport, "imported_tables", index)
            table_import.definition = table.definition_address
            table_import.from_ = table.record_address
        for index, memory in enumerate(imports.memories):
            memory_import = self._record(VMMemoryImport, "imported_memories", index)
            memory_import.definition = memory.definition_address
            memory_import.from_ = memory.record_address
        for index, cell in enumerate(imports.globals):
            global_import = self._record(VMGlobalImport, "imported_globals", index)
            global_import.definition = cell.definition_address

    def _fill_functions(self, imports: Imports) -> None:
        """One record for every function of the index space, imports first (reference 5.5)."""
        first = self._offsets.begin("anyfuncs") >> 3
        stride = self._offsets.stride("anyfuncs") >> 3
        for address in imports.functions:
            self._words[first : first + stride] = array(
                "Q", VMCallerCheckedAnyfunc.from_address(address).key
            )
            first += stride
        own = len(self._info.bodies)
        environment = first + (offset_of(VMCallerCheckedAnyfunc, "vmctx") >> 3)
        self._words[environment : environment + own * stride : stride] = (
            array("Q", [self.vmctx]) * own
        )

    def _fill_runtime(self, store: int) -> None:
        gas = self._arena.allocate(size_of(FastGasCounter))
        FastGasCounter.from_address(gas).gas_limit = UNLIMITED_GAS
        self._pointer("gas_counter", 0, gas)
        self._pointer("store", 0, store)

    def _initialize_globals(self) -> None:
        own = self.globals[self._info.imported_globals :]
        for cell, expression in zip(own, self._info.global_initializers, strict=True):
            cell.initialize(self._evaluate(expression))

    def function_reference(self, index: int) -> int:
        """The address of the record of a function, which a funcref to it holds."""
        return _function_reference(self.vmctx, self._offsets, index)

    def initialize(self, call: Callable[[int], object]) -> None:
        """Run what the module does when it is instantiated; `call` runs a function by its record.

        Raises Trap if a segment does not fit or the start function traps. What was written before
        stays written (reference row I04).
        """
        self._initialize_tables()
        for index, element in enumerate(self._info.elements):
            self._place_elements(index, element)
        self._place_data()
        self._evaluate.let_go()
        if self._info.start is not None:
            call(self.function_reference(self._info.start))

    def _initialize_tables(self) -> None:
        own = self.tables[self._info.imported_tables :]
        for table, expression in zip(own, self._info.table_initializers, strict=True):
            if expression is not None:
                table.fill(0, self._evaluate(expression), table.size)

    def _place_elements(self, index: int, element: ElementSegment) -> None:
        if element.mode == "declarative":
            return
        references = self._references_of(element)
        if element.mode == "passive":
            if is_counted(element.type):
                for reference in filter(None, references):
                    self._references.retain(reference)
            segment = self._record(VMSegment, "element_segments", index)
            segment.base = self._pointer_array(references)
            segment.length = len(references)
            if is_traced(element.type):
                root = self._references.track(
                    RootKind.SEGMENT, ctypes.addressof(segment), self._arena
                )
                self._segment_roots.append(root)
            return
        offset = self._evaluate(_required(element.offset))
        self.tables[element.table].store(offset, references)

    def _references_of(self, element: ElementSegment) -> list[int]:
        items = element.items
        if not isinstance(items, FunctionItems):
            return [self._evaluate(item) for item in items]
        first = self.vmctx + self._offsets.begin("anyfuncs")
        stride = self._offsets.stride("anyfuncs")
        return [first + index * stride for index in items.indices]

    def _place_data(self) -> None:
        """Copy the active data segments; there may be a hundred thousand."""
        # Nothing runs meanwhile that could move a memory. What is empty is written too: nothing, there.
        empty = memoryview(bytearray())
        memories = [
            native_view(memory.base, memory.data_size, "B") if memory.data_size else empty
            for memory in self.memories
        ]
        evaluate, data = self._evaluate, memoryview(self._info.data)
        segments = self._info.data_segments
        if segments and not segments.others:
            _place_plain(memories[0], data, segments)
            return
        for segment in segments:
            if segment.mode != "active":
                continue
            memory = memories[segment.memory]
            offset = evaluate(_required(segment.offset))
            end = offset + segment.end - segment.start
            if end > len(memory):
                raise Trap(TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)
            memory[offset:end] = data[segment.start : segment.end]


def _place_plain(memory: memoryview, data: memoryview, segments: DataSegments) -> None:
    """Copy segments to constant addresses in one memory."""
    size = len(memory)
    columns = zip(segments.addresses, segments.starts, segments.ends, strict=True)
    for address, start, end in columns:
        last = address + end - start
        if last > size:
            raise Trap(TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)
        memory[address:last] = data[start:end]
