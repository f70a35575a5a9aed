"""Function: a WebAssembly function, or a Python one that WebAssembly can call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from wasmine.abi.runtime import NativeCallable
from wasmine.api import native
from wasmine.api.store import Store, StoreObject, store_for
from wasmine.api.thunks import THUNKS
from wasmine.public import public
from wasmine.types import F32, F64, I32, I64, V128, FunctionType, ValType

if TYPE_CHECKING:
    import inspect

    _Base = object
else:
    _Base = native.CallableBase

_ANNOTATIONS: dict[ValType, Any] = {I32: int, I64: int, F32: float, F64: float, V128: bytes}
_TYPES: dict[object, ValType] = {
    int: I32,
    float: F64,
    bytes: V128,
    **{type_.name: type_ for type_ in (I32, I64, F32, F64, V128)},
    **{type_: type_ for type_ in (I32, I64, F32, F64, V128)},
}


def _fill(function: object, store: Store, address: int, type_: FunctionType, thunk: int) -> None:
    """Write the fields that the thunk reads. Until then a call raises TypeError."""
    fields = NativeCallable.from_address(id(function))
    fields.anyfunc = address
    fields.store = store.context.address
    fields.signature = THUNKS.record(type_)
    fields.vectorcall = thunk


@native.vectorcallable
class RawFunction(StoreObject, _Base):
    """A function that takes and returns the bits of its values; see `Function.call_raw`."""

    __slots__ = ("_name", "_store", "_type")

    _name: str
    _type: FunctionType

    @classmethod
    def make(cls, function: Function) -> Self:
        """The raw form of a function."""
        self = cls.__new__(cls)
        self._name, self._store, self._type = function.name, function.store, function.type
        _fill(self, self._store, function.address, self._type, THUNKS.raw(self._type))
        return self

    if TYPE_CHECKING:

        def __call__(self, *bits: object) -> tuple[Any, ...]: ...

    @property
    def name(self) -> str:
        """The function's name."""
        return self._name

    @property
    def type(self) -> FunctionType:
        """The function's type."""
        return self._type

    def __repr__(self) -> str:
        return f"<wasmine.RawFunction {self._name}{self._type}>"


@public
@native.vectorcallable
class Function(StoreObject, _Base):
    """A function of a store, called like any other: `function(1, 2)`.

    i32 and i64 parameters take the signed and the unsigned range of their width, f32 and f64 any
    real number, v128 a buffer of sixteen bytes or an integer of 128 bits. References: funcref takes a
    Function of the same store, externref any object, anyref too (an int of 31 bits becomes an i31),
    structref a Struct, arrayref an Array, exnref a WasmException; None is null. Results are signed
    integers, floats, bytes and such objects, several of them a tuple.

    Raises TypeError or OverflowError naming the parameter that does not fit, Trap if the code traps,
    WasmException for an exception that it does not catch, StoreError if another thread is inside the
    store, and whatever a host function raises.

    One function of one instance is always the same object, wherever it is taken from.

    `Function(callable, type)` makes one from a Python callable, in `store` or a new one. Without
    a type it is taken from the annotations: int is i32, float is f64, bytes is v128, or the names of
    value types.
    """

    __slots__ = ("__weakref__", "_address", "_name", "_raw", "_store", "_type")

    _type: FunctionType
    _address: int
    _name: str | None
    _raw: RawFunction | None

    # Not __init__: a function that runs cannot become another one.
    def __new__(
        cls,
        function: Callable[..., Any],
        type: FunctionType | None = None,  # noqa: A002
        *,
        store: Store | None = None,
        name: str | None = None,
    ) -> Self:
        """Raises TypeError for what is no callable or has no type, and what `Store` raises."""
        if not callable(function):
            raise TypeError(f"a Function is made from a callable, not {function!r}")
        type_ = type_from_annotations(function) if type is None else type
        if not isinstance(type_, FunctionType):
            raise TypeError(f"a function's type is a FunctionType, not {type_!r}")
        name = str(name or getattr(function, "__name__", "function"))
        store = store_for(store)
        self = cls.make(store, store.host_function(function, type_, name), type_)
        store.remember_function(self)
        return self

    @classmethod
    def make(cls, store: Store, address: int, type_: FunctionType) -> Self:
        """A function for a record of a store, which has none yet: see `Store.function_at`."""
        self = super().__new__(cls)
        self._store = store
        self._address = address
        self._type = type_
        self._name = None
        self._raw = None
        _fill(self, store, address, type_, THUNKS.entry(type_))
        return self

    if TYPE_CHECKING:

        def __call__(self, *args: Any) -> Any: ...

    @property
    def type(self) -> FunctionType:
        """The types of its parameters and results."""
        return self._type

    @property
    def address(self) -> int:
        """Of the VMCallerCheckedAnyfunc that references to this function hold."""
        return self._address

    @property
    def name(self) -> str:
        """The name that its module exports it by, or has in its name section; or the callable's."""
        if self._name is None:
            self._name = self._store.name_of(self._address)
        return self._name

    __name__ = name

    @property
    def call_raw(self) -> RawFunction:
        """The same function on bits: each value is the unsigned integer of its bits, references
        are objects, and the results are always a tuple. NaN payloads pass unchanged."""
        if self._raw is None:
            self._raw = RawFunction.make(self)
        return self._raw

    @property
    def param_arity(self) -> int:
        """How many parameters it takes."""
        return len(self._type.params)

    @property
    def result_arity(self) -> int:
        """How many results it returns."""
        return len(self._type.results)

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect  # whoever asks for this has imported it

        types = self._type.params
        names = self._store.parameter_names(self._address)
        parameters = [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_ONLY, annotation=_annotation(type_)
            )
            for name, type_ in zip(_identifiers(names, len(types)), types, strict=True)
        ]
        results = [_annotation(type_) for type_ in self._type.results]
        match results:
            case []:
                result: Any = None
            case [one]:
                result = one
            case _:
                result = tuple[tuple(results)]  # type: ignore[misc]
        return inspect.Signature(parameters, return_annotation=result)

    def __repr__(self) -> str:
        return f"<wasmine.Function {self.name}{self._type}>"


def _annotation(type_: ValType) -> Any:
    return _ANNOTATIONS.get(type_, object)


def _identifiers(names: Mapping[int, str], count: int) -> list[str]:
    """A Python name for each parameter: the module's if it is one and no other has it, or p<i>."""
    import keyword
    from collections import Counter

    taken = Counter(names.values())
    found: list[str] = []
    for index in range(count):
        name = names.get(index, "")
        if not name.isidentifier() or keyword.iskeyword(name) or taken[name] > 1:
            name = f"p{index}"
            while name in taken:
                name += "_"
        found.append(name)
    return found


def type_from_annotations(function: Callable[..., Any]) -> FunctionType:
    """The function type that annotations describe. Raises TypeError if they do not suffice."""
    import inspect  # a third of what importing this module would cost, and seldom needed

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
        # Without an annotation it is inspect.Parameter.empty.
        shown = "nothing" if getattr(annotation, "__name__", "") == "_empty" else repr(annotation)
        raise TypeError(
            f"give the function's type: the annotation of {name!r} is {shown}, "
            "not int, float, bytes or the name of a value type"
        ) from None
