"""Function: a WebAssembly function, or a Python one that WebAssembly can call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from wasmine.abi.runtime import NativeCallable
from wasmine.api import native
from wasmine.api.engine import THUNKS
from wasmine.api.store import Store
from wasmine.types import F32, F64, I32, I64, V128, FunctionType, ValType

if TYPE_CHECKING:
    _Base = object
else:
    _Base = native.CallableBase

_ANNOTATIONS: dict[ValType, Any] = {I32: int, I64: int, F32: float, F64: float, V128: bytes}
_TYPES: dict[object, ValType] = {
    int: I32,
    float: F64,
    **{type_.name: type_ for type_ in (I32, I64, F32, F64)},
    **{type_: type_ for type_ in (I32, I64, F32, F64)},
}


def _fill(function: object, store: Store, address: int, thunk: int) -> None:
    """Write the fields that the thunk reads. Until then a call raises TypeError."""
    fields = NativeCallable.from_address(id(function))
    fields.anyfunc = address
    fields.store = store.context.address
    fields.vectorcall = thunk


@native.vectorcallable
class RawFunction(_Base):
    """A function that takes and returns the bits of its values; see `Function.call_raw`."""

    __slots__ = ("name", "store", "type")

    name: str
    store: Store
    type: FunctionType

    if TYPE_CHECKING:

        def __call__(self, *bits: object) -> tuple[Any, ...]: ...


@native.vectorcallable
class Function(_Base):
    """A function of a store, called like any other: `function(1, 2)`.

    i32 and i64 parameters take the signed and the unsigned range of their width, f32 and f64 any
    real number, externref any object, funcref a Function of the same store; None is null. Results
    are signed integers and floats, several of them a tuple. Raises TypeError or OverflowError
    naming the parameter that does not fit, Trap if the code traps, StoreError if another thread is
    inside the store, and whatever a host function raises.

    `Function(callable, type)` makes one from a Python callable, in `store` or a new one. Without
    a type it is taken from the annotations: int is i32, float is f64, or the names of value types.
    """

    __slots__ = ("__weakref__", "_name", "_raw", "address", "store", "type")

    store: Store
    type: FunctionType
    address: int
    """Of the VMCallerCheckedAnyfunc that references to this function hold."""
    _name: str
    _raw: RawFunction | None

    def __init__(
        self,
        function: Callable[..., Any],
        type: FunctionType | None = None,  # noqa: A002
        *,
        store: Store | None = None,
        name: str | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"a Function is made from a callable, not {function!r}")
        type_ = type_from_annotations(function) if type is None else type
        if not isinstance(type_, FunctionType):
            raise TypeError(f"a function's type is a FunctionType, not {type_!r}")
        store = Store() if store is None else store
        name = name or getattr(function, "__name__", "function")
        self._attach(store, store.host_function(function, type_, name), type_, name)

    @classmethod
    def _make(cls, store: Store, address: int, type_: FunctionType, name: str | None) -> Self:
        """The function of a record in `store`."""
        self = cls.__new__(cls)
        self._attach(store, address, type_, name or "function")
        return self

    def _attach(self, store: Store, address: int, type_: FunctionType, name: str) -> None:
        self.store = store
        self.address = address
        self.type = type_
        self._name = name
        self._raw = None
        _fill(self, store, address, THUNKS.entry(type_))

    if TYPE_CHECKING:

        def __call__(self, *args: Any) -> Any: ...

    @property
    def name(self) -> str:
        """The name that it is exported by, or the callable's."""
        return self._name

    __name__ = name

    @property
    def call_raw(self) -> RawFunction:
        """The same function on bits: each value is the unsigned integer of its bits, references
        are objects, and the results are always a tuple. NaN payloads pass unchanged."""
        if self._raw is None:
            raw = RawFunction.__new__(RawFunction)
            raw.name, raw.store, raw.type = self._name, self.store, self.type
            _fill(raw, self.store, self.address, THUNKS.raw(self.type))
            self._raw = raw
        return self._raw

    @property
    def param_arity(self) -> int:
        """How many parameters it takes."""
        return len(self.type.params)

    @property
    def result_arity(self) -> int:
        """How many results it returns."""
        return len(self.type.results)

    @property
    def __signature__(self) -> inspect.Signature:
        parameters = [
            inspect.Parameter(
                f"p{index}", inspect.Parameter.POSITIONAL_ONLY, annotation=_annotation(type_)
            )
            for index, type_ in enumerate(self.type.params)
        ]
        results = [_annotation(type_) for type_ in self.type.results]
        match results:
            case []:
                result: Any = None
            case [one]:
                result = one
            case _:
                result = tuple[tuple(results)]  # type: ignore[misc]
        return inspect.Signature(parameters, return_annotation=result)

    def __repr__(self) -> str:
        return f"<wasmine.Function {self._name}{self.type}>"


def _annotation(type_: ValType) -> Any:
    return _ANNOTATIONS.get(type_, object)


def type_from_annotations(function: Callable[..., Any]) -> FunctionType:
    """The function type that annotations describe. Raises TypeError if they do not suffice."""
    signature = inspect.signature(function, eval_str=True)
    params = [_from_annotation(p.annotation, p.name) for p in signature.parameters.values()]
    returned = signature.return_annotation
    if returned is None:
        results: tuple[ValType, ...] = ()
    elif getattr(returned, "__origin__", None) is tuple:
        results = tuple(_from_annotation(part, "return") for part in returned.__args__)
    else:
        results = (_from_annotation(returned, "return"),)
    return FunctionType(tuple(params), results)


def _from_annotation(annotation: object, name: str) -> ValType:
    try:
        return _TYPES[annotation]
    except (KeyError, TypeError):
        shown = "nothing" if annotation is inspect.Parameter.empty else repr(annotation)
        raise TypeError(
            f"give the function's type: the annotation of {name!r} is {shown}, "
            "not int, float or the name of a value type"
        ) from None
