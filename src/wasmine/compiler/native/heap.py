"""The garbage-collected heap: handing out cells and large objects.

Records and what they mean are in `abi/heap.py`; blocks are in `blocks.py`, the collector is in
`collector.py`. Nothing here needs
the interpreter lock, and no signal interrupts it. The store belongs to the calling thread.
"""

from __future__ import annotations

from wasmine.abi.heap import (
    BLOCK_SIZE,
    CELL_SIZES,
    GRANULE,
    LARGEST_CELL,
    SMALL_CELLS,
    STEP,
    BlockKind,
    RootKind,
    TypeKind,
    VMBlock,
    VMDetached,
    VMHeap,
    VMRoot,
    VMRun,
    VMSizeClass,
    VMTypeRecord,
    VMWords,
)
from wasmine.abi.layout import size_of
from wasmine.abi.objects import LENGTH_OFFSET
from wasmine.errors import TrapCode

MANY_BOXES = 100_000
"""So many boxes of a store without a heap are a reason to make one, so that they can be collected."""
BOX_CHARGE = 160
"""Bytes that the box of an externref and its object count for: 100,000 start a collection."""
STACK_GROWTH = 1 << 20
"""Bytes by which the marking stack grows, and that it keeps."""
COMMIT_BLOCKS = 16
"""How many blocks are made accessible at a time."""


def heap_placeholders() -> dict[str, int]:
    """What `$name` stands for in the IR of the heap and its collector."""
    return {
        "granule": GRANULE,
        "block_size": BLOCK_SIZE,
        "block_last": BLOCK_SIZE - 1,
        "block_bits": BLOCK_SIZE.bit_length() - 1,
        "block_record": size_of(VMBlock),
        "block_marks": BLOCK_SIZE // GRANULE // 8,
        "class_record": size_of(VMSizeClass),
        "classes": size_of(VMHeap),
        "commit_blocks": COMMIT_BLOCKS,
        "largest_cell": LARGEST_CELL,
        "largest_small": SMALL_CELLS[-1],
        "class_step": STEP,
        "class_step_last": STEP - 1,
        "length_offset": LENGTH_OFFSET,
        "free": BlockKind.FREE,
        "cells": BlockKind.CELLS,
        "large": BlockKind.LARGE,
        "tail": BlockKind.TAIL,
        "out_of_memory": TrapCode.OUT_OF_MEMORY.value,
        "class_count": len(CELL_SIZES),
        "type_record": size_of(VMTypeRecord),
        "array_kind": TypeKind.ARRAY,
        "root_record": size_of(VMRoot),
        "words_header": size_of(VMWords),
        "root_word": RootKind.WORD,
        "root_table": RootKind.TABLE,
        "detached_header": size_of(VMDetached),
        "run_record": size_of(VMRun),
        "detached_size": size_of(VMDetached) + len(CELL_SIZES) * size_of(VMRun),
        "stack_growth": STACK_GROWTH,
        "stack_kept": STACK_GROWTH,
        "box_charge": BOX_CHARGE,
        "many_boxes": MANY_BOXES,
    }


HEAP = r"""
define internal ptr @store_of(ptr %vmctx) alwaysinline {
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  ret ptr %store
}

; More cells for a class: the rest of its run, the next free cells of its block, the next block that
; the last collection left something in, or a free block. Whether there are some.
define internal i1 @refill(ptr %heap, ptr %class) noinline {
entry:
  %size = get i64 VMSizeClass.cell_size, %class
  %run.limit = get i64 VMSizeClass.limit, %class
  %run.end = get i64 VMSizeClass.end, %class
  %rest = icmp ult i64 %run.limit, %run.end
  br i1 %rest, label %step, label %sweep
sweep:
  %block = get ptr VMSizeClass.block, %class
  %none = icmp eq ptr %block, null
  br i1 %none, label %next, label %look
look:
  %cells.32 = get i32 VMBlock.cells, %block
  %cells = zext i32 %cells.32 to i64
  %bytes = call ptr @block_bytes(ptr %heap, ptr %block)
  %bytes.i = ptrtoint ptr %bytes to i64
  %base = get i64 VMHeap.base, %heap
  %offset = sub i64 %bytes.i, %base
  %position = get i64 VMSizeClass.position, %class
  br label %used.head
used.head:
  %i = phi i64 [ %position, %look ], [ %i.next, %used.body ]
  %i.more = icmp ult i64 %i, %cells
  br i1 %i.more, label %used.body, label %exhausted
used.body:
  %i.next = add i64 %i, 1
  %i.distance = mul i64 %i, %size
  %i.offset = add i64 %offset, %i.distance
  %i.marked = call i1 @is_marked(ptr %heap, i64 %i.offset)
  br i1 %i.marked, label %used.head, label %free.head
free.head:
  %k = phi i64 [ %i.next, %used.body ], [ %k.next, %free.body ]
  %k.more = icmp ult i64 %k, %cells
  br i1 %k.more, label %free.body, label %run
free.body:
  %k.next = add i64 %k, 1
  %k.distance = mul i64 %k, %size
  %k.offset = add i64 %offset, %k.distance
  %k.marked = call i1 @is_marked(ptr %heap, i64 %k.offset)
  br i1 %k.marked, label %run, label %free.head
run:
  put i64 %k, VMSizeClass.position, %class
  %start = add i64 %bytes.i, %i.distance
  %end.distance = mul i64 %k, %size
  %end = add i64 %bytes.i, %end.distance
  put i64 %start, VMSizeClass.cursor, %class
  put i64 %start, VMSizeClass.limit, %class
  put i64 %end, VMSizeClass.end, %class
  put i64 0, VMSizeClass.clean, %class
  br label %step
exhausted:
  put ptr null, VMSizeClass.block, %class
  br label %next
next:
  %unswept = get ptr VMSizeClass.unswept, %class
  %all_swept = icmp eq ptr %unswept, null
  br i1 %all_swept, label %fresh, label %begin
begin:
  %chain = get ptr VMBlock.next, %unswept
  put ptr %chain, VMSizeClass.unswept, %class
  put ptr null, VMBlock.next, %unswept
  put ptr %unswept, VMSizeClass.block, %class
  put i64 0, VMSizeClass.position, %class
  br label %sweep
fresh:
  %new = call ptr @take_blocks(ptr %heap, i64 1)
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %nothing, label %format
format:
  put i32 $cells, VMBlock.kind, %new
  %size.32 = trunc i64 %size to i32
  put i32 %size.32, VMBlock.cell_size, %new
  %count = udiv i64 $block_size, %size
  %count.32 = trunc i64 %count to i32
  put i32 %count.32, VMBlock.cells, %new
  ; 2**32 / size, rounded up: exact for offsets below 2**16.
  %size.less = sub i64 %size, 1
  %numerator = add i64 %size.less, 4294967296
  %reciprocal = udiv i64 %numerator, %size
  %reciprocal.32 = trunc i64 %reciprocal to i32
  put i32 %reciprocal.32, VMBlock.reciprocal, %new
  %heap.i = ptrtoint ptr %heap to i64
  %class.i = ptrtoint ptr %class to i64
  %class.distance = sub i64 %class.i, %heap.i
  %class.offset = sub i64 %class.distance, $classes
  %class.index = udiv exact i64 %class.offset, $class_record
  %class.32 = trunc i64 %class.index to i32
  put i32 %class.32, VMBlock.size_class, %new
  %dirty = get i32 VMBlock.dirty, %new
  %is_clean = icmp eq i32 %dirty, 0
  %clean.new = zext i1 %is_clean to i64
  put i64 %clean.new, VMSizeClass.clean, %class
  put i32 1, VMBlock.dirty, %new
  %new.bytes = call ptr @block_bytes(ptr %heap, ptr %new)
  %new.length = mul i64 %count, %size
  %new.end = getelementptr i8, ptr %new.bytes, i64 %new.length
  put ptr %new.bytes, VMSizeClass.cursor, %class
  put ptr %new.bytes, VMSizeClass.limit, %class
  put ptr %new.end, VMSizeClass.end, %class
  br label %step
step:
  ; Zeroed while it is about to be written anyway, so that the memory is fetched once.
  %limit = get i64 VMSizeClass.limit, %class
  %limit.end = get i64 VMSizeClass.end, %class
  %left = sub i64 %limit.end, %limit
  %clean = get i64 VMSizeClass.clean, %class
  %zero = icmp ne i64 %clean, 0
  %step.size = get i64 VMSizeClass.step, %class
  %stress = get i64 VMHeap.stress, %heap
  %stressed = icmp ne i64 %stress, 0
  %large.step = select i1 %zero, i64 %left, i64 %step.size
  %wanted = select i1 %stressed, i64 %size, i64 %large.step
  %length = call i64 @llvm.umin.i64(i64 %wanted, i64 %left)
  br i1 %zero, label %ready, label %clear
clear:
  %limit.p = inttoptr i64 %limit to ptr
  call void @llvm.memset.p0.i64(ptr %limit.p, i8 0, i64 %length, i1 false)
  br label %ready
ready:
  %new.limit = add i64 %limit, %length
  put i64 %new.limit, VMSizeClass.limit, %class
  %allocated = get i64 VMHeap.allocated, %heap
  %more = add i64 %allocated, %length
  put i64 %more, VMHeap.allocated, %heap
  ret i1 true
nothing:
  ret i1 false
}

; The class of cells for a size that is not above the largest cell.
define internal ptr @class_for(ptr %heap, i64 %size) alwaysinline {
entry:
  %small = icmp ule i64 %size, $largest_small
  br i1 %small, label %by_granule, label %by_step
by_granule:
  %less = sub i64 %size, 1
  %granule = lshr i64 %less, 4
  br label %found
by_step:
  %steps = get ptr VMHeap.steps, %heap
  %up = add i64 %size, $class_step_last
  %number = udiv i64 %up, $class_step
  %place = getelementptr i8, ptr %steps, i64 %number
  %byte = load i8, ptr %place
  %index.wide = zext i8 %byte to i64
  br label %found
found:
  %index = phi i64 [ %granule, %by_granule ], [ %index.wide, %by_step ]
  %distance = mul i64 %index, $class_record
  %offset = add i64 %distance, $classes
  %class = getelementptr i8, ptr %heap, i64 %offset
  ret ptr %class
}

; A cell or large object of zeros, null if there is no room without a collection.
define internal ptr @take(ptr %heap, i64 %size) noinline {
entry:
  %is_large = icmp ugt i64 %size, $largest_cell
  br i1 %is_large, label %large, label %small
small:
  %class = call ptr @class_for(ptr %heap, i64 %size)
  %cell = get i64 VMSizeClass.cell_size, %class
  br label %try
try:
  %cursor = get ptr VMSizeClass.cursor, %class
  %limit = get ptr VMSizeClass.limit, %class
  %next = getelementptr i8, ptr %cursor, i64 %cell
  %beyond = icmp ugt ptr %next, %limit
  br i1 %beyond, label %more, label %take
more:
  %refilled = call i1 @refill(ptr %heap, ptr %class)
  br i1 %refilled, label %try, label %nothing
take:
  put ptr %next, VMSizeClass.cursor, %class
  ret ptr %cursor
large:
  %up = add i64 %size, $block_last
  %count = lshr i64 %up, $block_bits
  %first = call ptr @take_blocks(ptr %heap, i64 %count)
  %failed = icmp eq ptr %first, null
  br i1 %failed, label %nothing, label %format
format:
  %bytes = call ptr @block_bytes(ptr %heap, ptr %first)
  put i64 %count, VMBlock.blocks, %first
  br label %head
head:
  %i = phi i64 [ 0, %format ], [ %i.next, %formatted ]
  %i.more = icmp ult i64 %i, %count
  br i1 %i.more, label %body, label %done
body:
  %i.next = add i64 %i, 1
  %distance = mul i64 %i, $block_record
  %block = getelementptr i8, ptr %first, i64 %distance
  %leading = icmp eq i64 %i, 0
  %kind = select i1 %leading, i32 $large, i32 $tail
  put i32 %kind, VMBlock.kind, %block
  %back = select i1 %leading, i64 %count, i64 %i
  put i64 %back, VMBlock.blocks, %block
  %dirty = get i32 VMBlock.dirty, %block
  put i32 1, VMBlock.dirty, %block
  %zero = icmp eq i32 %dirty, 0
  br i1 %zero, label %formatted, label %clear
clear:
  %part = shl i64 %i, $block_bits
  %part.p = getelementptr i8, ptr %bytes, i64 %part
  call void @llvm.memset.p0.i64(ptr %part.p, i8 0, i64 $block_size, i1 false)
  br label %formatted
formatted:
  br label %head
done:
  %total = shl i64 %count, $block_bits
  %allocated = get i64 VMHeap.allocated, %heap
  %sum = add i64 %allocated, %total
  put i64 %sum, VMHeap.allocated, %heap
  ret ptr %bytes
nothing:
  ret ptr null
}

; The same, after a collection if one is due or there is no room.
define internal ptr @take_or_collect(ptr %store, i64 %size) noinline {
entry:
  %heap = get ptr VMStoreContext.heap, %store
  %due = call i1 @collection_due(ptr %heap)
  br i1 %due, label %collect, label %try
collect:
  call void @wasmine_heap_collect(ptr %store, i64 0)
  br label %try
try:
  %first = call ptr @take(ptr %heap, i64 %size)
  %missing = icmp eq ptr %first, null
  br i1 %missing, label %clean, label %done
clean:
  call void @wasmine_heap_collect(ptr %store, i64 0)
  %second = call ptr @take(ptr %heap, i64 %size)
  br label %done
done:
  %result = phi ptr [ %first, %try ], [ %second, %clean ]
  ret ptr %result
}

; What compiled code calls when the run of a class is used up, and for large objects.
define ptr @wasmine_heap_allocate(ptr %vmctx, i64 %size) {
  %pc = call ptr @llvm.returnaddress(i32 0)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %store = call ptr @store_of(ptr %vmctx)
  %object = call ptr @take_or_collect(ptr %store, i64 %size)
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %trap, label %done
done:
  call void @wasmine_look_for_signals()
  ret ptr %object
trap:
  call void @wasmine_raise(ptr %pc, ptr %frame, i32 $out_of_memory)
  unreachable
}

; An array is one byte larger than its elements: loops may hold no more of it than the address behind
; the last one, and that must not be the address of the next object.
define ptr @wasmine_heap_allocate_array(ptr %vmctx, i32 %type, i32 %length, i64 %size) {
  %pc = call ptr @llvm.returnaddress(i32 0)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %object = call ptr @allocate_array(ptr %pc, ptr %frame, ptr %vmctx, i32 %type, i32 %length, i64 %size)
  ret ptr %object
}

define internal ptr @allocate_array(ptr %pc, ptr %frame, ptr %vmctx, i32 %type, i32 %length, i64 %size) {
  %store = call ptr @store_of(ptr %vmctx)
  %larger = add i64 %size, 1
  %object = call ptr @take_or_collect(ptr %store, i64 %larger)
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %trap, label %done
done:
  %length.p = getelementptr i8, ptr %object, i64 $length_offset
  store i32 %length, ptr %length.p
  store i32 %type, ptr %object
  call void @wasmine_look_for_signals()
  ret ptr %object
trap:
  call void @wasmine_raise(ptr %pc, ptr %frame, i32 $out_of_memory)
  unreachable
}

; For Python: nothing is collected. The object is held at `place` before any Python code runs, which a
; signal's handler or a finalizer may be.
define ptr @wasmine_heap_new(ptr %heap, i32 %type, i32 %length, i64 %size, ptr %place) {
  %object = call ptr @take(ptr %heap, i64 %size)
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %done, label %fill
fill:
  %length.p = getelementptr i8, ptr %object, i64 $length_offset
  store i32 %length, ptr %length.p
  store i32 %type, ptr %object
  store ptr %object, ptr %place
  br label %done
done:
  ret ptr %object
}

define internal i1 @collection_due(ptr %heap) {
  %stress = get i64 VMHeap.stress, %heap
  %stressed = icmp ne i64 %stress, 0
  br i1 %stressed, label %count, label %compare
count:
  %left = get i64 VMHeap.stress_countdown, %heap
  %less = call i64 @llvm.usub.sat.i64(i64 %left, i64 1)
  %now = icmp eq i64 %less, 0
  %again = select i1 %now, i64 %stress, i64 %less
  put i64 %again, VMHeap.stress_countdown, %heap
  ret i1 %now
compare:
  %allocated = get i64 VMHeap.allocated, %heap
  %threshold = get i64 VMHeap.threshold, %heap
  %due = icmp uge i64 %allocated, %threshold
  ret i1 %due
}
"""
