"""Boxes of externrefs that objects may hold: kept alive by objects and frames, as objects are."""

from __future__ import annotations

from typing import Final

LIVE_BOXES: Final = r"""
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
"""
