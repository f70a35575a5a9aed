"""Signals that interrupt WebAssembly code, and holding them back for a moment."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

INTERRUPTING: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGVTALRM,
    signal.SIGPROF,
)
"""Signals that programs handle in Python to stop, or to measure, what runs."""

_Mask = ctypes.c_uint64 * 16
"""The C library's sigset_t; the kernel's is the first number."""

_UNTOUCHED: Final = (1 << 64) - 1
"""No mask that the kernel gives is this: SIGKILL cannot be blocked."""

# Without a step of the interpreter between the call and what it does: a handler could raise there.
_change_mask: Final = ctypes.PyDLL(None).pthread_sigmask
"""pthread_sigmask(how, new mask, old mask)"""
_change_mask.argtypes = [ctypes.c_int, ctypes.POINTER(_Mask), ctypes.POINTER(_Mask)]

_HELD_BACK: Final = _Mask(sum(1 << (number - 1) for number in INTERRUPTING))


def held_back(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call a function during which this thread gets no signals; those that come wait until it returns.

    A thread that is started meanwhile never gets any. Other threads still do, and have their handlers
    run in the main thread at any moment.
    """
    mask = _Mask(_UNTOUCHED)
    try:
        _change_mask(signal.SIG_BLOCK, _HELD_BACK, mask)
        return function(*args, **kwargs)
    finally:
        if mask[0] != _UNTOUCHED:
            _change_mask(signal.SIG_SETMASK, mask, None)
