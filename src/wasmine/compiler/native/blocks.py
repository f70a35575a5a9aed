"""Blocks of the garbage-collected heap: where they lie, the marks of what is in them, handing them out.

A block's record and what it means are in `abi/heap.py`.
"""

from __future__ import annotations

from typing import Final

BLOCKS: Final = r"""
define internal ptr @block_at(ptr %heap, i64 %index) alwaysinline {
  %blocks = get ptr VMHeap.blocks, %heap
  %offset = mul i64 %index, $block_record
  %block = getelementptr i8, ptr %blocks, i64 %offset
  ret ptr %block
}

; The address of a block's bytes.
define internal ptr @block_bytes(ptr %heap, ptr %block) alwaysinline {
  %blocks = get i64 VMHeap.blocks, %heap
  %base = get ptr VMHeap.base, %heap
  %record = ptrtoint ptr %block to i64
  %offset = sub i64 %record, %blocks
  %index = udiv exact i64 %offset, $block_record
  %distance = shl i64 %index, $block_bits
  %bytes = getelementptr i8, ptr %base, i64 %distance
  ret ptr %bytes
}

; `count` free blocks in a row: the record of the first, or null. Those that were never used come last.
define internal ptr @take_blocks(ptr %heap, i64 %count) noinline {
entry:
  %hint = get i64 VMHeap.hint, %heap
  %used = get i64 VMHeap.used, %heap
  br label %head
head:
  %i = phi i64 [ %hint, %entry ], [ %next, %free ], [ %next, %taken ]
  %row = phi i64 [ 0, %entry ], [ %longer, %free ], [ 0, %taken ]
  %more = icmp ult i64 %i, %used
  br i1 %more, label %body, label %extend
body:
  %next = add i64 %i, 1
  %block = call ptr @block_at(ptr %heap, i64 %i)
  %kind = get i32 VMBlock.kind, %block
  %is_free = icmp eq i32 %kind, $free
  br i1 %is_free, label %free, label %taken
taken:
  br label %head
free:
  %longer = add i64 %row, 1
  %enough = icmp eq i64 %longer, %count
  br i1 %enough, label %found, label %head
found:
  %found.start = sub i64 %next, %count
  br label %take
extend:
  %extend.start = sub i64 %used, %row
  %end = add i64 %extend.start, %count
  %maximum = get i64 VMHeap.maximum, %heap
  %too_many = icmp ugt i64 %end, %maximum
  br i1 %too_many, label %fail, label %room
room:
  %committed = get i64 VMHeap.committed, %heap
  %accessible = icmp ule i64 %end, %committed
  br i1 %accessible, label %extended, label %commit
commit:
  %ahead = add i64 %committed, $commit_blocks
  %wanted = call i64 @llvm.umax.i64(i64 %ahead, i64 %end)
  %target = call i64 @llvm.umin.i64(i64 %wanted, i64 %maximum)
  %base = get ptr VMHeap.base, %heap
  %old.bytes = shl i64 %committed, $block_bits
  %first.byte = getelementptr i8, ptr %base, i64 %old.bytes
  %fresh = sub i64 %target, %committed
  %fresh.bytes = shl i64 %fresh, $block_bits
  %status = call i32 @mprotect(ptr %first.byte, i64 %fresh.bytes, i32 3)
  %refused = icmp ne i32 %status, 0
  br i1 %refused, label %fail, label %committed.now
committed.now:
  put i64 %target, VMHeap.committed, %heap
  br label %extended
extended:
  put i64 %end, VMHeap.used, %heap
  br label %take
take:
  %start = phi i64 [ %found.start, %found ], [ %extend.start, %extended ]
  ; With one block wanted the first free one was found; with several only if it is the first.
  %single = icmp eq i64 %count, 1
  %lowest = icmp eq i64 %start, %hint
  %raise = or i1 %single, %lowest
  %behind = add i64 %start, %count
  %new.hint = select i1 %raise, i64 %behind, i64 %hint
  put i64 %new.hint, VMHeap.hint, %heap
  %first = call ptr @block_at(ptr %heap, i64 %start)
  ret ptr %first
fail:
  ret ptr null
}

; The place of the mark of an address in the heap: the byte of the bitmap, and the bit in it.
define internal { ptr, i8 } @mark_place(ptr %heap, i64 %offset) alwaysinline {
  %marks = get ptr VMHeap.marks, %heap
  %byte = lshr i64 %offset, 7
  %place = getelementptr i8, ptr %marks, i64 %byte
  %number = lshr i64 %offset, 4
  %number.8 = trunc i64 %number to i8
  %shift = and i8 %number.8, 7
  %bit = shl i8 1, %shift
  %half = insertvalue { ptr, i8 } poison, ptr %place, 0
  %both = insertvalue { ptr, i8 } %half, i8 %bit, 1
  ret { ptr, i8 } %both
}

define internal i1 @is_marked(ptr %heap, i64 %offset) alwaysinline {
  %both = call { ptr, i8 } @mark_place(ptr %heap, i64 %offset)
  %place = extractvalue { ptr, i8 } %both, 0
  %bit = extractvalue { ptr, i8 } %both, 1
  %byte = load i8, ptr %place
  %set = and i8 %byte, %bit
  %marked = icmp ne i8 %set, 0
  ret i1 %marked
}
"""
