"""The native boundary: the runtime of the process, and thunks for function types."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from wasmine.abi.boundary import SignatureRecord, describe
from wasmine.abi.convention import ThunkKind, erased, thunk_name
from wasmine.api import cache, hooks, loading
from wasmine.api.cachekeys import PYTHON, make_key
from wasmine.api.importing import import_apart
from wasmine.types import FunctionType
from wasmine.vm import process
from wasmine.vm.arena import Arena
from wasmine.vm.code import Code
from wasmine.vm.locks import lock

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.api.cachefile import Key


class Thunks:
    """The description of each function type for generic thunks, and thunks made for some types.

    They depend on nothing but the type, and on that only as far as `erased` keeps it, so that
    they are never freed. A function that has the generic thunk changes over when its type gets one of
    its own.
    """

    def __init__(self) -> None:
        # Re-entrant: a finalizer that runs meanwhile may need a thunk too.
        self._lock = lock()
        self._arena = Arena()
        self._codes: list[Code] = []
        self._records: Final[dict[FunctionType, int]] = {}
        self._types: Final[dict[int, FunctionType]] = {}
        self._own: Final[dict[ThunkKind, set[FunctionType]]] = {
            "entry": set(),
            "raw": set(),
            "host": set(),
        }
        self.on_hot: Callable[[FunctionType], object] = self._compile_hot
        """Called with a type, as `erased` gives it, now and then while its functions are called by
        generic thunks; the interpreter lock is held. What it raises is ignored."""

    def record(self, type_: FunctionType) -> int:
        """The address of the SignatureRecord that serves a function type.

        Raises UnsupportedFeature if it has too many values.
        """
        known = self._records.get(type_)
        return known or self._make_record(type_)

    def _make_record(self, type_: FunctionType) -> int:
        general = erased(type_)
        with self._lock:
            address = self._records.get(general)
            if address is None:
                content = describe(general, process.current().generic_host)
                address = self._arena.allocate(len(content))
                ctypes.memmove(address, content, len(content))
                self._records[general] = address
                self._types[address] = general
            self._records[type_] = address
            return address

    def entry(self, type_: FunctionType) -> int:
        """The address of the vectorcall function for functions of this type."""
        return self._fields(type_).entry or process.current().generic_entry

    def raw(self, type_: FunctionType) -> int:
        """The same for calls with values as bits."""
        return self._fields(type_).raw or process.current().generic_raw

    def host(self, type_: FunctionType) -> int:
        """The address of the function that stands for a Python callable of this type."""
        if erased(type_) in self._own["host"]:
            return self._fields(type_).host
        return process.current().host

    def _fields(self, type_: FunctionType) -> SignatureRecord:
        return SignatureRecord.from_address(self.record(type_))

    def prepare(self, *, compiles: bool = True, **wanted: Iterable[FunctionType]) -> None:
        """Load what is missing of thunks of these kinds, all together.

        If the cache has not got them, and `compiles`, they are compiled, if LLVM is loaded anyway.
        """
        with self._lock:
            missing: dict[ThunkKind, list[FunctionType]] = {}
            for kind, own in self._own.items():
                general = dict.fromkeys(map(erased, wanted.get(kind, ())))
                missing[kind] = [type_ for type_ in general if type_ not in own]
            if any(missing.values()):
                code = _load_thunks(missing, compiles=compiles)
                if code is not None:
                    self._use(code, missing)

    def install(self, image: Image, types: dict[ThunkKind, list[FunctionType]]) -> None:
        """Use the thunks in an image, which has one of each kind for all of these types, and keep it
        in the cache."""
        cache.default().put(_key(types), [image.to_bytes()])
        self._use(Code(image, process.current().resolve), types)

    def _use(self, code: Code, types: dict[ThunkKind, list[FunctionType]]) -> None:
        with self._lock:
            self._codes.append(code)
            for kind, members in types.items():
                for type_ in members:
                    setattr(self._fields(type_), kind, code.address(thunk_name(kind, type_)))
                    self._own[kind].add(type_)

    def has(self, type_: FunctionType) -> bool:
        """Whether a type, as `erased` gives it, has an entry thunk of its own."""
        return type_ in self._own["entry"]

    def hot(self, record: int) -> None:
        """Functions of the type with this record are called often by generic thunks."""
        self.on_hot(self._types[record])

    def _compile_hot(self, type_: FunctionType) -> None:
        self.prepare(entry=[type_], host=[type_])


def _compiler_is_loaded() -> bool:
    """Whether LLVM is in this process. Loading it takes longer than a million calls gain."""
    return "llvmlite.binding" in sys.modules


def _key(types: dict[ThunkKind, list[FunctionType]]) -> Key:
    names = sorted(thunk_name(kind, each) for kind, members in types.items() for each in members)
    return make_key("thunks", PYTHON, *names)


def _load_thunks(types: dict[ThunkKind, list[FunctionType]], *, compiles: bool) -> Code | None:
    """Thunks of each kind for all of these types, or None if they would have to wait for LLVM."""

    def compile_thunks() -> Image:
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        return pipeline.compile_thunks(types["entry"], types["raw"], types["host"])

    key = _key(types)
    resolve = process.current().resolve
    if compiles and _compiler_is_loaded():
        return loading.load_or_make(cache.default(), key, compile_thunks, resolve)
    return loading.load(cache.default(), key, resolve)


THUNKS: Final = Thunks()
_HOOKS: Final = {**hooks.HOOKS, "wasmine_py_hot_signature": THUNKS.hot}


def _load_runtime(resolve: loading.Resolve) -> Code:
    def compile_runtime() -> Image:
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        return pipeline.compile_runtime()

    key = make_key("runtime", PYTHON)
    return loading.load_or_make(cache.default(), key, compile_runtime, resolve)


def _load_heap(resolve: loading.Resolve) -> Code:
    def compile_heap() -> Image:
        import_apart("wasmine.api.pipeline")
        from wasmine.api import pipeline

        return pipeline.compile_heap()

    key = make_key("heap", PYTHON)
    return loading.load_or_make(cache.default(), key, compile_heap, resolve)


def ensure_runtime() -> process.Process:
    """The native runtime of this process, installed if it is not yet."""
    return process.install(_load_runtime, _load_heap, _HOOKS)
