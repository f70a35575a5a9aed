"""externref: counted boxes, released late so that a trap can never leak or free too early.

WebAssembly frames hold references without counting them. Every box that enters a frame (as an
argument, a host function's result, or from a table or global) is put once into the store's deferred
list, which owns one count until the outermost call of the store has returned. Tables and globals
count as usual. A trap that drops frames therefore leaves no count behind (row R02).

`link` is 0 outside of the list; in it, the next box with bit 0 set.
"""

from __future__ import annotations

BOXES = r"""
define internal ptr @header(ptr %box) alwaysinline {
  %header = getelementptr i8, ptr %box, i64 -$externref_header
  ret ptr %header
}

; Null, an i31 or an object of the heap: nobody counts those.
define internal i1 @is_no_box(ptr %box) alwaysinline {
  %bits = ptrtoint ptr %box to i64
  %tags = and i64 %bits, 3
  %tagged = icmp ne i64 %tags, 0
  %null = icmp eq ptr %box, null
  %none = or i1 %tagged, %null
  ret i1 %none
}

define internal void @defer(ptr %store, ptr %box) alwaysinline {
  %head = get i64 VMStoreContext.externrefs, %store
  %link = or i64 %head, 1
  put i64 %link, VMExternRefInner.link, %box
  put ptr %box, VMStoreContext.externrefs, %store
  %entered = call ptr @header(ptr %box)
  %depth = get i64 VMStoreContext.depth, %store
  put i64 %depth, VMExternRefBox.depth, %entered
  ret void
}

; Take a box out of its store's list.
define internal void @unlink_box(ptr %header) {
  %next = get ptr VMExternRefBox.next, %header
  %previous = get ptr VMExternRefBox.previous, %header
  %store = get ptr VMExternRefBox.store, %header
  %first = icmp eq ptr %previous, null
  br i1 %first, label %head, label %inner
head:
  put ptr %next, VMStoreContext.boxes, %store
  br label %back
inner:
  put ptr %next, VMExternRefBox.next, %previous
  br label %back
back:
  %last = icmp eq ptr %next, null
  br i1 %last, label %done, label %link
link:
  put ptr %previous, VMExternRefBox.previous, %next
  br label %done
done:
  ret void
}
"""
"""What both the runtime and the collector need."""

REFERENCES = r"""
; The box is about to be stored where nobody counts: in an object, or in the form that anyref has.
define void @wasmine_externref_keep(ptr %box) {
  %none = call i1 @is_no_box(ptr %box)
  br i1 %none, label %done, label %keep
keep:
  %header = call ptr @header(ptr %box)
  put i64 1, VMExternRefBox.traced, %header
  br label %done
done:
  ret void
}

; Many boxes are a reason to collect: one counts as so many bytes of the heap. Without a heap they are
; counted, until there are so many that there has to be one.
define internal void @charge(ptr %store) alwaysinline {
  %heap = get ptr VMStoreContext.heap, %store
  %none = icmp eq ptr %heap, null
  br i1 %none, label %count, label %add
count:
  %boxes = get i64 VMStoreContext.boxes_made, %store
  %boxes.more = add i64 %boxes, 1
  put i64 %boxes.more, VMStoreContext.boxes_made, %store
  br label %done
add:
  %allocated = get i64 VMHeap.allocated, %heap
  %more = add i64 %allocated, $box_charge
  put i64 %more, VMHeap.allocated, %heap
  br label %done
done:
  ret void
}

; A new box for a Python object, owned by the deferred list. The interpreter lock is held.
; Null when there is no memory.
define ptr @wasmine_externref_new(ptr %store, ptr %object) {
  %header = call ptr @malloc(i64 $externref_box_size)
  %failed = icmp eq ptr %header, null
  br i1 %failed, label %nothing, label %fill
fill:
  call void @Py_IncRef(ptr %object)
  %box = getelementptr i8, ptr %header, i64 $externref_header
  put ptr %store, VMExternRefBox.store, %header
  put i64 0, VMExternRefBox.traced, %header
  put i64 0, VMExternRefBox.marked, %header
  put i64 1, VMExternRefInner.strong, %box
  put ptr %object, VMExternRefInner.object, %box
  put ptr null, VMExternRefBox.previous, %header
  %first = get ptr VMStoreContext.boxes, %store
  put ptr %first, VMExternRefBox.next, %header
  put ptr %header, VMStoreContext.boxes, %store
  call void @defer(ptr %store, ptr %box)
  call void @charge(ptr %store)
  %alone = icmp eq ptr %first, null
  br i1 %alone, label %done, label %chain
chain:
  put ptr %header, VMExternRefBox.previous, %first
  br label %done
done:
  ret ptr %box
nothing:
  ret ptr null
}

; The box enters a frame: the deferred list keeps it until the outermost call returns.
define ptr @wasmine_externref_activate(ptr %vmctx, ptr %box) {
  %null = call i1 @is_no_box(ptr %box)
  br i1 %null, label %done, label %look
look:
  %link = get i64 VMExternRefInner.link, %box
  %out = icmp eq i64 %link, 0
  br i1 %out, label %enter, label %done
enter:
  %strong = get i64 VMExternRefInner.strong, %box
  %more = add i64 %strong, 1
  put i64 %more, VMExternRefInner.strong, %box
  %header = call ptr @header(ptr %box)
  %store = get ptr VMExternRefBox.store, %header
  call void @defer(ptr %store, ptr %box)
  br label %done
done:
  ret ptr %box
}

define void @wasmine_externref_inc(ptr %box) {
  %null = call i1 @is_no_box(ptr %box)
  br i1 %null, label %done, label %inc
inc:
  %strong = get i64 VMExternRefInner.strong, %box
  %more = add i64 %strong, 1
  put i64 %more, VMExternRefInner.strong, %box
  br label %done
done:
  ret void
}

; The last count is handed to the deferred list, because freeing needs the interpreter lock.
define void @wasmine_externref_dec(ptr %box) {
  %null = call i1 @is_no_box(ptr %box)
  br i1 %null, label %done, label %dec
dec:
  %strong = get i64 VMExternRefInner.strong, %box
  %last = icmp eq i64 %strong, 1
  br i1 %last, label %park, label %less
less:
  %fewer = sub i64 %strong, 1
  put i64 %fewer, VMExternRefInner.strong, %box
  br label %done
park:
  %header = call ptr @header(ptr %box)
  %store = get ptr VMExternRefBox.store, %header
  call void @defer(ptr %store, ptr %box)
  br label %done
done:
  ret void
}

; *slot = box: the new one is counted, the old one released.
define void @wasmine_externref_store(ptr %vmctx, ptr %slot, ptr %box) {
  call void @wasmine_externref_inc(ptr %box)
  %old = load ptr, ptr %slot
  store volatile ptr %box, ptr %slot
  call void @wasmine_externref_dec(ptr %old)
  ret void
}

define internal void @free_box(ptr %header) noinline {
  %box = getelementptr i8, ptr %header, i64 $externref_header
  %object = get ptr VMExternRefInner.object, %box
  call void @unlink_box(ptr %header)
  call void @free(ptr %header)
  call void @Py_DecRef(ptr %object)
  ret void
}

; Empty the deferred list: no frame of the store holds references any more. Boxes that objects of the
; heap may hold are left to its collector. The interpreter lock is
; held. Freeing runs Python code, which may enter the store again and start a new list.
define void @wasmine_externref_drain(ptr %store) {
entry:
  %list = get i64 VMStoreContext.externrefs, %store
  put i64 0, VMStoreContext.externrefs, %store
  br label %head
head:
  %tagged = phi i64 [ %list, %entry ], [ %next, %again ]
  %address = and i64 %tagged, -2
  %end = icmp eq i64 %address, 0
  br i1 %end, label %done, label %body
body:
  %box = inttoptr i64 %address to ptr
  %next = get i64 VMExternRefInner.link, %box
  put i64 0, VMExternRefInner.link, %box
  %strong = get i64 VMExternRefInner.strong, %box
  %fewer = sub i64 %strong, 1
  put i64 %fewer, VMExternRefInner.strong, %box
  %unheld = icmp eq i64 %fewer, 0
  %header = call ptr @header(ptr %box)
  %traced = get i64 VMExternRefBox.traced, %header
  %untraced = icmp eq i64 %traced, 0
  %dead = and i1 %unheld, %untraced
  br i1 %dead, label %release, label %again
release:
  call void @free_box(ptr %header)
  br label %again
again:
  br label %head
done:
  ret void
}

; tp_traverse of a store's gate: the garbage collector sees the objects that boxes hold, so that a
; cycle through an externref is no leak. Boxes come and go only under the interpreter lock.
define i32 @wasmine_traverse(ptr %gate, ptr %visit, ptr %argument) $cold {
entry:
  %type = get ptr NativeCallable.ob_type, %gate
  %type.result = call i32 %visit(ptr %type, ptr %argument)
  %type.stop = icmp ne i32 %type.result, 0
  br i1 %type.stop, label %stop, label %start
start:
  %store = get ptr NativeCallable.store, %gate
  %new = icmp eq ptr %store, null
  br i1 %new, label %done, label %boxes
boxes:
  %first = get ptr VMStoreContext.boxes, %store
  br label %head
head:
  %header = phi ptr [ %first, %boxes ], [ %next, %body ]
  %end = icmp eq ptr %header, null
  br i1 %end, label %done, label %body
body:
  %box = getelementptr i8, ptr %header, i64 $externref_header
  %object = get ptr VMExternRefInner.object, %box
  %next = get ptr VMExternRefBox.next, %header
  %result = call i32 %visit(ptr %object, ptr %argument)
  %halt = icmp ne i32 %result, 0
  br i1 %halt, label %stop, label %head
stop:
  %answer = phi i32 [ %type.result, %entry ], [ %result, %body ]
  ret i32 %answer
done:
  ret i32 0
}

; tp_clear of a store's gate: every box holds None instead. The objects go all together at the end,
; when no list is being walked any more.
define i32 @wasmine_clear(ptr %gate) $cold {
entry:
  %store = get ptr NativeCallable.store, %gate
  %new = icmp eq ptr %store, null
  br i1 %new, label %done, label %collect
collect:
  %objects = call ptr @PyList_New(i64 0)
  %failed = icmp eq ptr %objects, null
  br i1 %failed, label %give_up, label %boxes
boxes:
  %first = get ptr VMStoreContext.boxes, %store
  br label %head
head:
  %header = phi ptr [ %first, %boxes ], [ %next, %replace ]
  %end = icmp eq ptr %header, null
  br i1 %end, label %release, label %body
body:
  %box = getelementptr i8, ptr %header, i64 $externref_header
  %object = get ptr VMExternRefInner.object, %box
  %next = get ptr VMExternRefBox.next, %header
  %status = call i32 @PyList_Append(ptr %objects, ptr %object)
  %full = icmp ne i32 %status, 0
  br i1 %full, label %release, label %replace
replace:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  put ptr @_Py_NoneStruct, VMExternRefInner.object, %box
  call void @Py_DecRef(ptr %object)
  br label %head
release:
  call void @Py_DecRef(ptr %objects)
  br label %give_up
give_up:
  call void @PyErr_Clear()
  br label %done
done:
  ret i32 0
}

; The store dies: every box goes, whoever counted it. The interpreter lock is held.
define void @wasmine_externref_clear(ptr %store) $cold {
entry:
  br label %head
head:
  %header = get ptr VMStoreContext.boxes, %store
  %end = icmp eq ptr %header, null
  br i1 %end, label %done, label %body
body:
  call void @free_box(ptr %header)
  br label %head
done:
  put i64 0, VMStoreContext.externrefs, %store
  ret void
}

; Before a host function is called. The interpreter lock is held.
define void @wasmine_poll(ptr %store) $cold {
  %heap = get ptr VMStoreContext.heap, %store
  %none = icmp eq ptr %heap, null
  br i1 %none, label %count, label %compare
count:
  %boxes = get i64 VMStoreContext.boxes_made, %store
  %many = icmp uge i64 %boxes, $many_boxes
  br i1 %many, label %make, label %done
make:
  put i64 0, VMStoreContext.boxes_made, %store
  %python_store = get ptr VMStoreContext.python_store, %store
  %made = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_make_heap, ptr %python_store, ptr null)
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %ignore, label %release
ignore:
  ; Without a heap the boxes stay until the outermost call returns.
  call void @PyErr_Clear()
  br label %done
release:
  call void @Py_DecRef(ptr %made)
  br label %collect
compare:
  %allocated = get i64 VMHeap.allocated, %heap
  %threshold = get i64 VMHeap.threshold, %heap
  %due = icmp uge i64 %allocated, %threshold
  br i1 %due, label %collect, label %done
collect:
  %collector = get ptr RuntimeState.collect, @wasmine_state
  call void %collector(ptr %store, i64 1)
  br label %done
done:
  ret void
}
"""
