"""Rows T01-T04: making, growing, copying tables, and what they hold."""

from __future__ import annotations

import ctypes
from collections import Counter

import pytest

from wasmine.abi.vmcontext import ElementKind, VMLinearTable, VMTableDefinition
from wasmine.errors import ResourceError, Trap, TrapCode
from wasmine.types import (
    EXTERNREF,
    FUNCREF,
    FunctionType,
    Limits,
    RefType,
    StructType,
    TableType,
    defined,
    ref,
)
from wasmine.vm.table import MAX_TABLE_ELEMENTS, LinearTable, Uncounted

OUT_OF_BOUNDS = r"^undefined element: out of bounds table access$"


class Counts(Uncounted):
    """Counts references as an externref box would."""

    def __init__(self) -> None:
        self.held: Counter[int] = Counter()

    def retain(self, raw: int) -> None:
        self.held[raw] += 1

    def release(self, raw: int) -> None:
        assert self.held[raw] > 0
        self.held[raw] -= 1

    @property
    def live(self) -> dict[int, int]:
        return {raw: count for raw, count in self.held.items() if count}


def table(minimum: int, maximum: int | None = None, element: RefType = FUNCREF) -> LinearTable:
    return LinearTable(TableType(element, Limits(minimum, maximum)))


def filled(*raws: int) -> LinearTable:
    new = table(len(raws))
    for index, raw in enumerate(raws):
        new.set_raw(index, raw)
    return new


def elements(of: LinearTable) -> list[int]:
    return [of.get_raw(index) for index in range(of.size)]


@pytest.mark.parametrize(
    ("element", "kind"),
    [
        (FUNCREF, ElementKind.FUNCREF),
        (EXTERNREF, ElementKind.EXTERNREF),
        (ref("func", False), ElementKind.FUNCREF),
        (ref(defined(FunctionType())), ElementKind.FUNCREF),
        (ref("noextern"), ElementKind.EXTERNREF),
        (ref("i31"), ElementKind.ANYREF),
        (ref(defined(StructType())), ElementKind.ANYREF),
        (ref("exn"), ElementKind.EXNREF),
    ],
    ids=str,
)
def test_a_table_starts_with_nulls(element: RefType, kind: ElementKind) -> None:
    fresh = table(3, 7, element)
    assert elements(fresh) == [0, 0, 0]
    assert fresh.type == TableType(element, Limits(3, 7))
    definition = VMTableDefinition.from_address(fresh.definition_address)
    assert definition.current_elements == 3
    assert ctypes.string_at(definition.base, 7 * 8) == bytes(7 * 8)
    record = VMLinearTable.from_address(fresh.record_address)
    assert (record.definition, record.maximum) == (fresh.definition_address, 7)
    assert record.element_kind == kind


def test_what_cannot_be_a_table() -> None:
    with pytest.raises(ResourceError, match=r"^Table minimum \(3\) is larger than maximum \(2\)!$"):
        table(3, 2)
    with pytest.raises(ResourceError, match=r"^Table minimum \(10000001\) is larger than this"):
        table(MAX_TABLE_ELEMENTS + 1)


def test_get_and_set() -> None:
    two = table(2)
    two.set_raw(1, (1 << 64) - 1)
    assert elements(two) == [0, (1 << 64) - 1]
    for index in (2, -1, 1 << 32):
        with pytest.raises(Trap, match=OUT_OF_BOUNDS) as caught:
            two.get_raw(index)
        assert caught.value.code is TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS
        with pytest.raises(Trap, match=OUT_OF_BOUNDS):
            two.set_raw(index, 5)
    assert elements(two) == [0, (1 << 64) - 1]


def test_grow() -> None:
    grown = table(1, 4)
    base = VMTableDefinition.from_address(grown.definition_address).base
    grown.set_raw(0, 9)
    assert grown.grow(0, 5) == 1
    assert grown.grow(2, 5) == 1
    assert grown.grow(1) == 3
    assert elements(grown) == [9, 5, 5, 0]
    assert grown.grow(1) is None
    assert grown.grow(-1) is None
    assert grown.grow((1 << 32) - 3) is None
    assert grown.grow(0) == 4
    assert grown.type == TableType(FUNCREF, Limits(4, 4))
    definition = VMTableDefinition.from_address(grown.definition_address)
    assert (definition.base, definition.current_elements) == (base, 4)


def test_growth_is_bounded_without_a_maximum() -> None:
    unlimited = table(1)
    base = VMTableDefinition.from_address(unlimited.definition_address).base
    assert VMLinearTable.from_address(unlimited.record_address).maximum == 10_000_000
    assert unlimited.grow(MAX_TABLE_ELEMENTS) is None
    assert unlimited.grow(MAX_TABLE_ELEMENTS - 1) == 1
    assert unlimited.get_raw(MAX_TABLE_ELEMENTS - 1) == 0
    assert VMTableDefinition.from_address(unlimited.definition_address).base == base
    unlimited.close()
    large = table(0, 1 << 31)
    assert VMLinearTable.from_address(large.record_address).maximum == 10_000_000


def test_fill() -> None:
    four = table(4)
    four.fill(1, 7, 2)
    four.fill(4, 8, 0)
    assert elements(four) == [0, 7, 7, 0]
    for start, length in ((3, 2), (5, 0), (0, 5), (-1, 1), (0, -1)):
        with pytest.raises(Trap, match=OUT_OF_BOUNDS):
            four.fill(start, 9, length)
    assert elements(four) == [0, 7, 7, 0]


@pytest.mark.parametrize(
    ("dst", "src", "length", "after"),
    [
        (0, 2, 3, [3, 4, 5, 4, 5]),
        (2, 0, 3, [1, 2, 1, 2, 3]),
        (0, 0, 5, [1, 2, 3, 4, 5]),
        (5, 0, 0, [1, 2, 3, 4, 5]),
        (0, 5, 0, [1, 2, 3, 4, 5]),
    ],
)
def test_copy_within(dst: int, src: int, length: int, after: list[int]) -> None:
    five = filled(1, 2, 3, 4, 5)
    five.copy(dst, five, src, length)
    assert elements(five) == after


def test_copy_between() -> None:
    source, target = filled(1, 2, 3), filled(7, 8)
    target.copy(0, source, 1, 2)
    assert (elements(source), elements(target)) == ([1, 2, 3], [2, 3])
    for dst, src, length in ((0, 2, 2), (1, 0, 2), (0, 4, 0), (3, 0, 0)):
        with pytest.raises(Trap, match=OUT_OF_BOUNDS):
            target.copy(dst, source, src, length)
    assert elements(target) == [2, 3]


def test_definition_in_a_vmcontext() -> None:
    context = ctypes.create_string_buffer(64)
    address = ctypes.addressof(context) + 16
    owned = LinearTable(TableType(FUNCREF, Limits(1, 3)), address, context)
    assert owned.definition_address == address
    definition = VMTableDefinition.from_address(address)
    owned.grow(1, 6)
    assert definition.current_elements == 2
    assert (ctypes.c_uint64 * 2).from_address(definition.base)[:] == [0, 6]
    # Compiled code grows a table by storing the new count.
    definition.current_elements = 3
    assert (owned.size, elements(owned)) == (3, [0, 6, 0])


def test_native_elements_are_seen() -> None:
    two = table(2)
    base = VMTableDefinition.from_address(two.definition_address).base
    ctypes.c_uint64.from_address(base + 8).value = 0xF00
    assert elements(two) == [0, 0xF00]


def test_externrefs_are_counted() -> None:
    counts = Counts()
    refs = LinearTable(TableType(EXTERNREF, Limits(4, 10)), references=counts)
    refs.set_raw(0, 1)
    refs.fill(1, 2, 2)
    assert counts.live == {1: 1, 2: 2}
    refs.set_raw(0, 1)
    refs.set_raw(1, 3)
    assert counts.live == {1: 1, 2: 1, 3: 1}
    refs.grow(3, 4)
    assert refs.grow(100, 5) is None
    assert counts.live == {1: 1, 2: 1, 3: 1, 4: 3}
    refs.copy(0, refs, 1, 3)
    assert elements(refs) == [3, 2, 0, 0, 4, 4, 4]
    assert counts.live == {3: 1, 2: 1, 4: 3}
    with pytest.raises(Trap, match=OUT_OF_BOUNDS):
        refs.fill(5, 9, 3)
    assert counts.live == {3: 1, 2: 1, 4: 3}
    refs.close()
    refs.close()
    assert counts.live == {}


def test_functions_are_not_counted() -> None:
    counts = Counts()
    functions = LinearTable(TableType(FUNCREF, Limits(2)), references=counts)
    functions.fill(0, 5, 2)
    functions.close()
    assert counts.held == {}
    assert functions.size == 0
    with pytest.raises(Trap, match=OUT_OF_BOUNDS):
        functions.get_raw(0)
    assert functions.grow(1) is None
