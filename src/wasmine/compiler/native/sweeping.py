"""Before marking and after it: cells and blocks that hold nothing any more.

Free cells are found when cells are wanted (`refill` in `heap.py`), but the type numbers of dead objects
are cleared before the next marking: a word on the stack may still be the address of what was freed, and
there is nothing to follow then.
"""

from __future__ import annotations

from typing import Final

SWEEPING: Final = r"""
; No object is left where none is alive: clear the type numbers of all cells that the sweep has not
; come to, and of the runs. The classes begin anew.
define internal void @finish_sweep(ptr %heap) noinline {
entry:
  br label %class.head
class.head:
  %c = phi i64 [ 0, %entry ], [ %c.next, %class.done ]
  %c.next = add i64 %c, 1
  %class = call ptr @class_at(ptr %heap, i64 %c)
  call void @clear_run(ptr %class)
  call void @llvm.memset.p0.i64(ptr %class, i8 0, i64 $run_record, i1 false)
  %size = get i64 VMSizeClass.cell_size, %class
  %current = get ptr VMSizeClass.block, %class
  %position = get i64 VMSizeClass.position, %class
  %unswept = get ptr VMSizeClass.unswept, %class
  put ptr null, VMSizeClass.block, %class
  put i64 0, VMSizeClass.position, %class
  put ptr null, VMSizeClass.unswept, %class
  %idle = icmp eq ptr %current, null
  br i1 %idle, label %block.head, label %block.first
block.first:
  call void @clear_cells(ptr %heap, ptr %current, i64 %size, i64 %position)
  br label %block.head
block.head:
  %block = phi ptr [ %unswept, %class.head ], [ %unswept, %block.first ], [ %chain, %block.body ]
  %last = icmp eq ptr %block, null
  br i1 %last, label %class.done, label %block.body
block.body:
  call void @clear_cells(ptr %heap, ptr %block, i64 %size, i64 0)
  %chain = get ptr VMBlock.next, %block
  put ptr null, VMBlock.next, %block
  br label %block.head
class.done:
  %more = icmp ult i64 %c.next, $class_count
  br i1 %more, label %class.head, label %detached
detached:
  %first = get ptr VMHeap.detached, %heap
  br label %record.head
record.head:
  %record = phi ptr [ %first, %detached ], [ %previous, %record.done ]
  %end = icmp eq ptr %record, null
  br i1 %end, label %done, label %run.begin
run.begin:
  br label %run.head
run.head:
  %r = phi i64 [ 0, %run.begin ], [ %r.next, %run.head ]
  %r.next = add i64 %r, 1
  %run = call ptr @run_at(ptr %record, i64 %r)
  call void @clear_run(ptr %run)
  %r.more = icmp ult i64 %r.next, $class_count
  br i1 %r.more, label %run.head, label %record.done
record.done:
  %previous = get ptr VMDetached.previous, %record
  br label %record.head
done:
  ret void
}

define internal void @clear_cells(ptr %heap, ptr %block, i64 %size, i64 %position) {
entry:
  %cells.32 = get i32 VMBlock.cells, %block
  %cells = zext i32 %cells.32 to i64
  %bytes = call ptr @block_bytes(ptr %heap, ptr %block)
  %bytes.i = ptrtoint ptr %bytes to i64
  %base = get i64 VMHeap.base, %heap
  %offset = sub i64 %bytes.i, %base
  br label %head
head:
  %i = phi i64 [ %position, %entry ], [ %next, %body ], [ %next, %dead ]
  %more = icmp ult i64 %i, %cells
  br i1 %more, label %body, label %done
body:
  %next = add i64 %i, 1
  %distance = mul i64 %i, %size
  %cell.offset = add i64 %offset, %distance
  %marked = call i1 @is_marked(ptr %heap, i64 %cell.offset)
  br i1 %marked, label %head, label %dead
dead:
  %cell = getelementptr i8, ptr %bytes, i64 %distance
  store i64 0, ptr %cell
  br label %head
done:
  ret void
}

; How many cells of a block are alive.
define internal i64 @count_marks(ptr %heap, i64 %index) alwaysinline {
entry:
  %marks = get ptr VMHeap.marks, %heap
  %distance = mul i64 %index, $block_marks
  %first = getelementptr i8, ptr %marks, i64 %distance
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %sum = phi i64 [ 0, %entry ], [ %sum.next, %head ]
  %place = getelementptr i8, ptr %first, i64 %i
  %word = load i64, ptr %place
  %bits = call i64 @llvm.ctpop.i64(i64 %word)
  %sum.next = add i64 %sum, %bits
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, $block_marks
  br i1 %more, label %head, label %done
done:
  ret i64 %sum.next
}

; Free the blocks without live objects and hand the others to their classes, the lowest first. Bytes
; that are alive are counted.
define internal void @sort_blocks(ptr %heap) noinline {
entry:
  %used = get i64 VMHeap.used, %heap
  put i64 0, VMHeap.live, %heap
  br label %head
head:
  %i = phi i64 [ %used, %entry ], [ %index, %next ]
  %end = icmp eq i64 %i, 0
  br i1 %end, label %done, label %body
body:
  %index = sub i64 %i, 1
  %block = call ptr @block_at(ptr %heap, i64 %index)
  %kind = get i32 VMBlock.kind, %block
  switch i32 %kind, label %next [
    i32 $cells, label %cells
    i32 $large, label %large
  ]
cells:
  %count = call i64 @count_marks(ptr %heap, i64 %index)
  %empty = icmp eq i64 %count, 0
  br i1 %empty, label %free, label %chain
chain:
  %class.32 = get i32 VMBlock.size_class, %block
  %class.index = zext i32 %class.32 to i64
  %class = call ptr @class_at(ptr %heap, i64 %class.index)
  %unswept = get ptr VMSizeClass.unswept, %class
  put ptr %unswept, VMBlock.next, %block
  put ptr %block, VMSizeClass.unswept, %class
  %size = get i64 VMSizeClass.cell_size, %class
  %bytes = mul i64 %count, %size
  br label %alive
large:
  %blocks = get i64 VMBlock.blocks, %block
  %offset = shl i64 %index, $block_bits
  %marked = call i1 @is_marked(ptr %heap, i64 %offset)
  %large.bytes = shl i64 %blocks, $block_bits
  br i1 %marked, label %alive, label %free
alive:
  %more = phi i64 [ %bytes, %chain ], [ %large.bytes, %large ]
  %live = get i64 VMHeap.live, %heap
  %sum = add i64 %live, %more
  put i64 %sum, VMHeap.live, %heap
  br label %next
free:
  %length = phi i64 [ 1, %cells ], [ %blocks, %large ]
  br label %free.head
free.head:
  %k = phi i64 [ 0, %free ], [ %k.next, %free.head ]
  %k.distance = mul i64 %k, $block_record
  %k.block = getelementptr i8, ptr %block, i64 %k.distance
  put i32 $free, VMBlock.kind, %k.block
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %length
  br i1 %k.more, label %free.head, label %next
next:
  br label %head
done:
  ret void
}

; Keep as many free blocks as will be wanted before the next collection; give the memory of others back
; to the system. Free blocks at the end count as never used.
define internal void @give_back(ptr %heap) noinline {
entry:
  %used = get i64 VMHeap.used, %heap
  %threshold = get i64 VMHeap.threshold, %heap
  %keep = lshr i64 %threshold, $block_bits
  %base = get ptr VMHeap.base, %heap
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %taken ], [ %next, %kept ], [ %row.end, %given ]
  %spare = phi i64 [ 0, %entry ], [ %spare, %taken ], [ %spare.kept, %kept ], [ %spare, %given ]
  %hint = phi i64 [ %used, %entry ], [ %hint, %taken ], [ %hint.kept, %kept ], [ %hint.given, %given ]
  %last = phi i64 [ 0, %entry ], [ %next, %taken ], [ %last, %kept ], [ %last, %given ]
  %more = icmp ult i64 %i, %used
  br i1 %more, label %body, label %done
body:
  %next = add i64 %i, 1
  %block = call ptr @block_at(ptr %heap, i64 %i)
  %kind = get i32 VMBlock.kind, %block
  %is_free = icmp eq i32 %kind, $free
  br i1 %is_free, label %free, label %taken
taken:
  br label %head
free:
  %dirty = get i32 VMBlock.dirty, %block
  %dirty.64 = zext i32 %dirty to i64
  %spare.more = add i64 %spare, %dirty.64
  %enough = icmp ugt i64 %spare.more, %keep
  br i1 %enough, label %row.begin, label %kept
kept:
  %spare.kept = phi i64 [ %spare.more, %free ]
  %hint.kept = call i64 @llvm.umin.i64(i64 %hint, i64 %i)
  br label %head
row.begin:
  br label %row.head
row.head:
  %k = phi i64 [ %i, %row.begin ], [ %k.next, %row.body ]
  %k.more = icmp ult i64 %k, %used
  br i1 %k.more, label %row.look, label %give
row.look:
  %k.block = call ptr @block_at(ptr %heap, i64 %k)
  %k.kind = get i32 VMBlock.kind, %k.block
  %k.dirty = get i32 VMBlock.dirty, %k.block
  %k.free = icmp eq i32 %k.kind, $free
  %k.used = icmp ne i32 %k.dirty, 0
  %k.both = and i1 %k.free, %k.used
  br i1 %k.both, label %row.body, label %give
row.body:
  put i32 0, VMBlock.dirty, %k.block
  %k.next = add i64 %k, 1
  br label %row.head
give:
  %row.end = phi i64 [ %k, %row.head ], [ %k, %row.look ]
  %count = sub i64 %row.end, %i
  %offset = shl i64 %i, $block_bits
  %start = getelementptr i8, ptr %base, i64 %offset
  %bytes = shl i64 %count, $block_bits
  ; MADV_DONTNEED: the pages are zero when they are touched again.
  %status = call i32 @madvise(ptr %start, i64 %bytes, i32 4)
  %refused = icmp ne i32 %status, 0
  br i1 %refused, label %zero, label %given
zero:
  call void @llvm.memset.p0.i64(ptr %start, i8 0, i64 %bytes, i1 false)
  br label %given
given:
  %hint.given = call i64 @llvm.umin.i64(i64 %hint, i64 %i)
  br label %head
done:
  %hint.last = call i64 @llvm.umin.i64(i64 %hint, i64 %last)
  put i64 %last, VMHeap.used, %heap
  put i64 %hint.last, VMHeap.hint, %heap
  %stack = get i64 VMHeap.stack, %heap
  %stack.committed = get i64 VMHeap.stack_committed, %heap
  %stack.kept = add i64 %stack, $stack_kept
  %large = icmp ugt i64 %stack.committed, %stack.kept
  br i1 %large, label %shrink, label %end
shrink:
  %stack.p = inttoptr i64 %stack.kept to ptr
  %stack.length = sub i64 %stack.committed, %stack.kept
  %ignored = call i32 @madvise(ptr %stack.p, i64 %stack.length, i32 4)
  br label %end
end:
  ret void
}
"""
