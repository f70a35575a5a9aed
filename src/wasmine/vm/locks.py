"""Locks of which a child process made by `fork` finds none held by threads that it does not have."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any, Final
from weakref import WeakSet


def lock() -> Any:
    """A re-entrant lock that is free in child processes, whoever held it.

    What it protects must be usable at every step of those that change it.
    """
    made = RLock()
    _locks.add(made)
    return made


_locks: Final[WeakSet[Any]] = WeakSet()


def _free_all() -> None:
    for each in list(_locks):
        each._at_fork_reinit()  # noqa: SLF001 (as the standard library does with its own)


os.register_at_fork(after_in_child=_free_all)
