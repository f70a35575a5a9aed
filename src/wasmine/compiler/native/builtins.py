"""The 26 builtins (reference section 3), native: none of them needs the interpreter lock.

Each body below is written for an index in the whole index space. The reference has most of them
twice, once with an index among the module's own memories or tables: those variants are generated,
they add the number of imports (rows L01 and I05). The one exception to "no lock" is a memory that
has to move to grow, which the Python side does. Rows of our own do the same for 64-bit operands.
"""

from __future__ import annotations

import re

from wasmine.abi.libcalls import BUILTINS, OWN, IndexSpace, LibCall

HELPERS = r"""
define internal ptr @instance(ptr %vmctx) alwaysinline {
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  ret ptr %instance
}

; Does [start, start + length) lie in [0, limit)? Nothing here can wrap.
define internal i1 @fits(i64 %start, i64 %length, i64 %limit) alwaysinline {
  %short = icmp ule i64 %length, %limit
  %room = sub i64 %limit, %length
  %low = icmp ule i64 %start, %room
  %fits = and i1 %short, %low
  ret i1 %fits
}

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

; Growing in place, one thread at a time: a shared memory may be grown by several. Who holds the lock
; needs nothing that another thread may have, so that waiting for it is short.
define internal void @lock(ptr %lock) noinline {
entry:
  br label %try
try:
  %pair = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %taken = extractvalue { i32, i1 } %pair, 1
  br i1 %taken, label %done, label %wait
wait:
  %ignored = call i32 @sched_yield()
  br label %try
done:
  ret void
}

define internal void @unlock(ptr %lock) alwaysinline {
  store atomic i32 0, ptr %lock release, align 4
  ret void
}

; Grow by `delta` pages: the old number of pages, or -1.
define i64 @wasmine_grow_memory(ptr %memory, i64 %delta) noinline {
  %definition = get ptr VMLinearMemory.definition, %memory
  %length.p = at VMMemoryDefinition.current_length, %definition
  %none = icmp eq i64 %delta, 0
  br i1 %none, label %same, label %begin
same:
  %present = load atomic i64, ptr %length.p seq_cst, align 8
  %present.pages = lshr i64 %present, 16
  ret i64 %present.pages
begin:
  %lock.p = at VMLinearMemory.lock, %memory
  call void @lock(ptr %lock.p)
  %length = load atomic i64, ptr %length.p seq_cst, align 8
  %pages = lshr i64 %length, 16
  %maximum = get i64 VMLinearMemory.maximum_pages, %memory
  %possible = call i64 @llvm.usub.sat.i64(i64 %maximum, i64 %pages)
  %too_many = icmp ugt i64 %delta, %possible
  br i1 %too_many, label %fail, label %room
room:
  %bytes = shl i64 %delta, 16
  %new.bytes = add i64 %length, %bytes
  %reserved = get i64 VMLinearMemory.reserved_bytes, %memory
  %fits = icmp ule i64 %new.bytes, %reserved
  br i1 %fits, label %commit, label %move
commit:
  %base = get ptr VMMemoryDefinition.base, %definition
  %start = getelementptr i8, ptr %base, i64 %length
  %status = call i32 @mprotect(ptr %start, i64 %bytes, i32 3)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %publish
publish:
  store atomic i64 %new.bytes, ptr %length.p seq_cst, align 8
  call void @unlock(ptr %lock.p)
  ret i64 %pages
move:
  call void @unlock(ptr %lock.p)
  %moved = call i64 @move_memory(ptr %memory, i64 %delta)
  ret i64 %moved
fail:
  call void @unlock(ptr %lock.p)
  ret i64 -1
}

; Much has been copied or filled: signals may have come meanwhile.
define internal void @after_bytes(i64 %length) alwaysinline {
  %much = icmp ugt i64 %length, $many_bytes
  br i1 %much, label %look, label %done
look:
  call void @wasmine_look_for_signals()
  br label %done
done:
  ret void
}

define internal i1 @copy_memory(ptr %d, ptr %s, i64 %dst, i64 %src, i64 %length) alwaysinline {
  %d.definition = get ptr VMLinearMemory.definition, %d
  %d.limit = get i64 VMMemoryDefinition.current_length, %d.definition
  %s.definition = get ptr VMLinearMemory.definition, %s
  %s.limit = get i64 VMMemoryDefinition.current_length, %s.definition
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %s.limit)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %d.limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %d.base = get ptr VMMemoryDefinition.base, %d.definition
  %to = getelementptr i8, ptr %d.base, i64 %dst
  %s.base = get ptr VMMemoryDefinition.base, %s.definition
  %from = getelementptr i8, ptr %s.base, i64 %src
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @fill_memory(ptr %m, i64 %dst, i32 %value, i64 %length) alwaysinline {
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %ok = call i1 @fits(i64 %dst, i64 %length, i64 %limit)
  br i1 %ok, label %fill, label %done
fill:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to = getelementptr i8, ptr %base, i64 %dst
  %byte = trunc i32 %value to i8
  call void @llvm.memset.p0.i64(ptr %to, i8 %byte, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
}

define internal i1 @init_memory(ptr %m, ptr %data, i64 %dst, i64 %src, i64 %length) {
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %available = get i64 VMSegment.length, %data
  %src.ok = call i1 @fits(i64 %src, i64 %length, i64 %available)
  %dst.ok = call i1 @fits(i64 %dst, i64 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %done
copy:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to = getelementptr i8, ptr %base, i64 %dst
  %bytes = get ptr VMSegment.base, %data
  %from = getelementptr i8, ptr %bytes, i64 %src
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %length, i1 false)
  call void @after_bytes(i64 %length)
  br label %done
done:
  ret i1 %ok
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
define internal i64 @grow_table(ptr %t, ptr %init, i64 %delta) {
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

define internal i1 @fill_table(ptr %t, i64 %start, ptr %value, i64 %length) {
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

define internal i1 @init_table(ptr %t, ptr %elements, i64 %dst, i64 %src, i64 %length) {
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

define internal i1 @copy_table(ptr %d, ptr %s, i64 %dst, i64 %src, i64 %length) {
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

; A dynamic memory that outgrows its mapping is moved by the Python side, under the lock.
define internal i64 @move_memory(ptr %memory, i64 %delta) noinline {
  %thread = call ptr @current_thread()
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %address = ptrtoint ptr %memory to i64
  %memory.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %delta.o = call ptr @PyLong_FromUnsignedLongLong(i64 %delta)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_grow_memory, ptr %memory.o, ptr %delta.o, ptr null)
  call void @Py_DecRef(ptr %memory.o)
  call void @Py_DecRef(ptr %delta.o)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %unwind, label %back
back:
  %pages = call i64 @PyLong_AsLongLong(ptr %result)
  call void @Py_DecRef(ptr %result)
  %again = call ptr @PyEval_SaveThread()
  ret i64 %pages
unwind:
  call void @wasmine_unwind(ptr %landing)
  unreachable
}
"""

# What an index means: the array in VMInstance, the type of its elements, what is taken of one.
_SPACES = {
    "memory": ("memories", "ptr", "load"),
    "table": ("tables", "ptr", "load"),
    "data": ("data_segments", "[2 x i64]", "address"),
    "elements": ("element_segments", "[2 x i64]", "address"),
    "function": ("anyfuncs", "[3 x i64]", "address"),
}


def _by_index(name: str) -> str:
    """The function that finds a memory, table, segment or function by its index."""
    array, element, take = _SPACES[name]
    result = (
        "  %found = load ptr, ptr %entry\n  ret ptr %found"
        if take == "load"
        else "  ret ptr %entry"
    )
    return f"""
define internal ptr @{name}(ptr %vmctx, i32 %index) alwaysinline {{
  %instance = call ptr @instance(ptr %vmctx)
  %array = get ptr VMInstance.{array}, %instance
  %wide = zext i32 %index to i64
  %entry = getelementptr {element}, ptr %array, i64 %wide
{result}
}}
"""


BODIES: dict[str, str] = {
    "memory32_grow": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %result = call i64 @wasmine_grow_memory(ptr %m, i64 %delta.w)
  %result.n = trunc i64 %result to i32
  ret i32 %result.n
""",
    "memory32_size": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %definition = get ptr VMLinearMemory.definition, %m
  %length = get i64 VMMemoryDefinition.current_length, %definition
  %pages = lshr i64 %length, 16
  %result = trunc i64 %pages to i32
  ret i32 %result
""",
    "memory_copy": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %ok = call i1 @copy_memory(ptr %m, ptr %m, i64 %dst.w, i64 %src.w, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "memory_fill": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %ok = call i1 @fill_memory(ptr %m, i64 %dst.w, i32 %value, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "memory_init": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %data = call ptr @data(ptr %ctx, i32 %segment)
  %ok = call i1 @init_memory(ptr %m, ptr %data, i64 %dst.w, i64 %src.w, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "data_drop": r"""
  %data = call ptr @data(ptr %ctx, i32 %segment)
  put i64 0, VMSegment.length, %data
  ret void
""",
    "elem_drop": r"""
  %elements = call ptr @elements(ptr %ctx, i32 %segment)
  put i64 0, VMSegment.length, %elements
  ret void
""",
    "raise_trap": r"""
  %pc = call ptr @llvm.returnaddress(i32 0)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  call void @raise(ptr %pc, ptr %frame, i32 %code)
  unreachable
""",
    "table_size": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %size = call i64 @table_length(ptr %t)
  %result = trunc i64 %size to i32
  ret i32 %result
""",
    "table_get": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %size = call i64 @table_length(ptr %t)
  %ok = icmp ult i64 %element.w, %size
  br i1 %ok, label %load, label %trap
load:
  %slot = call ptr @table_slot(ptr %t, i64 %element.w)
  %value = load ptr, ptr %slot
  %counts = call i1 @counts_references(ptr %t)
  br i1 %counts, label %counted, label %plain
counted:
  %active = call ptr @wasmine_externref_activate(ptr %ctx, ptr %value)
  ret ptr %active
plain:
  ret ptr %value
""",
    "table_set": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %size = call i64 @table_length(ptr %t)
  %ok = icmp ult i64 %element.w, %size
  br i1 %ok, label %store, label %trap
store:
  %slot = call ptr @table_slot(ptr %t, i64 %element.w)
  call void @set_element(ptr %t, ptr %slot, ptr %value)
  ret void
""",
    "table_grow": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %result = call i64 @grow_table(ptr %t, ptr %init, i64 %delta.w)
  %result.n = trunc i64 %result to i32
  ret i32 %result.n
""",
    "table_fill": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %ok = call i1 @fill_table(ptr %t, i64 %start.w, ptr %value, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "table_init": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %elements = call ptr @elements(ptr %ctx, i32 %segment)
  %ok = call i1 @init_table(ptr %t, ptr %elements, i64 %dst.w, i64 %src.w, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "table_copy": r"""
  %d = call ptr @table(ptr %ctx, i32 %dst_table)
  %s = call ptr @table(ptr %ctx, i32 %src_table)
  %ok = call i1 @copy_table(ptr %d, ptr %s, i64 %dst.w, i64 %src.w, i64 %length.w)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "func_ref": r"""
  %result = call ptr @function(ptr %ctx, i32 %function)
  ret ptr %result
""",
    "memory64_grow": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %result = call i64 @wasmine_grow_memory(ptr %m, i64 %delta)
  ret i64 %result
""",
    "memory64_copy": r"""
  %d = call ptr @memory(ptr %ctx, i32 %dst_memory)
  %s = call ptr @memory(ptr %ctx, i32 %src_memory)
  %ok = call i1 @copy_memory(ptr %d, ptr %s, i64 %dst, i64 %src, i64 %length)
  br i1 %ok, label %done, label %trap
done:
  ret void
""",
    "table64_grow": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %result = call i64 @grow_table(ptr %t, ptr %init, i64 %delta)
  ret i64 %result
""",
    "externref_inc": r"""
  call void @wasmine_externref_inc(ptr %reference)
  ret void
""",
    "externref_dec": r"""
  call void @wasmine_externref_dec(ptr %reference)
  ret void
""",
}

_TRAP = """trap:
  %pc = call ptr @llvm.returnaddress(i32 0)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  call void @raise(ptr %pc, ptr %frame, i32 {code})
  unreachable
"""


# Operations that are the same for operands of either width: a 64-bit row has the body of the other one.
for _name in ("memory_fill", "memory_init", "table_fill", "table_init", "table_copy"):
    BODIES[_name.replace("_", "64_")] = BODIES[_name]


def _trap(row: LibCall) -> str:
    """The block where a failed bounds check ends, for a function with one trap code."""
    if len(row.traps) != 1:
        return ""
    (code,) = row.traps
    return _TRAP.format(code=code.value)


def _localise(body: str, kind: str) -> str:
    """The body for an index among the module's own memories or tables."""
    prologue = f"""
  %own = call ptr @instance(ptr %ctx)
  %imported = get i64 VMInstance.imported_{"memories" if kind == "memory" else "tables"}, %own
  %imported.n = trunc i64 %imported to i32
  %index = add i32 %{kind}, %imported.n"""
    return prologue + re.sub(rf"(@{kind}\(ptr %ctx, i32) %{kind}\)", r"\1 %index)", body)


def _widen(row: LibCall, body: str) -> str:
    """Lines that define `%x.w` as the i64 that an operand `%x` is, for each that the body names."""
    lines = []
    for name, kind in row.parameters:
        if f"%{name}.w" in body:
            how = "zext i32" if kind == "i32" else "bitcast i64"
            lines.append(f"\n  %{name}.w = {how} %{name} to i64")
    return "".join(lines)


def _define(row: LibCall) -> str:
    body = BODIES[row.name.removeprefix("imported_")]
    body = _widen(row, body) + body
    if row.space is IndexSpace.LOCAL:
        kinds = {name for name, _ in row.parameters}
        body = _localise(body, "memory" if "memory" in kinds else "table")
    parameters = ", ".join(
        f"{'float' if kind == 'f32' else 'double' if kind == 'f64' else kind} %{name}"
        for name, kind in row.parameters
    )
    result = "void" if row.result == "noreturn" else row.result
    return f"define {result} @{row.symbol}({parameters}) {{{body}{_trap(row)}}}\n"


def builtins() -> str:
    """The IR of all builtins, and of our own rows that take a VMContext as they do."""
    rows = (*BUILTINS, *(row for row in OWN if row.name in BODIES))
    return HELPERS + "".join(map(_by_index, _SPACES)) + "\n".join(map(_define, rows))
