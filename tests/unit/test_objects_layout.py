"""Where fields, elements and what exceptions carry lie in objects of the heap."""

from __future__ import annotations

import pytest

from wasmine.abi.heap import CELL_SIZES, LARGEST_CELL, size_class
from wasmine.abi.objects import array_layout, exception_layout, struct_layout
from wasmine.types import (
    EXTERNREF,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    ArrayType,
    FieldType,
    FunctionType,
    StorageType,
    StructType,
    ref,
)

ANYREF = ref("any")
EXNREF = ref("exn")


@pytest.mark.parametrize(
    ("storages", "offsets", "size", "references"),
    [
        ([], (), 8, ()),
        ([I32], (8,), 16, ()),
        (["i8", "i16", I32, I64], (8, 10, 12, 16), 24, ()),
        ([I32, ANYREF, "i8", EXTERNREF, FUNCREF], (8, 16, 24, 32, 40), 48, (16, 32)),
        (["i8", V128, EXNREF], (8, 16, 32), 40, (32,)),
    ],
)
def test_structs(
    storages: list[StorageType],
    offsets: tuple[int, ...],
    size: int,
    references: tuple[int, ...],
) -> None:
    layout = struct_layout(StructType(map(FieldType, storages)))
    assert (layout.offsets, layout.size, layout.references) == (offsets, size, references)


@pytest.mark.parametrize(
    ("storage", "elements", "element_size", "traced"),
    [
        ("i8", 8, 1, False),
        ("i16", 8, 2, False),
        (I64, 8, 8, False),
        (V128, 16, 16, False),
        (ANYREF, 8, 8, True),
        (FUNCREF, 8, 8, False),
        (EXTERNREF, 8, 8, True),
    ],
)
def test_arrays(storage: StorageType, elements: int, element_size: int, traced: bool) -> None:
    layout = array_layout(ArrayType(FieldType(storage)))
    assert (layout.elements, layout.element_size, layout.traced) == (
        elements,
        element_size,
        traced,
    )


def test_exceptions_carry_their_values_behind_the_tag() -> None:
    layout = exception_layout(FunctionType((I32, F64, ANYREF)))
    assert layout.offsets == (16, 24, 32)
    assert (layout.size, layout.references) == (40, (32,))


@pytest.mark.parametrize("size", [1, 16, 17, 512, 513, 640, 641, 32767, LARGEST_CELL])
def test_a_size_class_is_the_smallest_that_fits(size: int) -> None:
    index = size_class(size)
    assert CELL_SIZES[index] >= size
    assert index == 0 or CELL_SIZES[index - 1] < size
