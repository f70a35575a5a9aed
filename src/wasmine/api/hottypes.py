"""Thunks of their own for function types whose functions are called often, made by a worker process."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from wasmine.abi.image import Image
from wasmine.api.importing import import_apart
from wasmine.api.thunks import THUNKS
from wasmine.types import FunctionType

if TYPE_CHECKING:
    from wasmine.api.workers import Pool

PATIENCE: Final = 0.3
"""Seconds from the first type on. A process that compiles is worth it for millions of calls."""


class HotTypes:
    """Which types have been asked for. Generic thunks come here now and then, with the interpreter lock."""

    def __init__(self, pool: Callable[[], Pool]) -> None:
        self._pool = pool
        self._since = 0.0
        self._seen: set[FunctionType] = set()
        """Types that the cache has been asked for."""
        self._requested: set[FunctionType] = set()

    def on_hot(self, type_: FunctionType) -> None:
        """Functions of a type, as `erased` gives it, are called often; see Thunks.on_hot."""
        now = time.monotonic()
        self._since = self._since or now
        if type_ not in self._seen:
            self._seen.add(type_)
            THUNKS.prepare(compiles=False, entry=[type_], host=[type_])
        if type_ in self._requested or THUNKS.has(type_) or now - self._since < PATIENCE:
            return
        import_apart("wasmine.api.worker")
        from wasmine.api.worker import ThunkJob

        self._requested.add(type_)
        done = functools.partial(_arrived, type_)
        self._pool().submit(None, ThunkJob((type_,), (), (type_,)), done)

    def forget(self) -> None:
        """Ask anew: the workers are those of the parent process."""
        self._requested.clear()


def _arrived(type_: FunctionType, result: bytes | None) -> None:
    if result is not None:
        THUNKS.install(Image.from_bytes(result), {"entry": [type_], "host": [type_]})
