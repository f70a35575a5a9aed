"""One number for each function type, so that compiled code compares types by comparing numbers."""

from __future__ import annotations

from threading import RLock
from typing import Final

from wasmine.types import FunctionType


class SignatureRegistry:
    """A bijection of function types and small integers, shared by all modules of an engine.

    Numbers are dense, start at 0 and are never given up. Threads may share a registry.
    """

    def __init__(self) -> None:
        self._numbers: Final[dict[FunctionType, int]] = {}
        self._types: Final[list[FunctionType]] = []
        self._lock: Final = RLock()

    def register(self, type_: FunctionType) -> int:
        """The number of a type, a new one if it has none yet."""
        with self._lock:
            number = self._numbers.setdefault(type_, len(self._types))
            if number == len(self._types):
                self._types.append(type_)
            return number

    def lookup(self, number: int) -> FunctionType | None:
        """The type with this number, or None."""
        with self._lock:
            return self._types[number] if 0 <= number < len(self._types) else None

    def __len__(self) -> int:
        return len(self._types)
