"""The records that compiled code and the runtime share, as native structures.

Knows every record of the reference (section 2.1) under its name there, and those of our own that
follow them. Where the arrays of records of one module lie is the business of `vmoffsets`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, ClassVar, Final, Self, TypeAlias

from wasmine.abi.convention import VALUE_SLOTS
from wasmine.abi.layout import F32, F64, I32, I64, Kind
from wasmine.abi.layout import U32 as U32
from wasmine.abi.layout import U64 as U64
from wasmine.abi.layout import Pointer as Pointer
from wasmine.abi.layout import Size as Size
from wasmine.abi.layout import offset_of as offset_of
from wasmine.abi.layout import record as record
from wasmine.abi.layout import size_of as size_of
from wasmine.abi.libcalls import BUILTINS
from wasmine.errors import Trap, TrapCode

U32_MAX = 0xFFFF_FFFF

FunctionBodyPtr: TypeAlias = Pointer
"""Address of a function's first instruction."""
SectionBodyPtr: TypeAlias = Pointer
"""Address of a section of constants."""
VMTrampoline: TypeAlias = Pointer
"""Address of a function (environment*, body*, slots*), or 0; slots are those of `convention`."""
VMSharedSignatureIndex: TypeAlias = U32
"""Number that the SignatureRegistry gave to a function type."""
VMFuncRef: TypeAlias = Pointer
"""Address of a VMCallerCheckedAnyfunc, or 0 for null."""
VMExternRef: TypeAlias = Pointer
"""Address of a VMExternRefInner, or 0 for null."""

# --- functions -----------------------------------------------------------------------------------


@record
class VMFunctionEnvironment(ctypes.Union):
    """The first argument of every call: a VMContext, or what a host function was given instead."""

    vmctx: Pointer
    host_env: Pointer

    def is_null(self) -> bool:
        """Whether there is no environment."""
        return self.host_env == 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VMFunctionEnvironment):
            return NotImplemented
        return self.host_env == other.host_env

    def __hash__(self) -> int:
        return hash(self.host_env)

    def __repr__(self) -> str:
        return f"VMFunctionEnvironment({self.host_env:#x})"


@record
class VMFunctionBody(ctypes.Structure):
    """One byte of machine code: what a FunctionBodyPtr points to."""

    opaque: Annotated[int, Kind(ctypes.c_uint8, 1)]


@record
class FunctionExtent(ctypes.Structure):
    """The machine code of one function; `length` is in bytes."""

    address: FunctionBodyPtr
    length: Size


@record
class VMFunctionImport(ctypes.Structure):
    """An imported function: compiled code calls `body` with `environment` first."""

    body: FunctionBodyPtr
    signature: VMSharedSignatureIndex
    trampoline: VMTrampoline
    environment: VMFunctionEnvironment


@record
class VMLocalFunction(ctypes.Structure):
    """A function that a module defines; `length` is the size of its code in bytes."""

    body: FunctionBodyPtr
    length: U32
    signature: VMSharedSignatureIndex
    trampoline: VMTrampoline


@record
class VMDynamicFunctionContext(ctypes.Structure):
    """The environment of a host function that takes its values as an array of slots.

    `address` is that of a function (ctx*, slots*); `ctx` is what it gets as its own.
    """

    address: FunctionBodyPtr
    ctx: Pointer


class VMFunctionKind(IntEnum):
    """How a host function is called."""

    STATIC = 0
    """With the native signature of its type."""
    DYNAMIC = 1
    """With its environment and an array of slots."""


@record
class VMCallerCheckedAnyfunc(ctypes.Structure):
    """What a function reference points to; the caller compares `type_index` before the call."""

    func_ptr: FunctionBodyPtr
    type_index: VMSharedSignatureIndex
    vmctx: VMFunctionEnvironment

    @property
    def key(self) -> tuple[int, int, int]:
        """All that the record says, as a hashable value."""
        return (self.func_ptr, self.type_index, self.vmctx.host_env)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VMCallerCheckedAnyfunc):
            return NotImplemented
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return "VMCallerCheckedAnyfunc({:#x}, {}, {:#x})".format(*self.key)


@record
class VMBuiltinFunctionsArray(ctypes.Structure):
    """The addresses of the builtins, in the order of `libcalls.BUILTINS`."""

    ptrs: Annotated[ctypes.Array[ctypes.c_size_t], Kind(ctypes.c_size_t, 0, len(BUILTINS))]

    @classmethod
    def initialized(cls, address: Callable[[str], int]) -> Self:
        """An array filled with `address(symbol)` of every builtin.

        Raises ValueError naming the first builtin whose address is 0: compiled code calls what
        it finds here without a check.
        """
        array = cls()
        for builtin in BUILTINS:
            found = address(builtin.symbol)
            if not found:
                raise ValueError(f"no address for builtin {builtin.symbol}")
            array.ptrs[builtin.index] = found
        return array


# --- imported tables, memories, globals ----------------------------------------------------------


@record
class VMTableImport(ctypes.Structure):
    """An imported table: its definition, and its VMLinearTable.

    The reference keeps a fat pointer in `from`; compiled code of ours reads the first half.
    """

    definition: Pointer
    from_: Pointer
    from_metadata: Pointer


@record
class VMMemoryImport(ctypes.Structure):
    """An imported memory: its definition, and its VMLinearMemory (see VMTableImport)."""

    definition: Pointer
    from_: Pointer
    from_metadata: Pointer


@record
class VMGlobalImport(ctypes.Structure):
    """An imported global: its definition; `from_` is the owner's to use."""

    definition: Pointer
    from_: Pointer


# --- definitions ---------------------------------------------------------------------------------


@record
class VMMemoryDefinition(ctypes.Structure):
    """A linear memory: where it starts and how many bytes it holds."""

    base: Pointer
    current_length: Size

    def memory_copy(self, dst: int, src: int, length: int) -> None:
        """Copy bytes within the memory; the ranges may overlap.

        Arguments are u32, in bytes. As in the reference an end of 2**32 does not exist, so that
        it traps even in a memory of 65536 pages. Raises Trap, and then nothing is written.
        """
        self._check_range(src, length)
        self._check_range(dst, length)
        ctypes.memmove(self.base + dst, self.base + src, length)

    def memory_fill(self, dst: int, value: int, length: int) -> None:
        """Set `length` bytes to the low byte of `value`; ranges as in `memory_copy`."""
        self._check_range(dst, length)
        ctypes.memset(self.base + dst, value & 0xFF, length)

    def _check_range(self, offset: int, length: int) -> None:
        if min(offset, length) < 0 or offset + length > min(U32_MAX, self.current_length):
            raise Trap(TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS)


@record
class VMTableDefinition(ctypes.Structure):
    """A table: the address of its 8-byte elements and how many there are."""

    base: Pointer
    current_elements: U32


@record
class VMGlobalDefinitionStorage(ctypes.Union):
    """The 16 bytes of a global, under the type that the reader or writer chooses.

    Reading with another type than the global's gives unspecified bits and never fails; integers
    that do not fit are cut to their low bits.
    """

    ALIGNMENT: ClassVar[int] = 16

    as_i32: I32
    as_u32: U32
    as_f32: F32
    as_i64: I64
    as_u64: U64
    as_f64: F64
    as_funcref: VMFuncRef
    as_externref: VMExternRef
    octets: Annotated[ctypes.Array[ctypes.c_uint8], Kind(ctypes.c_uint8, 1, 16)]

    @property
    def as_bytes(self) -> bytes:
        """The storage as it lies in memory."""
        return bytes(self.octets)

    @as_bytes.setter
    def as_bytes(self, value: bytes) -> None:
        if len(value) != 16:
            raise ValueError(f"a global holds 16 bytes, not {len(value)}")
        ctypes.memmove(ctypes.addressof(self), value, 16)

    @property
    def as_u128(self) -> int:
        """The storage as one little-endian integer, as WebAssembly orders v128 everywhere."""
        return int.from_bytes(self.octets, "little")

    @as_u128.setter
    def as_u128(self, value: int) -> None:
        self.as_bytes = (value & (1 << 128) - 1).to_bytes(16, "little")


@record
class VMGlobalDefinition(ctypes.Structure):
    """The storage of a global. Its address is a multiple of 16, also where ctypes asks for less."""

    ALIGNMENT: ClassVar[int] = 16

    storage: VMGlobalDefinitionStorage

    @classmethod
    def new(cls) -> Self:
        """A zeroed definition of its own, aligned."""
        room = ctypes.create_string_buffer(size_of(cls) + cls.ALIGNMENT - 1)
        return cls.from_buffer(room, -ctypes.addressof(room) % cls.ALIGNMENT)


@record
class VMContext(ctypes.Structure):
    """What compiled code gets as its first argument. `VMOffsets` says what lies behind it."""

    ALIGNMENT: ClassVar[int] = 16


@record
class FastGasCounter(ctypes.Structure):
    """Gas used, the limit, and the price of one instruction, shared with the host at any time."""

    burnt_gas: U64
    gas_limit: U64
    opcode_cost: U64


@record
class VMExternRefInner(ctypes.Structure):
    """The reference-counted box that an externref points to.

    `object` is a PyObject* that the box owns; `link` chains the store's deferred list (0: not in
    it), see `compiler/native/references.py`.
    """

    strong: Size
    object: Pointer
    link: Pointer


# --- our own records -----------------------------------------------------------------------------


@record
class VMExternRefBox(ctypes.Structure):
    """The allocation of an externref: its place in its store's list of live boxes, then the box.

    `traced` is 1 once the box has been stored where nobody counts, in an object of the heap: then
    the collector decides when it goes. `marked` is 1 if a collection that is going on has found it.
    `depth` is the store's when the box entered the deferred list.
    """

    next: Pointer
    previous: Pointer
    store: Pointer
    traced: U64
    marked: U64
    depth: U64
    inner: VMExternRefInner


@record
class VMStoreContext(ctypes.Structure):
    """What all instances of a store have in common while code runs.

    `stack_limit` is the lowest stack pointer allowed; `thread` the ThreadRecord of the thread
    that is inside (0 when idle); `depth` counts its nested entries; `externrefs` heads the
    deferred list of boxes, `boxes` that of all live VMExternRefBox; `python_store` is a borrowed
    PyObject*. `types` points to the engine's array of VMTypeRecord; `heap` to the VMHeap, 0 as long
    as nothing in the store needs one, `boxes_made` counts boxes until then; `values` are the slots
    of `convention` for values that do not fit in registers.
    """

    stack_limit: Pointer
    thread: Pointer
    depth: U64
    externrefs: Pointer
    boxes: Pointer
    python_store: Pointer
    flags: U64
    types: Pointer
    heap: Pointer
    boxes_made: U64
    values: Annotated[ctypes.Array[ctypes.c_uint64], Kind(ctypes.c_uint64, 8, 2 * VALUE_SLOTS)]


@record
class Landing(ctypes.Structure):
    """Where a trap lands: written on the stack of an entry thunk, innermost first.

    `stack_limit` is the store's, to be restored when the call returns. `cookie` is made of the
    record's own address: if it differs, the stack that the record was on has been switched.
    `pinned` is 1 for an operation of Python code that has addresses of objects in numbers: what is
    entered within it does not collect.
    """

    jump_buffer: Annotated[ctypes.Array[ctypes.c_size_t], Kind(ctypes.c_size_t, 0, 5)]
    previous: Pointer
    tstate: Pointer
    store: Pointer
    reason: U64
    stack_pointer: Pointer
    stack_limit: Pointer
    cookie: U64
    pinned: U64


LANDING_COOKIE: Final = 0x5A6C_1D2B_93E7_40F1
"""`Landing.cookie` of a record is its address, exclusive-or this."""


@record
class ThreadRecord(ctypes.Structure):
    """What the signal handler knows of a thread: its landing place, its stacks, its last trap.

    `slice` points to a buffer for the `slice_length` bytes of stack from which the backtrace of
    a trap is made after landing. `waiter` is the VMWaiter of a `memory.atomic.wait` that the thread
    is in, 0 outside; `signalled` is 1 if a signal has arrived outside since the last one.
    `stack_low` and `stack_high` bound the thread's own stack. While a signal's handler runs on the
    alternate one, `interrupted_sp` is the stack pointer that it left. `exception` is the one that has
    landed, until Python has taken it.
    """

    landing: Pointer
    stack_limit: Pointer
    alternate_stack: Pointer
    alternate_stack_size: U64
    trap_code: U64
    trap_pc: Pointer
    trap_sp: Pointer
    trap_address: Pointer
    slice_length: U64
    slice: Pointer
    waiter: Pointer
    signalled: U64
    stack_low: Pointer
    stack_high: Pointer
    interrupted_sp: Pointer
    exception: Pointer


@record
class VMWaiter(ctypes.Structure):
    """A thread in `memory.atomic.wait`, on its own stack, while it is in the queue of a bucket.

    `address` is that of the cell; `state` one of WaiterState, and what the thread sleeps on.
    """

    next: Pointer
    previous: Pointer
    address: Pointer
    state: U32


class WaiterState(IntEnum):
    """Values of `VMWaiter.state`."""

    WAITING = 0
    NOTIFIED = 1
    """Out of its queue: whoever took it out will not touch it again."""
    INTERRUPTED = 2
    """Still in its queue; a signal has arrived that Python may want to handle."""


@record
class VMWaitQueue(ctypes.Structure):
    """A bucket of the hash table of waiters, in the order in which they came; 0 is none."""

    first: Pointer
    last: Pointer
    lock: U32


@record
class VMHostFunction(ctypes.Structure):
    """The environment of a Python callable; `callable` and `explanation` are PyObject*.

    `signature` points to the SignatureRecord of its type.
    """

    callable: Pointer
    store: Pointer
    explanation: Pointer
    signature: Pointer


@record
class VMTag(ctypes.Structure):
    """The tag of exceptions; its address is its identity. `type_index` is the number of its type."""

    type_index: VMSharedSignatureIndex


@record
class VMSegment(ctypes.Structure):
    """A data or element segment; `length` in bytes or in 8-byte references, 0 once dropped."""

    base: Pointer
    length: U64


STATIC_GUARD_SIZE: Final = 1 << 31
"""Bytes behind the address space of a static memory that fault. Code compiled for static memories
makes no check for 32-bit addresses, and compares 64-bit ones with `reserved_bytes`, as long as a static
offset and the access together stay within them."""


@record
class VMLinearMemory(ctypes.Structure):
    """What growing a memory needs, at an address that stays the same for the memory's life.

    A memory may be grown in place by native code, up to `reserved_bytes` from the base: make the
    new pages accessible, then store the definition's new length. Beyond that a dynamic memory
    has to move, which Python does. `lock` is 1 while the memory is grown in place, else 0.
    """

    definition: Pointer
    maximum_pages: U64
    reserved_bytes: U64
    lock: U32


class ElementKind(IntEnum):
    """Values of `VMLinearTable.element_kind`."""

    FUNCREF = 0
    EXTERNREF = 1
    ANYREF = 2
    EXNREF = 3


@record
class VMLinearTable(ctypes.Structure):
    """What growing a table needs. Its storage for `maximum` elements is there from the start."""

    definition: Pointer
    maximum: U64
    element_kind: U64
