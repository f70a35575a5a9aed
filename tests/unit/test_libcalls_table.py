"""Rows C05 and L01-L03 as far as they are declarations: names, order, signatures, meanings."""

from __future__ import annotations

import math
import re

import pytest

from wasmine.abi.convention import mangle, slot_count, value_kind
from wasmine.abi.libcalls import (
    BUILTINS,
    BY_NAME,
    BY_SYMBOL,
    HEAP_CALLS,
    LIBCALLS,
    OWN,
    RELOCATIONS,
    ROUNDINGS,
    IndexSpace,
    builtin,
)
from wasmine.compiler.native.unit import heap_ir
from wasmine.errors import TrapCode
from wasmine.types import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, FunctionType, ref

# The accessors of the reference's index type, in order (vmcontext.rs.txt, VMBuiltinFunctionIndex).
ORDER = """
memory32_grow imported_memory32_grow memory32_size imported_memory32_size table_copy table_init
elem_drop memory_copy imported_memory_copy memory_fill imported_memory_fill memory_init data_drop
raise_trap table_size imported_table_size table_grow imported_table_grow table_get
imported_table_get table_set imported_table_set func_ref table_fill externref_inc externref_dec
"""


def test_builtins_are_in_the_order_of_the_reference() -> None:
    assert [call.name for call in BUILTINS] == ORDER.split()
    assert [call.index for call in BUILTINS] == list(range(26))
    assert len(BY_NAME) == len(BY_SYMBOL) == len(LIBCALLS) == 26 + 8 + len(OWN)


def test_index_spaces() -> None:
    by_space = {
        space: {call.name for call in BUILTINS if call.space is space} for space in IndexSpace
    }
    assert by_space[IndexSpace.LOCAL] == {
        "memory32_grow", "memory32_size", "memory_copy", "memory_fill",
        "table_size", "table_grow", "table_get", "table_set",
    }  # fmt: skip
    assert by_space[IndexSpace.NONE] == {
        "elem_drop", "data_drop", "raise_trap", "externref_inc", "externref_dec",
    }  # fmt: skip
    assert all(BY_NAME[name].space is IndexSpace.GLOBAL for name in BY_NAME if "imported_" in name)


def test_imported_variants_have_the_signature_of_the_local_ones() -> None:
    imported_calls = [call for call in LIBCALLS if call.name.startswith("imported_")]
    assert len(imported_calls) == 8
    for imported in imported_calls:
        local = BY_NAME[imported.name.removeprefix("imported_")]
        assert (imported.parameters, imported.result) == (local.parameters, local.result)
        assert imported.traps == local.traps
        assert imported.symbol != local.symbol


def test_signatures() -> None:
    grow = builtin("table_grow")
    assert grow.parameters == (("ctx", "ptr"), ("init", "ptr"), ("delta", "i32"), ("table", "i32"))
    assert (grow.kinds, grow.result) == (("ptr", "ptr", "i32", "i32"), "i32")
    assert (builtin("raise_trap").kinds, builtin("raise_trap").result) == (("i32",), "noreturn")
    assert builtin("table_get").result == "ptr"
    assert builtin("externref_inc").kinds == ("ptr",)
    assert {kind for call in LIBCALLS for kind in call.kinds} == {
        "ptr", "i32", "i64", "f32", "f64",
    }  # fmt: skip
    without_context = {call.name for call in BUILTINS if call.parameters[0] != ("ctx", "ptr")}
    assert without_context == {"raise_trap", "externref_inc", "externref_dec"}
    with pytest.raises(KeyError):
        builtin("f32.ceil")


def test_traps() -> None:
    assert builtin("memory_init").traps == {TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS}
    assert builtin("table_fill").traps == {TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS}
    assert builtin("memory32_grow").traps == frozenset()
    assert builtin("raise_trap").traps == frozenset(TrapCode)


def test_relocation_names() -> None:
    assert RELOCATIONS["ImportedMemory32Fill"].symbol == "wasmer_vm_imported_memory32_fill"
    assert RELOCATIONS["NearestF64"].symbol == "wasmer_vm_f64_nearest"
    unnamed = {call.name for call in LIBCALLS if call.relocation is None} - {
        call.name for call in OWN
    }
    assert unnamed == {"memory32_grow", "imported_memory32_grow", "externref_inc", "externref_dec"}
    assert len(RELOCATIONS) == 30


@pytest.mark.parametrize(
    ("value", "ceil", "floor", "trunc", "nearest"),
    [
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (-0.0, -0.0, -0.0, -0.0, -0.0),
        (0.5, 1.0, 0.0, 0.0, 0.0),
        (-0.5, -0.0, -1.0, -0.0, -0.0),
        (1.5, 2.0, 1.0, 1.0, 2.0),
        (2.5, 3.0, 2.0, 2.0, 2.0),
        (-2.5, -2.0, -3.0, -2.0, -2.0),
        (-3.5, -3.0, -4.0, -3.0, -4.0),
        (1e300, 1e300, 1e300, 1e300, 1e300),
        (5e-324, 1.0, 0.0, 0.0, 0.0),
        (math.inf, math.inf, math.inf, math.inf, math.inf),
        (-math.inf, -math.inf, -math.inf, -math.inf, -math.inf),
        (math.nan, math.nan, math.nan, math.nan, math.nan),
    ],
)
def test_roundings(value: float, ceil: float, floor: float, trunc: float, nearest: float) -> None:
    expected = {"ceil": ceil, "floor": floor, "trunc": trunc, "nearest": nearest}
    rounded = {name: function(value) for name, function in ROUNDINGS.items()}
    # As text, where zeros have signs and NaN equals itself.
    assert str(rounded) == str(expected)


def test_every_rounding_row_has_a_meaning() -> None:
    rows = [call for call in LIBCALLS if call.index is None and call not in OWN]
    assert {call.name.partition(".")[2] for call in rows} == set(ROUNDINGS)


@pytest.mark.parametrize(
    ("signature", "name"),
    [
        (FunctionType((), ()), "_"),
        (FunctionType((I32, F64), (I64,)), "id_l"),
        (FunctionType((F32, V128), (FUNCREF, EXTERNREF)), "fv_pe"),
        (FunctionType((ref("func", False), I32), ()), "8ref_funci_"),
        (FunctionType((), (ref("any"),)), "_6anyref"),
        (FunctionType((ref(3),), (ref(3, False),)), "10ref_null_3_5ref_3"),
    ],
)
def test_mangle(signature: FunctionType, name: str) -> None:
    assert mangle(signature) == name


def test_values_in_native_signatures() -> None:
    values = (I32, I64, F32, F64, V128, FUNCREF, EXTERNREF, ref("any"))
    kinds = ["i32", "i64", "f32", "f64", "v128", "ptr", "ptr", "ptr"]
    assert [value_kind(value) for value in values] == kinds
    assert slot_count(FunctionType((I32,), (I32, I64))) == 2
    assert slot_count(FunctionType((), ())) == 0


def test_what_baseline_code_calls_of_the_heap_is_there_and_traps_as_its_rows_say() -> None:
    defined = dict(
        re.findall(r"^define \w+ @(\w+)\((.*?^})", heap_ir("x86_64"), re.MULTILINE | re.DOTALL)
    )
    assert len({row.symbol for row in HEAP_CALLS.values()}) == len(HEAP_CALLS) == 37
    for row in HEAP_CALLS.values():
        text = defined[row.symbol]
        codes = set(map(int, re.findall(r"@wasmine_raise\(ptr %pc, ptr %frame, i32 (\d+)", text)))
        if "@allocate_array(" in text:
            codes.add(TrapCode.OUT_OF_MEMORY.value)
        assert codes == {code.value for code in row.traps}, row.name
        assert tuple(re.findall(r"(\w+) %", text[: text.index(")")])) == row.kinds, row.name
