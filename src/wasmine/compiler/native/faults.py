"""Traps: from a fault or a call of the trap handler to the landing place of the innermost entry.

Nothing here may allocate, lock or call Python: the code may run in a signal handler, on the
alternate stack, at any instruction of compiled code.
"""

from __future__ import annotations

FAULTS = r"""
; The CodeRange of the mapped image whose code contains an address, or null.
define internal ptr @code_range(i64 %pc) {
entry:
  %count = get i64 RuntimeState.range_count, @wasmine_state
  %ranges = get ptr RuntimeState.ranges, @wasmine_state
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %no
body:
  %range = getelementptr [$range_words x i64], ptr %ranges, i64 %i
  %start = get i64 CodeRange.start, %range
  %end = get i64 CodeRange.end, %range
  %from = icmp uge i64 %pc, %start
  %to = icmp ult i64 %pc, %end
  %inside = and i1 %from, %to
  %next = add i64 %i, 1
  br i1 %inside, label %yes, label %head
yes:
  ret ptr %range
no:
  ret ptr null
}

define internal ptr @current_thread() alwaysinline {
  %wide = get i64 RuntimeState.thread_key, @wasmine_state
  %key = trunc i64 %wide to i32
  %thread = call ptr @pthread_getspecific(i32 %key)
  ret ptr %thread
}

; The record of this thread if a signal interrupted compiled code that it had entered, else null.
define internal ptr @thread_in_wasm(ptr %context) $cold {
entry:
  %pc.p = getelementptr i8, ptr %context, i64 $pc_offset
  %pc = load i64, ptr %pc.p
  %range = call ptr @code_range(i64 %pc)
  %outside = icmp eq ptr %range, null
  br i1 %outside, label %elsewhere, label %inside
inside:
  %thread = call ptr @current_thread()
  %unknown = icmp eq ptr %thread, null
  br i1 %unknown, label %elsewhere, label %known
known:
  %landing = get ptr ThreadRecord.landing, %thread
  %nowhere = icmp eq ptr %landing, null
  %found = select i1 %nowhere, ptr null, ptr %thread
  ret ptr %found
elsewhere:
  ret ptr null
}

; Record the trap in the thread's record and go to the innermost landing place.
; The slice of the stack between the trap and that place is saved for the backtrace. Below `readable`
; it cannot be read: the stack pointer of a function that ran into the guard page is in that page.
define internal void @land(ptr %thread, i64 %code, i64 %pc, i64 %sp, i64 %address, i64 %readable) noreturn $cold {
  put i64 %code, ThreadRecord.trap_code, %thread
  put i64 %pc, ThreadRecord.trap_pc, %thread
  put i64 %sp, ThreadRecord.trap_sp, %thread
  put i64 %address, ThreadRecord.trap_address, %thread
  %landing = get ptr ThreadRecord.landing, %thread
  %top = get i64 Landing.stack_pointer, %landing
  %above = icmp ugt i64 %top, %sp
  %distance = sub i64 %top, %sp
  %positive = select i1 %above, i64 %distance, i64 0
  %length = call i64 @llvm.umin.i64(i64 %positive, i64 $slice_size)
  put i64 %length, ThreadRecord.slice_length, %thread
  %slice = get ptr ThreadRecord.slice, %thread
  %unreadable = call i64 @llvm.usub.sat.i64(i64 %readable, i64 %sp)
  %gap = call i64 @llvm.umin.i64(i64 %unreadable, i64 %length)
  call void @llvm.memset.p0.i64(ptr %slice, i8 0, i64 %gap, i1 false)
  %rest = sub i64 %length, %gap
  %to = getelementptr i8, ptr %slice, i64 %gap
  %start = add i64 %sp, %gap
  %from = inttoptr i64 %start to ptr
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %rest, i1 false)
  put i64 $trapped, Landing.reason, %landing
  %buffer = at Landing.jump_buffer, %landing
  call void @llvm.eh.sjlj.longjmp(ptr %buffer)
  unreachable
}

; SIGSEGV and SIGBUS. A fault in compiled code is an access out of bounds, or the end of the native
; stack when the address is beside the stack pointer; any other goes to whoever was installed before.
define void @wasmine_handler(i32 %signal, ptr %info, ptr %context) $cold {
entry:
  %thread = call ptr @thread_in_wasm(ptr %context)
  %elsewhere = icmp eq ptr %thread, null
  br i1 %elsewhere, label %chain, label %trap
trap:
  %pc.p = getelementptr i8, ptr %context, i64 $pc_offset
  %pc = load i64, ptr %pc.p
  %sp.p = getelementptr i8, ptr %context, i64 $sp_offset
  %sp = load i64, ptr %sp.p
  %address.p = getelementptr i8, ptr %info, i64 16
  %address = load i64, ptr %address.p
  %shifted = add i64 %address, 8192
  %distance = sub i64 %shifted, %sp
  %stack = icmp ult i64 %distance, 16384
  %code = select i1 %stack, i64 $stack_overflow, i64 $heap_out_of_bounds
  %last = or i64 %address, $page_mask
  %next = add i64 %last, 1
  %readable = select i1 %stack, i64 %next, i64 0
  call void @land(ptr %thread, i64 %code, i64 %pc, i64 %sp, i64 %address, i64 %readable)
  unreachable
chain:
  call void @chain(i32 %signal, ptr %info, ptr %context)
  ret void
}

; Go on to the handler that was installed last before ours. If that leads back here (faulthandler,
; once it has written its report, restores the handler before it and raises the signal again; other
; runtimes call it), go on to an older one each time, and finally take the default action. A handler
; that never returned left a mark, but no frame: then this frame is not deeper than its mark.
define internal void @chain(i32 %signal, ptr %info, ptr %context) $cold {
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %here = ptrtoint ptr %frame to i64
  %thread = call i64 @pthread_self()
  %outer.thread = get i64 RuntimeState.chain_thread, @wasmine_state
  %outer.frame = get i64 RuntimeState.chain_frame, @wasmine_state
  %outer.level = get i64 RuntimeState.chain_level, @wasmine_state
  %same = icmp eq i64 %thread, %outer.thread
  %deeper = icmp ult i64 %here, %outer.frame
  %nested = and i1 %same, %deeper
  %older = add i64 %outer.level, 1
  %level = select i1 %nested, i64 %older, i64 0
  %segv = icmp eq i32 %signal, $sigsegv
  %segv.list = get ptr RuntimeState.previous_segv, @wasmine_state
  %bus.list = get ptr RuntimeState.previous_bus, @wasmine_state
  %list = select i1 %segv, ptr %segv.list, ptr %bus.list
  %count = get i64 PreviousHandlers.count, %list
  %more = icmp ult i64 %level, %count
  br i1 %more, label %look, label %default
look:
  %index = sub i64 %count, %level
  %elements = getelementptr i8, ptr %list, i64 $handlers_header
  %element = getelementptr [2 x i64], ptr %elements, i64 %index
  %last = getelementptr [2 x i64], ptr %element, i64 -1
  %handler = get ptr PreviousHandler.handler, %last
  %flags = get i64 PreviousHandler.flags, %last
  %number = ptrtoint ptr %handler to i64
  %none = icmp ule i64 %number, 1
  br i1 %none, label %default, label %call
call:
  put i64 %thread, RuntimeState.chain_thread, @wasmine_state
  put i64 %here, RuntimeState.chain_frame, @wasmine_state
  put i64 %level, RuntimeState.chain_level, @wasmine_state
  %siginfo = and i64 %flags, $sa_siginfo
  %simple = icmp eq i64 %siginfo, 0
  br i1 %simple, label %one, label %three
one:
  call void %handler(i32 %signal)
  br label %called
three:
  call void %handler(i32 %signal, ptr %info, ptr %context)
  br label %called
called:
  put i64 %outer.thread, RuntimeState.chain_thread, @wasmine_state
  put i64 %outer.frame, RuntimeState.chain_frame, @wasmine_state
  put i64 %outer.level, RuntimeState.chain_level, @wasmine_state
  ret void
default:
  ; The instruction faults again, now without a handler. A signal that was sent is sent again.
  %unused = call ptr @signal(i32 %signal, ptr null)
  %code.p = getelementptr i8, ptr %info, i64 8
  %code = load i32, ptr %code.p
  %sent = icmp sle i32 %code, 0
  br i1 %sent, label %again, label %done
again:
  %ignored = call i32 @pthread_kill(i64 %thread, i32 %signal)
  br label %done
done:
  ret void
}

; The trap handler slot of VMContext (row X04). Compiled code calls it through its `@trap`, whose
; frame pointer tells where the WebAssembly frame ends.
define void @wasmine_trap(ptr %pc, i32 %code) noreturn $cold {
  %frame = call ptr @llvm.frameaddress.p0(i32 1)
  call void @raise(ptr %pc, ptr %frame, i32 %code)
  unreachable
}

; `frame` is the frame of the function that WebAssembly code called; `pc` its return address. What
; is recorded is an address inside the calling instruction, as for a fault.
define internal void @raise(ptr %pc, ptr %frame, i32 %code) noreturn $cold {
  %thread = call ptr @current_thread()
  %address = ptrtoint ptr %frame to i64
  %sp = add i64 %address, $caller_sp
  %return = ptrtoint ptr %pc to i64
  %pc.i = sub i64 %return, 1
  %code.i = zext i32 %code to i64
  call void @land(ptr %thread, i64 %code.i, i64 %pc.i, i64 %sp, i64 0, i64 0)
  unreachable
}

; The same for the functions of the heap, which are an image of their own.
define void @wasmine_raise(ptr %pc, ptr %frame, i32 %code) noreturn $cold {
  call void @raise(ptr %pc, ptr %frame, i32 %code)
  unreachable
}

; A host function left a Python exception: unwind the WebAssembly frames beneath it.
define void @wasmine_unwind(ptr %landing) noreturn {
  put i64 $raised, Landing.reason, %landing
  %buffer = at Landing.jump_buffer, %landing
  call void @llvm.eh.sjlj.longjmp(ptr %buffer)
  unreachable
}

; Destructor of the thread's record, called by the C library when the thread ends.
define void @wasmine_thread_exit(ptr %thread) $cold {
  %stack = get ptr ThreadRecord.alternate_stack, %thread
  ; stack_t { NULL, SS_DISABLE, 0 }
  %disable = alloca [3 x i64], align 16
  call void @llvm.memset.p0.i64(ptr %disable, i8 0, i64 24, i1 false)
  %flags = getelementptr i8, ptr %disable, i64 8
  store i32 2, ptr %flags
  %ignored = call i32 @sigaltstack(ptr %disable, ptr null)
  call void @free(ptr %stack)
  %slice = get ptr ThreadRecord.slice, %thread
  call void @free(ptr %slice)
  call void @free(ptr %thread)
  ret void
}
"""
