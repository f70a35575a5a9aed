"""Fields of garbage-collected objects; structs, i31.

An object begins with the number of its type and its length; where fields and elements lie is said by
`abi.objects`. Whether a reference is null is compared, for a fault at a low address could not tell
which trap it is; what has been compared is remembered until paths meet.

A store is volatile in a module that has a memory: an access that faults must find the stores before
it done, because whoever catches the trap may look at the object. Without a memory, every trap is a
call, which LLVM does not move stores across.

Names are made of %g, the position, and a letter:  n null  e place  w what is in memory  a array length
"""

from __future__ import annotations

from typing import Any, Final

from wasmine.abi.convention import is_counted
from wasmine.abi.objects import struct_layout
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.heap import allocate
from wasmine.compiler.ir import IN_OBJECT, LLVM_TYPES, ZEROS
from wasmine.errors import InternalError, TrapCode
from wasmine.types import FieldType, RefType, StructType, ValType

KEEP: Final = "wasmine_externref_keep"
EXTERNALS: Final = f"declare void @{KEEP}(ptr) #4\n"
"""What is reached by symbol: handing the box of an externref over to the collector."""


# --- fields and elements -------------------------------------------------------------------------


def in_memory(field: FieldType) -> str:
    """The LLVM type of a field or an element in memory."""
    storage = field.storage
    return storage if isinstance(storage, str) else LLVM_TYPES[storage]


def _struct(f: FunctionBuilder, type_index: int) -> StructType:
    composite = f.module.info.types[type_index].composite
    if not isinstance(composite, StructType):
        raise InternalError(f"type {type_index} is no struct")
    return composite


def type_number(f: FunctionBuilder, position: int, type_index: int) -> str:
    """The number of a type of the module, an i32."""
    name = f"%g{position}t"
    f.context_load(name, "i32", f.module.offsets.vmctx_signature_id(type_index))
    return name


def volatile(f: FunctionBuilder) -> str:
    """What a store into an object says: see above."""
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


def place_at(f: FunctionBuilder, name: str, object_: str, offset: int) -> str:
    """The address `offset` bytes into an object; `name` is what it is called."""
    f.append(f"{name} = getelementptr i8, ptr {object_}, i64 {offset}")
    return name


def read(f: FunctionBuilder, position: int, field: FieldType, place: str, extend: str) -> None:
    """Push what is in a field or element."""
    kind, r = in_memory(field), f"%v{position}"
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


def packed(f: FunctionBuilder, field: FieldType, value: str, name: str) -> str:
    """An operand as it is kept in memory: `name`, or the operand itself."""
    if isinstance(field.storage, ValType):
        return value
    line = f"{name} = trunc i32 {value} to {field.storage}"
    f.append(f.located(line, name, value))
    return name


def write(
    f: FunctionBuilder, position: int, field: FieldType, place: str, value: str, *, suffix: str = ""
) -> None:
    """Store an operand in a field or element."""
    value = packed(f, field, value, f"%g{position}w{suffix}")
    if is_counted(field.storage):
        keep(f, position, value)
    f.append(f"store {volatile(f)}{in_memory(field)} {value}, ptr {place}{IN_OBJECT}")


def keep(f: FunctionBuilder, position: int, value: str) -> None:
    """An externref goes into an object or becomes an anyref: its box is the collector's."""
    if value != "null":
        f.calls = True
        f.append(f"call void @{KEEP}(ptr {value}) #3{f.location(position)}")


# --- structs -------------------------------------------------------------------------------------


def _struct_new(f: FunctionBuilder, position: int, type_index: int) -> None:
    type_ = _struct(f, type_index)
    layout = struct_layout(type_)
    values = f.pop(len(type_.fields))
    object_ = allocate(f, position, type_number(f, position, type_index), layout.size)
    for number, (field, value) in enumerate(zip(type_.fields, values, strict=True)):
        if value == zero(field):
            continue
        place = place_at(f, f"%g{position}e{number}", object_, layout.offsets[number])
        write(f, position, field, place, value, suffix=str(number))
    f.know(object_)
    f.stack.append(object_)


def _struct_new_default(f: FunctionBuilder, position: int, type_index: int) -> None:
    size = struct_layout(_struct(f, type_index)).size
    object_ = allocate(f, position, type_number(f, position, type_index), size)
    f.know(object_)
    f.stack.append(object_)


def zero(field: FieldType) -> str:
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
    return type_.fields[number], place_at(f, f"%g{position}e", object_, offset)


def _struct_get(extend: str) -> Handler:
    def get(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
        field, place = _field(f, position, immediate, f.stack.pop())
        read(f, position, field, place, extend)

    return get


def _struct_set(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> None:
    object_, value = f.pop(2)
    field, place = _field(f, position, immediate, object_)
    write(f, position, field, place, value)


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
    keep(f, position, f.stack[-1])
    _convert(f, position)


def _extern_convert_any(f: FunctionBuilder, position: int, _: Any) -> None:
    _convert(f, position)


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
    "any.convert_extern": _any_convert_extern,
    "extern.convert_any": _extern_convert_any,
    "ref.i31": _ref_i31,
    "i31.get_s": _i31_get("ashr"),
    "i31.get_u": _i31_get("lshr"),
}
