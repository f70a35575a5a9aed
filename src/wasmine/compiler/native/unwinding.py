"""Exceptions: from a throw to the innermost landing pad that the frames on the stack have.

Compiled code throws by calling `wasmine_throw`, which walks the frames of WebAssembly functions with
the tables of their images (`abi/unwind.py`), outwards until a call was made from where an exception
lands. All registers that functions leave as they were get back what they held in that frame, and the
function goes on at its landing pad, which looks at the tag. Without one the exception reaches the
entry thunk, as traps do. Code that does not throw never meets any of this.
"""

from __future__ import annotations

from wasmine.compiler.architecture import Architecture

UNWINDING = r"""
; Registers, as `wasmine_throw` has written them, become those of the landing pad.
define void @wasmine_walk(ptr %registers, ptr %exception) {
entry:
  %thread = call ptr @current_thread()
  %landing = get ptr ThreadRecord.landing, %thread
  %top = get i64 Landing.stack_pointer, %landing
  %pc.p = getelementptr i64, ptr %registers, i64 $pc_register
  %sp.p = getelementptr i64, ptr %registers, i64 $saved_registers
  call void @wasmine_look_for_signals()
  br label %frame
frame:
  %return = load i64, ptr %pc.p
  %sp = load i64, ptr %sp.p
  ; An address inside the calling instruction: the call may be the last one of its function.
  %pc = sub i64 %return, 1
  %range = call ptr @code_range(i64 %pc)
  %unknown = icmp eq ptr %range, null
  br i1 %unknown, label %uncaught, label %image
image:
  %table = get ptr CodeRange.frames, %range
  %missing = icmp eq ptr %table, null
  br i1 %missing, label %prepare, label %search
prepare:
  call void @prepare_frames(ptr %landing, ptr %range)
  br label %image
search:
  %start = get i64 CodeRange.start, %range
  %offset.wide = sub i64 %pc, %start
  %offset = trunc i64 %offset.wide to i32
  %count = load i64, ptr %table
  %rows = getelementptr i8, ptr %table, i64 $table_header
  br label %halve
halve:
  ; The rows before `low` start at or below the offset, those from `high` on above it.
  %low = phi i64 [ 0, %search ], [ %low.next, %compare ]
  %high = phi i64 [ %count, %search ], [ %high.next, %compare ]
  %open = icmp ult i64 %low, %high
  br i1 %open, label %compare, label %found
compare:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %middle.p = getelementptr [4 x i32], ptr %rows, i64 %middle
  %middle.start = load i32, ptr %middle.p
  %below = icmp ule i32 %middle.start, %offset
  %behind = add i64 %middle, 1
  %low.next = select i1 %below, i64 %behind, i64 %low
  %high.next = select i1 %below, i64 %high, i64 %middle
  br label %halve
found:
  %none = icmp eq i64 %low, 0
  br i1 %none, label %uncaught, label %row
row:
  %index = sub i64 %low, 1
  %row.p = getelementptr [4 x i32], ptr %rows, i64 %index
  %size.p = getelementptr i32, ptr %row.p, i64 1
  %size = load i32, ptr %size.p
  %pad.p = getelementptr i32, ptr %row.p, i64 2
  %pad = load i32, ptr %pad.p
  %saved.p = getelementptr i32, ptr %row.p, i64 3
  %saved = load i32, ptr %saved.p
  %nowhere = icmp eq i32 %pad, 0
  br i1 %nowhere, label %leave, label %land
land:
  %pad.wide = zext i32 %pad to i64
  %target = add i64 %start, %pad.wide
  store i64 %target, ptr %pc.p
  ret void
leave:
  %size.wide = zext i32 %size to i64
  %size.exact = sub i64 %size.wide, 1
  %caller.sp = add i64 %sp, %size.exact
  %irregular = icmp eq i32 %size, 0
  %beyond = icmp ugt i64 %caller.sp, %top
  %lost = or i1 %irregular, %beyond
  br i1 %lost, label %uncaught, label %restore
restore:
  %caller = inttoptr i64 %caller.sp to ptr
  %saved.wide = zext i32 %saved to i64
  %set = getelementptr i8, ptr %table, i64 %saved.wide
  br label %register
register:
  %i = phi i64 [ 0, %restore ], [ %i.next, %next ]
  %unit.p = getelementptr i8, ptr %set, i64 %i
  %unit = load i8, ptr %unit.p
  %unchanged = icmp eq i8 %unit, 0
  br i1 %unchanged, label %next, label %load
load:
  %unit.wide = zext i8 %unit to i64
  %depth = sub i64 0, %unit.wide
  %kept.p = getelementptr i64, ptr %caller, i64 %depth
  %kept = load i64, ptr %kept.p
  %register.p = getelementptr i64, ptr %registers, i64 %i
  store i64 %kept, ptr %register.p
  br label %next
next:
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, $saved_registers
  br i1 %more, label %register, label %up
up:
  store i64 %caller.sp, ptr %sp.p
  br label %frame
uncaught:
  put ptr %exception, ThreadRecord.exception, %thread
  put i64 $thrown, Landing.reason, %landing
  %buffer = at Landing.jump_buffer, %landing
  call void @llvm.eh.sjlj.longjmp(ptr %buffer)
  unreachable
}

; Have Python decode the frames of an image, once for each; `range` has their address then.
define internal void @prepare_frames(ptr %landing, ptr %range) $cold {
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %address = ptrtoint ptr %range to i64
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_prepare_frames, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %raised, label %done
raised:
  call void @wasmine_unwind(ptr %landing)
  unreachable
done:
  call void @Py_DecRef(ptr %result)
  %same = call ptr @PyEval_SaveThread()
  ret void
}

; The Python exception for the one that landed; the interpreter lock is held.
define void @wasmine_raise_exception(ptr %landing) $cold {
  ; Here the heap's collector finds the exception while Python has only a number.
  %kept = alloca i64
  %thread = call ptr @current_thread()
  %store = get ptr Landing.store, %landing
  %python_store = get ptr VMStoreContext.python_store, %store
  %address = get i64 ThreadRecord.exception, %thread
  store volatile i64 %address, ptr %kept
  put i64 0, ThreadRecord.exception, %thread
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_raise_exception, ptr %python_store, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  ret void
}

; After a host function raised: the exception to throw if that is what was raised, and then the
; interpreter lock is free; null if something else was, which is left set.
define ptr @wasmine_exception_raised(ptr %store) $cold {
entry:
  %type = alloca ptr
  %value = alloca ptr
  %trace = alloca ptr
  %ours = call i32 @PyErr_ExceptionMatches(ptr @wasmine_py_wasm_exception)
  %other = icmp eq i32 %ours, 0
  br i1 %other, label %no, label %fetch
fetch:
  call void @PyErr_Fetch(ptr %type, ptr %value, ptr %trace)
  call void @PyErr_NormalizeException(ptr %type, ptr %value, ptr %trace)
  %python_store = get ptr VMStoreContext.python_store, %store
  %raised = load ptr, ptr %value
  %number = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_exception_address, ptr %python_store, ptr %raised, ptr null)
  %failed = icmp eq ptr %number, null
  br i1 %failed, label %drop, label %read
read:
  %address = call i64 @PyLong_AsLongLong(ptr %number)
  call void @Py_DecRef(ptr %number)
  br label %drop
drop:
  %result = phi i64 [ 0, %fetch ], [ %address, %read ]
  %type.o = load ptr, ptr %type
  call void @Py_DecRef(ptr %type.o)
  call void @Py_DecRef(ptr %raised)
  %trace.o = load ptr, ptr %trace
  call void @Py_DecRef(ptr %trace.o)
  %exception = inttoptr i64 %result to ptr
  %none = icmp eq i64 %result, 0
  br i1 %none, label %no, label %throw
throw:
  %same = call ptr @PyEval_SaveThread()
  ret ptr %exception
no:
  ret ptr null
}
"""


def unwinding(architecture: Architecture) -> str:
    """IR of all that exceptions need of the runtime."""
    lines = architecture.throw.format(walk="wasmine_walk").strip().splitlines()
    assembly = r"\0A".join(lines)
    return (
        "\n; Throw an exception from where this was called, or where its caller was called by"
        " a tail call.\n"
        "define void @wasmine_throw(ptr %environment, ptr %exception) naked noreturn {\n"
        f'  call void asm sideeffect "{assembly}", "~{{memory}}"()\n'
        "  unreachable\n"
        "}\n"
    ) + UNWINDING
