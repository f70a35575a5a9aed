"""The rules of what came with garbage collection: structs, arrays, i31, casts of references."""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

from wasmine.errors import InvalidModule
from wasmine.types import (
    EXTERNREF,
    I32,
    ArrayType,
    FieldType,
    RefType,
    StructType,
    matches,
    ref,
    top,
)
from wasmine.wasm.operands import Operands, not_null, text
from wasmine.wasm.rules import Rules, check_data, check_known, element_segment

RULES: Final = Rules()

_I32: Final = (I32,)
_ANY: Final = ref("any")
_EQ: Final = ref("eq")
_I31: Final = ref("i31")
_ARRAY: Final = ref("array")

_Aggregate = TypeVar("_Aggregate", StructType, ArrayType)


def _aggregate(operands: Operands, index: int, kind: type[_Aggregate]) -> _Aggregate:
    """The struct or array type with this index."""
    types = operands.info.types
    if index >= len(types):
        raise InvalidModule(f"unknown type {index}")
    type_ = types[index].composite
    if not isinstance(type_, kind):
        raise InvalidModule(f"type mismatch: type {index} is a {type_}")
    return type_


def _reference(operands: Operands, index: int) -> RefType:
    """A reference to an object of this type, or null."""
    return ref(operands.info.types[index])


def _new(operands: Operands, index: int) -> None:
    operands.stack.append(ref(operands.info.types[index], nullable=False))


# Structs


@RULES.of("struct.new")
def _check_struct_new(operands: Operands, index: int, _code: int) -> None:
    fields = _aggregate(operands, index, StructType).fields
    operands.pop(tuple([field.value for field in fields]))
    _new(operands, index)


@RULES.of("struct.new_default")
def _check_struct_new_default(operands: Operands, index: int, _code: int) -> None:
    for field in _aggregate(operands, index, StructType).fields:
        _require_default(field)
    _new(operands, index)


def _require_default(field: FieldType) -> None:
    if not field.value.is_defaultable:
        raise InvalidModule(f"type mismatch: {field.value} has no default value")


_Place: TypeAlias = tuple[int, int]
"""Type index and field index."""


def _field(operands: Operands, place: _Place) -> FieldType:
    index, number = place
    fields = _aggregate(operands, index, StructType).fields
    if number >= len(fields):
        raise InvalidModule(f"unknown field {number}")
    return fields[number]


def _require_packed(field: FieldType, packed: bool) -> None:
    if field.is_packed is not packed:
        is_ = "is packed" if field.is_packed else "is not packed"
        raise InvalidModule(f"type mismatch: {field} {is_}")


def _get_field(operands: Operands, place: _Place, packed: bool) -> None:
    field = _field(operands, place)
    _require_packed(field, packed)
    operands.pop((_reference(operands, place[0]),))
    operands.stack.append(field.value)


@RULES.of("struct.get")
def _check_struct_get(operands: Operands, place: _Place, _code: int) -> None:
    _get_field(operands, place, packed=False)


@RULES.of("struct.get_s", "struct.get_u")
def _check_struct_get_packed(operands: Operands, place: _Place, _code: int) -> None:
    _get_field(operands, place, packed=True)


@RULES.of("struct.set")
def _check_struct_set(operands: Operands, place: _Place, _code: int) -> None:
    field = _field(operands, place)
    if not field.mutable:
        raise InvalidModule(f"immutable field {place[1]}")
    operands.pop((_reference(operands, place[0]), field.value))


# Arrays


def _element(operands: Operands, index: int) -> FieldType:
    return _aggregate(operands, index, ArrayType).field


def _mutable_element(operands: Operands, index: int) -> FieldType:
    field = _element(operands, index)
    if not field.mutable:
        raise InvalidModule(f"immutable array {index}")
    return field


@RULES.of("array.new")
def _check_array_new(operands: Operands, index: int, _code: int) -> None:
    operands.pop((_element(operands, index).value, I32))
    _new(operands, index)


@RULES.of("array.new_default")
def _check_array_new_default(operands: Operands, index: int, _code: int) -> None:
    _require_default(_element(operands, index))
    operands.pop(_I32)
    _new(operands, index)


@RULES.of("array.new_fixed")
def _check_array_new_fixed(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    index, count = immediate
    value = _element(operands, index).value
    # in dead code any number is right; more than there are on the stack need no list
    operands.pop((value,) * min(count, len(operands.stack)))
    _new(operands, index)


@RULES.of("array.new_data")
def _check_array_new_data(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    index, segment = immediate
    _require_bytes(_element(operands, index))
    check_data(operands, segment)
    operands.pop((I32, I32))
    _new(operands, index)


def _require_bytes(field: FieldType) -> None:
    if field.value.is_ref:
        raise InvalidModule("array type is not numeric or vector")


@RULES.of("array.new_elem")
def _check_array_new_elem(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    index, segment = immediate
    _require_elements(operands, _element(operands, index), segment)
    operands.pop((I32, I32))
    _new(operands, index)


def _require_elements(operands: Operands, field: FieldType, segment: int) -> None:
    type_ = element_segment(operands, segment).type
    if not matches(type_, field.value):
        raise InvalidModule(f"type mismatch: elements of type {type_} in an array of {field}")


def _get_element(operands: Operands, index: int, packed: bool) -> None:
    field = _element(operands, index)
    _require_packed(field, packed)
    operands.pop((_reference(operands, index), I32))
    operands.stack.append(field.value)


@RULES.of("array.get")
def _check_array_get(operands: Operands, index: int, _code: int) -> None:
    _get_element(operands, index, packed=False)


@RULES.of("array.get_s", "array.get_u")
def _check_array_get_packed(operands: Operands, index: int, _code: int) -> None:
    _get_element(operands, index, packed=True)


@RULES.of("array.set")
def _check_array_set(operands: Operands, index: int, _code: int) -> None:
    field = _mutable_element(operands, index)
    operands.pop((_reference(operands, index), I32, field.value))


@RULES.of("array.len")
def _check_array_len(operands: Operands, _: None, _code: int) -> None:
    operands.pop((_ARRAY,))
    operands.stack.append(I32)


@RULES.of("array.fill")
def _check_array_fill(operands: Operands, index: int, _code: int) -> None:
    field = _mutable_element(operands, index)
    operands.pop((_reference(operands, index), I32, field.value, I32))


@RULES.of("array.copy")
def _check_array_copy(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    target, source = immediate
    into, from_ = _mutable_element(operands, target), _element(operands, source)
    if from_.storage is not into.storage and (
        from_.is_packed or into.is_packed or not matches(from_.value, into.value)
    ):
        raise InvalidModule(f"array types do not match: {from_} and {into}")
    operands.pop((_reference(operands, target), I32, _reference(operands, source), I32, I32))


@RULES.of("array.init_data")
def _check_array_init_data(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    index, segment = immediate
    _require_bytes(_mutable_element(operands, index))
    check_data(operands, segment)
    operands.pop((_reference(operands, index), I32, I32, I32))


@RULES.of("array.init_elem")
def _check_array_init_elem(operands: Operands, immediate: tuple[int, int], _code: int) -> None:
    index, segment = immediate
    _require_elements(operands, _mutable_element(operands, index), segment)
    operands.pop((_reference(operands, index), I32, I32, I32))


# Other references


@RULES.of("ref.eq")
def _check_ref_eq(operands: Operands, _: None, _code: int) -> None:
    operands.pop((_EQ, _EQ))
    operands.stack.append(I32)


@RULES.of("ref.i31")
def _check_ref_i31(operands: Operands, _: None, _code: int) -> None:
    operands.pop(_I32)
    operands.stack.append(not_null(_I31))


@RULES.of("i31.get_s", "i31.get_u")
def _check_i31_get(operands: Operands, _: None, _code: int) -> None:
    operands.pop((_I31,))
    operands.stack.append(I32)


@RULES.of("ref.test", "ref.test/null")
def _check_ref_test(operands: Operands, type_: RefType, _code: int) -> None:
    _pop_for_cast(operands, type_)
    operands.stack.append(I32)


@RULES.of("ref.cast", "ref.cast/null")
def _check_ref_cast(operands: Operands, type_: RefType, _code: int) -> None:
    _pop_for_cast(operands, type_)
    operands.stack.append(type_)


def _pop_for_cast(operands: Operands, type_: RefType) -> None:
    """Takes a reference of any type in the hierarchy of this one."""
    check_known(type_)
    operands.pop((ref(top(type_.heap)),))


@RULES.of("any.convert_extern")
def _check_any_convert_extern(operands: Operands, _: None, _code: int) -> None:
    operands.stack.append(ref("any", operands.pop_reference(EXTERNREF).nullable))


@RULES.of("extern.convert_any")
def _check_extern_convert_any(operands: Operands, _: None, _code: int) -> None:
    operands.stack.append(ref("extern", operands.pop_reference(_ANY).nullable))


_Cast: TypeAlias = tuple[int, RefType, RefType]


@RULES.of("br_on_cast")
def _check_br_on_cast(operands: Operands, immediate: _Cast, _code: int) -> None:
    _, source, target = immediate
    _check_cast_branch(operands, immediate, target, _without(source, target))


@RULES.of("br_on_cast_fail")
def _check_br_on_cast_fail(operands: Operands, immediate: _Cast, _code: int) -> None:
    _, source, target = immediate
    _check_cast_branch(operands, immediate, _without(source, target), target)


def _without(source: RefType, target: RefType) -> RefType:
    """What a reference is that a cast refuses: not null, if null passes."""
    return not_null(source) if target.nullable else source


def _check_cast_branch(
    operands: Operands, immediate: _Cast, branching: RefType, staying: RefType
) -> None:
    label, source, target = immediate
    check_known(source)
    check_known(target)
    if not matches(target, source):
        raise InvalidModule(f"type mismatch: {target} is no subtype of {source}")
    types = operands.label(label).label
    if not types or not matches(branching, types[-1]):
        raise InvalidModule(
            f"type mismatch: label {label} takes {text(types)} but gets {text((branching,))}"
        )
    operands.pop((*types[:-1], source))
    operands.stack += (*types[:-1], staying)
