"""Where each array of records of a module lies in its VMContext.

One table of regions: those of the reference (section 2.2, aligned as in its version 2.4.1), then
our own, which the reference's code never sees. The compiler asks here for offsets, and the
instance for where to write. Sizes and fields of records come from `vmcontext`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Self
from weakref import WeakKeyDictionary

from wasmine.abi.layout import HOST_POINTER_SIZE, Record, align, alignment_of, offset_of, size_of
from wasmine.abi.libcalls import BUILTINS
from wasmine.abi.vmcontext import (
    U32_MAX,
    VMCallerCheckedAnyfunc,
    VMFunctionImport,
    VMGlobalDefinition,
    VMGlobalImport,
    VMMemoryDefinition,
    VMMemoryImport,
    VMSegment,
    VMTableDefinition,
    VMTableImport,
)
from wasmine.errors import InternalError, ResourceError
from wasmine.frozen import Frozen
from wasmine.wasm.module import ModuleInfo

POINTER: Final = 0
"""Element size of a region of pointers, whatever size those have."""


class Region(Frozen):
    """One array: its name, what an element is, how many there are, how many of them are used.

    `element` is a record or a size in bytes, `alignment` that of the whole array (0: the
    element's own). `slots` and `used` are keys of `_counts`; without the former there is exactly
    one element, without the latter all slots are used. The reference gives tables, memories and
    globals a slot for imported ones too, but compiled code numbers them by local index, so that
    the last slots stay unused.
    """

    name: str
    element: Record | int
    slots: str = "one"
    used: str = ""
    alignment: int = 0


REFERENCE_REGIONS: Final = (
    Region("signature_ids", 4, "types"),
    Region("imported_functions", VMFunctionImport, "imported_functions"),
    Region("imported_tables", VMTableImport, "imported_tables"),
    Region("imported_memories", VMMemoryImport, "imported_memories"),
    Region("imported_globals", VMGlobalImport, "imported_globals"),
    Region("tables", VMTableDefinition, "tables", "local_tables"),
    Region("memories", VMMemoryDefinition, "memories", "local_memories"),
    # Pointers, and yet aligned like the definitions that they point to.
    Region("globals", POINTER, "globals", "local_globals", alignment=16),
    Region("builtins", POINTER, "builtins"),
    Region("trap_handler", POINTER, "trap_handlers"),
    Region("gas_counter", POINTER),
    Region("stack_limit", 4),
    Region("initial_stack_limit", 4),
)

EXTENSION_REGIONS: Final = (
    Region("store", POINTER, alignment=16),
    Region("global_storage", VMGlobalDefinition, "local_globals"),
    Region("anyfuncs", VMCallerCheckedAnyfunc, "functions"),
    Region("data_segments", VMSegment, "data_segments"),
    Region("element_segments", VMSegment, "elements"),
    Region("memory_records", POINTER, "local_memories"),
    Region("table_records", POINTER, "local_tables"),
    Region("tags", POINTER, "tags"),
    Region("compile_on_call", POINTER),
    Region("entries", POINTER),
)


class _Placed(Frozen):
    """A region of one module: offset of its first byte, bytes of an element, counts."""

    start: int
    stride: int
    slots: int
    used: int


def _counts(info: ModuleInfo | None) -> Counter[str]:
    """The counts that regions refer to; those of the index spaces include imports."""
    counts = Counter(one=1, builtins=len(BUILTINS))
    if info is None:
        return counts
    counts.update(
        trap_handlers=1,
        types=len(info.types),
        functions=len(info.functions),
        data_segments=len(info.data_segments),
        elements=len(info.elements),
        imported_functions=info.imported_functions,
        imported_globals=info.imported_globals,
        imported_memories=info.imported_memories,
        imported_tables=info.imported_tables,
        globals=len(info.globals),
        memories=len(info.memories),
        tables=len(info.tables),
        tags=len(info.tags),
    )
    counts["local_globals"] = counts["globals"] - counts["imported_globals"]
    counts["local_memories"] = counts["memories"] - counts["imported_memories"]
    counts["local_tables"] = counts["tables"] - counts["imported_tables"]
    return counts


def _element_offset(
    region: str, record: Record | None = None, field: str = ""
) -> Callable[[VMOffsets, int], int]:
    """A method: the offset of an element of a region, or of a field of it."""

    def offset(self: VMOffsets, index: int) -> int:
        start = self.element(region, index)
        return start if record is None else start + offset_of(record, field, self.pointer_size)

    return offset


class VMOffsets:
    """Byte offsets in the VMContext of one module, for one pointer size.

    Without a module everything is counted as zero and there is no trap handler slot. The `vmctx_`
    methods that take an index refuse one that is not below the count with InternalError: an
    offset outside its region would make compiled code read another's.

    Raises ResourceError if an offset does not fit in 32 bits.
    """

    def __init__(self, pointer_size: int, info: ModuleInfo | None = None) -> None:
        self.pointer_size = pointer_size
        self.has_trap_handlers = info is not None
        counts = _counts(info)
        self._placed: dict[str, _Placed] = {}
        end = self._place(REFERENCE_REGIONS, counts, 0)
        self._reference_size = end
        self._size = self._place(EXTENSION_REGIONS, counts, end)

    @staticmethod
    def for_host(info: ModuleInfo | None = None) -> VMOffsets:
        """Offsets for the machine that this runs on; of a module always the same object."""
        known = None if info is None else _known.get(info)
        if known is None:
            known = VMOffsets(HOST_POINTER_SIZE, info)
            if info is not None:
                _known[info] = known
        return known

    def with_module_info(self, info: ModuleInfo) -> Self:
        """Offsets for the same pointer size and this module."""
        return type(self)(self.pointer_size, info)

    def _place(self, regions: tuple[Region, ...], counts: Counter[str], end: int) -> int:
        for region in regions:
            stride, alignment = self._element(region)
            slots = counts[region.slots]
            used = counts[region.used] if region.used else slots
            start = align(end, region.alignment or alignment)
            end = start + slots * stride
            if end > U32_MAX:
                raise ResourceError(f"VMContext is too large: {region.name} would end at {end}")
            self._placed[region.name] = _Placed(start, stride, slots, used)
        return end

    def _element(self, region: Region) -> tuple[int, int]:
        if isinstance(region.element, int):
            size = region.element or self.pointer_size
            return size, size
        record = region.element
        return size_of(record, self.pointer_size), alignment_of(record, self.pointer_size)

    def begin(self, region: str) -> int:
        """Offset of the first element of a region. KeyError if there is no such region."""
        return self._placed[region].start

    def element(self, region: str, index: int) -> int:
        """Offset of an element of a region."""
        placed = self._placed[region]
        if not 0 <= index < placed.used:
            raise InternalError(f"VMContext has no {region}[{index}]: it has {placed.used}")
        return placed.start + index * placed.stride

    def stride(self, region: str) -> int:
        """Bytes from one element of a region to the next."""
        return self._placed[region].stride

    def count(self, region: str) -> int:
        """How many elements of a region are used; they are the first ones."""
        return self._placed[region].used

    def slots(self, region: str) -> int:
        """How many elements a region has room for."""
        return self._placed[region].slots

    def size_of_vmctx_reference(self) -> int:
        """Bytes that the regions of the reference take."""
        return self._reference_size

    def size_of_vmctx(self) -> int:
        """Bytes of the whole VMContext."""
        return self._size

    # Regions of the reference.
    vmctx_signature_id = _element_offset("signature_ids")
    vmctx_imported_function = _element_offset("imported_functions")
    vmctx_imported_function_body = _element_offset("imported_functions", VMFunctionImport, "body")
    vmctx_imported_function_environment = _element_offset(
        "imported_functions", VMFunctionImport, "environment"
    )
    vmctx_imported_table = _element_offset("imported_tables", VMTableImport, "definition")
    vmctx_imported_table_from = _element_offset("imported_tables", VMTableImport, "from_")
    vmctx_imported_memory = _element_offset("imported_memories", VMMemoryImport, "definition")
    vmctx_imported_memory_from = _element_offset("imported_memories", VMMemoryImport, "from_")
    vmctx_imported_global = _element_offset("imported_globals", VMGlobalImport, "definition")
    vmctx_table_definition = _element_offset("tables")
    vmctx_table_base = _element_offset("tables", VMTableDefinition, "base")
    vmctx_table_current_elements = _element_offset("tables", VMTableDefinition, "current_elements")
    vmctx_memory_definition = _element_offset("memories")
    vmctx_memory_base = _element_offset("memories", VMMemoryDefinition, "base")
    vmctx_memory_current_length = _element_offset("memories", VMMemoryDefinition, "current_length")
    vmctx_global = _element_offset("globals")
    vmctx_builtin = _element_offset("builtins")

    def vmctx_trap_handler(self) -> int:
        """Offset of the pointer to the trap handler. InternalError without a module."""
        return self.element("trap_handler", 0)

    def vmctx_gas_counter(self) -> int:
        """Offset of the pointer to the FastGasCounter."""
        return self.begin("gas_counter")

    def vmctx_stack_limit(self) -> int:
        """Offset of the i32 that counts the stack left."""
        return self.begin("stack_limit")

    def vmctx_initial_stack_limit(self) -> int:
        """Offset of the i32 that the count starts from."""
        return self.begin("initial_stack_limit")

    # Regions of our own.
    vmctx_global_storage = _element_offset("global_storage")
    vmctx_anyfunc = _element_offset("anyfuncs")
    vmctx_data_segment = _element_offset("data_segments")
    vmctx_element_segment = _element_offset("element_segments")
    vmctx_memory_record = _element_offset("memory_records")
    vmctx_tag = _element_offset("tags")
    vmctx_table_record = _element_offset("table_records")

    def vmctx_store(self) -> int:
        """Offset of the pointer to the VMStoreContext."""
        return self.begin("store")

    def vmctx_compile_on_call(self) -> int:
        """Offset of the address of the function that functions not compiled yet begin with."""
        return self.begin("compile_on_call")

    def vmctx_entries(self) -> int:
        """Offset of the pointer to the table of where the module's own functions begin now."""
        return self.begin("entries")


_known: Final[WeakKeyDictionary[ModuleInfo, VMOffsets]] = WeakKeyDictionary()
