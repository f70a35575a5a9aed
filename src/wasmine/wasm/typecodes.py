"""How types are written in the binary format (specification 5.3)."""

from __future__ import annotations

from typing import Final

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import (
    F32,
    F64,
    I32,
    I64,
    V128,
    AbstractHeapType,
    ArrayType,
    CompositeType,
    Declaration,
    FieldType,
    FunctionType,
    GlobalType,
    HeapType,
    Limits,
    MemoryType,
    RefType,
    StructType,
    TableType,
    ValType,
    define,
    defined,
    ref,
)
from wasmine.wasm import limits
from wasmine.wasm.module import ModuleInfo, SubType
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
_NULLABLE_FORM: Final = ("function-references", "gc")
"""Either brought nullable references to defined types."""

_REF_TYPES: Final = {code: ref(heap) for code, heap in HEAP_TYPES.items()}
_NUMBER_TYPES: Final[dict[int, ValType]] = {0x7F: I32, 0x7E: I64, 0x7D: F32, 0x7C: F64}
_PROPOSALS: Final[dict[AbstractHeapType, str]] = {
    "func": "reference-types",
    "extern": "reference-types",
    "exn": "exceptions",
    "noexn": "exceptions",
}
"""What brought an abstract heap type; the others came with `gc`."""

_EMPTY: Final = FunctionType()
_BLOCK_TYPES: Final = {
    0x40: _EMPTY,
    **{code: FunctionType((), (type_,)) for code, type_ in _NUMBER_TYPES.items()},
}


def _read_code(reader: Reader) -> int:
    """The code of a type: by definition a signed integer of seven bits, so one byte."""
    code = reader.byte()
    if code >= 0x80:
        raise reader.error(TOO_LONG, back=1)
    return code


def read_heap_type(reader: Reader, info: ModuleInfo) -> HeapType:
    """An abstract heap type or a type index."""
    offset = reader.offset
    code = reader.signed(33)
    if code >= 0:
        info.features.require(_NULLABLE_FORM, "malformed heap type", offset)
        return info.heap_type(code)
    heap = HEAP_TYPES.get(code + 0x80)
    if heap is None:
        raise MalformedModule("malformed heap type", offset)
    info.features.require(_PROPOSALS.get(heap, "gc"), "malformed heap type", offset)
    return heap


def _reference_type(code: int, reader: Reader, info: ModuleInfo, phrase: str) -> RefType | None:
    """The reference type that begins with this code, which was read; None if there is none."""
    offset = reader.offset - 1
    if code in _REFERENCE:
        proposals = _NULLABLE_FORM if _REFERENCE[code] else "function-references"
        info.features.require(proposals, phrase, offset)
        return ref(read_heap_type(reader, info), _REFERENCE[code])
    heap = HEAP_TYPES.get(code)
    if heap is None:
        return None
    info.features.require(_PROPOSALS.get(heap, "gc"), phrase, offset)
    return _REF_TYPES[code]


def read_ref_type(reader: Reader, info: ModuleInfo) -> RefType:
    """A reference type."""
    phrase = "malformed reference type"
    type_ = _reference_type(_read_code(reader), reader, info, phrase)
    if type_ is None:
        raise reader.error(phrase, back=1)
    return type_


def read_element_type(reader: Reader, info: ModuleInfo) -> RefType:
    """The reference type of a table's elements, which was funcref from the beginning."""
    if not reader.at_end and reader.data[reader.position] == _FUNCREF:
        reader.position += 1
        return _REF_TYPES[_FUNCREF]
    return read_ref_type(reader, info)


_FUNCREF: Final = 0x70
_VECTOR: Final = 0x7B


def read_val_type(reader: Reader, info: ModuleInfo) -> ValType:
    """A value type."""
    code = _read_code(reader)
    number = _NUMBER_TYPES.get(code)
    if number is not None:
        return number
    phrase = "malformed value type"
    if code == _VECTOR:
        info.features.require("simd", phrase, reader.offset - 1)
        return V128
    type_ = _reference_type(code, reader, info, phrase)
    if type_ is None:
        raise reader.error(phrase, back=1)
    return type_


def read_block_type(reader: Reader, info: ModuleInfo) -> FunctionType | int:
    """The type of a block: nothing, one result, or the index of a function type."""
    byte = reader.data[reader.position] if not reader.at_end else 0
    if byte in _BLOCK_TYPES:
        reader.position += 1
        return _BLOCK_TYPES[byte]
    if byte == _VECTOR or byte in _REFERENCE or byte in HEAP_TYPES:
        return FunctionType((), (read_val_type(reader, info),))
    offset = reader.offset
    index = reader.signed(33)
    if index < 0:
        raise MalformedModule("malformed block type", offset)
    info.features.require("multi-value", "malformed block type", offset)
    return info.function_type(index, offset) if info.resolve else index


def _read_function_type(reader: Reader, info: ModuleInfo) -> FunctionType:
    """Parameters and results, after the byte that says that it is a function type."""
    params = reader.count(limits.PARAMETERS, "parameters")
    param_types = [read_val_type(reader, info) for _ in range(params)]
    offset = reader.offset
    results = reader.count(limits.RESULTS, "results")
    if results > 1:
        info.features.require("multi-value", "invalid result arity", offset, InvalidModule)
    return FunctionType(param_types, [read_val_type(reader, info) for _ in range(results)])


def _read_field_type(reader: Reader, info: ModuleInfo) -> FieldType:
    code = reader.data[reader.position] if not reader.at_end else 0
    if code in (0x78, 0x77):
        reader.position += 1
        return FieldType("i8" if code == 0x78 else "i16", _read_mutable(reader))
    return FieldType(read_val_type(reader, info), _read_mutable(reader))


_MALFORMED: Final = "malformed definition type"


def _read_composite_type(reader: Reader, info: ModuleInfo) -> CompositeType:
    form = _read_code(reader)
    if form == 0x60:
        return _read_function_type(reader, info)
    if form not in (0x5F, 0x5E):
        raise reader.error(_MALFORMED, back=1)
    info.features.require("gc", _MALFORMED, reader.offset - 1)
    if form == 0x5E:
        return ArrayType(_read_field_type(reader, info))
    count = reader.count(limits.STRUCT_FIELDS, "fields")
    return StructType([_read_field_type(reader, info) for _ in range(count)])


def _read_sub_type(reader: Reader, info: ModuleInfo, index: int, first: int) -> Declaration:
    """The type with this index, of a group that begins with the type `first`."""
    form = reader.data[reader.position] if not reader.at_end else 0
    final = True
    supertypes: tuple[int, ...] = ()
    if form in (0x50, 0x4F):
        info.features.require("gc", _MALFORMED, reader.offset)
        reader.position += 1
        count = reader.count(limits.TYPES, "supertypes")
        final, supertypes = form == 0x4F, tuple([reader.u32() for _ in range(count)])
        info.subtypes[index] = SubType(final, supertypes)
    info.places["type"].append(reader.offset)
    composite = _read_composite_type(reader, info)
    # others than one that comes before are refused by validation
    if len(supertypes) != 1 or supertypes[0] >= index:
        return Declaration(composite, final)
    (supertype,) = supertypes
    return Declaration(composite, final, supertype if supertype >= first else info.types[supertype])


def read_rec_type(reader: Reader, info: ModuleInfo) -> None:
    """Appends one entry of the type section to the module: a type or a group of types."""
    first, count = len(info.types), 1
    if not reader.at_end and reader.data[reader.position] == 0x4E:
        info.features.require("gc", _MALFORMED, reader.offset)
        reader.position += 1
        count = reader.count(limits.TYPES - first, "types")
        info.rec_groups.append((first, count))
    group = [_read_sub_type(reader, info, first + place, first) for place in range(count)]
    # only with garbage collection can a type refer to itself
    if info.resolve and info.features.gc:
        info.types += define(group, first)
    else:
        info.types += [defined(declaration.composite) for declaration in group]


def _read_mutable(reader: Reader) -> bool:
    mutability = reader.byte()
    if mutability > 1:
        raise reader.error("malformed mutability", back=1)
    return mutability == 1


def read_global_type(reader: Reader, info: ModuleInfo) -> GlobalType:
    """A global type."""
    value = read_val_type(reader, info)
    return GlobalType(value, _read_mutable(reader))


_HAS_MAXIMUM: Final = 1
_SHARED: Final = 2
_ADDRESS_64: Final = 4


def _read_limits(reader: Reader, info: ModuleInfo, allowed: int) -> tuple[Limits, int]:
    """Limits, and the flags before them, of which only those `allowed` may be set."""
    phrase = "malformed limits flags"
    flags = reader.byte()
    if flags & ~allowed:
        raise reader.error(phrase, back=1)
    if flags & _ADDRESS_64:
        info.features.require("memory64", phrase, reader.offset - 1)
    if flags & _SHARED:
        info.features.require("threads", phrase, reader.offset - 1)
    minimum = reader.unsigned(64)
    maximum = reader.unsigned(64) if flags & _HAS_MAXIMUM else None
    return Limits(minimum, maximum), flags


def read_table_type(reader: Reader, info: ModuleInfo) -> TableType:
    """A table type."""
    element = read_element_type(reader, info)
    size, flags = _read_limits(reader, info, _HAS_MAXIMUM | _ADDRESS_64)
    return TableType(element, size, I64 if flags & _ADDRESS_64 else I32)


def read_memory_type(reader: Reader, info: ModuleInfo) -> MemoryType:
    """A memory type."""
    size, flags = _read_limits(reader, info, _HAS_MAXIMUM | _SHARED | _ADDRESS_64)
    return MemoryType(size, bool(flags & _SHARED), I64 if flags & _ADDRESS_64 else I32)
