"""Rows C01-C05 and C07: the records, their fields, and what can be done with them."""

from __future__ import annotations

import ctypes

import pytest

from wasmine.abi import vmcontext
from wasmine.abi.layout import alignment_of, layout, offset_of, size_of
from wasmine.abi.libcalls import BUILTINS
from wasmine.abi.vmcontext import (
    VMBuiltinFunctionsArray,
    VMCallerCheckedAnyfunc,
    VMFunctionEnvironment,
    VMFunctionKind,
    VMGlobalDefinition,
    VMMemoryDefinition,
)
from wasmine.errors import Trap, TrapCode

# Reference section 2.1, and the same records where pointers have 4 bytes:
# name, fields with their offsets, total size.
RECORDS = """
VMFunctionEnvironment     vmctx 0 host_env 0                                  8 | 0 0      4
FunctionExtent            address 0 length 8                                 16 | 0 4      8
VMFunctionBody            opaque 0                                            1 | 0        1
VMFunctionImport          body 0 signature 8 trampoline 16 environment 24    32 | 0 4 8 12 16
VMLocalFunction           body 0 length 8 signature 12 trampoline 16         24 | 0 4 8 12 16
VMDynamicFunctionContext  address 0 ctx 8                                    16 | 0 4      8
VMTableImport             definition 0 from_ 8 from_metadata 16              24 | 0 4 8    12
VMMemoryImport            definition 0 from_ 8 from_metadata 16              24 | 0 4 8    12
VMGlobalImport            definition 0 from_ 8                               16 | 0 4      8
VMMemoryDefinition        base 0 current_length 8                            16 | 0 4      8
VMTableDefinition         base 0 current_elements 8                          16 | 0 4      8
VMGlobalDefinition        storage 0                                          16 | 0        16
VMCallerCheckedAnyfunc    func_ptr 0 type_index 8 vmctx 16                   24 | 0 4 8    12
VMBuiltinFunctionsArray   ptrs 0                                            208 | 0        104
VMContext                                                                     0 |          0
FastGasCounter            burnt_gas 0 gas_limit 8 opcode_cost 16             24 | 0 8 16   24
VMExternRefInner          strong 0 object 8 link 16                          24 | 0 4 8    12
"""


@pytest.mark.parametrize("row", RECORDS.strip().splitlines(), ids=lambda row: row.split()[0])
def test_offsets_and_sizes(row: str) -> None:
    wide, narrow = (half.split() for half in row.split("|"))
    record = getattr(vmcontext, wide[0])
    names, offsets = wide[1:-1:2], wide[2:-1:2]
    assert layout(record, 8).offsets == dict(zip(names, map(int, offsets), strict=True))
    assert size_of(record, 8) == int(wide[-1])
    assert layout(record, 4).offsets == dict(zip(names, map(int, narrow[:-1]), strict=True))
    assert size_of(record, 4) == int(narrow[-1])


def declared_records() -> list[type[ctypes.Structure]]:
    return [
        value
        for value in vars(vmcontext).values()
        if isinstance(value, type)
        and issubclass(value, ctypes.Structure)
        and "_fields_" in vars(value)
    ]


@pytest.mark.parametrize("record", declared_records(), ids=lambda record: record.__name__)
def test_layout_is_what_ctypes_makes_of_it(record: type[ctypes.Structure]) -> None:
    assert ctypes.sizeof(record) == size_of(record)
    assert record._fields_ or record.__name__ == "VMContext"
    for name, *_ in record._fields_:
        assert getattr(record, name).offset == offset_of(record, name)


def test_our_own_records() -> None:
    sizes = {"VMStoreContext": 16080, "Landing": 104, "ThreadRecord": 128, "VMHostFunction": 32}
    sizes |= {"VMSegment": 16, "VMLinearMemory": 32, "VMLinearTable": 24, "VMExternRefBox": 72}
    assert {name: size_of(getattr(vmcontext, name)) for name in sizes} == sizes
    assert offset_of(vmcontext.VMExternRefBox, "inner") == 48
    assert offset_of(vmcontext.Landing, "previous") == 40
    assert offset_of(vmcontext.ThreadRecord, "slice") == 72
    with pytest.raises(KeyError, match="nothing"):
        offset_of(VMMemoryDefinition, "nothing")


def test_alignments() -> None:
    assert alignment_of(VMGlobalDefinition, 4) == alignment_of(VMGlobalDefinition, 8) == 16
    assert alignment_of(vmcontext.VMContext) == 16
    assert (alignment_of(VMMemoryDefinition, 4), alignment_of(VMMemoryDefinition, 8)) == (4, 8)


def test_function_kinds() -> None:
    assert [(kind.name, kind.value) for kind in VMFunctionKind] == [("STATIC", 0), ("DYNAMIC", 1)]


def test_environments_are_compared_by_address() -> None:
    null, some, same = (VMFunctionEnvironment(address) for address in (0, 0x1000, 0x1000))
    assert null.is_null()
    assert not some.is_null()
    assert some == same
    assert hash(some) == hash(same)
    assert some != null
    assert some != 0x1000
    assert repr(some) == "VMFunctionEnvironment(0x1000)"
    some.host_env = 0x2000
    assert some.vmctx == 0x2000


def test_anyfuncs_are_compared_by_value() -> None:
    one, same = (VMCallerCheckedAnyfunc(0x10, 3, (0x20,)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same}) == 1
    for other in ((0x11, 3, (0x20,)), (0x10, 4, (0x20,)), (0x10, 3, (0x21,))):
        assert one != VMCallerCheckedAnyfunc(*other)
    assert one != (0x10, 3, 0x20)
    assert one.vmctx == VMFunctionEnvironment(0x20)
    assert repr(one) == "VMCallerCheckedAnyfunc(0x10, 3, 0x20)"


def test_builtin_array() -> None:
    symbols = [builtin.symbol for builtin in BUILTINS]
    array = VMBuiltinFunctionsArray.initialized(lambda symbol: 0x1000 + symbols.index(symbol))
    assert len(array.ptrs) == 26
    assert list(array.ptrs) == [0x1000 + index for index in range(26)]
    with pytest.raises(ValueError, match="no address for builtin wasmer_vm_table_copy"):
        VMBuiltinFunctionsArray.initialized(lambda symbol: int(symbol != "wasmer_vm_table_copy"))


GLOBAL_VALUES: list[tuple[str, int | float | bytes, bytes]] = [
    ("as_i32", -2, b"\xfe\xff\xff\xff" + bytes(12)),
    ("as_u32", 0xFFFF_FFFE, b"\xfe\xff\xff\xff" + bytes(12)),
    ("as_f32", 1.5, b"\x00\x00\xc0\x3f" + bytes(12)),
    ("as_i64", -(1 << 63), bytes(7) + b"\x80" + bytes(8)),
    ("as_u64", (1 << 64) - 1, b"\xff" * 8 + bytes(8)),
    ("as_f64", -0.0, bytes(7) + b"\x80" + bytes(8)),
    ("as_funcref", 0x1234, b"\x34\x12" + bytes(14)),
    ("as_externref", 0x5678, b"\x78\x56" + bytes(14)),
    ("as_u128", (1 << 128) - 2, b"\xfe" + b"\xff" * 15),
    ("as_bytes", bytes(range(16)), bytes(range(16))),
]


@pytest.mark.parametrize(("field", "value", "memory"), GLOBAL_VALUES, ids=lambda value: str(value))
def test_globals_are_read_and_written_by_type(
    field: str, value: int | float | bytes, memory: bytes
) -> None:
    definition = VMGlobalDefinition.new()
    assert definition.storage.as_bytes == bytes(16)
    setattr(definition.storage, field, value)
    assert ctypes.string_at(ctypes.addressof(definition), 16) == memory
    assert definition.storage.as_bytes == memory
    read = getattr(definition.storage, field)
    assert (read, str(read)) == (value, str(value))


def test_global_storage_is_aligned_and_sized() -> None:
    definitions = [VMGlobalDefinition.new() for _ in range(20)]
    assert {ctypes.addressof(definition) % 16 for definition in definitions} == {0}
    with pytest.raises(ValueError, match="a global holds 16 bytes, not 15"):
        definitions[0].storage.as_bytes = bytes(15)


OUT_OF_BOUNDS = r"^out of bounds memory access$"


def small_memory() -> tuple[VMMemoryDefinition, ctypes.Array[ctypes.c_char]]:
    room = ctypes.create_string_buffer(b"0123456789abcdef", 16)
    return VMMemoryDefinition(ctypes.addressof(room), 16), room


@pytest.mark.parametrize(
    ("dst", "src", "length", "after"),
    [
        (2, 0, 4, b"0101236789abcdef"),
        (0, 2, 4, b"2345456789abcdef"),
        (0, 8, 8, b"89abcdef89abcdef"),
        (16, 0, 0, b"0123456789abcdef"),
        (0, 16, 0, b"0123456789abcdef"),
        (0, 0, 16, b"0123456789abcdef"),
    ],
)
def test_memory_copy(dst: int, src: int, length: int, after: bytes) -> None:
    definition, room = small_memory()
    definition.memory_copy(dst, src, length)
    assert room.raw == after


@pytest.mark.parametrize(
    ("dst", "src", "length"),
    [(9, 0, 8), (0, 9, 8), (17, 0, 0), (0, 17, 0), (0xFFFF_FFFF, 0, 1), (0, 0xFFFF_FFFF, 2)],
)
def test_memory_copy_out_of_bounds(dst: int, src: int, length: int) -> None:
    definition, room = small_memory()
    with pytest.raises(Trap, match=OUT_OF_BOUNDS) as caught:
        definition.memory_copy(dst, src, length)
    assert caught.value.code is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
    assert room.raw == b"0123456789abcdef"


def test_memory_fill() -> None:
    definition, room = small_memory()
    definition.memory_fill(14, 0x1FF, 2)
    definition.memory_fill(16, 0x20, 0)
    assert room.raw == b"0123456789abcd\xff\xff"
    for dst, length in ((15, 2), (17, 0), (0xFFFF_FFFF, 1)):
        with pytest.raises(Trap, match=OUT_OF_BOUNDS):
            definition.memory_fill(dst, 0, length)
    assert room.raw == b"0123456789abcd\xff\xff"


def test_an_end_of_two_to_the_32_overflows() -> None:
    whole = VMMemoryDefinition(0, 1 << 32)
    with pytest.raises(Trap, match=OUT_OF_BOUNDS):
        whole.memory_fill((1 << 32) - 1, 0, 1)
    with pytest.raises(Trap, match=OUT_OF_BOUNDS):
        whole.memory_copy(0, 1 << 31, 1 << 31)
