"""Signals with a Python handler, while the main thread runs WebAssembly code.

CPython's own C handler only sets a flag, which the interpreter looks at when it runs again. Compiled
code never looks at anything, so that it loses no time; instead the signal itself interrupts it. Where
that happens in a function body this thread holds no lock, the interpreter's least of all: Python code
may run right there, on the alternate stack. If its handler raises, the call into WebAssembly ends with
that exception; if it returns, the code goes on at the very instruction.

A signal that arrives elsewhere, in a builtin or on the way in or out, is left to the flag. A thread that
waits for a place in a shared memory is woken by it, and looks at the flag. So does what a loop may spend
most of its time in: throwing, making objects, copying and filling much memory.
"""

from __future__ import annotations

INTERRUPTS = r"""
; If this thread is in `memory.atomic.wait`, let it look for signals: it may not sleep yet, and then
; the signal itself does not wake it. Otherwise the next wait looks before it sleeps.
define internal void @interrupt_waiting() $cold {
  %thread = call ptr @current_thread()
  %unknown = icmp eq ptr %thread, null
  br i1 %unknown, label %done, label %known
known:
  %waiter = get volatile ptr ThreadRecord.waiter, %thread
  %busy = icmp eq ptr %waiter, null
  br i1 %busy, label %remember, label %tell
tell:
  %state = at VMWaiter.state, %waiter
  %pair = cmpxchg ptr %state, i32 $waiting, i32 $interrupted seq_cst seq_cst
  ret void
remember:
  put volatile i64 1, ThreadRecord.signalled, %thread
  ret void
done:
  ret void
}

; The end of something that compiled code has called and that takes long: handle the signals that came
; meanwhile. If a handler raises, this does not return.
define void @wasmine_look_for_signals() {
  %thread = call ptr @current_thread()
  %signalled = get volatile i64 ThreadRecord.signalled, %thread
  %quiet = icmp eq i64 %signalled, 0
  br i1 %quiet, label %done, label %signals
signals:
  put volatile i64 0, ThreadRecord.signalled, %thread
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %status = call i32 @PyErr_CheckSignals()
  ; As after a host function: whoever switches native stacks may have left another one there.
  put ptr %landing, ThreadRecord.landing, %thread
  %interrupted = icmp slt i32 %status, 0
  br i1 %interrupted, label %interrupt, label %resume
interrupt:
  call void @wasmine_unwind(ptr %landing)
  unreachable
resume:
  %same = call ptr @PyEval_SaveThread()
  br label %done
done:
  ret void
}

define void @wasmine_signal(i32 %signal, ptr %info, ptr %context) $cold {
entry:
  %detached = alloca i8, i64 $detached_size, align 16
  %handlers = get ptr RuntimeState.signal_handlers, @wasmine_state
  %number = zext i32 %signal to i64
  %slot = getelementptr ptr, ptr %handlers, i64 %number
  %python = load ptr, ptr %slot
  call void %python(i32 %signal)
  call void @interrupt_waiting()
  %thread = call ptr @thread_in_wasm(ptr %context)
  %elsewhere = icmp eq ptr %thread, null
  br i1 %elsewhere, label %done, label %stack
stack:
  ; Another alternate stack than the thread's own may be too small for Python; and the handlers of
  ; signals that come faster than they are handled must not pile up.
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %frame.i = ptrtoint ptr %frame to i64
  %low = get i64 ThreadRecord.alternate_stack, %thread
  %size = get i64 ThreadRecord.alternate_stack_size, %thread
  %half = lshr i64 %size, 1
  %middle = add i64 %low, %half
  %top = add i64 %low, %size
  %used = sub i64 %top, %frame.i
  %eighth = lshr i64 %size, 3
  %fresh = icmp ult i64 %used, %eighth
  br i1 %fresh, label %run, label %done
run:
  ; What compiled code was about to hand over or take must be there when it goes on.
  %kept = alloca i8, i64 $values_size, align 16
  ; WebAssembly code that the handler calls is measured against the stack that it runs on.
  %landing = get ptr ThreadRecord.landing, %thread
  %store = get ptr Landing.store, %landing
  %values = at VMStoreContext.values, %store
  call void @llvm.memcpy.p0.p0.i64(ptr %kept, ptr %values, i64 $values_size, i1 false)
  %limit = get i64 ThreadRecord.stack_limit, %thread
  put i64 %middle, ThreadRecord.stack_limit, %thread
  ; References may be in registers, which are in the context on this stack, in the interrupted stack,
  ; and, as it may be a function that calls nothing, in a few bytes below its end.
  %outer.sp = get i64 ThreadRecord.interrupted_sp, %thread
  %sp.p = getelementptr i8, ptr %context, i64 $sp_offset
  %sp = load i64, ptr %sp.p
  %sp.low = sub i64 %sp, $red_zone
  put i64 %sp.low, ThreadRecord.interrupted_sp, %thread
  %heap = get ptr VMStoreContext.heap, %store
  %no_heap = icmp eq ptr %heap, null
  br i1 %no_heap, label %handle, label %detach
detach:
  %detach.f = get ptr RuntimeState.detach, @wasmine_state
  call void %detach.f(ptr %heap, ptr %detached)
  br label %handle
handle:
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %status = call i32 @PyErr_CheckSignals()
  br i1 %no_heap, label %handled, label %reattach
reattach:
  %reattach.f = get ptr RuntimeState.reattach, @wasmine_state
  call void %reattach.f(ptr %heap, ptr %detached)
  br label %handled
handled:
  put i64 %outer.sp, ThreadRecord.interrupted_sp, %thread
  put i64 %limit, ThreadRecord.stack_limit, %thread
  %raised = icmp slt i32 %status, 0
  br i1 %raised, label %unwind, label %resume
resume:
  call void @llvm.memcpy.p0.p0.i64(ptr %values, ptr %kept, i64 $values_size, i1 false)
  %same = call ptr @PyEval_SaveThread()
  ret void
unwind:
  call void @wasmine_unwind(ptr %landing)
  unreachable
done:
  ret void
}
"""
