"""Store: what belongs together and lives equally long."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from wasmine.abi.runtime import NativeCallable
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.api import native
from wasmine.api.convert import check_type
from wasmine.api.engine import Engine
from wasmine.api.hooks import HostCallable
from wasmine.api.thunks import THUNKS, ensure_runtime
from wasmine.errors import InternalError, StoreError
from wasmine.types import FunctionType, RefType
from wasmine.vm import process
from wasmine.vm.store import StoreContext

if TYPE_CHECKING:
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


class Store:
    """Instances and objects that may refer to each other. They all live as long as their store.

    Nobody needs to make one: an instance makes its own, or joins the store of the objects that it
    imports. A store belongs to one thread at a time: a call from a second thread while the first
    is inside raises StoreError.
    """

    __slots__ = ("__weakref__", "_context", "_engine", "_functions", "objects")

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
        self.objects: Final[weakref.WeakValueDictionary[object, Any]] = (
            weakref.WeakValueDictionary()
        )
        """The Memory, Table or Global of a linear memory, a linear table, a global cell."""
        self._context: Final = context

    @property
    def engine(self) -> Engine:
        """The engine whose options the store's memories and numbers of types follow."""
        return self._engine

    @property
    def context(self) -> StoreContext:
        """The store's native side."""
        return self._context

    def __repr__(self) -> str:
        return f"<wasmine.Store at {id(self):#x}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Store cannot be pickled or copied")

    def function_at(self, address: int) -> Function:
        """The Function for a record: always the same one for the same code and environment."""
        from wasmine.api.function import Function

        anyfunc = VMCallerCheckedAnyfunc.from_address(address)
        key = (anyfunc.func_ptr, anyfunc.vmctx.host_env)
        known = self._functions.get(key)
        if known is None:
            type_ = self._engine.signatures.lookup(anyfunc.type_index)
            if type_ is None:
                raise InternalError(f"no function type has the number {anyfunc.type_index}")
            if not isinstance(type_.composite, FunctionType):
                raise InternalError(f"{type_} is the type of no function")
            made = Function.make(self, address, type_.composite)
            known = self._functions.setdefault(key, made)
        return known

    def remember_function(self, function: Function) -> None:
        """Let `function_at` give this Function for its record."""
        anyfunc = VMCallerCheckedAnyfunc.from_address(function.address)
        self._functions[anyfunc.func_ptr, anyfunc.vmctx.host_env] = function

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

    def host_function(self, function: object, type_: FunctionType, name: str) -> int:
        """The record of a Python callable. Raises UnsupportedFeature for types of the future."""
        for value_type in (*type_.params, *type_.results):
            check_type(value_type)
        explanation = HostCallable(name, type_, self)
        thunk = THUNKS.host(type_)
        return self._context.host_function(
            function, explanation, thunk, self._engine.signatures.register(type_)
        )

    def reference_from(self, type_: RefType, value: object) -> int:
        """The address that stands for a Python object as a reference of this type.

        None is null. An externref may be any object, a funcref must be a Function of this store.
        Nobody holds a new externref yet: the store must be claimed. Raises TypeError or StoreError.
        """
        from wasmine.api.function import Function

        if value is None:
            return 0
        if type_.heap == "extern":
            return self._context.references.box(value)
        if not isinstance(value, Function):
            raise TypeError(f"{type_} must be a wasmine.Function or None, not {_name(value)}")
        if value.store is not self:
            raise StoreError(f"{value!r} belongs to another store")
        return value.address

    def object_from(self, type_: RefType, raw: int) -> object:
        """The Python object that an address stands for."""
        if not raw:
            return None
        return (
            self._context.references.unbox(raw) if type_.heap == "extern" else self.function_at(raw)
        )


def _name(value: Any) -> str:
    return type(value).__name__


class StoreObject:
    """What belongs to a store, from its first moment to its last."""

    __slots__ = ()

    _store: Store

    @property
    def store(self) -> Store:
        """The store that it belongs to."""
        return self._store

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {_name(self)} cannot be pickled or copied: it is part of its store")


def store_for(store: object, value: object = None) -> Store:
    """The store that a caller asked for; without one that of `value`, or a new one."""
    if store is None:
        return value.store if isinstance(value, StoreObject) else Store()
    if not isinstance(store, Store):
        raise TypeError(f"a store is a Store, not {store!r}")
    return store
