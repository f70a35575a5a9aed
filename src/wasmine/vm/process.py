"""The native runtime of this process: its code, its signal handlers, and what code is mapped.

There is one, installed when the first store is made. It is never removed: handlers installed later
by others may have ours as the one to go on to.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import os
import signal
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import cached_property
from operator import attrgetter
from types import ModuleType
from typing import Any, Final, TypeAlias, cast

from wasmine.abi.libcalls import BUILTINS
from wasmine.abi.runtime import (
    WAIT_QUEUES,
    CodeRange,
    PreviousHandler,
    PreviousHandlers,
    RuntimeState,
)
from wasmine.abi.vmcontext import VMWaitQueue, size_of
from wasmine.errors import InternalError, ResourceError
from wasmine.frozen import Frozen
from wasmine.vm import threads
from wasmine.vm.arena import Arena, Token
from wasmine.vm.code import Code, NativeCode
from wasmine.vm.mmap import Mmap
from wasmine.vm.signals import INTERRUPTING
from wasmine.wasm.module import ModuleInfo

MAXIMUM_CODE_RANGES: Final = 1 << 20
"""How many images can be mapped at once; reserved as address space only."""

_SA_SIGINFO: Final = 4
_SA_ONSTACK: Final = 0x0800_0000
_SA_NODEFER: Final = 0x4000_0000

CodeLoader: TypeAlias = Callable[[Callable[[str], int]], Code]
"""Gives mapped code, when it is given what resolves the names in it to addresses."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _SigAction(ctypes.Structure):
    """struct sigaction as the GNU C library has it on 64-bit Linux."""

    _fields_ = (
        ("handler", ctypes.c_size_t),
        ("mask", ctypes.c_uint64 * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_size_t),
    )


class MappedCode(Frozen):
    """Code with WebAssembly functions that is mapped, for backtraces; sorted by `base`.

    This keeps the code: the garbage collector clears weak references to what is in a cycle before it runs
    the finalizers there, which may call functions.
    """

    base: int
    end: int
    code: NativeCode
    info: ModuleInfo


class HeapFunctions:
    """What Python calls of the heap. All of them need the interpreter lock."""

    def __init__(self, code: Code) -> None:
        self.code: Final = code
        address = ctypes.c_size_t
        self.new: Callable[[int, int, int, int, int], int] = ctypes.PYFUNCTYPE(
            address, address, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64, address
        )(code.address("wasmine_heap_new"))
        """A cell for the address of a VMHeap, a type number, a length, a size, and the place that
        holds the cell; 0 without room."""
        self.collect: Callable[[int, int], None] = ctypes.PYFUNCTYPE(None, address, address)(
            code.address("wasmine_heap_collect")
        )
        """Collect in the store at an address; Python says 3 (see `native/collector.py`)."""


class _CodeRegistration(Token):
    """The slot of mapped code among the ranges that the signal handler knows."""

    __slots__ = ()

    def __del__(self) -> None:
        if _process:  # None when the interpreter ends
            _process[0].remove_code(int(self))


class Process:
    """The runtime's native state and the code that it runs."""

    def __init__(
        self,
        load: CodeLoader,
        load_heap: CodeLoader,
        hooks: Mapping[str, Callable[..., object]],
    ) -> None:
        """Load the runtime's code and install the signal handlers.

        `load_heap` gives the code of the heap when one is needed, `hooks` are the Python callables that
        native code calls, by the name of their symbol.
        """
        # Re-entrant: the garbage collector may drop other code while one is added.
        self._lock = threading.RLock()
        # Other threads may add code at any time; a child process must not find their half.
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._lock.release,
        )
        self._arena = Arena()
        address = self._arena.allocate(size_of(RuntimeState))
        self.state = RuntimeState.from_address(address)
        self._load_heap = load_heap
        self._hooks = dict(hooks)
        self._symbols = {"wasmine_state": address, "_Py_NoneStruct": id(None)}
        self._symbols |= {name: id(hook) for name, hook in self._hooks.items()}
        self._mapping = Mmap.accessible(MAXIMUM_CODE_RANGES * size_of(CodeRange))
        self.state.ranges = self._mapping.base
        self._ranges = (CodeRange * MAXIMUM_CODE_RANGES).from_address(self._mapping.base)
        self._slots: dict[int, MappedCode] = {}
        self._free_slots: list[int] = []
        self._mapped: tuple[MappedCode, ...] = ()
        self._code = load(self.resolve)
        self.state.thread_key = threads.create_key(self._code.address("wasmine_thread_exit"))
        self._handler = self._code.address("wasmine_handler")
        self.trap_handler = self._code.address("wasmine_trap")
        self.generic_entry = self._code.address("wasmine_entry")
        self.generic_raw = self._code.address("wasmine_raw")
        self.generic_host = self._code.address("wasmine_generic_host")
        self.host = self._code.address("wasmine_host")
        self.compile_on_call = self._code.address("wasmine_compile_on_call")
        self.builtins = tuple(self._code.address(builtin.symbol) for builtin in BUILTINS)
        self._bind_functions()
        # Never freed, not even when the interpreter ends: the handlers stay installed, and threads
        # may still be inside.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        self._previous: dict[str, dict[int, int]] = {"previous_segv": {}, "previous_bus": {}}
        queues = WAIT_QUEUES * size_of(VMWaitQueue)
        self.state.wait_queues = self._arena.allocate(queues)
        # In a child process nobody waits but the thread that forked, and locks are nobody's.
        os.register_at_fork(
            after_in_child=functools.partial(ctypes.memset, self.state.wait_queues, 0, queues)
        )
        self.state.signal_handlers = self._arena.allocate((signal.NSIG + 1) * 8)
        self._interrupt_handler = self._code.address("wasmine_signal")
        self.install_handlers()
        self._interrupt_by_signals()
        # Its handler cannot let another decide first: it reports every fault as fatal. Switching it
        # off removes all handlers that were installed after it.
        self._follow(faulthandler, "enable", self._after_faulthandler)
        self._follow(faulthandler, "disable", self._after_faulthandler)
        self._follow(signal, "signal", self._interrupt_by_signals)

    def resolve(self, symbol: str) -> int:
        """The address of something that generated code refers to by name, 0 if it is unknown."""
        if symbol in self._symbols:
            return self._symbols[symbol]
        if symbol.startswith("wasmine_heap_"):
            return self.heap.code.address(symbol)
        if symbol.startswith(("wasmine_", "wasmer_vm_")):
            return self._code.address(symbol)
        library = ctypes.pythonapi if symbol.startswith("Py") else _libc
        function = getattr(library, symbol, None)
        address = 0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0
        self._symbols[symbol] = address
        return address

    @cached_property
    def heap(self) -> HeapFunctions:
        """The functions of the heap, which are compiled when they are first needed."""
        with self._lock:
            known = self.__dict__.get("heap")
            if known is not None:
                return cast("HeapFunctions", known)
            found = HeapFunctions(self._load_heap(self.resolve))
            for name in ("collect", "detach", "reattach"):
                setattr(self.state, name, found.code.address(f"wasmine_heap_{name}"))
            return found

    def attach_thread(self) -> None:
        """Make the calling thread known. Called by native code on a thread's first entry."""
        threads.attach(self.state.thread_key)

    def install_handlers(self) -> None:
        """Make ours the first handler of faults, and remember which one to go on to.

        Called again whenever a store is made, because another runtime may have put its own handler
        in front of ours since.
        """
        with self._lock:
            for number, field in (
                (signal.SIGSEGV, "previous_segv"),
                (signal.SIGBUS, "previous_bus"),
            ):
                current = _SigAction()
                self._sigaction(number, None, current)
                if current.handler == self._handler:
                    continue
                previous = self._previous[field]
                previous.pop(current.handler, None)
                previous[current.handler] = current.flags
                setattr(self.state, field, self._handler_list(previous))
                ours = _SigAction(
                    handler=self._handler, flags=_SA_SIGINFO | _SA_ONSTACK | _SA_NODEFER
                )
                self._sigaction(number, ours, None)

    def _handler_list(self, handlers: Mapping[int, int]) -> int:
        """The address of PreviousHandlers. A new one each time: the handler may be reading the old."""
        header, size = size_of(PreviousHandlers), size_of(PreviousHandler)
        address = self._arena.allocate(header + len(handlers) * size)
        PreviousHandlers.from_address(address).count = len(handlers)
        for place, (handler, flags) in enumerate(handlers.items()):
            record = PreviousHandler.from_address(address + header + place * size)
            record.handler, record.flags = handler, flags
        return address

    def _after_faulthandler(self) -> None:
        self.install_handlers()
        threads.use_alternate_stack(self.state.thread_key)

    def _follow(self, module: ModuleType, name: str, action: Callable[[], None]) -> None:
        """Do something after every call of a function of the standard library.

        There is no other way to learn that it has replaced a handler, short of asking the system
        at every call into WebAssembly.
        """
        function = getattr(module, name)

        @functools.wraps(function)
        def followed(*args: object, **kwargs: object) -> object:
            try:
                return function(*args, **kwargs)
            finally:
                action()

        setattr(module, name, followed)

    def _interrupt_by_signals(self) -> None:
        """Let signals with a Python handler interrupt WebAssembly code, as they do Python code."""
        with self._lock:
            handlers = (ctypes.c_size_t * (signal.NSIG + 1)).from_address(
                self.state.signal_handlers
            )
            for number in INTERRUPTING:
                current = _SigAction()
                self._sigaction(number, None, current)
                # A handler with three parameters is not CPython's, which knows nothing of it then.
                python = callable(signal.getsignal(number)) and not current.flags & _SA_SIGINFO
                if python and current.handler != self._interrupt_handler:
                    handlers[number] = current.handler
                    flags = current.flags | _SA_SIGINFO | _SA_ONSTACK | _SA_NODEFER
                    ours = _SigAction(handler=self._interrupt_handler, flags=flags)
                    self._sigaction(number, ours, None)

    @staticmethod
    def _sigaction(number: int, new: _SigAction | None, old: _SigAction | None) -> None:
        new_address = None if new is None else ctypes.byref(new)
        if _libc.sigaction(number, new_address, None if old is None else ctypes.byref(old)):
            raise ResourceError(f"cannot install the handler of signal {number}")

    def add_code(self, code: NativeCode, info: ModuleInfo) -> object:
        """Keep code, and let faults in it be traps, until nobody holds the result any more."""
        with self._lock:
            slot = self._free_slots.pop() if self._free_slots else self.state.range_count
            if slot == MAXIMUM_CODE_RANGES:
                raise ResourceError("too many modules are mapped")
            self._slots[slot] = MappedCode(code.base, code.end, code, info)
            self._mapped = tuple(sorted(self._slots.values(), key=attrgetter("base")))
            entry = self._ranges[slot]
            # The handler may look at any moment: an entry is empty until its end is set.
            entry.start = code.base
            entry.frames = 0
            entry.end = code.end
            self.state.range_count = max(self.state.range_count, slot + 1)
        return _CodeRegistration(slot)

    def prepare_frames(self, range_address: int) -> None:
        """Decode the frames of the image in a CodeRange, so that exceptions can pass through it."""
        with self._lock:
            slot = (range_address - self._mapping.base) // size_of(CodeRange)
            self._ranges[slot].frames = self._slots[slot].code.frames_address()

    def forget_frames(self, code: NativeCode) -> None:
        """The frames of code are in another place than they were."""
        with self._lock:
            for slot, mapped in self._slots.items():
                if mapped.code is code:
                    self._ranges[slot].frames = 0

    def remove_code(self, slot: int) -> None:
        """The code in this slot is about to be unmapped."""
        with self._lock:
            entry = self._ranges[slot]
            entry.end = 0
            entry.start = 0
            removed = self._slots.pop(slot)
            self._mapped = tuple(sorted(self._slots.values(), key=attrgetter("base")))
            self._free_slots.append(slot)
        del removed  # and then perhaps code that only it has installed

    def find_code(self, pc: int) -> tuple[NativeCode, ModuleInfo] | None:
        """The mapped code that contains an address."""
        mapped = self._mapped
        position = bisect_right(mapped, pc, key=attrgetter("base"))
        if not position or pc >= mapped[position - 1].end:
            return None
        found = mapped[position - 1]
        return found.code, found.info

    def find_function(self, pc: int) -> tuple[ModuleInfo, int] | None:
        """The module and the index of the WebAssembly function that contains an address."""
        found = self.find_code(pc)
        if found is None:
            return None
        code, info = found
        index = code.function_at(pc)
        return None if index is None else (info, index)

    def current_thread(self) -> int:
        """The address of the calling thread's ThreadRecord, 0 before its first entry."""
        return threads.record_address(self.state.thread_key)

    def _bind_functions(self) -> None:
        """Make functions of the runtime callable; all of them need the interpreter lock."""

        def native(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.PYFUNCTYPE(result, *arguments)(self._code.address(name))

        address, value = ctypes.c_size_t, ctypes.py_object
        self.externref_inc: Callable[[int], None] = native("wasmine_externref_inc", None, address)
        self.externref_dec: Callable[[int], None] = native("wasmine_externref_dec", None, address)
        self.externref_keep: Callable[[int], None] = native("wasmine_externref_keep", None, address)
        self.externref_from: Callable[[int, object], int] = native(
            "wasmine_externref_from", address, address, value
        )
        self.object_from_externref: Callable[[int, int], object] = native(
            "wasmine_object_from_externref", value, address, address
        )
        self.drain_references: Callable[[int], None] = native(
            "wasmine_externref_drain", None, address
        )
        self.clear_references: Callable[[int], None] = native(
            "wasmine_externref_clear", None, address
        )
        self.grow_memory: Callable[[int, int], int] = native(
            "wasmine_grow_memory", ctypes.c_int64, address, ctypes.c_uint64
        )
        # A failure is told by the exception, which ctypes raises, and not by the result.
        self.enter: Callable[[int, int], None] = native("wasmine_enter", None, address, address)
        self.stack_pointer: Callable[[], int] = native("wasmine_stack_pointer", address)
        self.leave: Callable[[int], None] = native("wasmine_leave", None, address)


_process: list[Process] = []
_installing: Final = threading.RLock()


def install(
    load: CodeLoader,
    load_heap: CodeLoader,
    hooks: Mapping[str, Callable[..., object]],
) -> Process:
    """The runtime of this process; `load` gives its code if it is not installed yet, `load_heap`
    that of the heap when one is needed."""
    with _installing:
        if not _process:
            _process.append(Process(load, load_heap, hooks))
        return _process[0]


def current() -> Process:
    """The runtime of this process. Raises InternalError before `install`."""
    if not _process:
        raise InternalError("the native runtime is not installed")
    return _process[0]


def clear_references(store: int) -> None:
    """Free all externrefs of a store, if the interpreter is not about to end anyway."""
    if _process:
        _process[0].clear_references(store)
