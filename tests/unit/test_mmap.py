"""Row M01: reserving, making accessible, giving back."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import pytest

from wasmine.errors import ResourceError
from wasmine.vm.mmap import PAGE_SIZE, PROT_READ, Mmap, round_up_to_page_size


def protections(start: int, length: int) -> dict[int, str]:
    """What the system says of the pages in a range: start of each area and its protection."""
    found = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        area, protection, *_ = line.split()
        first, last = (int(bound, 16) for bound in area.split("-"))
        if first < start + length and last > start:
            found[max(first, start) - start] = protection
    return found


def test_round_up_to_page_size() -> None:
    assert [round_up_to_page_size(size, 4096) for size in (0, 1, 4096, 4097)] == [
        0,
        4096,
        4096,
        8192,
    ]
    assert round_up_to_page_size(1) == PAGE_SIZE


def test_reserved_pages_become_accessible_and_are_zero() -> None:
    with Mmap(4 * PAGE_SIZE) as mapping:
        assert mapping.base % PAGE_SIZE == 0
        assert mapping.length == 4 * PAGE_SIZE
        assert protections(mapping.base, mapping.length) == {0: "---p"}
        mapping.make_accessible(PAGE_SIZE, PAGE_SIZE + 1)
        expected = {0: "---p", PAGE_SIZE: "rw-p", 3 * PAGE_SIZE: "---p"}
        assert protections(mapping.base, mapping.length) == expected
        assert ctypes.string_at(mapping.base + PAGE_SIZE, 2 * PAGE_SIZE) == bytes(2 * PAGE_SIZE)
        ctypes.memset(mapping.base + PAGE_SIZE, 0xAB, 2 * PAGE_SIZE)
        mapping.make_accessible(0, 4 * PAGE_SIZE)
        assert ctypes.string_at(mapping.base + 3 * PAGE_SIZE - 1, 2) == b"\xab\x00"
        mapping.protect(0, PAGE_SIZE, PROT_READ)
        assert protections(mapping.base, PAGE_SIZE) == {0: "r--p"}


def test_accessible_from_the_start() -> None:
    with Mmap.accessible(100) as mapping:
        assert mapping.length == PAGE_SIZE
        ctypes.memset(mapping.base, 1, PAGE_SIZE)


def test_nothing_can_be_mapped() -> None:
    mapping = Mmap.accessible(0)
    assert (mapping.base, mapping.length, mapping.hold()) == (0, 0, None)
    mapping.make_accessible(0, 0)
    mapping.close()


def test_close_unmaps_once() -> None:
    mapping = Mmap(PAGE_SIZE)
    base = mapping.base
    assert protections(base, PAGE_SIZE)
    mapping.close()
    assert protections(base, PAGE_SIZE) == {}
    assert (mapping.base, mapping.length) == (0, 0)
    again = Mmap(PAGE_SIZE)
    mapping.close()
    assert protections(again.base, PAGE_SIZE) == {0: "---p"}
    again.close()


def test_forgotten_mappings_are_unmapped() -> None:
    mapping = Mmap(PAGE_SIZE)
    base = mapping.base
    del mapping
    assert protections(base, PAGE_SIZE) == {}


def test_held_memory_stays_mapped() -> None:
    mapping = Mmap.accessible(PAGE_SIZE)
    base, held = mapping.base, mapping.hold()
    mapping.close()
    assert protections(base, PAGE_SIZE) == {0: "rw-p"}
    del held
    assert protections(base, PAGE_SIZE) == {}


def test_finalizers_in_a_cycle_can_still_use_the_memory() -> None:
    seen: list[bytes] = []

    class User:
        def __init__(self) -> None:
            # Both orders of creation, because the collector's order depends on it.
            self.mappings = [Mmap.accessible(PAGE_SIZE)]
            self.cycle = self

        def __del__(self) -> None:
            seen.extend(ctypes.string_at(mapping.base, 1) for mapping in self.mappings)

    older = [Mmap.accessible(PAGE_SIZE) for _ in range(3)]
    for mapping in older:
        user = User()
        user.mappings.append(mapping)
    del older, mapping, user
    gc.collect()
    assert seen == [b"\0"] * 6


@pytest.mark.parametrize(
    ("start", "length"),
    [(1, PAGE_SIZE), (-PAGE_SIZE, PAGE_SIZE), (PAGE_SIZE, -PAGE_SIZE), (0, 2 * PAGE_SIZE + 1)],
)
def test_only_pages_of_the_mapping_can_be_protected(start: int, length: int) -> None:
    with Mmap(2 * PAGE_SIZE) as mapping, pytest.raises(ValueError, match="not pages of a mapping"):
        mapping.make_accessible(start, length)


@pytest.mark.parametrize("length", [1 << 60, (1 << 63) - PAGE_SIZE, 1 << 64, 1 << 70])
def test_no_address_space(length: int) -> None:
    with pytest.raises(ResourceError, match=rf"^cannot map {length} bytes: \S"):
        Mmap(length)
