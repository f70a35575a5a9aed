"""The 26 builtins (reference section 3), native: none of them needs the interpreter lock.

Each body below is written for an index in the whole index space. The reference has most of them
twice, once with an index among the module's own memories or tables: those variants are generated,
they add the number of imports (rows L01 and I05). The one exception to "no lock" is a memory that
has to move to grow, which the Python side does.
"""

from __future__ import annotations

import re

from wasmine.abi.libcalls import BUILTINS, Builtin, IndexSpace

HELPERS = r"""
define internal ptr @instance(ptr %vmctx) alwaysinline {
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  ret ptr %instance
}

; Does [start, start + length) lie in [0, limit)? Sums of two u32 cannot wrap in 64 bits.
define internal i1 @fits(i32 %start, i32 %length, i64 %limit) alwaysinline {
  %start.w = zext i32 %start to i64
  %length.w = zext i32 %length to i64
  %end = add i64 %start.w, %length.w
  %fits = icmp ule i64 %end, %limit
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

; Grow by `delta` pages: the old number of pages, or -1.
define internal i32 @grow_memory(ptr %memory, i32 %delta) noinline {
  %definition = get ptr VMLinearMemory.definition, %memory
  %length = get i64 VMMemoryDefinition.current_length, %definition
  %pages = lshr i64 %length, 16
  %old = trunc i64 %pages to i32
  %delta.w = zext i32 %delta to i64
  %none = icmp eq i32 %delta, 0
  br i1 %none, label %done, label %check
check:
  %new = add i64 %pages, %delta.w
  %maximum = get i64 VMLinearMemory.maximum_pages, %memory
  %too_many = icmp ugt i64 %new, %maximum
  br i1 %too_many, label %fail, label %room
room:
  %new.bytes = shl i64 %new, 16
  %reserved = get i64 VMLinearMemory.reserved_bytes, %memory
  %fits = icmp ule i64 %new.bytes, %reserved
  br i1 %fits, label %commit, label %move
commit:
  %base = get ptr VMMemoryDefinition.base, %definition
  %start = getelementptr i8, ptr %base, i64 %length
  %bytes = shl i64 %delta.w, 16
  %status = call i32 @mprotect(ptr %start, i64 %bytes, i32 3)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %publish
publish:
  put i64 %new.bytes, VMMemoryDefinition.current_length, %definition
  br label %done
move:
  %moved = call i32 @move_memory(ptr %memory, i32 %delta)
  ret i32 %moved
done:
  ret i32 %old
fail:
  ret i32 -1
}

; A dynamic memory that outgrows its mapping is moved by the Python side, under the lock.
define internal i32 @move_memory(ptr %memory, i32 %delta) noinline {
  %thread = call ptr @current_thread()
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %address = ptrtoint ptr %memory to i64
  %memory.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %delta.w = zext i32 %delta to i64
  %delta.o = call ptr @PyLong_FromUnsignedLongLong(i64 %delta.w)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_grow_memory, ptr %memory.o, ptr %delta.o, ptr null)
  call void @Py_DecRef(ptr %memory.o)
  call void @Py_DecRef(ptr %delta.o)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %unwind, label %back
back:
  %pages = call i64 @PyLong_AsLongLong(ptr %result)
  call void @Py_DecRef(ptr %result)
  %again = call ptr @PyEval_SaveThread()
  %pages.n = trunc i64 %pages to i32
  ret i32 %pages.n
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
  %result = call i32 @grow_memory(ptr %m, i32 %delta)
  ret i32 %result
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
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %src.ok = call i1 @fits(i32 %src, i32 %length, i64 %limit)
  %dst.ok = call i1 @fits(i32 %dst, i32 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %trap
copy:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to.w = zext i32 %dst to i64
  %to = getelementptr i8, ptr %base, i64 %to.w
  %from.w = zext i32 %src to i64
  %from = getelementptr i8, ptr %base, i64 %from.w
  %bytes = zext i32 %length to i64
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  ret void
""",
    "memory_fill": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %ok = call i1 @fits(i32 %dst, i32 %length, i64 %limit)
  br i1 %ok, label %fill, label %trap
fill:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to.w = zext i32 %dst to i64
  %to = getelementptr i8, ptr %base, i64 %to.w
  %byte = trunc i32 %value to i8
  %bytes = zext i32 %length to i64
  call void @llvm.memset.p0.i64(ptr %to, i8 %byte, i64 %bytes, i1 false)
  ret void
""",
    "memory_init": r"""
  %m = call ptr @memory(ptr %ctx, i32 %memory)
  %definition = get ptr VMLinearMemory.definition, %m
  %limit = get i64 VMMemoryDefinition.current_length, %definition
  %data = call ptr @data(ptr %ctx, i32 %segment)
  %available = get i64 VMSegment.length, %data
  %src.ok = call i1 @fits(i32 %src, i32 %length, i64 %available)
  %dst.ok = call i1 @fits(i32 %dst, i32 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %trap
copy:
  %base = get ptr VMMemoryDefinition.base, %definition
  %to.w = zext i32 %dst to i64
  %to = getelementptr i8, ptr %base, i64 %to.w
  %bytes.base = get ptr VMSegment.base, %data
  %from.w = zext i32 %src to i64
  %from = getelementptr i8, ptr %bytes.base, i64 %from.w
  %bytes = zext i32 %length to i64
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
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
  %definition = get ptr VMLinearTable.definition, %t
  %result = get i32 VMTableDefinition.current_elements, %definition
  ret i32 %result
""",
    "table_get": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %ok = icmp ult i32 %element, %size
  br i1 %ok, label %load, label %trap
load:
  %base = get ptr VMTableDefinition.base, %definition
  %wide = zext i32 %element to i64
  %slot = getelementptr ptr, ptr %base, i64 %wide
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
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %ok = icmp ult i32 %element, %size
  br i1 %ok, label %store, label %trap
store:
  %base = get ptr VMTableDefinition.base, %definition
  %wide = zext i32 %element to i64
  %slot = getelementptr ptr, ptr %base, i64 %wide
  call void @set_element(ptr %t, ptr %slot, ptr %value)
  ret void
""",
    "table_grow": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %size.w = zext i32 %size to i64
  %delta.w = zext i32 %delta to i64
  %new = add i64 %size.w, %delta.w
  %maximum = get i64 VMLinearTable.maximum, %t
  %too_many = icmp ugt i64 %new, %maximum
  br i1 %too_many, label %fail, label %fill
fill:
  %base = get ptr VMTableDefinition.base, %definition
  br label %head
head:
  %i = phi i64 [ %size.w, %fill ], [ %next, %body ]
  %more = icmp ult i64 %i, %new
  br i1 %more, label %body, label %publish
body:
  %slot = getelementptr ptr, ptr %base, i64 %i
  call void @set_element(ptr %t, ptr %slot, ptr %init)
  %next = add i64 %i, 1
  br label %head
publish:
  %new.n = trunc i64 %new to i32
  put i32 %new.n, VMTableDefinition.current_elements, %definition
  ret i32 %size
fail:
  ret i32 -1
""",
    "table_fill": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %limit = zext i32 %size to i64
  %ok = call i1 @fits(i32 %start, i32 %length, i64 %limit)
  br i1 %ok, label %fill, label %trap
fill:
  %base = get ptr VMTableDefinition.base, %definition
  %first = zext i32 %start to i64
  %count = zext i32 %length to i64
  %end = add i64 %first, %count
  br label %head
head:
  %i = phi i64 [ %first, %fill ], [ %next, %body ]
  %more = icmp ult i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %slot = getelementptr ptr, ptr %base, i64 %i
  call void @set_element(ptr %t, ptr %slot, ptr %value)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
""",
    "table_init": r"""
  %t = call ptr @table(ptr %ctx, i32 %table)
  %definition = get ptr VMLinearTable.definition, %t
  %size = get i32 VMTableDefinition.current_elements, %definition
  %limit = zext i32 %size to i64
  %elements = call ptr @elements(ptr %ctx, i32 %segment)
  %available = get i64 VMSegment.length, %elements
  %src.ok = call i1 @fits(i32 %src, i32 %length, i64 %available)
  %dst.ok = call i1 @fits(i32 %dst, i32 %length, i64 %limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %trap
copy:
  %base = get ptr VMTableDefinition.base, %definition
  %to.w = zext i32 %dst to i64
  %to = getelementptr ptr, ptr %base, i64 %to.w
  %refs = get ptr VMSegment.base, %elements
  %from.w = zext i32 %src to i64
  %from = getelementptr ptr, ptr %refs, i64 %from.w
  %count = zext i32 %length to i64
  br label %head
head:
  %i = phi i64 [ 0, %copy ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %source = getelementptr ptr, ptr %from, i64 %i
  %value = load ptr, ptr %source
  %slot = getelementptr ptr, ptr %to, i64 %i
  call void @set_element(ptr %t, ptr %slot, ptr %value)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
""",
    "table_copy": r"""
  %d = call ptr @table(ptr %ctx, i32 %dst_table)
  %d.definition = get ptr VMLinearTable.definition, %d
  %d.size = get i32 VMTableDefinition.current_elements, %d.definition
  %d.limit = zext i32 %d.size to i64
  %s = call ptr @table(ptr %ctx, i32 %src_table)
  %s.definition = get ptr VMLinearTable.definition, %s
  %s.size = get i32 VMTableDefinition.current_elements, %s.definition
  %s.limit = zext i32 %s.size to i64
  %src.ok = call i1 @fits(i32 %src, i32 %length, i64 %s.limit)
  %dst.ok = call i1 @fits(i32 %dst, i32 %length, i64 %d.limit)
  %ok = and i1 %src.ok, %dst.ok
  br i1 %ok, label %copy, label %trap
copy:
  %d.base = get ptr VMTableDefinition.base, %d.definition
  %to.w = zext i32 %dst to i64
  %to = getelementptr ptr, ptr %d.base, i64 %to.w
  %s.base = get ptr VMTableDefinition.base, %s.definition
  %from.w = zext i32 %src to i64
  %from = getelementptr ptr, ptr %s.base, i64 %from.w
  %count = zext i32 %length to i64
  %forward = icmp ule ptr %to, %from
  %last = sub i64 %count, 1
  br label %head
head:
  %i = phi i64 [ 0, %copy ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %mirrored = sub i64 %last, %i
  %k = select i1 %forward, i64 %i, i64 %mirrored
  %source = getelementptr ptr, ptr %from, i64 %k
  %value = load ptr, ptr %source
  %slot = getelementptr ptr, ptr %to, i64 %k
  call void @set_element(ptr %d, ptr %slot, ptr %value)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
""",
    "func_ref": r"""
  %result = call ptr @function(ptr %ctx, i32 %function)
  ret ptr %result
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


def _trap(builtin: Builtin) -> str:
    """The block where a failed bounds check ends, for a builtin with one trap code."""
    if len(builtin.traps) != 1:
        return ""
    (code,) = builtin.traps
    return _TRAP.format(code=code.value)


def _localise(body: str, kind: str) -> str:
    """The body for an index among the module's own memories or tables."""
    prologue = f"""
  %own = call ptr @instance(ptr %ctx)
  %imported = get i64 VMInstance.imported_{"memories" if kind == "memory" else "tables"}, %own
  %imported.n = trunc i64 %imported to i32
  %index = add i32 %{kind}, %imported.n"""
    return prologue + re.sub(rf"(@{kind}\(ptr %ctx, i32) %{kind}\)", r"\1 %index)", body)


def _define(builtin: Builtin) -> str:
    body = BODIES[builtin.name.removeprefix("imported_")]
    if builtin.space is IndexSpace.LOCAL:
        kinds = {name for name, _ in builtin.parameters}
        body = _localise(body, "memory" if "memory" in kinds else "table")
    parameters = ", ".join(
        f"{'float' if kind == 'f32' else 'double' if kind == 'f64' else kind} %{name}"
        for name, kind in builtin.parameters
    )
    result = "void" if builtin.result == "noreturn" else builtin.result
    return f"define {result} @{builtin.symbol}({parameters}) {{{body}{_trap(builtin)}}}\n"


def builtins() -> str:
    """The IR of all builtins."""
    return (
        HELPERS
        + "".join(map(_by_index, _SPACES))
        + "\n".join(_define(builtin) for builtin in BUILTINS)
    )
