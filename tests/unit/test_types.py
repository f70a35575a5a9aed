"""Types: identity, immutability, text."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wasmine.types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    ArrayType,
    Declaration,
    ExportType,
    FieldType,
    FunctionType,
    GlobalType,
    ImportType,
    Limits,
    MemoryType,
    StructType,
    TableType,
    TagType,
    composite_matches,
    define,
    defined,
    matches,
    ref,
    top,
)

VALUE_TYPES = [I32, I64, F32, F64, V128, FUNCREF, EXTERNREF, ref("func", False), ref(7)]

EXTERN_TYPES = [
    (FunctionType((), ()), "() -> ()"),
    (FunctionType((I32, I32), (I32,)), "(i32, i32) -> (i32)"),
    (MemoryType(Limits(1)), "memory 1"),
    (MemoryType(Limits(1, 2), shared=True, address=I64), "memory i64 1 2 shared"),
    (TableType(FUNCREF, Limits(0, 10)), "table 0 10 funcref"),
    (TableType(EXTERNREF, Limits(3), I64), "table i64 3 externref"),
    (GlobalType(I32), "global i32"),
    (GlobalType(F64, mutable=True), "global (mut f64)"),
    (TagType(FunctionType((I32,))), "tag (i32) -> ()"),
]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (I32, "i32"),
        (V128, "v128"),
        (FUNCREF, "funcref"),
        (EXTERNREF, "externref"),
        (ref("none"), "nullref"),
        (ref("func", False), "(ref func)"),
        (ref(3), "(ref null 3)"),
        (ref(3, False), "(ref 3)"),
    ],
    ids=str,
)
def test_value_types_are_named_as_in_the_text_format(type_: object, text: str) -> None:
    assert str(type_) == text


def test_value_types_know_their_class() -> None:
    assert [type_.is_num for type_ in VALUE_TYPES] == [True] * 4 + [False] * 5
    assert [type_.is_vec for type_ in VALUE_TYPES] == [False] * 4 + [True] + [False] * 4
    assert [type_.is_ref for type_ in VALUE_TYPES] == [False] * 5 + [True] * 4
    assert [type_.is_defaultable for type_ in VALUE_TYPES] == [True] * 7 + [False, True]


def test_reference_types_are_interned() -> None:
    assert ref("func") is FUNCREF
    kept = ref(12, False)
    assert ref(12, False) is kept
    assert ref(12) is not kept


@pytest.mark.parametrize("type_", [*VALUE_TYPES, FunctionType((I32, FUNCREF), (F32,))], ids=str)
def test_interned_types_survive_copies_and_pickling(type_: object) -> None:
    assert copy.copy(type_) is type_
    assert copy.deepcopy(type_) is type_
    assert pickle.loads(pickle.dumps(type_)) is type_


def test_function_types_are_interned_whatever_iterable_they_come_from() -> None:
    type_ = FunctionType([I32, I64], iter((F32,)))
    assert FunctionType((I32, I64), (F32,)) is type_
    assert type_.params == (I32, I64)
    assert type_.results == (F32,)
    assert FunctionType((I32, I64)) is not type_


def test_function_types_are_interned_across_threads() -> None:
    kept = []

    def make(_: int) -> int:
        kept.append(FunctionType([I64] * 41, [ref(123_456)]))
        return id(kept[-1])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(200)))) == 1


def test_function_types_refuse_what_is_no_type() -> None:
    wrong: Any = "i32"
    with pytest.raises(TypeError, match="'i32' is not a value type"):
        FunctionType((wrong,))


@pytest.mark.parametrize(("type_", "text"), EXTERN_TYPES, ids=lambda value: str(value))
def test_external_types_have_readable_text(type_: object, text: str) -> None:
    assert str(type_) == text


def test_imports_and_exports_have_readable_text() -> None:
    type_ = FunctionType((I32,))
    assert str(ImportType("env", "log", type_)) == "env.log: (i32) -> ()"
    assert str(ExportType("memory", MemoryType(Limits(1)))) == "memory: memory 1"


@pytest.mark.parametrize("type_", [*VALUE_TYPES, *(type_ for type_, _ in EXTERN_TYPES)], ids=str)
def test_types_are_immutable_and_hashable(type_: Any) -> None:
    assert hash(type_) == hash(copy.deepcopy(type_))
    for field in type(type_).__match_args__:
        with pytest.raises(AttributeError, match="cannot assign"):
            setattr(type_, field, None)
        with pytest.raises(AttributeError, match="cannot delete"):
            delattr(type_, field)


def test_equal_external_types_compare_equal() -> None:
    assert MemoryType(Limits(1, 2)) == MemoryType(Limits(1, 2))
    assert TableType(FUNCREF, Limits(1)) != TableType(EXTERNREF, Limits(1))
    assert (MemoryType(Limits(3, 9)).minimum, TableType(FUNCREF, Limits(3, 9)).maximum) == (3, 9)


NODE, LEAF = define(
    [
        Declaration(StructType([FieldType(ref(1)), FieldType(ref(0, False), True)]), final=False),
        Declaration(
            StructType([FieldType(ref(1, False)), FieldType(ref(0, False), True)]), True, 0
        ),
    ]
)
SIGNATURE = defined(FunctionType((I32,)))
BYTES = defined(ArrayType(FieldType("i8", True)))


def test_members_of_a_group_know_each_other() -> None:
    assert NODE.composite is StructType([FieldType(ref(LEAF)), FieldType(ref(NODE, False), True)])
    assert NODE.group == (NODE, LEAF)
    assert (NODE.position, LEAF.position) == (0, 1)
    assert (NODE.depth, LEAF.depth) == (0, 1)
    assert (NODE.final, LEAF.final) == (False, True)
    assert LEAF.supertype is NODE
    assert LEAF.is_subtype_of(NODE)
    assert not NODE.is_subtype_of(LEAF)


def test_equal_groups_are_one() -> None:
    again = define(
        [
            Declaration(
                StructType([FieldType(ref(8)), FieldType(ref(7, False), True)]), final=False
            ),
            Declaration(
                StructType([FieldType(ref(8, False)), FieldType(ref(7, False), True)]), True, 7
            ),
        ],
        first=7,
    )
    assert again == (NODE, LEAF)
    assert defined(NODE.composite) is not NODE
    assert defined(BYTES.composite) is BYTES


@pytest.mark.parametrize(
    "type_", [NODE, LEAF, SIGNATURE, BYTES, ref(LEAF), NODE.composite], ids=str
)
def test_defined_types_survive_copies_and_pickling(type_: object) -> None:
    assert copy.copy(type_) is type_
    assert copy.deepcopy(type_) is type_
    assert pickle.loads(pickle.dumps(type_)) is type_


def test_types_that_nobody_uses_are_freed() -> None:
    (loop,) = define([Declaration(FunctionType((ref(0), I64, V128)))])
    gone = weakref.ref(loop), weakref.ref(loop.composite)
    del loop
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_defined_types_have_names_that_end() -> None:
    assert str(SIGNATURE) == "(i32) -> ()"
    assert str(ref(BYTES)) == "(ref null (array (mut i8)))"
    assert str(ref(LEAF, False)).startswith("(ref (struct ((ref struct), ")


def test_references_to_types_that_stand_alone() -> None:
    struct = StructType([FieldType(I32)])
    assert ref(struct) is ref(defined(struct))
    assert ref(FunctionType([I32]), nullable=False) is ref(defined(FunctionType([I32])), False)


@pytest.mark.parametrize("wrong", ["anyref", "i32", "", I32, None])
def test_what_is_no_heap_type(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"is not a heap type"):
        ref(wrong)


def test_fields_have_storage_types() -> None:
    wrong: Any = "i64"
    with pytest.raises(TypeError, match="'i64' is not a storage type: a value type, 'i8' or 'i16'"):
        FieldType(wrong)
    with pytest.raises(TypeError, match=r"'i64' is not a field type: write FieldType"):
        StructType([wrong])
    packed = FieldType("i16")
    assert (packed.value, packed.is_packed, packed.mutable) == (I32, True, False)


ORDER = [
    ("none", "i31", "eq", "any"),
    ("none", "struct", "eq", "any"),
    ("none", "array", "eq", "any"),
    ("none", LEAF, NODE, "struct", "eq", "any"),
    ("none", BYTES, "array", "eq", "any"),
    ("nofunc", SIGNATURE, "func"),
    ("noextern", "extern"),
    ("noexn", "exn"),
]
HEAPS: list[Any] = list(dict.fromkeys(heap for line in ORDER for heap in line))


def below(heap: object, other: object) -> bool:
    return any(
        heap in line and other in line and line.index(heap) <= line.index(other) for line in ORDER
    )


def test_subtypes() -> None:
    for heap in HEAPS:
        for other in HEAPS:
            expected = below(heap, other)
            assert matches(ref(heap), ref(other)) is expected, (heap, other)
            assert matches(ref(heap, False), ref(other, False)) is expected
            assert matches(ref(heap, False), ref(other)) is expected
            assert not matches(ref(heap), ref(other, False))
    assert matches(I32, I32)
    assert not matches(I32, I64)
    assert not matches(I32, ref("any"))


def test_hierarchies() -> None:
    for line in ORDER:
        heaps: list[Any] = list(line)
        assert {top(heap) for heap in heaps} == {line[-1]}
    with pytest.raises(TypeError, match="type 3 is only an index"):
        top(3)


NULL, ANY = ref("none"), ref("any")
COMPOSITES: list[tuple[bool, Any, Any]] = [
    (True, FunctionType((ANY,), (NULL,)), FunctionType((NULL,), (ANY,))),
    (False, FunctionType((NULL,)), FunctionType((ANY,))),
    (False, FunctionType((I32,)), FunctionType()),
    (True, StructType([FieldType(NULL), FieldType("i8")]), StructType([FieldType(ANY)])),
    (False, StructType([FieldType(ANY)]), StructType([FieldType(ANY), FieldType("i8")])),
    (False, StructType([FieldType(NULL, True)]), StructType([FieldType(ANY, True)])),
    (True, StructType([FieldType(ANY, True)]), StructType([FieldType(ANY, True)])),
    (False, StructType([FieldType(ANY, True)]), StructType([FieldType(ANY)])),
    (False, ArrayType(FieldType("i8")), ArrayType(FieldType(I32))),
    (False, ArrayType(FieldType(ANY)), StructType([FieldType(ANY)])),
]


@pytest.mark.parametrize(("expected", "type_", "other"), COMPOSITES, ids=str)
def test_composite_types_match(expected: bool, type_: Any, other: Any) -> None:
    assert composite_matches(type_, other) is expected
