"""Rows V01-V06: where everything lies in a VMContext."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from wasmine.abi.layout import HOST_POINTER_SIZE, align
from wasmine.abi.vmoffsets import EXTENSION_REGIONS, REFERENCE_REGIONS, VMOffsets
from wasmine.errors import InternalError, ResourceError
from wasmine.wasm.module import ModuleInfo

COUNTS = (
    "types", "functions", "tables", "memories", "globals", "tags", "data_segments", "elements",
)  # fmt: skip


def module(**counts: int) -> ModuleInfo:
    """A module of which only the number of its things matters; "imported_" ones are included."""
    fields: dict[str, object] = {name: range(counts.get(name, 0)) for name in COUNTS}
    for space in ("functions", "tables", "memories", "globals"):
        fields[f"imported_{space}"] = counts.get(f"imported_{space}", 0)
    return cast(ModuleInfo, SimpleNamespace(**fields))


EXAMPLE_B = {
    "types": 2,
    "functions": 1,
    "imported_functions": 1,
    "tables": 1,
    "memories": 1,
    "globals": 1,
}
EXAMPLE_C = {
    "types": 3, "functions": 4, "imported_functions": 2, "tables": 2, "imported_tables": 1,
    "memories": 1, "globals": 3, "imported_globals": 1, "data_segments": 2, "elements": 1,
}  # fmt: skip

REGIONS = [region.name for region in REFERENCE_REGIONS]


def starts(offsets: VMOffsets) -> list[int]:
    return [offsets.begin(region) for region in REGIONS]


def test_align() -> None:
    assert [align(offset, 16) for offset in (0, 31, 32, 33)] == [0, 32, 32, 48]


def test_without_a_module() -> None:
    offsets = VMOffsets(8)
    assert starts(offsets) == [0] * 9 + [208, 208, 216, 220]
    assert offsets.size_of_vmctx_reference() == 224
    assert not offsets.has_trap_handlers
    with pytest.raises(InternalError, match=r"no trap_handler\[0\]"):
        offsets.vmctx_trap_handler()
    assert VMOffsets.for_host().pointer_size == HOST_POINTER_SIZE


def test_example_a_empty_module() -> None:
    offsets = VMOffsets(8).with_module_info(module())
    assert starts(offsets) == [0] * 9 + [208, 216, 224, 228]
    assert offsets.size_of_vmctx_reference() == 232
    assert offsets.vmctx_trap_handler() == 208


def test_example_b() -> None:
    offsets = VMOffsets(8, module(**EXAMPLE_B))
    assert starts(offsets) == [0, 8, 40, 40, 40, 40, 56, 80, 88, 296, 304, 312, 316]
    assert offsets.size_of_vmctx_reference() == 320
    assert offsets.vmctx_memory_base(0) == 56
    assert offsets.vmctx_memory_current_length(0) == 64


def test_example_c() -> None:
    offsets = VMOffsets(8, module(**EXAMPLE_C))
    assert starts(offsets) == [0, 16, 80, 104, 104, 120, 152, 176, 200, 408, 416, 424, 428]
    assert offsets.size_of_vmctx_reference() == 432
    assert [offsets.vmctx_signature_id(index) for index in range(3)] == [0, 4, 8]
    assert offsets.vmctx_imported_function(1) == offsets.vmctx_imported_function_body(1) == 48
    assert offsets.vmctx_imported_function_environment(1) == 72
    assert (offsets.vmctx_imported_table(0), offsets.vmctx_imported_table_from(0)) == (80, 88)
    assert offsets.vmctx_imported_global(0) == 104
    assert offsets.vmctx_table_definition(0) == offsets.vmctx_table_base(0) == 120
    assert offsets.vmctx_table_current_elements(0) == 128
    assert (offsets.vmctx_memory_base(0), offsets.vmctx_memory_current_length(0)) == (152, 160)
    assert [offsets.vmctx_global(index) for index in range(2)] == [176, 184]
    assert (offsets.vmctx_builtin(0), offsets.vmctx_builtin(20)) == (200, 360)
    assert offsets.vmctx_builtin(25) == 400
    assert offsets.vmctx_trap_handler() == 408
    assert offsets.vmctx_gas_counter() == 416
    assert offsets.vmctx_stack_limit() == 424
    assert offsets.vmctx_initial_stack_limit() == 428


def test_example_c_for_pointers_of_four_bytes() -> None:
    offsets = VMOffsets(4, module(**EXAMPLE_C))
    assert starts(offsets) == [0, 12, 44, 56, 56, 64, 80, 96, 108, 212, 216, 220, 224]
    assert offsets.size_of_vmctx_reference() == 228
    assert offsets.vmctx_imported_function_environment(1) == 40
    assert offsets.vmctx_table_current_elements(0) == 68
    assert offsets.vmctx_memory_current_length(0) == 84
    assert offsets.vmctx_builtin(25) == 208


def test_globals_are_aligned_whatever_lies_before_them() -> None:
    for memories in range(4):
        for pointer_size in (4, 8):
            offsets = VMOffsets(pointer_size, module(memories=memories, globals=1))
            assert offsets.vmctx_global(0) % 16 == 0


def test_extension_of_example_c() -> None:
    offsets = VMOffsets(8, module(**EXAMPLE_C))
    assert offsets.vmctx_store() == 432
    assert [offsets.vmctx_global_storage(index) for index in range(2)] == [448, 464]
    assert [offsets.vmctx_anyfunc(index) for index in range(4)] == [480, 504, 528, 552]
    assert [offsets.vmctx_data_segment(index) for index in range(2)] == [576, 592]
    assert offsets.vmctx_element_segment(0) == 608
    assert offsets.vmctx_memory_record(0) == 624
    assert offsets.vmctx_table_record(0) == 632
    assert offsets.vmctx_compile_on_call() == 640
    assert offsets.vmctx_entries() == 648
    assert offsets.size_of_vmctx() == 656


def test_extension_starts_aligned_after_the_reference() -> None:
    offsets = VMOffsets(8, module(**EXAMPLE_B))
    assert (offsets.size_of_vmctx_reference(), offsets.vmctx_store()) == (320, 320)
    offsets = VMOffsets(8, module())
    assert (offsets.size_of_vmctx_reference(), offsets.vmctx_store()) == (232, 240)


def test_regions_do_not_overlap() -> None:
    for pointer_size in (4, 8):
        offsets = VMOffsets(pointer_size, module(**EXAMPLE_C))
        end = 0
        for region in (*REFERENCE_REGIONS, *EXTENSION_REGIONS):
            name = region.name
            assert offsets.begin(name) >= end
            end = offsets.begin(name) + offsets.slots(name) * offsets.stride(name)
        assert end == offsets.size_of_vmctx()


@pytest.mark.parametrize(
    ("accessor", "count"),
    [
        ("vmctx_signature_id", 3),
        ("vmctx_imported_function", 2),
        ("vmctx_imported_function_body", 2),
        ("vmctx_imported_function_environment", 2),
        ("vmctx_imported_table", 1),
        ("vmctx_imported_table_from", 1),
        ("vmctx_imported_memory", 0),
        ("vmctx_imported_memory_from", 0),
        ("vmctx_imported_global", 1),
        # Slots are numbered by local index: the slot that the imported table has is never used.
        ("vmctx_table_definition", 1),
        ("vmctx_table_base", 1),
        ("vmctx_table_current_elements", 1),
        ("vmctx_memory_definition", 1),
        ("vmctx_memory_base", 1),
        ("vmctx_memory_current_length", 1),
        ("vmctx_global", 2),
        ("vmctx_builtin", 26),
        ("vmctx_global_storage", 2),
        ("vmctx_anyfunc", 4),
        ("vmctx_data_segment", 2),
        ("vmctx_element_segment", 1),
        ("vmctx_memory_record", 1),
        ("vmctx_table_record", 1),
    ],
)
def test_indices_are_checked(accessor: str, count: int) -> None:
    offset = getattr(VMOffsets(8, module(**EXAMPLE_C)), accessor)
    for index in range(count):
        offset(index)
    for index in (count, -1):
        with pytest.raises(
            InternalError, match=rf"VMContext has no \w+\[{index}\]: it has {count}"
        ):
            offset(index)


def test_slots_of_imported_tables_and_globals_are_there() -> None:
    offsets = VMOffsets(8, module(**EXAMPLE_C))
    assert (offsets.slots("tables"), offsets.count("tables")) == (2, 1)
    assert (offsets.slots("globals"), offsets.count("globals")) == (3, 2)


def test_offsets_fit_in_32_bits() -> None:
    fits = VMOffsets(8, module(types=(1 << 30) - 72))
    assert fits.vmctx_initial_stack_limit() == (1 << 32) - 288 + 228
    for counts in ({"types": 1 << 30}, {"functions": 1 << 28}, {"memories": 1 << 28}):
        with pytest.raises(ResourceError, match=r"VMContext is too large: \w+ would end at \d+"):
            VMOffsets(8, module(**counts))
