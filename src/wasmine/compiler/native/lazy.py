"""Functions that are compiled when they are first called.

The entry of such a function leads to a stub, and the stub here with its own address in the register of
`nest`. Python compiles the function, and the call goes on to it with the arguments that it was made
with: this is a function that passes on whatever can be in registers (`abi/convention.py`).
"""

from __future__ import annotations

from typing import Final

from wasmine.abi.convention import INTEGER_PARAMS, VECTOR_PARAMS
from wasmine.compiler.ir import VECTOR

_ARGUMENTS: Final = "".join(
    (
        *(f", i64 %i{index}" for index in range(INTEGER_PARAMS)),
        *(f", {VECTOR} %x{index}" for index in range(VECTOR_PARAMS)),
    )
)

LAZY: Final = (
    r"""
define $wasm_cc void @wasmine_compile_on_call(ptr %vmctx, ptr nest %stub"""
    + _ARGUMENTS
    + r""") noinline {
entry:
  %body = call ptr @compile_on_call(ptr %vmctx, ptr %stub)
  musttail call $wasm_cc void %body(ptr %vmctx"""
    + _ARGUMENTS
    + r""")
  ret void
}

; An address below all that the frames of this thread hold.
define i64 @wasmine_stack_pointer() $cold {
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %address = ptrtoint ptr %frame to i64
  ret i64 %address
}

; Where the code of the function is that a stub stands for.
define internal ptr @compile_on_call(ptr %vmctx, ptr %stub) $cold {
entry:
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  %values = at VMStoreContext.values, %store
  %landing = call ptr @begin_question(ptr %vmctx)
  ; Code that runs meanwhile, the handler of a signal or a finalizer, may use these places too. The
  ; stack of a small thread may have no room for them.
  %kept = call ptr @PyBytes_FromStringAndSize(ptr %values, i64 $values_size)
  %no_memory = icmp eq ptr %kept, null
  br i1 %no_memory, label %answered, label %compile
compile:
  %address = ptrtoint ptr %stub to i64
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_compile_on_call, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  %content = call ptr @PyBytes_AsString(ptr %kept)
  call void @llvm.memcpy.p0.p0.i64(ptr %values, ptr %content, i64 $values_size, i1 false)
  call void @Py_DecRef(ptr %kept)
  br label %answered
answered:
  %found = phi ptr [ null, %entry ], [ %answer, %compile ]
  %body = call ptr @end_question(ptr %vmctx, ptr %landing, ptr %found)
  ret ptr %body
}
"""
)
