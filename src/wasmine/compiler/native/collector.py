"""The collector: marks what can be reached, and finds out which blocks hold nothing any more.

It runs in the thread that the store belongs to, so that nothing else touches the heap meanwhile. Its
steps are in `sweeping.py`, `boxes.py`, `roots.py` and `marking.py`.
"""

from __future__ import annotations

from typing import Final

COLLECTOR: Final = r"""
define internal i64 @now() {
  %time = alloca [2 x i64], align 16
  ; CLOCK_MONOTONIC
  %ignored = call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time
  %rest.p = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.p
  %nanoseconds = mul i64 %seconds, 1000000000
  %sum = add i64 %nanoseconds, %rest
  ret i64 %sum
}

; Collect. Bit 0 of `how` says that this thread has the interpreter lock, bit 1 that Python code may have
; addresses of new boxes in numbers. The registers that functions give back
; as they found them may hold the only reference of a caller: they are saved in the frame first.
define void @wasmine_heap_collect(ptr %store, i64 %how) noinline {
entry:
  call void asm sideeffect "", "$clobbers"()
  %stack = call ptr @llvm.stacksave.p0()
  %sp = ptrtoint ptr %stack to i64
  call void @collect_from(ptr %store, i64 %how, i64 %sp)
  ret void
}

define internal void @collect_from(ptr %store, i64 %how, i64 %sp) noinline {
entry:
  %heap = get ptr VMStoreContext.heap, %store
  %start = call i64 @now()
  %thread = get ptr VMStoreContext.thread, %store
  %idle = icmp eq ptr %thread, null
  br i1 %idle, label %prepare, label %look
look:
  %present = call i1 @frames_present(ptr %store, ptr %thread, i64 %sp, i64 %how)
  br i1 %present, label %prepare, label %postpone
postpone:
  %postponed = get i64 VMHeap.postponed, %heap
  %postponed.more = add i64 %postponed, 1
  put i64 %postponed.more, VMHeap.postponed, %heap
  %so_far = get i64 VMHeap.allocated, %heap
  %minimum.later = get i64 VMHeap.minimum_threshold, %heap
  %later = add i64 %so_far, %minimum.later
  put i64 %later, VMHeap.threshold, %heap
  ret void
prepare:
  call void @finish_sweep(ptr %heap)
  %marks = get ptr VMHeap.marks, %heap
  %used = get i64 VMHeap.used, %heap
  %mark.bytes = mul i64 %used, $block_marks
  call void @llvm.memset.p0.i64(ptr %marks, i8 0, i64 %mark.bytes, i1 false)
  call void @list_boxes(ptr %heap, ptr %store)
  put i64 0, VMHeap.overflowed, %heap
  call void @mark_roots(ptr %heap)
  br i1 %idle, label %trace, label %stacks
stacks:
  call void @mark_stacks(ptr %heap, ptr %thread, i64 %sp)
  ; An exception on its way to Python.
  %exception = get i64 ThreadRecord.exception, %thread
  call void @mark_word(ptr %heap, i64 %exception)
  br label %trace
trace:
  call void @drain_stack(ptr %heap)
  call void @trace_marked(ptr %heap)
  call void @mark_detached(ptr %heap)
  call void @sort_blocks(ptr %heap)
  %live = get i64 VMHeap.live, %heap
  %minimum = get i64 VMHeap.minimum_threshold, %heap
  %threshold = call i64 @llvm.umax.i64(i64 %live, i64 %minimum)
  put i64 %threshold, VMHeap.threshold, %heap
  put i64 0, VMHeap.allocated, %heap
  call void @give_back(ptr %heap)
  %collections = get i64 VMHeap.collections, %heap
  %collections.more = add i64 %collections, 1
  put i64 %collections.more, VMHeap.collections, %heap
  %end = call i64 @now()
  %duration = sub i64 %end, %start
  %total = get i64 VMHeap.nanoseconds, %heap
  %total.more = add i64 %total, %duration
  put i64 %total.more, VMHeap.nanoseconds, %heap
  %longest = get i64 VMHeap.longest, %heap
  %longest.new = call i64 @llvm.umax.i64(i64 %longest, i64 %duration)
  put i64 %longest.new, VMHeap.longest, %heap
  call void @free_boxes(ptr %store, ptr %heap, i64 %how)
  ret void
}
"""
