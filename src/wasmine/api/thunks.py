"""The compiled boundary: the runtime of the process, and thunks for each function type."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from wasmine.api import hooks
from wasmine.types import FunctionType
from wasmine.vm import process
from wasmine.vm.code import Code

if TYPE_CHECKING:
    from wasmine.abi.image import Image


class Thunks:
    """One thunk for each function type and direction, for the whole process.

    Thunks depend on nothing but the type, so that they are never freed.
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
        address = self._addresses["entry"].get(type_)
        return self.prepare([type_], [], [])["entry"][type_] if address is None else address

    def raw(self, type_: FunctionType) -> int:
        """The same for calls with values as bits."""
        address = self._addresses["raw"].get(type_)
        return self.prepare([], [type_], [])["raw"][type_] if address is None else address

    def host(self, type_: FunctionType) -> int:
        """The address of the function that stands for a Python callable of this type."""
        address = self._addresses["import"].get(type_)
        return self.prepare([], [], [type_])["import"][type_] if address is None else address

    def prepare(
        self,
        entries: Iterable[FunctionType],
        raws: Iterable[FunctionType],
        imports: Iterable[FunctionType],
    ) -> dict[str, dict[FunctionType, int]]:
        """Compile what is missing of these thunks, all together; the addresses of all there are."""
        with self._lock:
            wanted = {"entry": entries, "raw": raws, "import": imports}
            missing = {
                kind: [t for t in dict.fromkeys(types) if t not in self._addresses[kind]]
                for kind, types in wanted.items()
            }
            if any(missing.values()):
                self._compile(missing)
        return self._addresses

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


def ensure_runtime() -> process.Process:
    """The native runtime of this process, installed if it is not yet."""
    return process.install(_runtime_image, hooks.HOOKS)
