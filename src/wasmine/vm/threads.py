"""What a thread needs before it can run WebAssembly: a record, stack bounds, an alternate stack.

The record is found by the native runtime through a thread-specific key, and freed by the runtime's
destructor when the thread ends.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from wasmine.abi.runtime import STACK_SLICE_SIZE
from wasmine.abi.vmcontext import ThreadRecord, size_of
from wasmine.errors import ResourceError

ALTERNATE_STACK_SIZE: Final = 1024 * 1024
"""Traps need little, but a signal that interrupts WebAssembly code runs its Python handler there."""
HOST_RESERVE: Final = 1024 * 1024
"""Native stack that WebAssembly code leaves for host functions and for CPython, in bytes."""


class _StackT(ctypes.Structure):
    """stack_t of <signal.h>"""

    _fields_ = (
        ("ss_sp", ctypes.c_size_t),
        ("ss_flags", ctypes.c_int),
        ("ss_size", ctypes.c_size_t),
    )


_PTHREAD_ATTR_SIZE: Final = 64
"""sizeof(pthread_attr_t): 56 on x86-64, 64 on AArch64."""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.malloc.restype = ctypes.c_size_t
_libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
_libc.calloc.restype = ctypes.c_size_t
_libc.pthread_self.restype = ctypes.c_size_t
_libc.pthread_getattr_np.argtypes = [ctypes.c_size_t, ctypes.c_void_p]
_libc.pthread_attr_getstack.argtypes = [ctypes.c_void_p] * 3
_libc.pthread_attr_destroy.argtypes = [ctypes.c_void_p]
_libc.pthread_setspecific.argtypes = [ctypes.c_uint, ctypes.c_size_t]
_libc.pthread_getspecific.argtypes = [ctypes.c_uint]
_libc.pthread_getspecific.restype = ctypes.c_size_t
_libc.pthread_key_create.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.sigaltstack.argtypes = [ctypes.c_void_p, ctypes.c_void_p]


def create_key(destructor: int) -> int:
    """A thread-specific key whose values are given to the native function at `destructor`."""
    key = ctypes.c_uint()
    if _libc.pthread_key_create(ctypes.byref(key), destructor):
        raise ResourceError("no thread-specific key is left")
    return key.value


def record_address(key: int) -> int:
    """The address of the calling thread's ThreadRecord, 0 if it is not attached."""
    address: int = _libc.pthread_getspecific(key)
    return address


def stack_bounds() -> tuple[int, int]:
    """The lowest address and the size in bytes of the calling thread's native stack."""
    attributes = ctypes.create_string_buffer(_PTHREAD_ATTR_SIZE)
    error = _libc.pthread_getattr_np(_libc.pthread_self(), attributes)
    if error:
        raise ResourceError(f"cannot find the native stack: {os.strerror(error)}")
    low, size = ctypes.c_size_t(), ctypes.c_size_t()
    _libc.pthread_attr_getstack(attributes, ctypes.byref(low), ctypes.byref(size))
    _libc.pthread_attr_destroy(attributes)
    return low.value, size.value


def attach(key: int) -> None:
    """Make the calling thread known to the native runtime. Raises ResourceError."""
    low, size = stack_bounds()
    # The native destructor frees all three when the thread ends.
    stack, slice_ = _libc.malloc(ALTERNATE_STACK_SIZE), _libc.malloc(STACK_SLICE_SIZE)
    address = _libc.calloc(1, size_of(ThreadRecord))
    if not (stack and slice_ and address):
        raise ResourceError("no memory for a thread's record")
    record = ThreadRecord.from_address(address)
    # A thread with a small stack keeps a quarter of it for the host.
    record.stack_limit = low + min(HOST_RESERVE, size // 4)
    record.slice = slice_
    record.stack_low, record.stack_high = low, low + size
    record.alternate_stack, record.alternate_stack_size = stack, ALTERNATE_STACK_SIZE
    _libc.pthread_setspecific(key, address)
    use_alternate_stack(key)


def use_alternate_stack(key: int) -> None:
    """Let signals of the calling thread be handled on its own alternate stack, if it is attached.

    faulthandler puts one in its place that is too small to run Python code. Raises ResourceError.
    """
    address = record_address(key)
    if address:
        record = ThreadRecord.from_address(address)
        stack = _StackT(record.alternate_stack, 0, record.alternate_stack_size)
        if _libc.sigaltstack(ctypes.byref(stack), None):
            reason = os.strerror(ctypes.get_errno())
            raise ResourceError(f"cannot set an alternate stack: {reason}")
