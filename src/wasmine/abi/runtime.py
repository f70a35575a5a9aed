"""What the native runtime keeps for itself: one state block for the process, a header for instances.

The runtime (signal handler, builtins, entry and exit of WebAssembly code) is generated like any
other code and holds no writable data of its own; everything it remembers is in these records.
"""

from __future__ import annotations

import ctypes
from typing import Final

from wasmine.abi.vmcontext import U64, Pointer, VMExternRefBox, offset_of, record, size_of


@record
class CodeRange(ctypes.Structure):
    """Where the code of one mapped image lies: the signal handler asks whether a fault is ours.

    `frames` points to its FrameTable in native form; 0 until an exception passes through the image.
    """

    start: Pointer
    end: Pointer
    frames: Pointer


@record
class PreviousHandler(ctypes.Structure):
    """What sigaction told of a handler that was installed before ours, as often as that happened."""

    handler: Pointer
    flags: U64


@record
class PreviousHandlers(ctypes.Structure):
    """`count` elements of PreviousHandler follow, the oldest first. Never written again."""

    count: U64


@record
class RuntimeState(ctypes.Structure):
    """The state of the runtime in this process.

    `ranges` points to an array of CodeRange that never moves; `range_count` is raised after an
    entry is written, and entries are emptied in place, so that the handler may read them at any
    time. `previous_segv` and `previous_bus` point to PreviousHandlers. While one of those runs, the
    `chain_*` fields say in which thread, at which place of its stack, and how many newer ones there
    are. `signal_handlers` points to CPython's C handlers, by the number of the signal; `wait_queues` to
    WAIT_QUEUES of VMWaitQueue. `collect`, `detach` and `reattach` are functions of the heap, set before
    any store has one.
    """

    thread_key: U64
    range_count: U64
    ranges: Pointer
    previous_segv: Pointer
    previous_bus: Pointer
    chain_thread: U64
    chain_frame: U64
    chain_level: U64
    signal_handlers: Pointer
    collect: Pointer
    detach: Pointer
    reattach: Pointer
    wait_queues: Pointer


@record
class VMInstance(ctypes.Structure):
    """Lies directly before a VMContext, so that builtins find what they need from it alone.

    The offsets in a VMContext depend on its module; these do not. The arrays are indexed by the
    whole index space, imports first: `memories` of VMLinearMemory*, `tables` of VMLinearTable*,
    `data_segments` and `element_segments` of VMSegment, `anyfuncs` of VMCallerCheckedAnyfunc.
    `instance` is the PyObject* of the owner, borrowed (row C06); `store` a VMStoreContext*.
    """

    instance: Pointer
    store: Pointer
    memories: Pointer
    imported_memories: U64
    tables: Pointer
    imported_tables: U64
    data_segments: Pointer
    element_segments: Pointer
    anyfuncs: Pointer
    padding: U64


@record
class NativeCallable(ctypes.Structure):
    """What generated code finds in a Python object that is a WebAssembly function.

    The object header of CPython comes first: a count and a type, as the stable ABI promises.
    `anyfunc` is a VMCallerCheckedAnyfunc*, `store` a VMStoreContext*, `signature` a SignatureRecord*.
    """

    ob_refcnt: U64
    ob_type: Pointer
    vectorcall: Pointer
    anyfunc: Pointer
    store: Pointer
    signature: Pointer


WAIT_QUEUES: Final = 256
"""Buckets of the hash table of threads that wait for a place in a shared memory: a power of two."""

EXTERNREF_HEADER: Final = offset_of(VMExternRefBox, "inner")
"""Bytes between the start of a box's allocation and the address that references hold."""

VMINSTANCE_SIZE: Final = size_of(VMInstance)
if VMINSTANCE_SIZE % 16:
    raise ImportError("VMInstance must keep the VMContext behind it aligned to 16 bytes")

TRAPPED: Final = 1
"""Landing.reason: a trap was recorded in the thread record."""
RAISED: Final = 2
"""Landing.reason: a host function left a Python exception set; the interpreter lock is held."""

THROWN: Final = 3
"""Landing.reason: an exception that nobody caught is in the thread record."""

STACK_SLICE_SIZE: Final = 1 << 16
"""Bytes of native stack that a trap saves for the backtrace."""
