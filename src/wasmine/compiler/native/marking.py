"""Marking: what is alive, and what it refers to.

Objects are traced by the records of their types, with a stack in memory of its own. What comes from
frames is a word that could be an address inside an object.
"""

from __future__ import annotations

from typing import Final

MARKING: Final = r"""
; The object at this offset in the heap is alive. What it refers to will be looked at, if anything.
define internal void @mark_at(ptr %heap, i64 %offset) alwaysinline {
  %both = call { ptr, i8 } @mark_place(ptr %heap, i64 %offset)
  %place = extractvalue { ptr, i8 } %both, 0
  %bit = extractvalue { ptr, i8 } %both, 1
  %byte = load i8, ptr %place
  %set = and i8 %byte, %bit
  %new = icmp eq i8 %set, 0
  br i1 %new, label %mark, label %done
mark:
  %marked = or i8 %byte, %bit
  store i8 %marked, ptr %place
  %base = get ptr VMHeap.base, %heap
  %object = getelementptr i8, ptr %base, i64 %offset
  %record = call ptr @type_record(ptr %heap, ptr %object)
  %references = get i32 VMTypeRecord.references, %record
  %leaf = icmp eq i32 %references, 0
  br i1 %leaf, label %done, label %push
push:
  %top = get ptr VMHeap.stack_top, %heap
  %limit = get ptr VMHeap.stack_committed, %heap
  %room = icmp ult ptr %top, %limit
  br i1 %room, label %store, label %grow
grow:
  %grown = call i1 @grow_stack(ptr %heap)
  br i1 %grown, label %store, label %done
store:
  store ptr %object, ptr %top
  %next = getelementptr i8, ptr %top, i64 8
  put ptr %next, VMHeap.stack_top, %heap
  br label %done
done:
  ret void
}

define internal ptr @type_record(ptr %heap, ptr %object) alwaysinline {
  %number.32 = load i32, ptr %object
  %number = zext i32 %number.32 to i64
  %types = get ptr VMHeap.types, %heap
  %distance = mul i64 %number, $type_record
  %record = getelementptr i8, ptr %types, i64 %distance
  ret ptr %record
}

; Room on the marking stack. If there is none, marked objects have to be looked for in the heap.
define internal i1 @grow_stack(ptr %heap) noinline {
  %committed = get i64 VMHeap.stack_committed, %heap
  %end = get i64 VMHeap.stack_end, %heap
  %left = sub i64 %end, %committed
  %length = call i64 @llvm.umin.i64(i64 %left, i64 $stack_growth)
  %none = icmp eq i64 %length, 0
  br i1 %none, label %fail, label %protect
protect:
  %committed.p = inttoptr i64 %committed to ptr
  %status = call i32 @mprotect(ptr %committed.p, i64 %length, i32 3)
  %refused = icmp ne i32 %status, 0
  br i1 %refused, label %fail, label %done
done:
  %more = add i64 %committed, %length
  put i64 %more, VMHeap.stack_committed, %heap
  ret i1 true
fail:
  put i64 1, VMHeap.overflowed, %heap
  ret i1 false
}

; A value of a field, an element, a global: null, an i31, an object or a box, the last two perhaps
; with the bit of a reference that crossed over.
define internal void @mark_reference(ptr %heap, i64 %word) alwaysinline {
  %i31 = and i64 %word, 1
  %null = icmp eq i64 %word, 0
  %number = icmp ne i64 %i31, 0
  %nothing = or i1 %null, %number
  br i1 %nothing, label %done, label %look
look:
  %address = and i64 %word, -4
  %base = get i64 VMHeap.base, %heap
  %offset = sub i64 %address, %base
  %used = get i64 VMHeap.used, %heap
  %size = shl i64 %used, $block_bits
  %inside = icmp ult i64 %offset, %size
  br i1 %inside, label %object, label %box
object:
  call void @mark_at(ptr %heap, i64 %offset)
  br label %done
box:
  %box.p = inttoptr i64 %address to ptr
  %header = call ptr @header(ptr %box.p)
  put i64 1, VMExternRefBox.marked, %header
  br label %done
done:
  ret void
}

; A word that may be an address inside an object, or that of a box.
define internal void @mark_word(ptr %heap, i64 %word) alwaysinline {
  %base = get i64 VMHeap.base, %heap
  %offset = sub i64 %word, %base
  %used = get i64 VMHeap.used, %heap
  %size = shl i64 %used, $block_bits
  %inside = icmp ult i64 %offset, %size
  br i1 %inside, label %object, label %outside
object:
  call void @mark_inside(ptr %heap, i64 %offset)
  br label %done
outside:
  %table = get ptr VMHeap.box_table, %heap
  %none = icmp eq ptr %table, null
  br i1 %none, label %done, label %box
box:
  call void @mark_box(ptr %heap, i64 %word)
  br label %done
done:
  ret void
}

define internal void @mark_inside(ptr %heap, i64 %offset) noinline {
entry:
  %index = lshr i64 %offset, $block_bits
  %block = call ptr @block_at(ptr %heap, i64 %index)
  %kind = get i32 VMBlock.kind, %block
  %block.offset = shl i64 %index, $block_bits
  switch i32 %kind, label %done [
    i32 $cells, label %cells
    i32 $large, label %mark
    i32 $tail, label %tail
  ]
cells:
  %within = and i64 %offset, $block_last
  %reciprocal.32 = get i32 VMBlock.reciprocal, %block
  %reciprocal = zext i32 %reciprocal.32 to i64
  %product = mul i64 %within, %reciprocal
  %number = lshr i64 %product, 32
  %count.32 = get i32 VMBlock.cells, %block
  %count = zext i32 %count.32 to i64
  %exists = icmp ult i64 %number, %count
  br i1 %exists, label %cell, label %done
cell:
  %size.32 = get i32 VMBlock.cell_size, %block
  %size = zext i32 %size.32 to i64
  %distance = mul i64 %number, %size
  %cell.offset = add i64 %block.offset, %distance
  br label %mark
tail:
  %back = get i64 VMBlock.blocks, %block
  %head.index = sub i64 %index, %back
  %head.offset = shl i64 %head.index, $block_bits
  br label %mark
mark:
  %start = phi i64 [ %cell.offset, %cell ], [ %head.offset, %tail ], [ %block.offset, %entry ]
  call void @mark_at(ptr %heap, i64 %start)
  br label %done
done:
  ret void
}

; Look at what an object refers to.
define internal void @trace(ptr %heap, ptr %object) alwaysinline {
entry:
  %record = call ptr @type_record(ptr %heap, ptr %object)
  %kind = get i32 VMTypeRecord.kind, %record
  %count.32 = get i32 VMTypeRecord.references, %record
  %is_array = icmp eq i32 %kind, $array_kind
  br i1 %is_array, label %array, label %fixed
fixed:
  %count = zext i32 %count.32 to i64
  %offsets = get ptr VMTypeRecord.offsets, %record
  br label %field.head
field.head:
  %i = phi i64 [ 0, %fixed ], [ %i.next, %field ]
  %i.more = icmp ult i64 %i, %count
  br i1 %i.more, label %field, label %done
field:
  %i.next = add i64 %i, 1
  %offset.p = getelementptr i32, ptr %offsets, i64 %i
  %offset = load i32, ptr %offset.p
  %offset.w = zext i32 %offset to i64
  %field.p = getelementptr i8, ptr %object, i64 %offset.w
  %value = load i64, ptr %field.p
  call void @mark_reference(ptr %heap, i64 %value)
  br label %field.head
array:
  %traced = icmp ne i32 %count.32, 0
  br i1 %traced, label %elements, label %done
elements:
  %length.p = getelementptr i8, ptr %object, i64 $length_offset
  %length.32 = load i32, ptr %length.p
  %length = zext i32 %length.32 to i64
  %start.32 = get i32 VMTypeRecord.size, %record
  %start = zext i32 %start.32 to i64
  %first = getelementptr i8, ptr %object, i64 %start
  call void @mark_words(ptr %heap, ptr %first, i64 %length)
  br label %done
done:
  ret void
}

; References in a row.
define internal void @mark_words(ptr %heap, ptr %first, i64 %count) noinline {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %next = add i64 %i, 1
  %place = getelementptr i64, ptr %first, i64 %i
  %value = load i64, ptr %place
  call void @mark_reference(ptr %heap, i64 %value)
  br label %head
done:
  ret void
}

define internal void @drain_stack(ptr %heap) noinline {
entry:
  %bottom = get ptr VMHeap.stack, %heap
  br label %head
head:
  %top = get ptr VMHeap.stack_top, %heap
  %empty = icmp eq ptr %top, %bottom
  br i1 %empty, label %done, label %body
body:
  %last = getelementptr i8, ptr %top, i64 -8
  put ptr %last, VMHeap.stack_top, %heap
  %object = load ptr, ptr %last
  call void @trace(ptr %heap, ptr %object)
  br label %head
done:
  ret void
}

; The marking stack was too small: go through all marked objects until it was not.
define internal void @trace_marked(ptr %heap) noinline {
entry:
  br label %round
round:
  %overflowed = get i64 VMHeap.overflowed, %heap
  %fine = icmp eq i64 %overflowed, 0
  br i1 %fine, label %done, label %begin
begin:
  put i64 0, VMHeap.overflowed, %heap
  %used = get i64 VMHeap.used, %heap
  %base = get ptr VMHeap.base, %heap
  br label %block.head
block.head:
  %b = phi i64 [ 0, %begin ], [ %b.next, %block.done ]
  %b.more = icmp ult i64 %b, %used
  br i1 %b.more, label %block.body, label %round
block.body:
  %b.next = add i64 %b, 1
  %block = call ptr @block_at(ptr %heap, i64 %b)
  %kind = get i32 VMBlock.kind, %block
  %offset = shl i64 %b, $block_bits
  switch i32 %kind, label %block.done [
    i32 $cells, label %cells
    i32 $large, label %large
  ]
large:
  br label %cells
cells:
  %is_large = phi i1 [ false, %block.body ], [ true, %large ]
  %size.32 = get i32 VMBlock.cell_size, %block
  %size.w = zext i32 %size.32 to i64
  %size = select i1 %is_large, i64 0, i64 %size.w
  %count.32 = get i32 VMBlock.cells, %block
  %count.w = zext i32 %count.32 to i64
  %count = select i1 %is_large, i64 1, i64 %count.w
  br label %cell.head
cell.head:
  %i = phi i64 [ 0, %cells ], [ %i.next, %cell.body ], [ %i.next, %alive ]
  %i.more = icmp ult i64 %i, %count
  br i1 %i.more, label %cell.body, label %block.done
cell.body:
  %i.next = add i64 %i, 1
  %distance = mul i64 %i, %size
  %cell.offset = add i64 %offset, %distance
  %marked = call i1 @is_marked(ptr %heap, i64 %cell.offset)
  br i1 %marked, label %alive, label %cell.head
alive:
  %object = getelementptr i8, ptr %base, i64 %cell.offset
  call void @trace(ptr %heap, ptr %object)
  call void @drain_stack(ptr %heap)
  br label %cell.head
block.done:
  br label %block.head
done:
  ret void
}
"""
