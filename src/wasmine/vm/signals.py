"""Signals that interrupt WebAssembly code, and holding them back for a moment."""

from __future__ import annotations

import ctypes
import signal
from typing import Final

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

Mask = ctypes.c_uint64 * 16
"""The C library's sigset_t; the kernel's is the first number."""

UNTOUCHED: Final = (1 << 64) - 1
"""No mask that the kernel gives is this: SIGKILL cannot be blocked."""

# Without a step of the interpreter between the call and what it does: a handler could raise there.
change_mask: Final = ctypes.PyDLL(None).pthread_sigmask
"""pthread_sigmask(how, new mask, old mask)"""
change_mask.argtypes = [ctypes.c_int, ctypes.POINTER(Mask), ctypes.POINTER(Mask)]

HELD_BACK: Final = Mask(sum(1 << (number - 1) for number in INTERRUPTING))
