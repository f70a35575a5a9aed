"""Runs of cells: zeroing what has not been handed out, putting runs aside while a signal's handler runs."""

from __future__ import annotations

from typing import Final

RUNS: Final = r"""
define internal ptr @class_at(ptr %heap, i64 %index) alwaysinline {
  %distance = mul i64 %index, $class_record
  %offset = add i64 %distance, $classes
  %class = getelementptr i8, ptr %heap, i64 %offset
  ret ptr %class
}

define internal ptr @run_at(ptr %record, i64 %index) alwaysinline {
  %distance = mul i64 %index, $run_record
  %offset = add i64 %distance, $detached_header
  %run = getelementptr i8, ptr %record, i64 %offset
  ret ptr %run
}

; Zero the cells of a run that have not been handed out: no type numbers of old objects are left.
define internal void @clear_run(ptr %run) {
  %clean = get i64 VMRun.clean, %run
  %zero = icmp ne i64 %clean, 0
  br i1 %zero, label %done, label %clear
clear:
  %limit = get ptr VMRun.limit, %run
  %limit.i = ptrtoint ptr %limit to i64
  %end = get i64 VMRun.end, %run
  %length = sub i64 %end, %limit.i
  call void @llvm.memset.p0.i64(ptr %limit, i8 0, i64 %length, i1 false)
  put i64 1, VMRun.clean, %run
  br label %done
done:
  ret void
}

; Code may have been interrupted between reading and moving the cursor of a run. The handler gets no
; runs; it finds other cells. Afterwards the runs are what they were.
define void @wasmine_heap_detach(ptr %heap, ptr %record) {
entry:
  br label %begin
begin:
  %previous = get ptr VMHeap.detached, %heap
  put ptr %previous, VMDetached.previous, %record
  put ptr %record, VMHeap.detached, %heap
  br label %head
head:
  %i = phi i64 [ 0, %begin ], [ %next, %head ]
  %next = add i64 %i, 1
  %class = call ptr @class_at(ptr %heap, i64 %i)
  %run = call ptr @run_at(ptr %record, i64 %i)
  call void @llvm.memcpy.p0.p0.i64(ptr %run, ptr %class, i64 $run_record, i1 false)
  call void @llvm.memset.p0.i64(ptr %class, i8 0, i64 $run_record, i1 false)
  %more = icmp ult i64 %next, $class_count
  br i1 %more, label %head, label %done
done:
  ret void
}

define void @wasmine_heap_reattach(ptr %heap, ptr %record) {
entry:
  br label %begin
begin:
  %previous = get ptr VMDetached.previous, %record
  put ptr %previous, VMHeap.detached, %heap
  br label %head
head:
  %i = phi i64 [ 0, %begin ], [ %next, %head ]
  %next = add i64 %i, 1
  %class = call ptr @class_at(ptr %heap, i64 %i)
  %run = call ptr @run_at(ptr %record, i64 %i)
  call void @clear_run(ptr %class)
  call void @llvm.memcpy.p0.p0.i64(ptr %class, ptr %run, i64 $run_record, i1 false)
  %more = icmp ult i64 %next, $class_count
  br i1 %more, label %head, label %done
done:
  ret void
}

; The cells of runs that were put aside stay where they are: none of them may be handed out.
define internal void @mark_detached(ptr %heap) noinline {
entry:
  %base = get i64 VMHeap.base, %heap
  %first = get ptr VMHeap.detached, %heap
  br label %record.head
record.head:
  %record = phi ptr [ %first, %entry ], [ %previous, %record.done ]
  %end = icmp eq ptr %record, null
  br i1 %end, label %done, label %run.begin
run.begin:
  br label %run.head
run.head:
  %r = phi i64 [ 0, %run.begin ], [ %r.next, %run.done ]
  %r.next = add i64 %r, 1
  %run = call ptr @run_at(ptr %record, i64 %r)
  %class = call ptr @class_at(ptr %heap, i64 %r)
  %size = get i64 VMSizeClass.cell_size, %class
  %cursor = get i64 VMRun.cursor, %run
  %run.end = get i64 VMRun.end, %run
  br label %cell.head
cell.head:
  %at = phi i64 [ %cursor, %run.head ], [ %at.next, %cell.body ]
  %more = icmp ult i64 %at, %run.end
  br i1 %more, label %cell.body, label %run.done
cell.body:
  %at.next = add i64 %at, %size
  %offset = sub i64 %at, %base
  %both = call { ptr, i8 } @mark_place(ptr %heap, i64 %offset)
  %place = extractvalue { ptr, i8 } %both, 0
  %bit = extractvalue { ptr, i8 } %both, 1
  %byte = load i8, ptr %place
  %marked = or i8 %byte, %bit
  store i8 %marked, ptr %place
  br label %cell.head
run.done:
  %r.more = icmp ult i64 %r.next, $class_count
  br i1 %r.more, label %run.head, label %record.done
record.done:
  %previous = get ptr VMDetached.previous, %record
  br label %record.head
done:
  ret void
}
"""
