"""The compiled boundary: the runtime of the process, and thunks for each function type."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from wasmine.abi.convention import erased
from wasmine.api import hooks
from wasmine.types import FunctionType
from wasmine.vm import process
from wasmine.vm.code import Code

if TYPE_CHECKING:
    from wasmine.abi.image import Image


class Thunks:
    """One thunk for each function type and direction, for the whole process.

    Thunks depend on nothing but the type, and on that only as far as `erased` keeps it, so that
    they are never freed.
    """

    def __init__(self) -> None:
        # Re-entrant: a finalizer that runs meanwhile may need a thunk too.
        self._lock = threading.RLock()
        self._codes: list[Code] = []
        self._addresses: Final[dict[str, dict[FunctionType, int]]] = {
            "entry": {},
            "raw": {},
            "import": {},
        }

    def entry(self, type_: FunctionType) -> int:
        """The address of the vectorcall function for functions of this type."""
        return self._address("entry", type_)

    def raw(self, type_: FunctionType) -> int:
        """The same for calls with values as bits."""
        return self._address("raw", type_)

    def host(self, type_: FunctionType) -> int:
        """The address of the function that stands for a Python callable of this type."""
        return self._address("import", type_)

    def _address(self, kind: str, type_: FunctionType) -> int:
        known = self._addresses[kind]
        general = erased(type_)
        if general not in known:
            self.prepare(**{kind: [general]})
        return known[general]

    def prepare(self, **wanted: Iterable[FunctionType]) -> None:
        """Compile what is missing of thunks of these kinds, all together."""
        with self._lock:
            missing: dict[str, list[FunctionType]] = {kind: [] for kind in self._addresses}
            for kind, types in wanted.items():
                general = dict.fromkeys(map(erased, types))
                missing[kind] = [t for t in general if t not in self._addresses[kind]]
            if any(missing.values()):
                self._compile(missing)

    def _compile(self, missing: dict[str, list[FunctionType]]) -> None:
        from wasmine.api import pipeline

        image = pipeline.compile_thunks(missing["entry"], missing["raw"], missing["import"])
        code = Code(image, process.current().resolve)
        self._codes.append(code)
        for kind, types in missing.items():
            name = pipeline.THUNK_NAMES[kind]
            self._addresses[kind].update((type_, code.address(name(type_))) for type_ in types)


THUNKS: Final = Thunks()


def _runtime_image() -> Image:
    from wasmine.api import pipeline

    return pipeline.compile_runtime()


def _heap_image() -> Image:
    from wasmine.api import pipeline

    return pipeline.compile_heap()


def ensure_runtime() -> process.Process:
    """The native runtime of this process, installed if it is not yet."""
    return process.install(_runtime_image, _heap_image, hooks.HOOKS)
