"""What compiled code calls for many elements at once. Whoever calls has checked that they are there."""

from __future__ import annotations

from typing import Final

_FILL: Final = """
define void @wasmine_array_fill_{width}(ptr %place, i64 %count, {kind} %value) {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %slot = getelementptr {kind}, ptr %place, i64 %i
  store {kind} %value, ptr %slot
  %next = add nuw i64 %i, 1
  br label %head
done:
  ret void
}}
"""

_KEEP_ALL: Final = """
define void @wasmine_externref_keep_all(ptr %place, i64 %count) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %slot = getelementptr ptr, ptr %place, i64 %i
  %value = load ptr, ptr %slot
  call void @wasmine_externref_keep(ptr %value)
  %next = add nuw i64 %i, 1
  br label %head
done:
  ret void
}
"""

OBJECTS: Final = (
    "".join(
        _FILL.format(width=width, kind=kind)
        for width, kind in {
            8: "i8",
            16: "i16",
            32: "i32",
            64: "i64",
            128: "<16 x i8>",
        }.items()
    )
    + _KEEP_ALL
)
