"""How types are written in the binary format (specification 5.3)."""

from __future__ import annotations

from typing import Final

from wasmine.errors import MalformedModule
from wasmine.types import (
    F32,
    F64,
    I32,
    I64,
    V128,
    AbstractHeapType,
    FunctionType,
    GlobalType,
    HeapType,
    Limits,
    MemoryType,
    RefType,
    TableType,
    ValType,
    ref,
)
from wasmine.wasm import limits
from wasmine.wasm.module import ArrayType, FieldType, ModuleInfo, StructType, SubType
from wasmine.wasm.reader import TOO_LONG, Reader

HEAP_TYPES: Final[dict[int, AbstractHeapType]] = {
    0x74: "noexn",
    0x73: "nofunc",
    0x72: "noextern",
    0x71: "none",
    0x70: "func",
    0x6F: "extern",
    0x6E: "any",
    0x6D: "eq",
    0x6C: "i31",
    0x6B: "struct",
    0x6A: "array",
    0x69: "exn",
}
_REFERENCE: Final = {0x63: True, 0x64: False}
"""The two general forms, followed by a heap type: whether they are nullable."""

_REF_TYPES: Final = {code: ref(heap) for code, heap in HEAP_TYPES.items()}
_VAL_TYPES: Final[dict[int, ValType]] = {
    0x7F: I32,
    0x7E: I64,
    0x7D: F32,
    0x7C: F64,
    0x7B: V128,
    **_REF_TYPES,
}
_EMPTY: Final = FunctionType()
_BLOCK_TYPES: Final = {
    0x40: _EMPTY,
    **{code: FunctionType((), (type_,)) for code, type_ in _VAL_TYPES.items()},
}


def _read_code(reader: Reader) -> int:
    """The code of a type: by definition a signed integer of seven bits, so one byte."""
    code = reader.byte()
    if code >= 0x80:
        raise reader.error(TOO_LONG, back=1)
    return code


def read_heap_type(reader: Reader) -> HeapType:
    """An abstract heap type or a type index."""
    offset = reader.offset
    code = reader.signed(33)
    if code >= 0:
        return code
    heap = HEAP_TYPES.get(code + 0x80)
    if heap is None:
        raise MalformedModule("malformed heap type", offset)
    return heap


def read_ref_type(reader: Reader) -> RefType:
    """A reference type."""
    code = _read_code(reader)
    if code in _REFERENCE:
        return ref(read_heap_type(reader), _REFERENCE[code])
    type_ = _REF_TYPES.get(code)
    if type_ is None:
        raise reader.error("malformed reference type", back=1)
    return type_


def read_val_type(reader: Reader) -> ValType:
    """A value type."""
    code = _read_code(reader)
    type_ = _VAL_TYPES.get(code)
    if type_ is not None:
        return type_
    if code in _REFERENCE:
        return ref(read_heap_type(reader), _REFERENCE[code])
    raise reader.error("malformed value type", back=1)


def read_block_type(reader: Reader, info: ModuleInfo) -> FunctionType:
    """The type of a block: nothing, one result, or the index of a function type."""
    byte = reader.data[reader.position] if not reader.at_end else 0
    if byte in _BLOCK_TYPES:
        reader.position += 1
        return _BLOCK_TYPES[byte]
    if byte in _REFERENCE:
        return FunctionType((), (read_ref_type(reader),))
    offset = reader.offset
    index = reader.signed(33)
    if index < 0:
        raise MalformedModule("malformed block type", offset)
    return info.function_type(index, offset)


def read_function_type(reader: Reader) -> FunctionType:
    """Parameters and results, after the byte that says that it is a function type."""
    params = reader.count(limits.PARAMETERS, "parameters")
    param_types = [read_val_type(reader) for _ in range(params)]
    results = reader.count(limits.RESULTS, "results")
    return FunctionType(param_types, [read_val_type(reader) for _ in range(results)])


def _read_field_type(reader: Reader) -> FieldType:
    code = reader.data[reader.position] if not reader.at_end else 0
    if code in (0x78, 0x77):
        reader.position += 1
        return FieldType("i8" if code == 0x78 else "i16", _read_mutable(reader))
    return FieldType(read_val_type(reader), _read_mutable(reader))


def _read_composite_type(reader: Reader) -> FunctionType | StructType | ArrayType:
    form = _read_code(reader)
    if form == 0x60:
        return read_function_type(reader)
    if form == 0x5F:
        count = reader.count(limits.STRUCT_FIELDS, "fields")
        return StructType(tuple(_read_field_type(reader) for _ in range(count)))
    if form == 0x5E:
        return ArrayType(_read_field_type(reader))
    raise reader.error("malformed definition type", back=1)


def _read_sub_type(reader: Reader, info: ModuleInfo) -> None:
    """Appends one defined type to the module, with its supertypes."""
    form = reader.data[reader.position] if not reader.at_end else 0
    if form in (0x50, 0x4F):
        reader.position += 1
        count = reader.count(limits.TYPES, "supertypes")
        supertypes = tuple(reader.u32() for _ in range(count))
        info.subtypes[len(info.types)] = SubType(form == 0x4F, supertypes)
    info.places["type"].append(reader.offset)
    info.types.append(_read_composite_type(reader))


def read_rec_type(reader: Reader, info: ModuleInfo) -> None:
    """Appends one entry of the type section to the module: a type or a group of types."""
    if reader.at_end or reader.data[reader.position] != 0x4E:
        _read_sub_type(reader, info)
        return
    reader.position += 1
    first = len(info.types)
    count = reader.count(limits.TYPES - first, "types")
    for _ in range(count):
        _read_sub_type(reader, info)
    info.rec_groups.append((first, count))


def _read_mutable(reader: Reader) -> bool:
    mutability = reader.byte()
    if mutability > 1:
        raise reader.error("malformed mutability", back=1)
    return mutability == 1


def read_global_type(reader: Reader) -> GlobalType:
    """A global type."""
    value = read_val_type(reader)
    return GlobalType(value, _read_mutable(reader))


_HAS_MAXIMUM: Final = 1
_SHARED: Final = 2
_ADDRESS_64: Final = 4


def _read_limits(reader: Reader, allowed: int) -> tuple[Limits, int]:
    """Limits, and the flags before them, of which only those `allowed` may be set."""
    flags = reader.byte()
    if flags & ~allowed:
        raise reader.error("malformed limits flags", back=1)
    minimum = reader.unsigned(64)
    maximum = reader.unsigned(64) if flags & _HAS_MAXIMUM else None
    return Limits(minimum, maximum), flags


def read_table_type(reader: Reader) -> TableType:
    """A table type."""
    element = read_ref_type(reader)
    size, flags = _read_limits(reader, _HAS_MAXIMUM | _ADDRESS_64)
    return TableType(element, size, I64 if flags & _ADDRESS_64 else I32)


def read_memory_type(reader: Reader) -> MemoryType:
    """A memory type."""
    size, flags = _read_limits(reader, _HAS_MAXIMUM | _SHARED | _ADDRESS_64)
    return MemoryType(size, bool(flags & _SHARED), I64 if flags & _ADDRESS_64 else I32)
