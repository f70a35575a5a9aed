"""Entering and leaving WebAssembly code: what all entry thunks share, and questions to Python in between.

Entering and leaving run with the interpreter lock held; between them the thunk releases it.
"""

from __future__ import annotations

from typing import Final

DEPART: Final = """\
  %stack = call ptr @llvm.stacksave.p0()
  %buffer.stack = getelementptr i8, ptr %buffer, i64 16
  store volatile ptr %stack, ptr %buffer.stack
  put volatile ptr %stack, Landing.stack_pointer, %landing
  %tstate = call ptr @PyEval_SaveThread()
  put volatile ptr %tstate, Landing.tstate, %landing
  %landed = call i32 @llvm.eh.sjlj.setjmp(ptr %buffer)
  %first = icmp eq i32 %landed, 0
  br i1 %first, label %run, label %back
"""
"""Of an entry thunk whose store is claimed: gives the interpreter lock back and goes on at `run`. From then
on traps and exceptions come to the label `back`."""

LANDED: Final = """\
back:
  ; Registers hold nothing that can be relied on here: everything is read again from the landing.
  %reason = get volatile i64 Landing.reason, %landing
  %tstate.again = get volatile ptr Landing.tstate, %landing
  switch i64 %reason, label %abandon [ i64 $trapped, label %trap i64 $thrown, label %thrown ]
trap:
  call void @PyEval_RestoreThread(ptr %tstate.again)
  call void @wasmine_raise_trap(ptr %landing)
  br label %abandon
thrown:
  call void @PyEval_RestoreThread(ptr %tstate.again)
  call void @wasmine_raise_exception(ptr %landing)
  br label %abandon
abandon:
  call void @wasmine_leave(ptr %landing)
  ret ptr null
"""
"""Of an entry thunk, from `back` on. A call that ends with an exception before `run` goes to `abandon`."""


ENTRY = r"""
; Claim the store of a callable for this thread and make `landing` the innermost landing place.
; 0, or 1 with a Python exception set. Nothing has been claimed in the second case.
define i32 @wasmine_enter(ptr %callable, ptr %landing) {
entry:
  %store = get ptr NativeCallable.store, %callable
  br label %retry
retry:
  %thread = call ptr @current_thread()
  %unknown = icmp eq ptr %thread, null
  br i1 %unknown, label %attach, label %known
attach:
  %attached = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_attach_thread, ptr null)
  %failed = icmp eq ptr %attached, null
  br i1 %failed, label %error, label %attached.ok
attached.ok:
  call void @Py_DecRef(ptr %attached)
  br label %retry
known:
  %owner = get ptr VMStoreContext.thread, %store
  %idle = icmp eq ptr %owner, null
  %mine = icmp eq ptr %owner, %thread
  %free = or i1 %idle, %mine
  br i1 %free, label %claim, label %busy
busy:
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_store_busy, ptr %callable, ptr null)
  %refused = icmp eq ptr %answer, null
  br i1 %refused, label %error, label %waited
waited:
  call void @Py_DecRef(ptr %answer)
  br label %retry
claim:
  put ptr %thread, VMStoreContext.thread, %store
  %depth = get i64 VMStoreContext.depth, %store
  %deeper = add i64 %depth, 1
  put i64 %deeper, VMStoreContext.depth, %store
  %outer.limit = get i64 VMStoreContext.stack_limit, %store
  put i64 %outer.limit, Landing.stack_limit, %landing
  %limit = get i64 ThreadRecord.stack_limit, %thread
  put i64 %limit, VMStoreContext.stack_limit, %store
  %previous = get ptr ThreadRecord.landing, %thread
  put ptr %previous, Landing.previous, %landing
  put ptr %store, Landing.store, %landing
  put i64 0, Landing.reason, %landing
  put i64 0, Landing.pinned, %landing
  %landing.i = ptrtoint ptr %landing to i64
  %cookie = xor i64 %landing.i, $landing_cookie
  put i64 %cookie, Landing.cookie, %landing
  put ptr %landing, ThreadRecord.landing, %thread
  ret i32 0
error:
  ret i32 1
}

; Undo `wasmine_enter`. When the outermost call ends no frame holds references any more.
define void @wasmine_leave(ptr %landing) {
  put i64 0, Landing.cookie, %landing
  %store = get ptr Landing.store, %landing
  %thread = get ptr VMStoreContext.thread, %store
  %previous = get ptr Landing.previous, %landing
  put ptr %previous, ThreadRecord.landing, %thread
  %limit = get i64 Landing.stack_limit, %landing
  put i64 %limit, VMStoreContext.stack_limit, %store
  %depth = get i64 VMStoreContext.depth, %store
  %outer = sub i64 %depth, 1
  put i64 %outer, VMStoreContext.depth, %store
  %last = icmp eq i64 %outer, 0
  br i1 %last, label %idle, label %done
idle:
  put ptr null, VMStoreContext.thread, %store
  %deferred = get ptr VMStoreContext.externrefs, %store
  %none = icmp eq ptr %deferred, null
  br i1 %none, label %done, label %drain
drain:
  call void @wasmine_externref_drain(ptr %store)
  br label %done
done:
  ret void
}

; After a conversion that failed: 1 if what was raised is none of the errors that mean "this is not
; such a number", and must therefore reach the caller. Those are cleared.
define i32 @wasmine_other_error() $cold {
  %error = call ptr @PyErr_Occurred()
  %none = icmp eq ptr %error, null
  br i1 %none, label %no, label %look
look:
  %type = call i32 @PyErr_ExceptionMatches(ptr @wasmine_py_type_error)
  %range = call i32 @PyErr_ExceptionMatches(ptr @wasmine_py_overflow_error)
  %either = or i32 %type, %range
  %known = icmp ne i32 %either, 0
  br i1 %known, label %clear, label %yes
clear:
  call void @PyErr_Clear()
  br label %no
no:
  ret i32 0
yes:
  ret i32 1
}

; A call whose arguments the thunk could not take as they are: Python checks and converts them,
; and calls again with what they became, or raises the error that names the parameter.
define ptr @wasmine_slow_call(ptr %python, ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords) $cold {
entry:
  %other = call i32 @wasmine_other_error()
  %raised = icmp ne i32 %other, 0
  br i1 %raised, label %error, label %collect
collect:
  %count = and i64 %flagged, 9223372036854775807
  %tuple = call ptr @PyTuple_New(i64 %count)
  %no_memory = icmp eq ptr %tuple, null
  br i1 %no_memory, label %error, label %head
head:
  %i = phi i64 [ 0, %collect ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %call
body:
  %slot = getelementptr ptr, ptr %arguments, i64 %i
  %value = load ptr, ptr %slot
  call void @Py_IncRef(ptr %value)
  %ignored = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %value)
  %next = add i64 %i, 1
  br label %head
call:
  %keyed = icmp ne ptr %keywords, null
  %names.o = select i1 %keyed, ptr %keywords, ptr @_Py_NoneStruct
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr %python, ptr %callable, ptr %tuple, ptr %names.o, ptr null)
  call void @Py_DecRef(ptr %tuple)
  ret ptr %result
error:
  ret ptr null
}

; The exception for the trap in the thread's record; the interpreter lock is held.
define void @wasmine_raise_trap(ptr %landing) $cold {
  %thread = call ptr @current_thread()
  %address = ptrtoint ptr %thread to i64
  %thread.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_raise_trap, ptr %thread.o, ptr null)
  call void @Py_DecRef(ptr %thread.o)
  ret void
}

; WebAssembly code of an instance asks Python something, and may be anywhere in a function: takes the
; interpreter lock. Returns the landing of this thread.
define internal ptr @begin_question(ptr %vmctx) $cold {
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  %thread = get ptr VMStoreContext.thread, %store
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  ret ptr %landing
}

; The address that Python answered, an integer, which is released; gives the lock back. If Python has
; raised, the call into WebAssembly ends with that, as if a host function had raised it.
define internal ptr @end_question(ptr %vmctx, ptr %landing, ptr %answer) $cold {
  ; As after a host function: whoever switches native stacks may have left another landing there.
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  %thread = get ptr VMStoreContext.thread, %store
  put ptr %landing, ThreadRecord.landing, %thread
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %raised, label %answered
raised:
  call void @wasmine_unwind(ptr %landing)
  unreachable
answered:
  %address = call i64 @PyLong_AsUnsignedLongLong(ptr %answer)
  call void @Py_DecRef(ptr %answer)
  %same = call ptr @PyEval_SaveThread()
  %pointer = inttoptr i64 %address to ptr
  ret ptr %pointer
}
"""
