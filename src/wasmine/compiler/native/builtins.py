"""The 26 builtins (reference section 3), native: none of them needs the interpreter lock.

Each body below is written for an index in the whole index space. The reference has most of them
twice, once with an index among the module's own memories or tables: those variants are generated,
they add the number of imports (rows L01 and I05). The one exception to "no lock" is a memory that
has to move to grow, which the Python side does. Rows of our own do the same for 64-bit operands.
"""

from __future__ import annotations

import re

from wasmine.abi.libcalls import BUILTINS, OWN, IndexSpace, LibCall
from wasmine.compiler.native.memories import MEMORIES
from wasmine.compiler.native.tables import TABLES

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


_FREQUENT = ("memory_copy", "memory_fill", "memory64_copy", "memory64_fill")
"""What compiled code calls so often that the instructions before the real work matter."""


def _define(row: LibCall) -> str:
    name = row.name.removeprefix("imported_")
    body = BODIES[name]
    body = _widen(row, body) + body
    if row.space is IndexSpace.LOCAL:
        kinds = {name for name, _ in row.parameters}
        body = _localise(body, "memory" if "memory" in kinds else "table")
    parameters = ", ".join(
        f"{'float' if kind == 'f32' else 'double' if kind == 'f64' else kind} %{name}"
        for name, kind in row.parameters
    )
    result = "void" if row.result == "noreturn" else row.result
    cold = "" if name in _FREQUENT else "$cold "
    return f"define {result} @{row.symbol}({parameters}) {cold}{{{body}{_trap(row)}}}\n"


def builtins() -> str:
    """The IR of all builtins, and of our own rows that take a VMContext as they do."""
    rows = (*BUILTINS, *(row for row in OWN if row.name in BODIES))
    return (
        HELPERS
        + MEMORIES
        + TABLES
        + "".join(map(_by_index, _SPACES))
        + "\n".join(map(_define, rows))
    )
