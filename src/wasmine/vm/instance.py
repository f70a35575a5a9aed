"""An instance: one native allocation for its VMContext, and the objects that it owns or imports.

Follows the order of the reference (section 5.2): memories, tables and globals are made, every region
of VMContext is filled, then element segments, data segments and the start function run.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from wasmine.abi.runtime import VMINSTANCE_SIZE, VMInstance
from wasmine.abi.vmcontext import (
    FastGasCounter,
    VMCallerCheckedAnyfunc,
    VMFunctionImport,
    VMGlobalImport,
    VMMemoryImport,
    VMSegment,
    VMTableImport,
    size_of,
)
from wasmine.errors import Trap, TrapCode
from wasmine.types import FunctionType
from wasmine.vm.artifact import Artifact
from wasmine.vm.constants import evaluate
from wasmine.vm.globals import GlobalCell
from wasmine.vm.memory import LinearMemory, MemoryStyle
from wasmine.vm.signatures import SignatureRegistry
from wasmine.vm.store import StoreContext
from wasmine.vm.table import LinearTable
from wasmine.wasm.module import DataSegment, ElementSegment

DEFAULT_STACK_LIMIT: Final = 100 * 1024
"""The reference's counted stack limit, in 8-byte slots."""
UNLIMITED_GAS: Final = (1 << 64) - 1

RecordT = TypeVar("RecordT", bound=ctypes.Structure)


@dataclass
class Imports:
    """What an instance imports, each kind in the order of the module; functions by their record."""

    functions: list[int] = field(default_factory=list)
    """Addresses of VMCallerCheckedAnyfunc."""
    tables: list[LinearTable] = field(default_factory=list)
    memories: list[LinearMemory] = field(default_factory=list)
    globals: list[GlobalCell] = field(default_factory=list)


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
        self.store: Final = store
        self.artifact: Final = artifact
        self._info = info = artifact.info
        self._offsets = offsets = artifact.offsets
        header = store.arena.allocate(VMINSTANCE_SIZE + offsets.size_of_vmctx())
        self.vmctx: Final = header + VMINSTANCE_SIZE
        self.memories: Final = [*imports.memories]
        self.tables: Final = [*imports.tables]
        self.globals: Final = [*imports.globals]
        self._signatures = [
            signatures.register(type_) if isinstance(type_, FunctionType) else 0
            for type_ in info.types
        ]
        # Before anything else: what follows leaves addresses of this instance in the store.
        store.roots.append((self, artifact, imports))
        self._make_memories(memory_styles)
        self._make_tables()
        self._make_globals()
        self._fill_header(header)
        self._fill_imports(imports)
        self._fill_functions(imports)
        self._fill_runtime()
        self._fill_segments()
        self._initialize_globals()

    def _record(self, kind: type[RecordT], region: str, index: int) -> RecordT:
        """An element of a region of the VMContext, to be written."""
        return kind.from_address(self.vmctx + self._offsets.element(region, index))

    def _pointer(self, region: str, index: int, value: int) -> None:
        ctypes.c_size_t.from_address(
            self.vmctx + self._offsets.element(region, index)
        ).value = value

    def _make_memories(self, styles: Sequence[MemoryStyle]) -> None:
        own = self._info.memories[self._info.imported_memories :]
        for slot, (type_, style) in enumerate(zip(own, styles, strict=True)):
            address = self.vmctx + self._offsets.vmctx_memory_definition(slot)
            memory = LinearMemory(type_, style, address)
            self._pointer("memory_records", slot, memory.record_address)
            self.memories.append(memory)

    def _make_tables(self) -> None:
        for slot, type_ in enumerate(self._info.tables[self._info.imported_tables :]):
            address = self.vmctx + self._offsets.vmctx_table_definition(slot)
            table = LinearTable(type_, address, references=self.store)
            self._pointer("table_records", slot, table.record_address)
            self.tables.append(table)

    def _make_globals(self) -> None:
        for slot, type_ in enumerate(self._info.globals[self._info.imported_globals :]):
            address = self.vmctx + self._offsets.vmctx_global_storage(slot)
            self._pointer("globals", slot, address)
            self.globals.append(GlobalCell(type_, address, references=self.store))

    def _fill_header(self, address: int) -> None:
        header = VMInstance.from_address(address)
        info, offsets = self._info, self._offsets
        header.instance = id(self)
        header.store = self.store.address
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
        address = self.store.arena.allocate(max(8, len(content) * 8))
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
        words = array("Q")
        for address in imports.functions:
            anyfunc = VMCallerCheckedAnyfunc.from_address(address)
            words.extend(anyfunc.key)
        own = self._info.functions[self._info.imported_functions :]
        for body, type_ in zip(self.artifact.function_addresses, own, strict=True):
            words.extend((body, self._signatures[type_], self.vmctx))
        ctypes.memmove(
            self.vmctx + self._offsets.begin("anyfuncs"), words.tobytes(), len(words) * 8
        )

    def _fill_runtime(self) -> None:
        offsets, process = self._offsets, self.store.process
        for index, number in enumerate(self._signatures):
            ctypes.c_uint32.from_address(
                self.vmctx + offsets.vmctx_signature_id(index)
            ).value = number
        for index, address in enumerate(process.builtins):
            self._pointer("builtins", index, address)
        self._pointer("trap_handler", 0, process.trap_handler)
        gas = self.store.arena.allocate(size_of(FastGasCounter))
        FastGasCounter.from_address(gas).gas_limit = UNLIMITED_GAS
        self._pointer("gas_counter", 0, gas)
        for offset in (offsets.vmctx_stack_limit(), offsets.vmctx_initial_stack_limit()):
            ctypes.c_int32.from_address(self.vmctx + offset).value = DEFAULT_STACK_LIMIT
        self._pointer("store", 0, self.store.address)

    def _fill_segments(self) -> None:
        """Passive segments; to the builtins all others look as if they had been dropped."""
        for index, data in enumerate(self._info.data_segments):
            if data.mode == "passive":
                segment = self._record(VMSegment, "data_segments", index)
                segment.base = self.artifact.data_address + data.start
                segment.length = data.end - data.start

    def _initialize_globals(self) -> None:
        own = self.globals[self._info.imported_globals :]
        for cell, expression in zip(own, self._info.global_initializers, strict=True):
            cell.initialize(evaluate(expression, self.globals, self.function_reference))

    def function_reference(self, index: int) -> int:
        """The address of the record of a function, which a funcref to it holds."""
        return self.vmctx + self._offsets.vmctx_anyfunc(index)

    def initialize(self, call: Callable[[int], object]) -> None:
        """Run what the module does when it is instantiated; `call` runs a function by its record.

        Raises Trap if a segment does not fit or the start function traps. What was written before
        stays written (reference row I04).
        """
        self._initialize_tables()
        for index, element in enumerate(self._info.elements):
            self._place_elements(index, element)
        for data in self._info.data_segments:
            if data.mode == "active":
                self._place_data(data)
        if self._info.start is not None:
            call(self.function_reference(self._info.start))

    def _evaluate(self, expression: object) -> int:
        return evaluate(expression, self.globals, self.function_reference)  # type: ignore[arg-type]

    def _initialize_tables(self) -> None:
        own = self.tables[self._info.imported_tables :]
        for table, expression in zip(own, self._info.table_initializers, strict=True):
            if expression is not None:
                table.fill(0, self._evaluate(expression), table.size)

    def _place_elements(self, index: int, element: ElementSegment) -> None:
        if element.mode == "declarative":
            return
        references = [self._evaluate(item) for item in element.items]
        if element.mode == "passive":
            if element.type.heap == "extern":
                for reference in filter(None, references):
                    self.store.retain(reference)
            segment = self._record(VMSegment, "element_segments", index)
            segment.base = self._pointer_array(references)
            segment.length = len(references)
            return
        offset = self._evaluate(element.offset)
        self.tables[element.table].store(offset, references)

    def _place_data(self, data: DataSegment) -> None:
        memory = self.memories[data.memory]
        offset = self._evaluate(data.offset)
        length = data.end - data.start
        if offset + length > memory.data_size:
            raise Trap(TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)
        ctypes.memmove(memory.base + offset, self.artifact.data_address + data.start, length)
