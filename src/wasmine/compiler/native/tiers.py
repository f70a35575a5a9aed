"""Counters of baseline code that have run out: Python decides whether there is better code.

It may be in the middle of a function, or at its entry: all that has to survive is in the frame then, and
nothing travels through the store.
"""

from __future__ import annotations

from typing import Final

TIERS: Final = r"""
; Where to go on, or null; see `abi.baseline.TIER_UP`.
define ptr @wasmine_tier_up(ptr %vmctx, i32 %local, i32 %loop) $cold {
  %pc = call ptr @llvm.returnaddress(i32 0)
  %landing = call ptr @begin_question(ptr %vmctx)
  %pc.i = ptrtoint ptr %pc to i64
  %pc.o = call ptr @PyLong_FromUnsignedLongLong(i64 %pc.i)
  %local.i = zext i32 %local to i64
  %local.o = call ptr @PyLong_FromLongLong(i64 %local.i)
  %loop.i = sext i32 %loop to i64
  %loop.o = call ptr @PyLong_FromLongLong(i64 %loop.i)
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_tier_up, ptr %pc.o, ptr %local.o, ptr %loop.o, ptr null)
  call void @Py_DecRef(ptr %pc.o)
  call void @Py_DecRef(ptr %local.o)
  call void @Py_DecRef(ptr %loop.o)
  %code = call ptr @end_question(ptr %vmctx, ptr %landing, ptr %answer)
  ret ptr %code
}
"""
