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
  ; Code that runs meanwhile, the handler of a signal or a finalizer, may use these places too.
  %kept = alloca i8, i64 $values_size, align 16
  %instance = getelementptr i8, ptr %vmctx, i64 -$vminstance_size
  %store = get ptr VMInstance.store, %instance
  %values = at VMStoreContext.values, %store
  call void @llvm.memcpy.p0.p0.i64(ptr %kept, ptr %values, i64 $values_size, i1 false)
  %landing = call ptr @begin_question(ptr %vmctx)
  %address = ptrtoint ptr %stub to i64
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_compile_on_call, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  %body = call ptr @end_question(ptr %vmctx, ptr %landing, ptr %answer)
  call void @llvm.memcpy.p0.p0.i64(ptr %values, ptr %kept, i64 $values_size, i1 false)
  ret ptr %body
}
"""
)
