"""Counters of baseline code that have run out: Python decides whether there is better code.

It may be in the middle of a function, or at its entry: all that has to survive is in the frame then, and
nothing travels through the store.
"""

from __future__ import annotations

from typing import Final

TIERS: Final = r"""
; Where to go on, or null; see `abi.baseline.TIER_UP`. If Python raises, the call into WebAssembly ends
; with the exception, as if a host function had raised it.
define ptr @wasmine_tier_up(ptr %vmctx, i32 %local, i32 %loop, ptr %frame) $cold {
  %pc = call ptr @llvm.returnaddress(i32 0)
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  %thread = get ptr VMStoreContext.thread, %store
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  %pc.i = ptrtoint ptr %pc to i64
  %pc.o = call ptr @PyLong_FromUnsignedLongLong(i64 %pc.i)
  %local.i = zext i32 %local to i64
  %local.o = call ptr @PyLong_FromLongLong(i64 %local.i)
  %loop.i = sext i32 %loop to i64
  %loop.o = call ptr @PyLong_FromLongLong(i64 %loop.i)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_tier_up, ptr %pc.o, ptr %local.o, ptr %loop.o, ptr null)
  call void @Py_DecRef(ptr %pc.o)
  call void @Py_DecRef(ptr %local.o)
  call void @Py_DecRef(ptr %loop.o)
  ; As after a host function: whoever switches native stacks may have left another landing place there.
  put ptr %landing, ThreadRecord.landing, %thread
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %raised, label %decided
raised:
  call void @wasmine_unwind(ptr %landing)
  unreachable
decided:
  %code = call i64 @PyLong_AsUnsignedLongLong(ptr %result)
  call void @Py_DecRef(ptr %result)
  %same = call ptr @PyEval_SaveThread()
  %code.p = inttoptr i64 %code to ptr
  ret ptr %code.p
}
"""
