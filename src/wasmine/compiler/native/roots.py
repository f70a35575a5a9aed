"""Where marking begins: globals, tables, segments, what Python holds, and native stacks.

Frames have no records of what they hold: every word that could be an address inside an object keeps it
alive.
"""

from __future__ import annotations

from typing import Final

ROOTS: Final = r"""
define internal void @mark_roots(ptr %heap) noinline {
entry:
  ; The numbers first: an array that Python makes larger in another thread is told before its number.
  %root.count = get volatile i64 VMHeap.root_count, %heap
  %roots = get volatile ptr VMHeap.roots, %heap
  br label %root.head
root.head:
  %r = phi i64 [ 0, %entry ], [ %r.next, %root.body ], [ %r.next, %root.done ]
  %r.more = icmp ult i64 %r, %root.count
  br i1 %r.more, label %root.body, label %held
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
held:
  %held.count = get volatile i64 VMHeap.held_count, %heap
  %held.first = get volatile ptr VMHeap.held, %heap
  call void @mark_words(ptr %heap, ptr %held.first, i64 %held.count)
  ret void
}

; Are all calls into the store that have not returned on this thread's stacks, as they are now? A
; library that switches stacks by copying them leaves other bytes where an entry wrote its cookie,
; or the record of an inner entry above that of an outer one.
define internal i1 @frames_present(ptr %store, ptr %thread, i64 %sp) noinline {
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
  %landing = phi ptr [ %innermost, %begin ], [ %previous, %next ]
  %last = phi i64 [ %lowest, %begin ], [ %last.next, %next ]
  %count = phi i64 [ 0, %begin ], [ %count.next, %next ]
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
  %last.next = select i1 %native, i64 %address, i64 %last
  %owner = get ptr Landing.store, %landing
  %same = icmp eq ptr %owner, %store
  %one = zext i1 %same to i64
  %count.next = add i64 %count, %one
  %previous = get ptr Landing.previous, %landing
  br label %head
done:
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
  %high = get i64 ThreadRecord.stack_high, %thread
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
"""
