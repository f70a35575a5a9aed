"""What thunks share: calling Python, and turning references into objects and back.

The interpreter lock is held in all of these.
"""

from __future__ import annotations

from typing import Final

OFFSET_FLAG: Final = -(1 << 63)
"""PY_VECTORCALL_ARGUMENTS_OFFSET: the callee may use the slot before the first argument."""

PYTHON = r"""
; Call a Python callable with `count` new references, which are released; `arguments` has a free
; slot before it. Null with an exception set if it raises or an argument could not be boxed.
define ptr @wasmine_call_host(ptr %callable, ptr %arguments, i64 %count) {
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %present ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %call
body:
  %slot = getelementptr ptr, ptr %arguments, i64 %i
  %value = load ptr, ptr %slot
  %next = add i64 %i, 1
  %absent = icmp eq ptr %value, null
  br i1 %absent, label %release, label %present
present:
  br label %head
call:
  %flagged = or i64 %count, $offset_flag
  %result = call ptr @PyObject_Vectorcall(ptr %callable, ptr %arguments, i64 %flagged, ptr null)
  br label %release
release:
  %answer = phi ptr [ %result, %call ], [ null, %body ]
  br label %release.head
release.head:
  %k = phi i64 [ 0, %release ], [ %k.next, %release.next ]
  %k.more = icmp ult i64 %k, %count
  br i1 %k.more, label %release.body, label %done
release.body:
  %k.slot = getelementptr ptr, ptr %arguments, i64 %k
  %k.value = load ptr, ptr %k.slot
  %k.null = icmp eq ptr %k.value, null
  br i1 %k.null, label %release.next, label %release.one
release.one:
  call void @Py_DecRef(ptr %k.value)
  br label %release.next
release.next:
  %k.next = add i64 %k, 1
  br label %release.head
done:
  ret ptr %answer
}

; Let Python write a host function's results into slots. Takes over `result`.
define ptr @wasmine_convert_results(ptr %host, ptr %result, ptr %slots) $cold {
  %other = call i32 @wasmine_other_error()
  %raised = icmp ne i32 %other, 0
  br i1 %raised, label %pass, label %ask
pass:
  call void @Py_DecRef(ptr %result)
  ret ptr null
ask:
  %explanation = get ptr VMHostFunction.explanation, %host
  %address = ptrtoint ptr %slots to i64
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_convert_results, ptr %explanation, ptr %result, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  call void @Py_DecRef(ptr %result)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %done, label %release
release:
  call void @Py_DecRef(ptr %answer)
  br label %done
done:
  ret ptr %answer
}

; bf_getbuffer of a memory: Python gives a view of the bytes that there are now. A buffer that
; cannot be had has no object (Py_buffer.obj is its second word).
define i32 @wasmine_get_buffer(ptr %memory, ptr %buffer, i32 %flags) $cold {
  %view = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_memory_view, ptr %memory, ptr null)
  %failed = icmp eq ptr %view, null
  br i1 %failed, label %error, label %fill
fill:
  %status = call i32 @PyObject_GetBuffer(ptr %view, ptr %buffer, i32 %flags)
  call void @Py_DecRef(ptr %view)
  ret i32 %status
error:
  %object = getelementptr i8, ptr %buffer, i64 8
  store ptr null, ptr %object
  ret i32 -1
}

; None is null; a Struct or an Array is not put into a box. -1 with an exception set otherwise.
define ptr @wasmine_externref_from(ptr %store, ptr %object) {
  %none = icmp eq ptr %object, @_Py_NoneStruct
  br i1 %none, label %null, label %look
look:
  %type = get ptr NativeCallable.ob_type, %object
  %struct = icmp eq ptr %type, @wasmine_py_struct
  %array = icmp eq ptr %type, @wasmine_py_array
  %heap = or i1 %struct, %array
  br i1 %heap, label %ask, label %new
ask:
  %python_store = get ptr VMStoreContext.python_store, %store
  %number = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_external_from, ptr %python_store, ptr %object, ptr null)
  %address = call ptr @address_from(ptr %number)
  ret ptr %address
new:
  %box = call ptr @wasmine_externref_new(ptr %store, ptr %object)
  %failed = icmp eq ptr %box, null
  br i1 %failed, label %error, label %done
done:
  ret ptr %box
null:
  ret ptr null
error:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr inttoptr (i64 -1 to ptr)
}

; The record of a Function of this store, null for None, -1 with an exception set otherwise.
define ptr @wasmine_funcref_from(ptr %store, ptr %object) $cold {
  %none = icmp eq ptr %object, @_Py_NoneStruct
  br i1 %none, label %null, label %ask
ask:
  %python_store = get ptr VMStoreContext.python_store, %store
  %number = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_funcref_from, ptr %python_store, ptr %object, ptr null)
  %address = call ptr @address_from(ptr %number)
  ret ptr %address
null:
  ret ptr null
}

; A reference of any other type, for a parameter of a function. -1 with an exception set if the
; object is not of the type.
define ptr @wasmine_reference_from(ptr %callable, i64 %position, ptr %object) $cold {
  %position.o = call ptr @PyLong_FromLongLong(i64 %position)
  %number = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_reference_from, ptr %callable, ptr %position.o, ptr %object, ptr null)
  call void @Py_DecRef(ptr %position.o)
  %address = call ptr @address_from(ptr %number)
  ret ptr %address
}

; What Python answered, null or an integer, which is released. -1 if it has raised.
define internal ptr @address_from(ptr %number) $cold {
  %failed = icmp eq ptr %number, null
  br i1 %failed, label %error, label %read
read:
  %address = call i64 @PyLong_AsLongLong(ptr %number)
  call void @Py_DecRef(ptr %number)
  %reference = inttoptr i64 %address to ptr
  ret ptr %reference
error:
  ret ptr inttoptr (i64 -1 to ptr)
}

; An i31 is an int; anything else is what the externref would be that it can be converted to.
define ptr @wasmine_object_from_anyref(ptr %store, ptr %reference) {
  %null = icmp eq ptr %reference, null
  %bits = ptrtoint ptr %reference to i64
  %bit = and i64 %bits, 1
  %small = icmp ne i64 %bit, 0
  %same = or i1 %null, %small
  %flipped = xor i64 %bits, 2
  %external = select i1 %same, i64 %bits, i64 %flipped
  %external.p = inttoptr i64 %external to ptr
  %object = call ptr @wasmine_object_from_externref(ptr %store, ptr %external.p)
  ret ptr %object
}

define ptr @wasmine_object_from_externref(ptr %store, ptr %box) {
  ; Here the heap's collector finds an object while Python has only a number.
  %kept = alloca ptr
  %null = icmp eq ptr %box, null
  br i1 %null, label %none, label %look
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
look:
  %bits = ptrtoint ptr %box to i64
  %tag = and i64 %bits, 3
  switch i64 %tag, label %small [
    i64 0, label %object
    i64 2, label %ask
  ]
small:
  %wide = shl i64 %bits, 32
  %integer = ashr i64 %wide, 33
  %int = call ptr @PyLong_FromLongLong(i64 %integer)
  ret ptr %int
ask:
  store volatile ptr %box, ptr %kept
  %python_store = get ptr VMStoreContext.python_store, %store
  %address = call ptr @PyLong_FromUnsignedLongLong(i64 %bits)
  %wrapper = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_object_from_external, ptr %python_store, ptr %address, ptr null)
  call void @Py_DecRef(ptr %address)
  ret ptr %wrapper
object:
  %value = get ptr VMExternRefInner.object, %box
  call void @Py_IncRef(ptr %value)
  ret ptr %value
}

; A v128 as 16 bytes, null with an exception set when there is no memory.
define ptr @wasmine_bytes_from_vector($vector %value) {
  %place = alloca $vector, align 16
  store $vector %value, ptr %place, align 16
  %bytes = call ptr @PyBytes_FromStringAndSize(ptr %place, i64 16)
  ret ptr %bytes
}

; A v128 as an unsigned integer, null with an exception set when there is no memory.
define ptr @wasmine_int_from_vector($vector %value) {
  %bits = bitcast $vector %value to i128
  %low = trunc i128 %bits to i64
  %above = lshr i128 %bits, 64
  %high = trunc i128 %above to i64
  %low.o = call ptr @PyLong_FromUnsignedLongLong(i64 %low)
  %high.o = call ptr @PyLong_FromUnsignedLongLong(i64 %high)
  %distance.o = call ptr @PyLong_FromUnsignedLongLong(i64 64)
  %shifted.o = call ptr @PyNumber_Lshift(ptr %high.o, ptr %distance.o)
  %result = call ptr @PyNumber_Or(ptr %shifted.o, ptr %low.o)
  call void @Py_DecRef(ptr %low.o)
  call void @Py_DecRef(ptr %high.o)
  call void @Py_DecRef(ptr %distance.o)
  call void @Py_DecRef(ptr %shifted.o)
  ret ptr %result
}

define ptr @wasmine_object_from_funcref(ptr %store, ptr %anyfunc) {
  %null = icmp eq ptr %anyfunc, null
  br i1 %null, label %none, label %ask
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
ask:
  %python_store = get ptr VMStoreContext.python_store, %store
  %address = ptrtoint ptr %anyfunc to i64
  %number = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %function = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_object_from_funcref, ptr %python_store, ptr %number, ptr null)
  call void @Py_DecRef(ptr %number)
  ret ptr %function
}

define ptr @wasmine_object_from_exnref(ptr %store, ptr %exception) $cold {
  ; As above.
  %kept = alloca ptr
  %null = icmp eq ptr %exception, null
  br i1 %null, label %none, label %ask
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
ask:
  store volatile ptr %exception, ptr %kept
  %python_store = get ptr VMStoreContext.python_store, %store
  %address = ptrtoint ptr %exception to i64
  %number = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %object = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_object_from_exception, ptr %python_store, ptr %number, ptr null)
  call void @Py_DecRef(ptr %number)
  ret ptr %object
}
"""
