"""Store: what belongs together and lives equally long."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc
from wasmine.api.engine import THUNKS, Engine, ensure_runtime
from wasmine.api.hooks import HostCallable
from wasmine.errors import InternalError, StoreError
from wasmine.types import FunctionType, RefType
from wasmine.vm.store import StoreContext

if TYPE_CHECKING:
    from wasmine.api.function import Function


class Store:
    """Instances and objects that may refer to each other. They all live as long as their store.

    Nobody needs to make one: an instance makes its own, or joins the store of the objects that it
    imports. A store belongs to one thread at a time: a call from a second thread while the first
    is inside raises StoreError.
    """

    __slots__ = ("__weakref__", "_functions", "context", "engine")

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine: Final = Engine() if engine is None else engine
        ensure_runtime().install_handlers()
        self.context: Final = StoreContext(self)
        self._functions: Final[weakref.WeakValueDictionary[tuple[int, int], Function]] = (
            weakref.WeakValueDictionary()
        )

    def __repr__(self) -> str:
        return f"<wasmine.Store at {id(self):#x}>"

    def function_at(self, address: int, name: str | None = None) -> Function:
        """The Function for a record: always the same one for the same code and environment."""
        from wasmine.api.function import Function

        anyfunc = VMCallerCheckedAnyfunc.from_address(address)
        key = (anyfunc.func_ptr, anyfunc.vmctx.host_env)
        known = self._functions.get(key)
        if known is None:
            type_ = self.engine.signatures.lookup(anyfunc.type_index)
            if type_ is None:
                raise InternalError(f"no function type has the number {anyfunc.type_index}")
            known = self._functions[key] = Function._make(self, address, type_, name)
        return known

    def host_function(self, function: object, type_: FunctionType, name: str) -> int:
        """The record of a Python callable."""
        explanation = HostCallable(name, type_, self)
        return self.context.host_function(
            function, explanation, THUNKS.host(type_), self.engine.signatures.register(type_)
        )

    def reference_from(self, type_: RefType, value: object) -> int:
        """The address that stands for a Python object as a reference of this type.

        None is null. An externref may be any object, a funcref must be a Function of this store.
        Raises TypeError or StoreError.
        """
        from wasmine.api.function import Function

        if value is None:
            return 0
        if type_.heap == "extern":
            return self.context.box(value)
        if not isinstance(value, Function):
            raise TypeError(f"{type_} must be a wasmine.Function or None, not {_name(value)}")
        if value.store is not self:
            raise StoreError(f"{value!r} belongs to another store")
        return value.address

    def object_from(self, type_: RefType, raw: int) -> object:
        """The Python object that an address stands for."""
        if not raw:
            return None
        return self.context.unbox(raw) if type_.heap == "extern" else self.function_at(raw)


def _name(value: Any) -> str:
    return type(value).__name__


def same_store(store: Store, thing: Any) -> None:
    """Raises StoreError if an object belongs to another store than `store`."""
    if thing.store is not store:
        raise StoreError(f"{thing!r} belongs to another store")
