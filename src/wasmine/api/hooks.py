"""What native code asks Python to do: everything that is rare and wants care.

The names are the symbols under which generated code knows these callables. An exception that one of
them raises is what the caller of WebAssembly code gets.
"""

from __future__ import annotations

import ctypes
import operator
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.convention import SLOT_SIZE
from wasmine.api import exceptions
from wasmine.api.convert import WIDTHS, from_bits, to_bits
from wasmine.api.objects import Array, Struct
from wasmine.errors import InternalError, StoreError
from wasmine.types import EXTERNREF, FUNCREF, V128, FunctionType, RefType
from wasmine.vm import memory, process, traps
from wasmine.vm.codespace import CodeSpace

if TYPE_CHECKING:
    from wasmine.api.function import Function, RawFunction
    from wasmine.api.memory import Memory
    from wasmine.api.store import Store


def attach_thread() -> None:
    """A thread enters WebAssembly code for the first time."""
    process.current().attach_thread()


def store_busy(function: object) -> None:
    """A function, or the gate of a store, was used while another thread runs code of the store."""
    name = getattr(function, "name", None)
    where = f"{name}(): " if name else ""
    raise StoreError(f"{where}the store is in use by another thread")


def _check_call(function: Any, arguments: tuple[object, ...], keywords: object) -> FunctionType:
    type_: FunctionType = function.type
    if keywords:
        raise TypeError(f"{function.name}() takes no keyword arguments")
    expected = len(type_.params)
    if len(arguments) != expected:
        plural = "argument" if expected == 1 else "arguments"
        raise TypeError(
            f"{function.name}() takes {expected} {plural} but {len(arguments)} were given; "
            f"its type is {type_}"
        )
    return type_


def _explain(what: str, error: TypeError | OverflowError) -> TypeError | OverflowError:
    """The same kind of error that says which value it is about."""
    kind = OverflowError if isinstance(error, OverflowError) else TypeError
    return kind(f"{what}: {error}")


def convert_arguments(
    function: Function, arguments: tuple[object, ...], keywords: object
) -> object:
    """Call a function with arguments that its thunk did not take as they were."""
    type_ = _check_call(function, arguments, keywords)
    converted = []
    for position, (kind, value) in enumerate(zip(type_.params, arguments, strict=True)):
        if isinstance(kind, RefType):
            converted.append(value)
            continue
        try:
            converted.append(from_bits(kind, to_bits(kind, value, function.store), function.store))
        except (TypeError, OverflowError) as error:
            what = f"{function.name}() parameter {position} ({kind})"
            raise _explain(what, error) from None
    return function(*converted)


def convert_bits(function: RawFunction, arguments: tuple[object, ...], keywords: object) -> object:
    """Call a function by bits with arguments that its thunk did not take as they were."""
    type_ = _check_call(function, arguments, keywords)
    converted: list[Any] = []
    for position, (kind, value) in enumerate(zip(type_.params, arguments, strict=True)):
        if isinstance(kind, RefType):
            converted.append(value)
            continue
        what = f"{function.name}() parameter {position} ({kind})"
        try:
            bits = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            name = type(value).__name__
            raise TypeError(f"{what}: bits are an integer, not {name}") from None
        if not 0 <= bits < 1 << WIDTHS[kind]:
            raise OverflowError(f"{what}: {bits} is not {WIDTHS[kind]} bits")
        # The thunk takes a v128 as bytes here too.
        converted.append(bits.to_bytes(16, "little") if kind is V128 else bits)
    return function(*converted)


class HostCallable:
    """What the conversion of a host function's results needs to know."""

    def __init__(self, name: str, type_: FunctionType, store: Store) -> None:
        self.name = name
        self.type = type_
        # The store keeps this object; while it is called, its caller keeps the store.
        self._store = weakref.ref(store)

    def write_results(self, result: object, slots: int) -> None:
        """Write what the callable returned into native slots."""
        store = self._store()
        if store is None:
            raise InternalError("a host function outlives its store")
        for position, (kind, value) in enumerate(
            zip(self.type.results, self._values(result), strict=True)
        ):
            try:
                bits = to_bits(kind, value, store)
            except (TypeError, OverflowError) as error:
                raise _explain(f"{self.name}() result {position} ({kind})", error) from None
            slot = slots + position * SLOT_SIZE
            if kind is V128:
                ctypes.memmove(slot, bits.to_bytes(16, "little"), 16)
            else:
                ctypes.c_uint64.from_address(slot).value = bits

    def _values(self, result: object) -> tuple[object, ...]:
        count = len(self.type.results)
        if count == 0 and result is None:
            return ()
        if count == 1:
            return (result,)
        given = type(result).__name__
        if isinstance(result, tuple | list):
            values = tuple(result)
            if count and len(values) == count:
                return values
            given = f"{len(values)} values"
        wanted = f"a tuple of {count} values" if count else "None"
        raise TypeError(
            f"{self.name}() must return {wanted}, as its type is {self.type}; not {given}"
        )


def convert_results(host: HostCallable, result: object, slots: int) -> None:
    """Write what a host function returned where native code reads it."""
    host.write_results(result, slots)


def funcref_from(store: Store, value: object) -> int:
    """The address that stands for a function given to WebAssembly code."""
    return store.reference_from(FUNCREF, value)


def reference_from(function: Function | RawFunction, position: int, value: object) -> int:
    """The address that stands for an argument which is a reference of any type."""
    kind = function.type.params[position]
    try:
        return to_bits(kind, value, function.store)
    except (TypeError, OverflowError) as error:
        raise _explain(f"{function.name}() parameter {position} ({kind})", error) from None


def external_from(store: Store, value: object) -> int:
    """The externref that stands for an object of the heap."""
    return store.reference_from(EXTERNREF, value)


def object_from_external(store: Store, address: int) -> object:
    """The object of the heap that an externref stands for."""
    return store.object_from(EXTERNREF, address)


def object_from_funcref(store: Store, address: int) -> object:
    """The function that an address stands for."""
    return store.object_from(FUNCREF, address)


def grow_memory(record: int, delta: int) -> int:
    """Grow a memory that has to move; -1 if it cannot."""
    try:
        return memory.by_record(record).grow(delta)
    except MemoryError:
        return -1


def prepare_frames(range_address: int) -> None:
    """Decode the frames of an image that an exception passes through for the first time."""
    process.current().prepare_frames(range_address)


def compile_on_call(stub: int) -> int:
    """Compile a function that is called for the first time; where its code is."""
    found = process.current().find_code(stub)
    if found is None or not isinstance(found[0], CodeSpace):
        raise InternalError("a function is called whose code is gone")
    return found[0].compile_on_call(stub)


def tier_up(pc: int, local: int, loop: int) -> int:
    """A counter of a function has run out, at a loop or, if that is -1, its entry; where to go on, or 0."""
    found = process.current().find_code(pc)
    if found is None or not isinstance(found[0], CodeSpace):
        raise InternalError("code counts that is gone")
    try:
        return found[0].on_count(local, loop)
    except (MemoryError, RecursionError):  # which better code is not worth
        return 0


def raise_exception(store: Store, address: int) -> None:
    """Raise the exception that nobody has caught."""
    raise exceptions.exception_at(store, address)


def make_heap(store: Store) -> None:
    """Give a store a heap, whose collector looks after the externrefs of a call that makes many."""
    _ = store.context.references.heap


def memory_view(instance: Memory) -> memoryview:
    """The buffer of a memory."""
    return instance.linear.view()


HOOKS: Final[dict[str, Callable[..., object]]] = {
    "wasmine_py_array": Array,
    "wasmine_py_attach_thread": attach_thread,
    "wasmine_py_compile_on_call": compile_on_call,
    "wasmine_py_convert_arguments": convert_arguments,
    "wasmine_py_convert_bits": convert_bits,
    "wasmine_py_convert_results": convert_results,
    "wasmine_py_exception_address": exceptions.exception_address,
    "wasmine_py_external_from": external_from,
    "wasmine_py_funcref_from": funcref_from,
    "wasmine_py_grow_memory": grow_memory,
    "wasmine_py_make_heap": make_heap,
    "wasmine_py_memory_view": memory_view,
    "wasmine_py_object_from_exception": exceptions.exception_at,
    "wasmine_py_object_from_external": object_from_external,
    "wasmine_py_object_from_funcref": object_from_funcref,
    "wasmine_py_overflow_error": OverflowError,
    "wasmine_py_prepare_frames": prepare_frames,
    "wasmine_py_raise_exception": raise_exception,
    "wasmine_py_raise_trap": traps.raise_trap,
    "wasmine_py_reference_from": reference_from,
    "wasmine_py_store_busy": store_busy,
    "wasmine_py_struct": Struct,
    "wasmine_py_tier_up": tier_up,
    "wasmine_py_type_error": TypeError,
    "wasmine_py_wasm_exception": exceptions.WasmException,
}
