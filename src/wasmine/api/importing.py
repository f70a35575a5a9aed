"""Importing what is needed only sometimes, in the middle of anything."""

from __future__ import annotations

import contextlib
import importlib
import threading
from typing import Final

_PATIENCE: Final = 5.0
"""Seconds to wait for an import. It only ever waits longer for one that waits for this thread in turn."""

_imported: Final[set[str]] = set()


def import_apart(name: str) -> None:
    """Import a module in another thread, before the statement that follows does.

    The handler of a signal runs in the middle of what the main thread does. If that is an import, the
    same import in the handler finds half of a module. But the handler may call functions that have to be
    compiled. It never runs in another thread, whose import is waited for, here and in the handler.
    """
    if name in _imported:
        return
    thread = threading.Thread(target=_import, args=(name,), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # there are no more threads when the interpreter ends
        return
    thread.join(_PATIENCE)


def _import(name: str) -> None:
    # The statement that follows raises the same.
    with contextlib.suppress(Exception):
        importlib.import_module(name)
        _imported.add(name)
