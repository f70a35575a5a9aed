"""Instructions on garbage-collected objects: structs, arrays, i31, casts.

An object begins with the number of its type and its length; where fields and elements lie is said by
`abi.objects`. Whether a reference is null is compared, for a fault at a low address could not tell
which trap it is; what has been compared is remembered until paths meet.

A store is volatile in a module that has a memory: an access that faults must find the stores before
it done, because whoever catches the trap may look at the object. Without a memory, every trap is a
call, which LLVM does not move stores across.

Names are made of %g, the position, and a letter:  n null  e place  w what is in memory  a array length
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from wasmine.abi.convention import is_counted
from wasmine.abi.heap import TypeKind, VMTypeRecord
from wasmine.abi.objects import FOREIGN_BIT, I31_BIT, LENGTH_OFFSET, array_layout, struct_layout
from wasmine.abi.vmcontext import (
    VMCallerCheckedAnyfunc,
    VMSegment,
    VMStoreContext,
    offset_of,
    size_of,
)
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.control import bring
from wasmine.compiler.heap import allocate, allocate_array, is_subtype, type_of
from wasmine.compiler.ir import IN_CONTEXT, IN_OBJECT, INVARIANT, LLVM_TYPES, UNLIKELY, ZEROS
from wasmine.compiler.module import Pointer
from wasmine.errors import InternalError, TrapCode
from wasmine.types import ArrayType, DefinedType, FieldType, RefType, StructType, ValType, top

FIXED: Final = 1024
"""Bytes up to which an array of a constant number of elements is allocated like a struct."""
FILL: Final = "wasmine_array_fill"
KEEP: Final = "wasmine_externref_keep"
KEEP_ALL: Final = "wasmine_externref_keep_all"
WIDTHS: Final = {"i8": 8, "i16": 16, "i32": 32, "float": 32, "i64": 64, "double": 64, "ptr": 64}
"""Of what is in memory, in bits, where that is a type of numbers or references."""
EXTERNALS: Final = (
    "".join(
        f"declare void @{FILL}_{width}(ptr, i64, i{width}) #4\n"
        for width in sorted(set(WIDTHS.values()))
    )
    + f"declare void @{FILL}_128(ptr, i64, <16 x i8>) #4\n"
    + f"declare void @{KEEP}(ptr) #4\n"
    + f"declare void @{KEEP_ALL}(ptr, i64) #4\n"
)
"""What is reached by symbol: filling elements, handing boxes of externrefs over to the collector."""


# --- fields and elements -------------------------------------------------------------------------


def _kind(field: FieldType) -> str:
    """The LLVM type of a field or an element in memory."""
    storage = field.storage
    return storage if isinstance(storage, str) else LLVM_TYPES[storage]


def _struct(f: FunctionBuilder, type_index: int) -> StructType:
    composite = f.module.info.types[type_index].composite
    if not isinstance(composite, StructType):
        raise InternalError(f"type {type_index} is no struct")
    return composite


def _array(f: FunctionBuilder, type_index: int) -> ArrayType:
    composite = f.module.info.types[type_index].composite
    if not isinstance(composite, ArrayType):
        raise InternalError(f"type {type_index} is no array")
    return composite


def _type_number(f: FunctionBuilder, position: int, type_index: int) -> str:
    name = f"%g{position}t"
    f.context_load(name, "i32", f.module.offsets.vmctx_signature_id(type_index))
    return name


def _volatile(f: FunctionBuilder) -> str:
    return "volatile " if f.module.info.memories else ""


def require(
    f: FunctionBuilder, position: int, reference: str, code: TrapCode, suffix: str = ""
) -> None:
    """Trap if a reference is null, unless it is known not to be."""
    if f"{reference}!" in f.cache:
        return
    f.append(f"%g{position}n{suffix} = icmp eq ptr {reference}, null")
    f.trap_if(f"%g{position}n{suffix}", position, code, f"n{suffix}")
    f.know(reference)


def _place(f: FunctionBuilder, name: str, object_: str, offset: int) -> str:
    f.append(f"{name} = getelementptr i8, ptr {object_}, i64 {offset}")
    return name


def _read(f: FunctionBuilder, position: int, field: FieldType, place: str, extend: str) -> None:
    """Push what is in a field or element."""
    kind, r = _kind(field), f"%v{position}"
    if isinstance(field.storage, ValType):
        f.append(f"{r} = load {kind}, ptr {place}{IN_OBJECT}")
        if isinstance(field.storage, RefType) and not field.storage.nullable:
            f.know(r)
    else:
        f.append(
            f"%g{position}w = load {kind}, ptr {place}{IN_OBJECT}\n"
            f"{r} = {extend} {kind} %g{position}w to i32"
        )
    f.stack.append(r)


def _packed(f: FunctionBuilder, field: FieldType, value: str, name: str) -> str:
    """An operand as it is kept in memory: `name`, or the operand itself."""
    if isinstance(field.storage, ValType):
        return value
    line = f"{name} = trunc i32 {value} to {field.storage}"
    f.append(f.located(line, name, value))
    return name


def _write(
    f: FunctionBuilder, position: int, field: FieldType, place: str, value: str, *, suffix: str = ""
) -> None:
    """Store an operand in a field or element."""
    value = _packed(f, field, value, f"%g{position}w{suffix}")
    if is_counted(field.storage):
        _keep(f, position, value)
    f.append(f"store {_volatile(f)}{_kind(field)} {value}, ptr {place}{IN_OBJECT}")


def _keep(f: FunctionBuilder, position: int, value: str) -> None:
    """An externref goes into an object or becomes an anyref: its box is the collector's."""
    if value != "null":
        f.calls = True
        f.append(f"call void @{KEEP}(ptr {value}) #3{f.location(position)}")


# --- structs -------------------------------------------------------------------------------------


def _struct_new(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _struct(f, type_index)
    layout = struct_layout(type_)
    values = f.pop(len(type_.fields))
    object_ = allocate(f, position, _type_number(f, position, type_index), layout.size)
    for number, (field, value) in enumerate(zip(type_.fields, values, strict=True)):
        if value == _zero(field):
            continue
        place = _place(f, f"%g{position}e{number}", object_, layout.offsets[number])
        _write(f, position, field, place, value, suffix=str(number))
    f.know(object_)
    f.stack.append(object_)


def _struct_new_default(f: FunctionBuilder, position: int, type_index: int) -> None:
    size = struct_layout(_struct(f, type_index)).size
    object_ = allocate(f, position, _type_number(f, position, type_index), size)
    f.know(object_)
    f.stack.append(object_)


def _zero(field: FieldType) -> str:
    """The default value of a field, as an operand."""
    return ZEROS[LLVM_TYPES[field.storage] if isinstance(field.storage, ValType) else "i32"]


def _field(
    f: FunctionBuilder, position: int, immediate: tuple[int, int], object_: str
) -> tuple[FieldType, str]:
    """A field and its place. Traps if the struct is null."""
    type_index, number = immediate
    type_ = _struct(f, type_index)
    require(f, position, object_, TrapCode.NULL_STRUCT)
    offset = struct_layout(type_).offsets[number]
    return type_.fields[number], _place(f, f"%g{position}e", object_, offset)


def _struct_get(extend: str) -> Handler:
    def get(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        field, place = _field(f, position, immediate, f.stack.pop())
        _read(f, position, field, place, extend)

    return get


def _struct_set(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    object_, value = f.pop(2)
    field, place = _field(f, position, immediate, object_)
    _write(f, position, field, place, value)


# --- arrays --------------------------------------------------------------------------------------


def _elements(f: FunctionBuilder, position: int, type_: ArrayType, array: str) -> str:
    """The address of the first element."""
    return _place(f, f"%g{position}b", array, array_layout(type_).elements)


def _array_new(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    value, length = f.pop(2)
    # Before the allocation: an externref that nothing else holds must survive it.
    array = _new_array(f, position, type_index, length)
    if value != _zero(type_.field):
        f.append(f"%g{position}z = zext i32 {length} to i64")
        _fill(f, position, type_.field, _elements(f, position, type_, array), value)
    f.stack.append(array)


def _new_array(f: FunctionBuilder, position: int, type_index: int, length: str) -> str:
    """A new array of zeros and nulls."""
    layout = array_layout(_array(f, type_index))
    number = _type_number(f, position, type_index)
    array = allocate_array(f, position, number, length, layout)
    f.know(array)
    return array


def _fill(f: FunctionBuilder, position: int, field: FieldType, place: str, value: str) -> None:
    """Set %g<position>z elements to an operand."""
    kind = _kind(field)
    value = _packed(f, field, value, f"%g{position}w")
    if is_counted(field.storage):
        _keep(f, position, value)
    width = WIDTHS.get(kind, 128)
    plain = kind if width == 128 else f"i{width}"
    if kind != plain:
        conversion = "ptrtoint" if kind == "ptr" else "bitcast"
        f.append(f"%g{position}u = {conversion} {kind} {value} to {plain}")
        value = f"%g{position}u"
    f.calls = True
    f.append(
        f"call void @{FILL}_{width}(ptr {place}, i64 %g{position}z, {plain} {value})"
        f" #3{f.location(position)}"
    )


def _array_new_default(f: FunctionBuilder, position: int, type_index: int) -> None:
    f.stack.append(_new_array(f, position, type_index, f.stack.pop()))


def _array_new_fixed(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    type_index, count = immediate
    type_ = _array(f, type_index)
    layout = array_layout(type_)
    values = f.pop(count)
    size = layout.elements + count * layout.element_size
    if size <= FIXED:
        number = _type_number(f, position, type_index)
        # One byte more for loops that hold the address behind the last element.
        array = allocate(f, position, number, size + 1, length=count)
        f.know(array)
    else:
        array = _new_array(f, position, type_index, str(count))
    for index, value in enumerate(values):
        if value == _zero(type_.field):
            continue
        offset = layout.elements + index * layout.element_size
        place = _place(f, f"%g{position}e{index}", array, offset)
        _write(f, position, type_.field, place, value, suffix=str(index))
    f.stack.append(array)


def _length(f: FunctionBuilder, position: int, array: str, suffix: str = "") -> str:
    """The number of elements, an i32. Traps if the array is null."""
    require(f, position, array, TrapCode.NULL_ARRAY, suffix)
    place = _place(f, f"%g{position}a{suffix}", array, LENGTH_OFFSET)
    f.append(f"{place}n = load i32, ptr {place}{IN_CONTEXT}")
    return f"{place}n"


def _element(f: FunctionBuilder, position: int, type_: ArrayType, array: str, index: str) -> str:
    """The place of an element. Traps if there is no array or no such element."""
    length = _length(f, position, array)
    condition = f"%g{position}x"
    line = f"{condition} = icmp uge i32 {index}, {length}"
    f.append(f.located(line, condition, index))
    f.trap_if(condition, position, TrapCode.ARRAY_OUT_OF_BOUNDS, "x")
    return _at(f, position, type_, array, index)


def _at(
    f: FunctionBuilder, position: int, type_: ArrayType, array: str, index: str, *, suffix: str = ""
) -> str:
    """The place of an element that is there, or would be behind the last."""
    layout = array_layout(type_)
    place = f"%g{position}e{suffix}"
    line = f"{place}z = zext i32 {index} to i64"
    f.append(f.located(line, f"{place}z", index))
    f.append(
        f"{place}b = getelementptr i8, ptr {array}, i64 {layout.elements}\n"
        f"{place} = getelementptr {_kind(type_.field)}, ptr {place}b, i64 {place}z"
    )
    return place


def _array_get(extend: str) -> Handler:
    def get(f: FunctionBuilder, position: int, type_index: int) -> None:
        type_ = _array(f, type_index)
        array, index = f.pop(2)
        _read(f, position, type_.field, _element(f, position, type_, array, index), extend)

    return get


def _array_set(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    array, index, value = f.pop(3)
    _write(f, position, type_.field, _element(f, position, type_, array, index), value)


def _array_len(f: FunctionBuilder, position: int, _: Any) -> None:
    f.stack.append(_length(f, position, f.stack.pop()))


# --- many elements -------------------------------------------------------------------------------


def _range(
    f: FunctionBuilder, position: int, type_: ArrayType, array: str, start: str, *, suffix: str = ""
) -> str:
    """The place of the first of %g<position>z elements. Traps unless all of them are there."""
    length = _length(f, position, array, suffix)
    stem = f"%g{position}x{suffix}"
    f.append(
        f"{stem}l = zext i32 {length} to i64\n"
        f"{stem}s = zext i32 {start} to i64\n"
        f"{stem}e = add nuw i64 {stem}s, %g{position}z\n"
        f"{stem} = icmp ugt i64 {stem}e, {stem}l"
    )
    f.trap_if(stem, position, TrapCode.ARRAY_OUT_OF_BOUNDS, f"x{suffix}")
    return _at(f, position, type_, array, start, suffix=suffix)


def _count(f: FunctionBuilder, position: int, length: str) -> None:
    """%g<position>z is the number of elements that an instruction is about."""
    line = f"%g{position}z = zext i32 {length} to i64"
    f.append(f.located(line, f"%g{position}z", length))


def _array_fill(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _array(f, type_index)
    array, start, value, length = f.pop(4)
    _count(f, position, length)
    place = _range(f, position, type_, array, start)
    _fill(f, position, type_.field, place, value)


def _array_copy(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    target, source = (_array(f, index) for index in immediate)
    to, to_start, from_, from_start, length = f.pop(5)
    _count(f, position, length)
    # Both are null checked before any bounds.
    require(f, position, to, TrapCode.NULL_ARRAY, "t")
    require(f, position, from_, TrapCode.NULL_ARRAY, "f")
    to_place = _range(f, position, target, to, to_start, suffix="d")
    from_place = _range(f, position, source, from_, from_start, suffix="s")
    _move(f, position, target, (to_place, from_place), "memmove")


def _move(
    f: FunctionBuilder, position: int, type_: ArrayType, places: tuple[str, str], how: str
) -> None:
    """Copy %g<position>z elements."""
    to, from_ = places
    size = array_layout(type_).element_size
    volatile = "true" if _volatile(f) else "false"
    f.calls = True
    f.append(
        f"%g{position}m = mul nuw i64 %g{position}z, {size}\n"
        f"call void @llvm.{how}.p0.p0.i64(ptr align {size} {to}, ptr {from_}, i64 %g{position}m,"
        f" i1 {volatile}){f.location(position)}"
    )
    if is_counted(type_.field.storage) and how == "memcpy":
        f.append(f"call void @{KEEP_ALL}(ptr {to}, i64 %g{position}z) #3{f.location(position)}")


def _in_data(f: FunctionBuilder, segment: int, size: int) -> tuple[int, int, int, TrapCode]:
    """A data segment, for `_source`: elements of `size` bytes, from a start in bytes."""
    offset = f.module.offsets.vmctx_data_segment(segment)
    return offset, 1, size, TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


def _in_elements(f: FunctionBuilder, segment: int, size: int) -> tuple[int, int, int, TrapCode]:
    """An element segment, for `_source`: whole references, counted like its length."""
    offset = f.module.offsets.vmctx_element_segment(segment)
    return offset, size, 1, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS


_Segment: TypeAlias = Callable[[FunctionBuilder, int, int], tuple[int, int, int, TrapCode]]
"""Where a VMSegment lies in VMContext, how many bytes one step of its length is, how many steps an
element takes, and the trap behind its end."""


def _source(
    f: FunctionBuilder, position: int, start: str, segment: tuple[int, int, int, TrapCode]
) -> str:
    """The address of %g<position>z elements in a segment, as a `_Segment` describes it.

    Traps unless all of them are there.
    """
    offset, unit, steps, code = segment
    stem = f"%g{position}q"
    f.append(
        f"{stem}b = getelementptr i8, ptr %vmctx, i64 {offset + offset_of(VMSegment, 'base')}\n"
        f"{stem} = load ptr, ptr {stem}b{IN_CONTEXT}\n"
        f"{stem}lp = getelementptr i8, ptr %vmctx, i64 {offset + offset_of(VMSegment, 'length')}\n"
        f"{stem}l = load i64, ptr {stem}lp{IN_CONTEXT}\n"
        f"{stem}s = zext i32 {start} to i64\n"
        f"{stem}n = mul nuw i64 %g{position}z, {steps}\n"
        f"{stem}e = add nuw i64 {stem}s, {stem}n\n"
        f"{stem}x = icmp ugt i64 {stem}e, {stem}l"
    )
    f.trap_if(f"{stem}x", position, code, "q")
    f.append(
        f"{stem}o = mul nuw i64 {stem}s, {unit}\n"
        f"{stem}f = getelementptr i8, ptr {stem}, i64 {stem}o"
    )
    return f"{stem}f"


def _array_new_from(find: _Segment) -> Handler:
    def new(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        type_index, segment = immediate
        type_ = _array(f, type_index)
        start, length = f.pop(2)
        _count(f, position, length)
        source = _source(f, position, start, find(f, segment, array_layout(type_).element_size))
        array = _new_array(f, position, type_index, length)
        place = _elements(f, position, type_, array)
        _move(f, position, type_, (place, source), "memcpy")
        f.stack.append(array)

    return new


def _array_init_from(find: _Segment) -> Handler:
    def init(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        type_index, segment = immediate
        type_ = _array(f, type_index)
        array, to_start, start, length = f.pop(4)
        _count(f, position, length)
        place = _range(f, position, type_, array, to_start)
        source = _source(f, position, start, find(f, segment, array_layout(type_).element_size))
        _move(f, position, type_, (place, source), "memcpy")

    return init


# --- i31, and what is outside --------------------------------------------------------------------


def _ref_i31(f: FunctionBuilder, position: int, _: Any) -> None:
    value, r = f.stack.pop(), f"%v{position}"
    line = (
        f"{r}s = shl i32 {value}, 1\n{r}o = or i32 {r}s, 1\n{r}w = zext i32 {r}o to i64\n"
        f"{r} = inttoptr i64 {r}w to ptr"
    )
    f.append(f.located(line, r, value))
    f.know(r)
    f.stack.append(r)


def _i31_get(shift: str) -> Handler:
    def get(f: FunctionBuilder, position: int, _: Any) -> None:
        reference, r = f.stack.pop(), f"%v{position}"
        require(f, position, reference, TrapCode.NULL_I31)
        f.append(
            f"{r}w = ptrtoint ptr {reference} to i64\n{r}n = trunc i64 {r}w to i32\n"
            f"{r} = {shift} i32 {r}n, 1"
        )
        f.stack.append(r)

    return get


def _convert(f: FunctionBuilder, position: int) -> None:
    """Between anyref and externref: i31 and null stay, of all others bit 1 changes."""
    value, r = f.stack.pop(), f"%v{position}"
    f.append(
        f"{r}w = ptrtoint ptr {value} to i64\n{r}i = and i64 {r}w, 1\n"
        f"{r}s = icmp ne i64 {r}i, 0\n{r}z = icmp eq ptr {value}, null\n"
        f"{r}k = or i1 {r}s, {r}z\n{r}x = xor i64 {r}w, 2\n{r}p = inttoptr i64 {r}x to ptr\n"
        f"{r} = select i1 {r}k, ptr {value}, ptr {r}p"
    )
    if f"{value}!" in f.cache:
        f.know(r)
    f.stack.append(r)


def _any_convert_extern(f: FunctionBuilder, position: int, _: Any) -> None:
    # From here on the box may be reached in ways that nobody counts.
    _keep(f, position, f.stack[-1])
    _convert(f, position)


def _extern_convert_any(f: FunctionBuilder, position: int, _: Any) -> None:
    _convert(f, position)


# --- casts ---------------------------------------------------------------------------------------


def _types(f: FunctionBuilder) -> str:
    """The records of all types, which never move."""
    store = f.module.offsets.vmctx_store()
    return f.open(
        Pointer(
            "%types",
            f"%typess = getelementptr i8, ptr %vmctx, i64 {store}\n"
            f"%typesc = load ptr, ptr %typess{INVARIANT}{IN_CONTEXT}\n"
            f"%typesp = getelementptr i8, ptr %typesc, i64 {offset_of(VMStoreContext, 'types')}\n"
            f"%types = load ptr, ptr %typesp{INVARIANT}{IN_CONTEXT}",
        )
    )


@dataclass(frozen=True, slots=True)
class _Cast:
    """Code that goes to one of two labels, by whether a reference is of a type.

    The blocks in between are called C<position> and a letter, their names %k<position>.
    """

    f: FunctionBuilder
    position: int
    value: str
    yes: str
    no: str
    weights: str = ""

    @property
    def stem(self) -> str:
        """What names begin with."""
        return f"%k{self.position}"

    def branch(self, condition: str, yes: str | None = None) -> None:
        """To `yes`, else to the label for references of other types."""
        self.f.append(
            f"{condition}n = xor i1 {condition}, true\n"
            f"br i1 {condition}n, label %{self.no}, label %{yes or self.yes}{self.weights}"
        )

    def block(self, letter: str) -> str:
        """The name of a block in between."""
        return f"C{self.position}{letter}"

    def to(self, target: RefType) -> None:
        """Compare with a type of the reference's hierarchy."""
        f, stem, heap = self.f, self.stem, target.heap
        if f"{self.value}!" not in f.cache:
            f.append(f"{stem}z = icmp eq ptr {self.value}, null")
            null = self.yes if target.nullable else self.no
            f.append(f"br i1 {stem}z, label %{null}, label %{self.block('a')}\n{self.block('a')}:")
        if isinstance(heap, DefinedType):
            self._defined(heap)
        elif heap in ("eq", "i31", "struct", "array"):
            self._abstract(heap)
        else:
            label = self.no if heap in ("none", "nofunc", "noextern", "noexn") else self.yes
            f.append(f"br label %{label}")

    def _bits(self, mask: int) -> str:
        f, stem = self.f, self.stem
        f.append(f"{stem}v = ptrtoint ptr {self.value} to i64\n{stem}b = and i64 {stem}v, {mask}")
        return f"{stem}b"

    def _abstract(self, heap: str) -> None:
        f, stem = self.f, self.stem
        if heap == "i31":
            f.append(f"{stem}q = icmp ne i64 {self._bits(I31_BIT)}, 0")
        elif heap == "eq":
            # An i31 has any bit above its lowest.
            f.append(f"{stem}q = icmp ne i64 {self._bits(I31_BIT | FOREIGN_BIT)}, {FOREIGN_BIT}")
        else:
            number = self._object()
            kind = TypeKind.ARRAY if heap == "array" else TypeKind.FIXED
            f.append(
                f"{stem}w = zext i32 {number} to i64\n"
                f"{stem}m = mul nuw i64 {stem}w, {size_of(VMTypeRecord)}\n"
                f"{stem}o = getelementptr i8, ptr {_types(f)}, i64 {stem}m\n"
                f"{stem}p = getelementptr i8, ptr {stem}o, i64 {offset_of(VMTypeRecord, 'kind')}\n"
                f"{stem}r = load i32, ptr {stem}p{INVARIANT}{IN_CONTEXT}\n"
                f"{stem}q = icmp eq i32 {stem}r, {kind.value}"
            )
        self.branch(f"{stem}q")

    def _object(self) -> str:
        """The number of the type of an object; what is none is of another type."""
        f, stem = self.f, self.stem
        f.append(f"{stem}y = icmp eq i64 {self._bits(I31_BIT | FOREIGN_BIT)}, 0")
        self.branch(f"{stem}y", self.block("b"))
        f.append(f"{self.block('b')}:")
        return type_of(f, self.position, self.value)

    def _defined(self, type_: DefinedType) -> None:
        f, stem = self.f, self.stem
        expected = f"{stem}t"
        index = f.module.type_index(type_)
        f.context_load(expected, "i32", f.module.offsets.vmctx_signature_id(index))
        if top(type_) == "func":
            offset = offset_of(VMCallerCheckedAnyfunc, "type_index")
            place, actual = _place(f, f"{stem}f", self.value, offset), f"{stem}i"
            f.append(f"{actual} = load i32, ptr {place}{IN_CONTEXT}")
        else:
            actual = self._object()
        if not type_.final:
            # What is of the type itself needs no look at its record.
            f.append(
                f"{stem}q = icmp eq i32 {actual}, {expected}\n"
                f"br i1 {stem}q, label %{self.yes}, label %{self.block('c')}\n{self.block('c')}:"
            )
        self.branch(is_subtype(f, self.position, actual, expected, type_))


def _ref_test(f: FunctionBuilder, position: int, target: RefType) -> None:
    yes, no, meet = (f"C{position}{letter}" for letter in "yne")
    _Cast(f, position, f.stack.pop(), yes, no).to(target)
    r = f"%c{position}"
    f.append(
        f"{yes}:\nbr label %{meet}\n{no}:\nbr label %{meet}\n"
        f"{meet}:\n{r}b = phi i1 [ true, %{yes} ], [ false, %{no} ]\n{r} = zext i1 {r}b to i32"
    )
    f.stack.append(r)


def _ref_cast(f: FunctionBuilder, position: int, target: RefType) -> None:
    trap = f.trap(position, TrapCode.CAST_FAILURE)
    value = f.stack[-1]
    _Cast(f, position, value, f"N{position}", trap, UNLIKELY).to(target)
    f.append(f"N{position}:")
    if not target.nullable:
        f.know(value)


def _br_on_cast(taken: bool) -> Handler:
    def branch(f: FunctionBuilder, position: int, immediate: tuple[int, RefType, RefType]) -> None:
        depth, _, target = immediate
        label = f.labels[-1 - depth]
        value = f.stack[-1]
        bring(f, label)
        on = f"N{position}"
        yes, no = (label.name, on) if taken else (on, label.name)
        _Cast(f, position, value, yes, no).to(target)
        f.append(f"{on}:")

    return branch


def _ref_eq(f: FunctionBuilder, position: int, _: Any) -> None:
    first, second = f.pop(2)
    r = f"%c{position}"
    f.append(f"{r}b = icmp eq ptr {first}, {second}\n{r} = zext i1 {r}b to i32")
    f.stack.append(r)


HANDLERS: Final[dict[str, Handler]] = {
    "ref.eq": _ref_eq,
    "struct.new": _struct_new,
    "struct.new_default": _struct_new_default,
    "struct.get": _struct_get(""),
    "struct.get_s": _struct_get("sext"),
    "struct.get_u": _struct_get("zext"),
    "struct.set": _struct_set,
    "array.new": _array_new,
    "array.new_default": _array_new_default,
    "array.new_fixed": _array_new_fixed,
    "array.new_data": _array_new_from(_in_data),
    "array.new_elem": _array_new_from(_in_elements),
    "array.get": _array_get(""),
    "array.get_s": _array_get("sext"),
    "array.get_u": _array_get("zext"),
    "array.set": _array_set,
    "array.len": _array_len,
    "array.fill": _array_fill,
    "array.copy": _array_copy,
    "array.init_data": _array_init_from(_in_data),
    "array.init_elem": _array_init_from(_in_elements),
    "ref.test": _ref_test,
    "ref.test/null": _ref_test,
    "ref.cast": _ref_cast,
    "ref.cast/null": _ref_cast,
    "br_on_cast": _br_on_cast(taken=True),
    "br_on_cast_fail": _br_on_cast(taken=False),
    "any.convert_extern": _any_convert_extern,
    "extern.convert_any": _extern_convert_any,
    "ref.i31": _ref_i31,
    "i31.get_s": _i31_get("ashr"),
    "i31.get_u": _i31_get("lshr"),
}
