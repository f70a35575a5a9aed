"""Where marking begins: globals, tables, segments, what Python holds, and native stacks.

Frames have no records of what they hold: every word that could be an address inside an object keeps it
alive.
"""

from __future__ import annotations

from typing import Final

ROOTS: Final = r"""
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
"""
