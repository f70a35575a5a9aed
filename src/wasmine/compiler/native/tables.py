"""What builtins do to tables: elements that may be counted references; growing, filling, copying."""

from __future__ import annotations

from typing import Final

TABLES: Final = r"""
define internal i1 @counts_references(ptr %table) alwaysinline {
  %kind = get i64 VMLinearTable.element_kind, %table
  %extern = icmp eq i64 %kind, $externref_kind
  ret i1 %extern
}

define internal void @set_element(ptr %table, ptr %slot, ptr %value) alwaysinline {
  %counts = call i1 @counts_references(ptr %table)
  br i1 %counts, label %counted, label %plain
counted:
  call void @wasmine_externref_store(ptr null, ptr %slot, ptr %value)
  ret void
plain:
  store volatile ptr %value, ptr %slot
  ret void
}

define internal i64 @table_length(ptr %t) alwaysinline {
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %wide = zext i32 %size to i64
  ret i64 %wide
}

define internal ptr @table_slot(ptr %t, i64 %index) alwaysinline {
  %definition = get ptr VMLinearTable.definition, %t
  %base = get ptr VMTableDefinition.base, %definition
  %slot = getelementptr ptr, ptr %base, i64 %index
  ret ptr %slot
}

; Set the elements from `first` up to `end`, which exist.
define internal void @set_elements(ptr %t, i64 %first, i64 %end, ptr %value) {
entry:
  %base = call ptr @table_slot(ptr %t, i64 0)
  br label %head
head:
  %i = phi i64 [ %first, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %slot = getelementptr ptr, ptr %base, i64 %i
  call void @set_element(ptr %t, ptr %slot, ptr %value)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}

; Grow by `delta` elements: the old number of elements, or -1.
define internal i64 @grow_table(ptr %t, ptr %init, i64 %delta) $cold {
  %size = call i64 @table_length(ptr %t)
  %maximum = get i64 VMLinearTable.maximum, %t
  %possible = call i64 @llvm.usub.sat.i64(i64 %maximum, i64 %size)
  %too_many = icmp ugt i64 %delta, %possible
  br i1 %too_many, label %fail, label %fill
fill:
  %new = add i64 %size, %delta
  call void @set_elements(ptr %t, i64 %size, i64 %new, ptr %init)
  %definition = get ptr VMLinearTable.definition, %t
  %new.n = trunc i64 %new to i32
  put i32 %new.n, VMTableDefinition.current_elements, %definition
  ret i64 %size
fail:
  ret i64 -1
}

define internal i1 @fill_table(ptr %t, i64 %start, ptr %value, i64 %length) $cold {
  %size = call i64 @table_length(ptr %t)
  %ok = call i1 @fits(i64 %start, i64 %length, i64 %size)
  br i1 %ok, label %fill, label %done
fill:
  %end = add i64 %start, %length
  call void @set_elements(ptr %t, i64 %start, i64 %end, ptr %value)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @init_table(ptr %t, ptr %elements, i64 %dst, i64 %src, i64 %length) $cold {
  %limit = call i64 @table_length(ptr %t)
  %available = get i64 VMSegment.length, %elements
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %available)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %to = call ptr @table_slot(ptr %t, i64 %dst)
  %refs = get ptr VMSegment.base, %elements
  %from = getelementptr ptr, ptr %refs, i64 %src
  call void @copy_elements(ptr %t, ptr %to, ptr %from, i64 %length)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @copy_table(ptr %d, ptr %s, i64 %dst, i64 %src, i64 %length) $cold {
  %d.limit = call i64 @table_length(ptr %d)
  %s.limit = call i64 @table_length(ptr %s)
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %s.limit)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %d.limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %to = call ptr @table_slot(ptr %d, i64 %dst)
  %from = call ptr @table_slot(ptr %s, i64 %src)
  call void @copy_elements(ptr %d, ptr %to, ptr %from, i64 %length)
  br label %done
done:
  ret i1 %ok
}

; Set elements of a table to these references, in the order that overlapping places need.
define internal void @copy_elements(ptr %table, ptr %to, ptr %from, i64 %count) {
entry:
  %forward = icmp ule ptr %to, %from
  %last = sub i64 %count, 1
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %mirrored = sub i64 %last, %i
  %k = select i1 %forward, i64 %i, i64 %mirrored
  %source = getelementptr ptr, ptr %from, i64 %k
  %value = load ptr, ptr %source
  %slot = getelementptr ptr, ptr %to, i64 %k
  call void @set_element(ptr %table, ptr %slot, ptr %value)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}
"""
