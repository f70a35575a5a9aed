"""Store: what belongs together and lives equally long."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from wasmine.abi.runtime import NativeCallable
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.api import native, references
from wasmine.api.convert import check_type
from wasmine.api.engine import Engine
from wasmine.api.hooks import HostCallable
from wasmine.api.objects import HeapObject
from wasmine.api.owner import StoreObject as StoreObject
from wasmine.api.thunks import THUNKS, ensure_runtime
from wasmine.errors import InternalError
from wasmine.public import public
from wasmine.types import DefinedType, FunctionType, RefType, TagType
from wasmine.vm import process
from wasmine.vm.heap import HeapStatistics
from wasmine.vm.objects import Allocator, type_number
from wasmine.vm.store import StoreContext
from wasmine.vm.tags import TagCell

if TYPE_CHECKING:
    from wasmine.api.exceptions import WasmException
    from wasmine.api.function import Function


class Gate(native.CallableBase):  # type: ignore[misc]
    """Stands for a store where native code wants the callable that claims it.

    To the garbage collector it is what refers to the objects that externrefs of the store hold.
    """

    __slots__ = ("token",)

    token: object


@functools.cache
def _gate_type() -> type[Gate]:
    resolve = ensure_runtime().resolve
    return native.traversable(Gate, resolve("wasmine_traverse"), resolve("wasmine_clear"))


@public
class Store:
    """Instances and objects that may refer to each other. They all live as long as their store.

    Nobody needs to make one: an instance makes its own, or joins the store of the objects that it
    imports. A store belongs to one thread at a time: a call from a second thread while the first
    is inside raises StoreError.
    """

    __slots__ = (
        "__weakref__",
        "_context",
        "_engine",
        "_functions",
        "_heap_objects",
        "allocator",
        "exceptions",
        "objects",
    )

    def __init__(self, engine: Engine | None = None) -> None:
        if hasattr(self, "_context"):
            raise TypeError("a Store is initialised once")
        if engine is not None and not isinstance(engine, Engine):
            raise TypeError(f"a store's engine is an Engine, not {engine!r}")
        ensure_runtime().install_handlers()
        self._engine: Final = Engine() if engine is None else engine
        context = StoreContext(self, self._engine.signatures.records)
        context.gate = gate = _gate_type()()
        gate.token = context.token
        NativeCallable.from_address(id(gate)).store = context.address
        self._functions: Final[weakref.WeakValueDictionary[tuple[int, int], Function]] = (
            weakref.WeakValueDictionary()
        )
        self.allocator: Final = Allocator(context.references, self._engine.signatures)
        """Makes objects of the garbage-collected heap."""
        self._heap_objects: Final[weakref.WeakValueDictionary[int, HeapObject]] = (
            weakref.WeakValueDictionary()
        )
        self.exceptions: Final[weakref.WeakValueDictionary[int, WasmException]] = (
            weakref.WeakValueDictionary()
        )
        """The WasmException of an exception in the heap, which it holds."""
        self.objects: Final[weakref.WeakValueDictionary[object, Any]] = (
            weakref.WeakValueDictionary()
        )
        """The Memory, Table, Global or Tag of a linear memory, a linear table, a cell."""
        self._context: Final = context

    @property
    def engine(self) -> Engine:
        """The engine whose options the store's memories and numbers of types follow."""
        return self._engine

    @property
    def context(self) -> StoreContext:
        """The store's native side."""
        return self._context

    @property
    def heap(self) -> HeapStatistics:
        """Figures of the garbage-collected heap."""
        references = self._context.references
        return references.heap.statistics if references.has_heap else HeapStatistics()

    def collect(self) -> None:
        """Free the objects of the heap that nothing refers to any more.

        That happens by itself as objects are made. Raises StoreError if another thread is in the store.
        """
        if self._context.references.has_heap:
            self._context.exclusively(self._context.references.heap.collect)

    def __repr__(self) -> str:
        return f"<wasmine.Store at {id(self):#x}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Store cannot be pickled or copied")

    def function_type_at(self, address: int) -> DefinedType:
        """The defined type of the function of a record."""
        number = VMCallerCheckedAnyfunc.from_address(address).type_index
        type_ = self._engine.signatures.lookup(number)
        if type_ is None:
            raise InternalError(f"no type has the number {number}")
        return type_

    def function_at(self, address: int) -> Function:
        """The Function for a record: always the same one for the same code and environment."""
        from wasmine.api.function import Function

        anyfunc = VMCallerCheckedAnyfunc.from_address(address)
        key = (anyfunc.func_ptr, anyfunc.vmctx.host_env)
        known = self._functions.get(key)
        if known is None:
            type_ = self.function_type_at(address)
            if not isinstance(type_.composite, FunctionType):
                raise InternalError(f"{type_} is the type of no function")
            made = Function.make(self, address, type_.composite)
            known = self._functions.setdefault(key, made)
        return known

    def remember_function(self, function: Function) -> None:
        """Let `function_at` give this Function for its record."""
        anyfunc = VMCallerCheckedAnyfunc.from_address(function.address)
        self._functions[anyfunc.func_ptr, anyfunc.vmctx.host_env] = function

    def heap_object_at(self, address: int) -> HeapObject:
        """The Struct or Array of an object: always the same one as long as there is one.

        The store must be claimed, so that the object lives until it is held.
        """
        known = self._heap_objects.get(address)
        if known is None:
            type_ = self._engine.signatures.lookup(type_number(address))
            if type_ is None:
                raise InternalError(f"the object at {address:#x} has no type")
            made = HeapObject.of(self, address, type_)
            known = self._heap_objects.setdefault(address, made)
        return known

    def remember_heap_object(self, object_: HeapObject) -> None:
        """Let `heap_object_at` give this Struct or Array for its address."""
        self._heap_objects[object_.address] = object_

    def make_tag(self, type_: TagType) -> TagCell:
        """A new tag of this type."""
        return self._context.make_tag(type_, self._engine.signatures.register(type_.definition))

    def name_of(self, address: int) -> str:
        """What to call the function of a record: by its export, its name section, its callable."""
        anyfunc = VMCallerCheckedAnyfunc.from_address(address)
        found = process.current().find_function(anyfunc.func_ptr)
        if found is None:
            name: str = self._context.explanation(anyfunc).name
            return name
        info, index = found
        for export in info.exports:
            if export.kind == "func" and export.index == index:
                return export.name
        return info.function_name(index) or f"function[{index}]"

    def parameter_names(self, address: int) -> Mapping[int, str]:
        """The names of parameters and locals of the function of a record, as far as it has some."""
        anyfunc = VMCallerCheckedAnyfunc.from_address(address)
        found = process.current().find_function(anyfunc.func_ptr)
        if found is None:
            return {}
        info, index = found
        return info.names.locals.get(index, {})

    def host_function(
        self, function: object, type_: FunctionType, name: str, defined: DefinedType | None = None
    ) -> int:
        """The record of a Python callable, whose type may be known to modules as `defined`.

        Raises UnsupportedFeature for types of the future.
        """
        for value_type in (*type_.params, *type_.results):
            check_type(value_type)
        explanation = HostCallable(name, type_, self)
        thunk = THUNKS.host(type_)
        return self._context.host_function(
            function,
            explanation,
            thunk,
            THUNKS.record(type_),
            self._engine.signatures.register(defined or type_),
        )

    def reference_from(self, type_: RefType, value: object) -> int:
        """The address that stands for a Python object as a reference of this type.

        See `references.address_of`. Nobody holds a new externref yet: the store must be claimed.
        """
        return references.address_of(self, type_, value)

    def object_from(self, type_: RefType, raw: int) -> object:
        """The Python object that an address stands for."""
        return references.object_at(self, type_, raw)


def store_for(store: object, value: object = None) -> Store:
    """The store that a caller asked for; without one that of `value`, or a new one."""
    if store is None:
        return value.store if isinstance(value, StoreObject) else Store()
    if not isinstance(store, Store):
        raise TypeError(f"a store is a Store, not {store!r}")
    return store
