"""What builtins do to memories: growing, copying, filling."""

from __future__ import annotations

from typing import Final

MEMORIES: Final = r"""
; Growing in place, one thread at a time: a shared memory may be grown by several. Who holds the lock
; needs nothing that another thread may have, so that waiting for it is short.
define internal void @lock(ptr %lock) $cold {
entry:
  br label %try
try:
  %pair = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %taken = extractvalue { i32, i1 } %pair, 1
  br i1 %taken, label %done, label %wait
wait:
  %ignored = call i32 @sched_yield()
  br label %try
done:
  ret void
}

define internal void @unlock(ptr %lock) alwaysinline {
  store atomic i32 0, ptr %lock release, align 4
  ret void
}

; Grow by `delta` pages: the old number of pages, or -1.
define i64 @wasmine_grow_memory(ptr %memory, i64 %delta) $cold {
  %definition = get ptr VMLinearMemory.definition, %memory
  %length.p = at VMMemoryDefinition.current_length, %definition
  %none = icmp eq i64 %delta, 0
  br i1 %none, label %same, label %begin
same:
  %present = load atomic i64, ptr %length.p seq_cst, align 8
  %present.pages = lshr i64 %present, 16
  ret i64 %present.pages
begin:
  %lock.p = at VMLinearMemory.lock, %memory
  call void @lock(ptr %lock.p)
  %length = load atomic i64, ptr %length.p seq_cst, align 8
  %pages = lshr i64 %length, 16
  %maximum = get i64 VMLinearMemory.maximum_pages, %memory
  %possible = call i64 @llvm.usub.sat.i64(i64 %maximum, i64 %pages)
  %too_many = icmp ugt i64 %delta, %possible
  br i1 %too_many, label %fail, label %room
room:
  %bytes = shl i64 %delta, 16
  %new.bytes = add i64 %length, %bytes
  %reserved = get i64 VMLinearMemory.reserved_bytes, %memory
  %fits = icmp ule i64 %new.bytes, %reserved
  br i1 %fits, label %commit, label %move
commit:
  %base = get ptr VMMemoryDefinition.base, %definition
  %start = getelementptr i8, ptr %base, i64 %length
  %status = call i32 @mprotect(ptr %start, i64 %bytes, i32 3)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %publish
publish:
  store atomic i64 %new.bytes, ptr %length.p seq_cst, align 8
  call void @unlock(ptr %lock.p)
  ret i64 %pages
move:
  call void @unlock(ptr %lock.p)
  %moved = call i64 @move_memory(ptr %memory, i64 %delta)
  ret i64 %moved
fail:
  call void @unlock(ptr %lock.p)
  ret i64 -1
}

; Much has been copied or filled: signals may have come meanwhile.
define internal void @after_bytes(i64 %length) alwaysinline {
  %much = icmp ugt i64 %length, $many_bytes
  br i1 %much, label %look, label %done
look:
  call void @wasmine_look_for_signals()
  br label %done
done:
  ret void
}

define internal i1 @copy_memory(ptr %d, ptr %s, i64 %dst, i64 %src, i64 %length) alwaysinline {
  %d.definition = get ptr VMLinearMemory.definition, %d
  %d.limit = get i64 VMMemoryDefinition.current_length, %d.definition
  %s.definition = get ptr VMLinearMemory.definition, %s
  %s.limit = get i64 VMMemoryDefinition.current_length, %s.definition
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %s.limit)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %d.limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %d.base = get ptr VMMemoryDefinition.base, %d.definition
  %to = getelementptr i8, ptr %d.base, i64 %dst
  %s.base = get ptr VMMemoryDefinition.base, %s.definition
  %from = getelementptr i8, ptr %s.base, i64 %src
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @fill_memory(ptr %m, i64 %dst, i32 %value, i64 %length) alwaysinline {
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %ok = call i1 @fits(i64 %dst, i64 %length, i64 %limit)
  br i1 %ok, label %fill, label %done
fill:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to = getelementptr i8, ptr %base, i64 %dst
  %byte = trunc i32 %value to i8
  call void @llvm.memset.p0.i64(ptr %to, i8 %byte, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @init_memory(ptr %m, ptr %data, i64 %dst, i64 %src, i64 %length) {
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %available = get i64 VMSegment.length, %data
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %available)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to = getelementptr i8, ptr %base, i64 %dst
  %bytes = get ptr VMSegment.base, %data
  %from = getelementptr i8, ptr %bytes, i64 %src
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
}

; A dynamic memory that outgrows its mapping is moved by the Python side, under the lock.
define internal i64 @move_memory(ptr %memory, i64 %delta) $cold {
  %thread = call ptr @current_thread()
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %address = ptrtoint ptr %memory to i64
  %memory.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %delta.o = call ptr @PyLong_FromUnsignedLongLong(i64 %delta)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_grow_memory, ptr %memory.o, ptr %delta.o, ptr null)
  call void @Py_DecRef(ptr %memory.o)
  call void @Py_DecRef(ptr %delta.o)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %unwind, label %back
back:
  %pages = call i64 @PyLong_AsLongLong(ptr %result)
  call void @Py_DecRef(ptr %result)
  %again = call ptr @PyEval_SaveThread()
  ret i64 %pages
unwind:
  call void @wasmine_unwind(ptr %landing)
  unreachable
}
"""
