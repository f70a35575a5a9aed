"""The collector: marks what can be reached, and finds out which blocks hold nothing any more.

It runs in the thread that the store belongs to, so that nothing else touches the heap meanwhile. Objects
are traced by the records of their types. Frames have no such records: every word of the native stack
that could be an address inside an object keeps it alive. What is free is found later, when cells are
wanted (`refill` in `heap.py`), but its type numbers are cleared before the next marking: a word on the
stack may still be the address of what was freed, and there is nothing to follow then.

The boxes of externrefs that objects may hold are kept alive by objects and frames, as objects are.
"""

from __future__ import annotations

COLLECTOR = r"""
; --- putting runs aside ---------------------------------------------------------------------------

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

; --- before marking -------------------------------------------------------------------------------

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

; --- marking --------------------------------------------------------------------------------------

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

; --- roots ----------------------------------------------------------------------------------------

define internal void @mark_roots(ptr %heap) noinline {
entry:
  ; Python may add to both lists in another thread.
  %roots.first = get ptr VMHeap.roots, %heap
  br label %roots.head
roots.head:
  %roots.words = phi ptr [ %roots.first, %entry ], [ %roots.next, %roots.done ]
  %roots.end = icmp eq ptr %roots.words, null
  br i1 %roots.end, label %held, label %roots.body
roots.body:
  %root.count = get i64 VMWords.count, %roots.words
  %roots = getelementptr i8, ptr %roots.words, i64 $words_header
  br label %root.head
root.head:
  %r = phi i64 [ 0, %roots.body ], [ %r.next, %root.body ], [ %r.next, %root.done ]
  %r.more = icmp ult i64 %r, %root.count
  br i1 %r.more, label %root.body, label %roots.done
root.body:
  %r.next = add i64 %r, 1
  %r.distance = mul i64 %r, $root_record
  %root = getelementptr i8, ptr %roots, i64 %r.distance
  %address = get ptr VMRoot.address, %root
  %kind.64 = get i64 VMRoot.kind, %root
  %unused = icmp eq ptr %address, null
  br i1 %unused, label %root.head, label %root.look
root.look:
  switch i64 %kind.64, label %segment [
    i64 $root_word, label %word
    i64 $root_table, label %table
  ]
word:
  br label %range
table:
  %table.base = get ptr VMTableDefinition.base, %address
  %table.count.32 = get i32 VMTableDefinition.current_elements, %address
  %table.count = zext i32 %table.count.32 to i64
  br label %range
segment:
  %segment.base = get ptr VMSegment.base, %address
  %segment.count = get i64 VMSegment.length, %address
  br label %range
range:
  %first = phi ptr [ %address, %word ], [ %table.base, %table ], [ %segment.base, %segment ]
  %count = phi i64 [ 1, %word ], [ %table.count, %table ], [ %segment.count, %segment ]
  call void @mark_words(ptr %heap, ptr %first, i64 %count)
  br label %root.done
root.done:
  br label %root.head
roots.done:
  %roots.next = get volatile ptr VMWords.next, %roots.words
  br label %roots.head
held:
  %held.first = get ptr VMHeap.held, %heap
  br label %held.head
held.head:
  %held.words = phi ptr [ %held.first, %held ], [ %held.next, %held.body ]
  %held.end = icmp eq ptr %held.words, null
  br i1 %held.end, label %done, label %held.body
held.body:
  %held.count = get i64 VMWords.count, %held.words
  %held.places = getelementptr i8, ptr %held.words, i64 $words_header
  call void @mark_words(ptr %heap, ptr %held.places, i64 %held.count)
  %held.next = get volatile ptr VMWords.next, %held.words
  br label %held.head
done:
  ret void
}

; Are all calls into the store that have not returned on this thread's stacks, as they are now? A
; library that switches stacks by copying them leaves other bytes where an entry wrote its cookie,
; or the record of an inner entry above that of an outer one. And does no outer operation of Python code
; have addresses in numbers, where nobody finds them?
; Where the outermost of the frames ends is noted: what the interpreter has beyond is none of the store's.
define internal i1 @frames_present(ptr %store, ptr %thread, i64 %sp, i64 %how) noinline {
entry:
  %low = get i64 ThreadRecord.stack_low, %thread
  %high = get i64 ThreadRecord.stack_high, %thread
  %interrupted = get i64 ThreadRecord.interrupted_sp, %thread
  %alternate = call i1 @on_alternate_stack(ptr %thread, i64 %sp)
  %lowest = select i1 %alternate, i64 %interrupted, i64 %sp
  %below = icmp ult i64 %lowest, %low
  %above = icmp uge i64 %lowest, %high
  %elsewhere = or i1 %below, %above
  br i1 %elsewhere, label %no, label %begin
begin:
  %innermost = get ptr ThreadRecord.landing, %thread
  br label %head
head:
  %landing = phi ptr [ %innermost, %begin ], [ %previous, %outwards ]
  %last = phi i64 [ %lowest, %begin ], [ %last.next, %outwards ]
  %count = phi i64 [ 0, %begin ], [ %count.next, %outwards ]
  %frames = phi i64 [ 0, %begin ], [ %frames.next, %outwards ]
  %end = icmp eq ptr %landing, null
  br i1 %end, label %done, label %check
check:
  %address = ptrtoint ptr %landing to i64
  %expected = xor i64 %address, $landing_cookie
  %cookie = get i64 Landing.cookie, %landing
  %valid = icmp eq i64 %cookie, %expected
  br i1 %valid, label %order, label %done
order:
  %from = icmp uge i64 %address, %low
  %to = icmp ult i64 %address, %high
  %native = and i1 %from, %to
  %inner = icmp ule i64 %address, %last
  %switched = and i1 %native, %inner
  br i1 %switched, label %done, label %next
next:
  %owner = get ptr Landing.store, %landing
  %same = icmp eq ptr %owner, %store
  %last.next = select i1 %native, i64 %address, i64 %last
  ; The first word of the record is the frame pointer of its entry thunk.
  %frame = load i64, ptr %landing
  %outer = and i1 %native, %same
  %frames.next = select i1 %outer, i64 %frame, i64 %frames
  %from_python = and i64 %how, 2
  %one = zext i1 %same to i64
  %count.next = add i64 %count, %one
  ; Python code that asks for a collection itself has none.
  %pinned = get i64 Landing.pinned, %landing
  %is_pinned = icmp ne i64 %pinned, 0
  %first = icmp eq ptr %landing, %innermost
  %asks = icmp ne i64 %from_python, 0
  %own = and i1 %first, %asks
  %others = xor i1 %own, true
  %pins = and i1 %is_pinned, %others
  %forbidden = and i1 %pins, %same
  br i1 %forbidden, label %no, label %outwards
outwards:
  %previous = get ptr Landing.previous, %landing
  br label %head
done:
  %heap = get ptr VMStoreContext.heap, %store
  put i64 %frames, VMHeap.frames_end, %heap
  %depth = get i64 VMStoreContext.depth, %store
  %all = icmp eq i64 %count, %depth
  ret i1 %all
no:
  ret i1 false
}

define internal i1 @on_alternate_stack(ptr %thread, i64 %sp) alwaysinline {
  %low = get i64 ThreadRecord.alternate_stack, %thread
  %size = get i64 ThreadRecord.alternate_stack_size, %thread
  %offset = sub i64 %sp, %low
  %inside = icmp ult i64 %offset, %size
  ret i1 %inside
}

; What frames refer to. On the alternate stack lie the frames of a signal's handler, and the registers of
; the function that it interrupted, whose frames are on the thread's own stack.
define internal void @mark_stacks(ptr %heap, ptr %thread, i64 %sp) noinline {
  %high = get i64 VMHeap.frames_end, %heap
  %alternate = call i1 @on_alternate_stack(ptr %thread, i64 %sp)
  br i1 %alternate, label %both, label %own
both:
  %alternate.low = get i64 ThreadRecord.alternate_stack, %thread
  %alternate.size = get i64 ThreadRecord.alternate_stack_size, %thread
  %alternate.high = add i64 %alternate.low, %alternate.size
  call void @scan(ptr %heap, i64 %sp, i64 %alternate.high)
  %interrupted = get i64 ThreadRecord.interrupted_sp, %thread
  call void @scan(ptr %heap, i64 %interrupted, i64 %high)
  ret void
own:
  call void @scan(ptr %heap, i64 %sp, i64 %high)
  ret void
}

define internal void @scan(ptr %heap, i64 %from, i64 %to) noinline {
entry:
  %start = and i64 %from, -8
  br label %head
head:
  %at = phi i64 [ %start, %entry ], [ %next, %body ]
  %next = add i64 %at, 8
  %more = icmp ule i64 %next, %to
  br i1 %more, label %body, label %done
body:
  %place = inttoptr i64 %at to ptr
  %word = load volatile i64, ptr %place
  call void @mark_word(ptr %heap, i64 %word)
  br label %head
done:
  ret void
}

; --- boxes ----------------------------------------------------------------------------------------

; A table of the boxes of the store, so that words on the stack can be told to be boxes. Without memory
; for it every box counts as alive.
define internal void @list_boxes(ptr %heap, ptr %store) noinline {
entry:
  %first = get ptr VMStoreContext.boxes, %store
  br label %count.head
count.head:
  %count = phi i64 [ 0, %entry ], [ %count.next, %count.body ]
  %header = phi ptr [ %first, %entry ], [ %header.next, %count.body ]
  %counted = icmp eq ptr %header, null
  br i1 %counted, label %size, label %count.body
count.body:
  %count.next = add i64 %count, 1
  %header.next = get ptr VMExternRefBox.next, %header
  br label %count.head
size:
  put ptr null, VMHeap.box_table, %heap
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %allocate
allocate:
  %wide = shl i64 %count, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %wide, i1 false)
  %bits = sub i64 64, %zeros
  %capacity = shl i64 1, %bits
  %bytes = shl i64 %capacity, 3
  %table = call ptr @malloc(i64 %bytes)
  put ptr %table, VMHeap.box_table, %heap
  %failed = icmp eq ptr %table, null
  br i1 %failed, label %all, label %fill
all:
  br label %all.head
all.head:
  %each = phi ptr [ %first, %all ], [ %each.next, %all.body ]
  %all.done = icmp eq ptr %each, null
  br i1 %all.done, label %done, label %all.body
all.body:
  put i64 1, VMExternRefBox.marked, %each
  %each.next = get ptr VMExternRefBox.next, %each
  br label %all.head
fill:
  call void @llvm.memset.p0.i64(ptr %table, i8 0, i64 %bytes, i1 false)
  %mask = sub i64 %capacity, 1
  put i64 %mask, VMHeap.box_mask, %heap
  br label %fill.head
fill.head:
  %member = phi ptr [ %first, %fill ], [ %member.next, %fill.body ]
  %filled = icmp eq ptr %member, null
  br i1 %filled, label %done, label %fill.body
fill.body:
  %box = getelementptr i8, ptr %member, i64 $externref_header
  %box.i = ptrtoint ptr %box to i64
  %place = call ptr @box_place(ptr %heap, i64 %box.i)
  store i64 %box.i, ptr %place
  %member.next = get ptr VMExternRefBox.next, %member
  br label %fill.head
done:
  ret void
}

; The place in the table where this box is, or would be.
define internal ptr @box_place(ptr %heap, i64 %box) alwaysinline {
entry:
  %table = get ptr VMHeap.box_table, %heap
  %mask = get i64 VMHeap.box_mask, %heap
  %spread = mul i64 %box, -7046029254386353131
  %hash = lshr i64 %spread, 20
  br label %head
head:
  %i = phi i64 [ %hash, %entry ], [ %next, %other ]
  %index = and i64 %i, %mask
  %place = getelementptr i64, ptr %table, i64 %index
  %found = load i64, ptr %place
  %free = icmp eq i64 %found, 0
  %same = icmp eq i64 %found, %box
  %stop = or i1 %free, %same
  br i1 %stop, label %done, label %other
other:
  %next = add i64 %i, 1
  br label %head
done:
  ret ptr %place
}

define internal void @mark_box(ptr %heap, i64 %word) noinline {
  %box = and i64 %word, -4
  %null = icmp eq i64 %box, 0
  br i1 %null, label %done, label %look
look:
  %place = call ptr @box_place(ptr %heap, i64 %box)
  %found = load i64, ptr %place
  %some = icmp ne i64 %found, 0
  br i1 %some, label %mark, label %done
mark:
  %box.p = inttoptr i64 %box to ptr
  %header = call ptr @header(ptr %box.p)
  put i64 1, VMExternRefBox.marked, %header
  br label %done
done:
  ret void
}

; Free the boxes that nothing refers to. What the deferred list owns is looked at too: a call that runs
; for long must not keep all boxes that it has ever seen. The list of boxes changes, and Python objects
; go, with the interpreter lock only. Freeing may run Python code that enters the store again, so that
; the dead boxes are out of all lists before the first one goes; `next` chains them.
define internal void @free_boxes(ptr %store, ptr %heap, i64 %how) noinline {
entry:
  %table = get ptr VMHeap.box_table, %heap
  call void @free(ptr %table)
  put ptr null, VMHeap.box_table, %heap
  %list = get i64 VMStoreContext.externrefs, %store
  put i64 0, VMStoreContext.externrefs, %store
  %depth = get i64 VMStoreContext.depth, %store
  %numbers = and i64 %how, 2
  %from_code = icmp eq i64 %numbers, 0
  %locked = and i64 %how, 1
  br label %list.head
list.head:
  %tagged = phi i64 [ %list, %entry ], [ %tagged.next, %list.kept ], [ %tagged.next, %list.drop ]
  %box.i = and i64 %tagged, -2
  %list.end = icmp eq i64 %box.i, 0
  br i1 %list.end, label %boxes, label %list.body
list.body:
  %box = inttoptr i64 %box.i to ptr
  %tagged.next = get i64 VMExternRefInner.link, %box
  %box.header = call ptr @header(ptr %box)
  %box.marked = get i64 VMExternRefBox.marked, %box.header
  %box.strong = get i64 VMExternRefInner.strong, %box
  %unseen = icmp eq i64 %box.marked, 0
  %only = icmp eq i64 %box.strong, 1
  ; Conversions in Python code have numbers where frames have references. Those that are going on
  ; belong to outer entries of the store, if the code of the innermost is running.
  %box.depth = get i64 VMExternRefBox.depth, %box.header
  %here = icmp uge i64 %box.depth, %depth
  %unseen.here = and i1 %unseen, %here
  %not_held = and i1 %unseen.here, %only
  %dropped = and i1 %not_held, %from_code
  br i1 %dropped, label %list.drop, label %list.kept
list.kept:
  call void @defer(ptr %store, ptr %box)
  put i64 %box.depth, VMExternRefBox.depth, %box.header
  br label %list.head
list.drop:
  put i64 0, VMExternRefInner.link, %box
  put i64 0, VMExternRefInner.strong, %box
  br label %list.head
boxes:
  %first = get ptr VMStoreContext.boxes, %store
  br label %look.head
look.head:
  %seen = phi ptr [ %first, %boxes ], [ %seen.next, %look.next ]
  %any = phi i1 [ false, %boxes ], [ %any.next, %look.next ]
  %look.end = icmp eq ptr %seen, null
  br i1 %look.end, label %looked, label %look.next
look.next:
  %seen.dead = call i1 @is_dead(ptr %seen)
  %any.next = or i1 %any, %seen.dead
  %seen.next = get ptr VMExternRefBox.next, %seen
  br label %look.head
looked:
  br i1 %any, label %lock, label %unmark
lock:
  %need = icmp eq i64 %locked, 0
  br i1 %need, label %acquire, label %unlink
acquire:
  %thread = get ptr VMStoreContext.thread, %store
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  br label %unlink
unlink:
  %innermost = phi ptr [ null, %lock ], [ %landing, %acquire ]
  %entered = phi ptr [ null, %lock ], [ %thread, %acquire ]
  br label %unlink.head
unlink.head:
  %header = phi ptr [ %first, %unlink ], [ %header.next, %alive ], [ %header.next, %dead ]
  %chain = phi ptr [ null, %unlink ], [ %chain, %alive ], [ %header, %dead ]
  %unlinked = icmp eq ptr %header, null
  br i1 %unlinked, label %release, label %unlink.body
unlink.body:
  %header.next = get ptr VMExternRefBox.next, %header
  %is_dead = call i1 @is_dead(ptr %header)
  br i1 %is_dead, label %dead, label %alive
alive:
  put i64 0, VMExternRefBox.marked, %header
  br label %unlink.head
dead:
  call void @unlink_box(ptr %header)
  put ptr %chain, VMExternRefBox.next, %header
  br label %unlink.head
release:
  br label %release.head
release.head:
  %gone = phi ptr [ %chain, %release ], [ %gone.next, %release.body ]
  %released = icmp eq ptr %gone, null
  br i1 %released, label %unlock, label %release.body
release.body:
  %gone.next = get ptr VMExternRefBox.next, %gone
  %gone.box = getelementptr i8, ptr %gone, i64 $externref_header
  %object = get ptr VMExternRefInner.object, %gone.box
  call void @free(ptr %gone)
  call void @Py_DecRef(ptr %object)
  br label %release.head
unlock:
  br i1 %need, label %give, label %done
give:
  ; As after a host function: whoever switches native stacks may have left another one there.
  put ptr %innermost, ThreadRecord.landing, %entered
  %saved = call ptr @PyEval_SaveThread()
  br label %done
unmark:
  br label %unmark.head
unmark.head:
  %live = phi ptr [ %first, %unmark ], [ %live.next, %unmark.body ]
  %unmarked = icmp eq ptr %live, null
  br i1 %unmarked, label %done, label %unmark.body
unmark.body:
  put i64 0, VMExternRefBox.marked, %live
  %live.next = get ptr VMExternRefBox.next, %live
  br label %unmark.head
done:
  ret void
}

; Neither counted nor found. Boxes in the deferred list are counted.
define internal i1 @is_dead(ptr %header) alwaysinline {
  %box = getelementptr i8, ptr %header, i64 $externref_header
  %strong = get i64 VMExternRefInner.strong, %box
  %marked = get i64 VMExternRefBox.marked, %header
  %either = or i64 %strong, %marked
  %dead = icmp eq i64 %either, 0
  ret i1 %dead
}

; --- after marking --------------------------------------------------------------------------------

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

; --- all of it ------------------------------------------------------------------------------------

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
  ; An exception on its way to Python, and values on their way between functions.
  %exception = get i64 ThreadRecord.exception, %thread
  call void @mark_word(ptr %heap, i64 %exception)
  %values = at VMStoreContext.values, %store
  %values.i = ptrtoint ptr %values to i64
  %values.end = add i64 %values.i, $values_size
  call void @scan(ptr %heap, i64 %values.i, i64 %values.end)
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
