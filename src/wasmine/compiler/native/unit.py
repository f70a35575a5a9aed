"""The two kinds of native units, put together: the runtime, and thunks for function types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import Template
from typing import Final

from wasmine.abi.convention import SLOT_SIZE, VALUE_SLOTS
from wasmine.abi.runtime import (
    EXTERNREF_HEADER,
    RAISED,
    STACK_SLICE_SIZE,
    THROWN,
    TRAPPED,
    VMINSTANCE_SIZE,
    WAIT_QUEUES,
    CodeRange,
    PreviousHandlers,
)
from wasmine.abi.unwind import NATIVE_HEADER
from wasmine.abi.vmcontext import (
    LANDING_COOKIE,
    ElementKind,
    Landing,
    VMExternRefBox,
    VMWaiter,
    VMWaitQueue,
    WaiterState,
    size_of,
)
from wasmine.compiler.architecture import Architecture, by_name
from wasmine.compiler.ir import VECTOR, WASM_CC
from wasmine.compiler.native.aggregates import aggregates
from wasmine.compiler.native.blocks import BLOCKS
from wasmine.compiler.native.boundary import thunks
from wasmine.compiler.native.boxes import LIVE_BOXES
from wasmine.compiler.native.builtins import builtins
from wasmine.compiler.native.collector import COLLECTOR
from wasmine.compiler.native.entry import ENTRY
from wasmine.compiler.native.faults import FAULTS
from wasmine.compiler.native.generic import generic_placeholders, generic_thunks
from wasmine.compiler.native.heap import HEAP, heap_placeholders
from wasmine.compiler.native.interrupts import INTERRUPTS
from wasmine.compiler.native.lazy import LAZY
from wasmine.compiler.native.marking import MARKING
from wasmine.compiler.native.objects import OBJECTS
from wasmine.compiler.native.python import OFFSET_FLAG, PYTHON
from wasmine.compiler.native.references import BOXES, REFERENCES
from wasmine.compiler.native.roots import ROOTS
from wasmine.compiler.native.runs import RUNS
from wasmine.compiler.native.sweeping import SWEEPING
from wasmine.compiler.native.tiers import TIERS
from wasmine.compiler.native.unwinding import unwinding
from wasmine.compiler.native.waiting import WAITING
from wasmine.compiler.records import expand
from wasmine.errors import TrapCode
from wasmine.types import FunctionType

EXTERNAL: Final = """
declare ptr @PyErr_NoMemory()
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
declare i32 @PyErr_CheckSignals()
declare i32 @PyErr_ExceptionMatches(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyBytes_AsString(ptr)
declare ptr @PyBytes_FromStringAndSize(ptr, i64)
declare i64 @PyBytes_Size(ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyFloat_FromDouble(double)
declare i64 @PyLong_AsLongLong(ptr)
declare i64 @PyLong_AsUnsignedLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyLong_FromUnsignedLongLong(i64)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare ptr @PyNumber_Lshift(ptr, ptr)
declare ptr @PyNumber_Or(ptr, ptr)
declare i32 @PyList_Append(ptr, ptr)
declare ptr @PyList_New(i64)
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare void @Py_DecRef(ptr)
declare void @Py_IncRef(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare i32 @madvise(ptr, i64, i32)
declare i32 @mprotect(ptr, i64, i32)
declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
declare i32 @clock_gettime(i32, ptr)
declare ptr @__errno_location()
declare ptr @pthread_getspecific(i32)
declare i32 @pthread_kill(i64, i32)
declare i64 @pthread_self()
declare i32 @sigaltstack(ptr, ptr)
declare ptr @signal(i32, ptr)
declare i32 @wasmine_enter(ptr, ptr)
declare void @wasmine_leave(ptr)
declare ptr @wasmine_slow_call(ptr, ptr, ptr, i64, ptr)
declare void @wasmine_raise_trap(ptr)
declare void @wasmine_raise_exception(ptr)
declare ptr @wasmine_exception_raised(ptr)
declare void @wasmine_poll(ptr)
declare void @wasmine_raise(ptr, ptr, i32) noreturn
declare void @wasmine_unwind(ptr) noreturn
declare void @wasmine_look_for_signals()
declare ptr @wasmine_call_host(ptr, ptr, i64)
declare ptr @wasmine_convert_results(ptr, ptr, ptr)
declare ptr @wasmine_externref_from(ptr, ptr)
declare ptr @wasmine_funcref_from(ptr, ptr)
declare ptr @wasmine_reference_from(ptr, i64, ptr)
declare ptr @wasmine_object_from_anyref(ptr, ptr)
declare ptr @wasmine_object_from_exnref(ptr, ptr)
declare ptr @wasmine_object_from_externref(ptr, ptr)
declare ptr @wasmine_object_from_funcref(ptr, ptr)
declare ptr @wasmine_bytes_from_vector($vector)
declare ptr @wasmine_int_from_vector($vector)
"""
INTRINSICS: Final = """
declare ptr @llvm.frameaddress.p0(i32)
declare ptr @llvm.returnaddress(i32)
declare ptr @llvm.stacksave.p0()
declare i32 @llvm.eh.sjlj.setjmp(ptr)
declare void @llvm.eh.sjlj.longjmp(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.usub.sat.i64(i64, i64)
"""
PYTHON_OBJECTS: Final = (
    "_Py_NoneStruct",
    "wasmine_py_array",
    "wasmine_py_attach_thread",
    "wasmine_py_compile_on_call",
    "wasmine_py_convert_arguments",
    "wasmine_py_convert_bits",
    "wasmine_py_convert_results",
    "wasmine_py_exception_address",
    "wasmine_py_external_from",
    "wasmine_py_funcref_from",
    "wasmine_py_grow_memory",
    "wasmine_py_hot_signature",
    "wasmine_py_make_heap",
    "wasmine_py_memory_view",
    "wasmine_py_object_from_exception",
    "wasmine_py_object_from_external",
    "wasmine_py_object_from_funcref",
    "wasmine_py_overflow_error",
    "wasmine_py_prepare_frames",
    "wasmine_py_raise_exception",
    "wasmine_py_raise_trap",
    "wasmine_py_reference_from",
    "wasmine_py_store_busy",
    "wasmine_py_struct",
    "wasmine_py_tier_up",
    "wasmine_py_type_error",
    "wasmine_py_wasm_exception",
)
"""Symbols whose address is a Python object."""

# Calls that LLVM adds by itself, such as memmove, go by the address table as well.
_FLAGS: Final = '!llvm.module.flags = !{!0}\n!0 = !{i32 7, !"RtLibUseGOT", i32 1}\n'

MANY_BYTES: Final = 1 << 16
"""Copying or filling more takes so long that signals are looked for afterwards."""
SIGSEGV: Final = 11
SA_SIGINFO: Final = 4


def _placeholders(architecture: Architecture) -> dict[str, int | str]:
    return {
        "pc_offset": architecture.context_pc,
        "sp_offset": architecture.context_sp,
        "caller_sp": architecture.caller_sp,
        "values_size": VALUE_SLOTS * SLOT_SIZE,
        "page_mask": architecture.page - 1,
        "slice_size": STACK_SLICE_SIZE,
        "trapped": TRAPPED,
        "raised": RAISED,
        "thrown": THROWN,
        "range_words": size_of(CodeRange) // 8,
        "table_header": NATIVE_HEADER,
        "saved_registers": len(architecture.saved_registers),
        "pc_register": len(architecture.saved_registers) - 1,
        "stack_overflow": TrapCode.STACK_OVERFLOW.value,
        "heap_out_of_bounds": TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS.value,
        "sigsegv": SIGSEGV,
        "sa_siginfo": SA_SIGINFO,
        "handlers_header": size_of(PreviousHandlers),
        "externref_header": EXTERNREF_HEADER,
        "externref_box_size": size_of(VMExternRefBox),
        "externref_kind": ElementKind.EXTERNREF.value,
        "vminstance_size": VMINSTANCE_SIZE,
        "futex": architecture.futex,
        "wait_queue_shift": 64 - (WAIT_QUEUES - 1).bit_length(),
        "wait_queue_size": size_of(VMWaitQueue),
        "waiter_size": size_of(VMWaiter),
        "waiting": WaiterState.WAITING.value,
        "notified": WaiterState.NOTIFIED.value,
        "interrupted": WaiterState.INTERRUPTED.value,
        "landing_words": size_of(Landing) // 8,
        "vector": VECTOR,
        "wasm_cc": WASM_CC,
        "landing_cookie": LANDING_COOKIE,
        "offset_flag": OFFSET_FLAG,
        "clobbers": ",".join(f"~{{{name}}}" for name in architecture.callee_saved),
        "red_zone": architecture.red_zone,
        # Most of the runtime runs seldom, and code for it is generated in every process.
        "cold": "noinline optnone",
        "many_bytes": MANY_BYTES,
        **heap_placeholders(),
        **generic_placeholders(),
    }


def _unit(text: str, architecture: str) -> str:
    """A whole module of IR: the text, its placeholders filled, and the declarations it needs."""
    body = expand(Template(text).substitute(_placeholders(by_name(architecture))))
    defined = set(re.findall(r"^define .*?@([\w.]+)\(", body, re.MULTILINE))
    external = "\n".join(
        f"{line} nonlazybind"
        for line in EXTERNAL.replace("$vector", VECTOR).strip().splitlines()
        if re.findall(r"@(\w+)", line)[0] not in defined
    )
    objects = "\n".join(f"@{name} = external global i8" for name in PYTHON_OBJECTS)
    state = "@wasmine_state = external global i8"
    return "\n".join([objects, state, external, INTRINSICS, body, _FLAGS])


def runtime_ir(architecture: str) -> str:
    """IR of the runtime: signal handler, builtins, references, entry and exit."""
    return _unit(
        FAULTS
        + INTERRUPTS
        + unwinding(by_name(architecture))
        + BOXES
        + REFERENCES
        + OBJECTS
        + ENTRY
        + PYTHON
        + generic_thunks()
        + builtins()
        + WAITING
        + LAZY
        + TIERS,
        architecture,
    )


def heap_ir(architecture: str) -> str:
    """IR of the heap and its collector, an image of its own: not every program makes objects."""
    return _unit(
        BOXES
        + BLOCKS
        + HEAP
        + aggregates()
        + RUNS
        + MARKING
        + ROOTS
        + LIVE_BOXES
        + SWEEPING
        + COLLECTOR,
        architecture,
    )


def thunks_ir(
    entries: Iterable[FunctionType],
    raws: Iterable[FunctionType],
    imports: Iterable[FunctionType],
    architecture: str,
) -> str:
    """IR of the thunks for these function types."""
    # Import thunks call it with results of all types; what is declared as a function has one type.
    throw = "@wasmine_throw = external global i8\n"
    return _unit(throw + thunks(entries, raws, imports), architecture)
