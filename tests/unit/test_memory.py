"""Rows M02-M05: making, growing and reading linear memories."""

from __future__ import annotations

import ctypes
import gc
import pickle

import pytest

from wasmine.abi.vmcontext import VMLinearMemory, VMMemoryDefinition
from wasmine.errors import ResourceError
from wasmine.types import I64, Limits, MemoryType
from wasmine.vm.memory import (
    WASM_PAGE_SIZE,
    DynamicMemory,
    LinearMemory,
    LinearMemoryError,
    MemoryErrorKind,
    MemoryStyle,
    StaticMemory,
)
from wasmine.vm.mmap import PAGE_SIZE

SMALL_STATIC = StaticMemory(bound=8, offset_guard_size=PAGE_SIZE)
DYNAMIC = DynamicMemory(offset_guard_size=PAGE_SIZE)
TOO_LARGE = (
    "The {} requested memory 65537 pages is greater than the maximum allowed memory 65536 pages"
)
STYLES = pytest.mark.parametrize("style", [StaticMemory(), SMALL_STATIC, DYNAMIC], ids=str)


def memory(minimum: int, maximum: int | None = None, style: MemoryStyle = DYNAMIC) -> LinearMemory:
    return LinearMemory(MemoryType(Limits(minimum, maximum)), style)


def record_of(owner: LinearMemory) -> VMLinearMemory:
    return VMLinearMemory.from_address(owner.record_address)


@STYLES
def test_a_memory_starts_with_zeros(style: MemoryStyle) -> None:
    fresh = memory(2, 5, style)
    assert (fresh.size, fresh.data_size) == (2, 2 * WASM_PAGE_SIZE)
    assert fresh.type == MemoryType(Limits(2, 5))
    assert fresh.read(0, fresh.data_size) == bytes(2 * WASM_PAGE_SIZE)
    definition = VMMemoryDefinition.from_address(fresh.definition_address)
    assert (definition.base, definition.current_length) == (fresh.base, fresh.data_size)
    record = record_of(fresh)
    assert (record.definition, record.maximum_pages) == (fresh.definition_address, 5)
    fresh.close()


def test_default_style_reserves_what_addresses_reach() -> None:
    fresh = LinearMemory(MemoryType(Limits(0)))
    record = record_of(fresh)
    assert fresh.style == StaticMemory(0x1_0000, 0x10_0000, 0x8000_0000)
    assert record.maximum_pages == 0x1_0000
    assert record.reserved_bytes == 4 << 30
    assert fresh._mapping.length == (6 << 30) + (64 << 10)


@pytest.mark.parametrize(
    ("limits", "reserved"),
    [
        (Limits(0), 1 << 20),
        (Limits(0, 3), 3),
        (Limits(1, 1 << 48), 1 << 20),
        (Limits((1 << 20) + 1), (1 << 20) + 1),
    ],
    ids=str,
)
def test_memories_of_64_bits_reserve_what_they_may_have(limits: Limits, reserved: int) -> None:
    wide = LinearMemory(MemoryType(limits, address=I64), StaticMemory())
    record = record_of(wide)
    assert (record.maximum_pages, record.reserved_bytes) == (reserved, reserved * WASM_PAGE_SIZE)
    assert wide._mapping.length == (reserved << 16) + (2 << 30) + (64 << 10)
    base = wide.base
    if limits.minimum < reserved:
        assert wide.grow(1) == limits.minimum
        assert (wide.base, wide.size) == (base, limits.minimum + 1)
    with pytest.raises(LinearMemoryError, match="could not grow"):
        wide.grow(reserved)


def test_limits_of_64_bits() -> None:
    for limits in (Limits((1 << 48) + 1), Limits(0, (1 << 48) + 1)):
        with pytest.raises(LinearMemoryError, match="greater than the maximum allowed"):
            LinearMemory(MemoryType(limits, address=I64), DYNAMIC)
    with pytest.raises(LinearMemoryError, match="Error when allocating memory"):
        LinearMemory(MemoryType(Limits(1 << 48), address=I64))


def test_dynamic_memory_reserves_its_size() -> None:
    three = memory(3)
    record = record_of(three)
    assert record.reserved_bytes == 3 * WASM_PAGE_SIZE
    assert three._mapping.length == 3 * WASM_PAGE_SIZE + PAGE_SIZE + (64 << 10)


@pytest.mark.parametrize(
    ("limits", "kind", "message"),
    [
        (
            Limits(0x1_0001),
            MemoryErrorKind.MINIMUM_TOO_LARGE,
            TOO_LARGE.format("minimum"),
        ),
        (
            Limits(0, 0x1_0001),
            MemoryErrorKind.MAXIMUM_TOO_LARGE,
            TOO_LARGE.format("maximum"),
        ),
        (
            Limits(3, 2),
            MemoryErrorKind.INVALID_MEMORY,
            "The memory is invalid because the maximum (2 pages) is less than the minimum (3 pages)",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_impossible_limits(limits: Limits, kind: MemoryErrorKind, message: str) -> None:
    with pytest.raises(LinearMemoryError) as caught:
        LinearMemory(MemoryType(limits))
    assert (caught.value.kind, str(caught.value)) == (kind, message)
    assert isinstance(caught.value, ResourceError)
    assert isinstance(caught.value, MemoryError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_a_static_bound_below_the_minimum() -> None:
    with pytest.raises(LinearMemoryError) as caught:
        memory(9, style=SMALL_STATIC)
    assert str(caught.value) == (
        "The memory is invalid because the reservation (8 pages) is less than the minimum (9 pages)"
    )


def test_no_address_space() -> None:
    with pytest.raises(LinearMemoryError) as caught:
        memory(1, style=DynamicMemory(1 << 60))
    assert caught.value.kind is MemoryErrorKind.REGION
    assert str(caught.value).startswith("Error when allocating memory: cannot map ")


@STYLES
def test_grow(style: MemoryStyle) -> None:
    grown = memory(1, 4, style)
    grown.write(WASM_PAGE_SIZE - 3, b"end")
    assert grown.grow(0) == 1
    assert grown.grow(2) == 1
    assert grown.grow(1) == 3
    assert (grown.size, grown.data_size) == (4, 4 * WASM_PAGE_SIZE)
    assert grown.type == MemoryType(Limits(4, 4))
    assert grown.read(WASM_PAGE_SIZE - 3, 6) == b"end\0\0\0"
    assert grown.read(grown.data_size - 2, 2) == b"\0\0"
    definition = VMMemoryDefinition.from_address(grown.definition_address)
    assert (definition.base, definition.current_length) == (grown.base, 4 * WASM_PAGE_SIZE)
    assert grown.grow(0) == 4
    for delta in (1, -1, 1 << 40):
        with pytest.raises(LinearMemoryError) as caught:
            grown.grow(delta)
        assert caught.value.kind is MemoryErrorKind.COULD_NOT_GROW
        assert caught.value.fields == {"current": 4, "attempted_delta": delta}
        assert str(caught.value) == (
            f"The memory could not grow: current size 4 pages, requested increase: {delta} pages"
        )
    assert (grown.size, grown.read(WASM_PAGE_SIZE - 3, 3)) == (4, b"end")


def test_a_static_memory_does_not_move_and_ends_at_its_bound() -> None:
    static = memory(1, style=SMALL_STATIC)
    base = static.base
    assert static.grow(7) == 1
    assert static.base == base
    with pytest.raises(LinearMemoryError, match="current size 8 pages"):
        static.grow(1)


def test_a_dynamic_memory_moves_seldom() -> None:
    dynamic = memory(1, 1000)
    bases = set()
    for page in range(1, 300):
        dynamic.write((page - 1) * WASM_PAGE_SIZE, page.to_bytes(2, "little"))
        assert dynamic.grow(1) == page
        bases.add(dynamic.base)
        assert dynamic.base == dynamic._mapping.base
    assert len(bases) < 12
    pages = [dynamic.read(page * WASM_PAGE_SIZE, 2) for page in range(299)]
    assert pages == [page.to_bytes(2, "little") for page in range(1, 300)]


@pytest.mark.parametrize("style", [StaticMemory(), DynamicMemory()], ids=str)
def test_growing_to_the_last_page(style: MemoryStyle) -> None:
    whole = memory(0, style=style)
    assert whole.grow(0x1_0000) == 0
    assert (whole.size, whole.data_size) == (0x1_0000, 1 << 32)
    whole.write((1 << 32) - 2, b"ok")
    assert whole.read((1 << 32) - 4, 4) == b"\0\0ok"
    with pytest.raises(LinearMemoryError, match="current size 65536 pages"):
        whole.grow(1)
    whole.close()


def test_native_growth_is_seen() -> None:
    """Compiled code stores the new length, and Python counts on nothing else."""
    static = memory(1, 3, SMALL_STATIC)
    static.grow(1)
    VMMemoryDefinition.from_address(static.definition_address).current_length = WASM_PAGE_SIZE
    assert static.size == 1
    assert static.grow(1) == 1
    assert static.size == 2


def test_definition_in_a_vmcontext() -> None:
    context = ctypes.create_string_buffer(64)
    address = ctypes.addressof(context) + 16
    owned = LinearMemory(MemoryType(Limits(1, 2)), DYNAMIC, address, context)
    assert owned.definition_address == record_of(owned).definition == address
    definition = VMMemoryDefinition.from_address(address)
    assert (definition.base, definition.current_length) == (owned.base, WASM_PAGE_SIZE)
    del context
    gc.collect()
    owned.grow(1)
    assert (definition.base, definition.current_length) == (owned.base, 2 * WASM_PAGE_SIZE)


def test_read_and_write_out_of_bounds() -> None:
    one = memory(1)
    one.write(0, b"")
    one.write(WASM_PAGE_SIZE, b"")
    assert one.read(WASM_PAGE_SIZE, 0) == b""
    message = "^out of bounds memory access: 2 bytes at 65535, the memory has 65536"
    with pytest.raises(IndexError, match=message):
        one.read(WASM_PAGE_SIZE - 1, 2)
    with pytest.raises(IndexError, match=message):
        one.write(WASM_PAGE_SIZE - 1, b"xy")
    for offset, length in ((-1, 1), (0, -1), (0, 1 << 64)):
        with pytest.raises(IndexError, match="out of bounds memory access"):
            one.read(offset, length)
    assert one.read(WASM_PAGE_SIZE - 1, 1) == b"\0"


@STYLES
def test_views(style: MemoryStyle) -> None:
    viewed = memory(1, 2, style)
    view = viewed.view()
    assert (view.format, view.nbytes, view.readonly) == ("B", WASM_PAGE_SIZE, False)
    view[0:3] = b"abc"
    assert viewed.read(0, 3) == b"abc"
    viewed.write(1, b"X")
    assert view[:3].tobytes() == b"aXc"
    viewed.grow(1)
    assert viewed.read(0, 3) == view[:3].tobytes() == b"aXc"
    assert len(view) == WASM_PAGE_SIZE
    viewed.close()
    assert view[:3].tobytes() == b"aXc"
    view[WASM_PAGE_SIZE - 1] = 1


def test_views_of_forgotten_memories() -> None:
    view = memory(1).view()
    gc.collect()
    view[0] = 7
    assert view.tobytes() == b"\x07" + bytes(WASM_PAGE_SIZE - 1)
    assert memory(0).view().tobytes() == b""


def test_close() -> None:
    closed = memory(1, 2, StaticMemory())
    closed.close()
    closed.close()
    assert (closed.size, closed.base, closed._mapping.length) == (0, 0, 0)
    assert closed.view().tobytes() == closed.read(0, 0) == b""
    with pytest.raises(LinearMemoryError, match="could not grow"):
        closed.grow(1)
    with pytest.raises(IndexError):
        closed.read(0, 1)
