"""Values of any type between Python objects and slots, for thunks that serve all types.

Numbers of the common case are converted here; what is not is left to Python. Placeholders are those of
`generic_placeholders`. The interpreter lock is held in all of these.
"""

from __future__ import annotations

from typing import Final

CONVERSIONS: Final = """
; Write an object's value as a number of this kind (ValueKind) to a slot. 0 if it is none of the common
; case, and then an exception may be set; for references nothing is written.
define internal i32 @unbox(i32 %kind, ptr %object, ptr %slot) {
  switch i32 %kind, label %ready [ i32 $I32, label %i32 i32 $I64, label %i64 i32 $F32, label %f32 i32 $F64, label %f64 i32 $V128, label %v128 ]
i32:
  %i32.wide = call i64 @PyLong_AsLongLong(ptr %object)
  ; Signed and unsigned values of the width are taken.
  %i32.shifted = add i64 %i32.wide, 2147483648
  %i32.fits = icmp ult i64 %i32.shifted, 6442450944
  %i32.bits = and i64 %i32.wide, 4294967295
  store i64 %i32.bits, ptr %slot
  %i32.odd = icmp eq i64 %i32.wide, -1
  br i1 %i32.fits, label %i32.ranged, label %slow
i32.ranged:
  br i1 %i32.odd, label %check, label %ready
i64:
  %i64.wide = call i64 @PyLong_AsLongLong(ptr %object)
  store i64 %i64.wide, ptr %slot
  %i64.odd = icmp eq i64 %i64.wide, -1
  br i1 %i64.odd, label %check, label %ready
f32:
  %f32.wide = call double @PyFloat_AsDouble(ptr %object)
  %f32.value = fptrunc double %f32.wide to float
  store float %f32.value, ptr %slot
  %f32.odd = fcmp oeq double %f32.wide, -1.0
  br i1 %f32.odd, label %check, label %ready
f64:
  %f64.value = call double @PyFloat_AsDouble(ptr %object)
  store double %f64.value, ptr %slot
  %f64.odd = fcmp oeq double %f64.value, -1.0
  br i1 %f64.odd, label %check, label %ready
v128:
  %vector = call i32 @unbox_vector(ptr %object, ptr %slot)
  ret i32 %vector
check:
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %ready, label %slow
ready:
  ret i32 1
slow:
  ret i32 0
}

; The same for the unsigned integer of the value's bits.
define internal i32 @unbox_bits(i32 %kind, ptr %object, ptr %slot) {
  switch i32 %kind, label %ready [ i32 $I32, label %narrow i32 $F32, label %narrow i32 $I64, label %wide i32 $F64, label %wide i32 $V128, label %v128 ]
narrow:
  br label %integer
wide:
  br label %integer
integer:
  %maximum = phi i64 [ 4294967295, %narrow ], [ -1, %wide ]
  %bits = call i64 @PyLong_AsUnsignedLongLong(ptr %object)
  store i64 %bits, ptr %slot
  %odd = icmp eq i64 %bits, -1
  br i1 %odd, label %check, label %range
check:
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %range, label %slow
range:
  %big = icmp ugt i64 %bits, %maximum
  br i1 %big, label %slow, label %ready
v128:
  %vector = call i32 @unbox_vector(ptr %object, ptr %slot)
  ret i32 %vector
ready:
  ret i32 1
slow:
  ret i32 0
}

define internal i32 @unbox_vector(ptr %object, ptr %slot) $cold {
  %bytes = call ptr @PyBytes_AsString(ptr %object)
  %other = icmp eq ptr %bytes, null
  br i1 %other, label %slow, label %sized
sized:
  %size = call i64 @PyBytes_Size(ptr %object)
  %sixteen = icmp eq i64 %size, 16
  br i1 %sixteen, label %ready, label %slow
ready:
  %value = load $vector, ptr %bytes, align 1
  store $vector %value, ptr %slot, align 16
  ret i32 1
slow:
  ret i32 0
}

; The object of a value in a slot: a new reference, or null with an exception set.
define internal ptr @box(i32 %kind, ptr %slot, ptr %store) {
  switch i32 %kind, label %reference [ i32 $I32, label %i32 i32 $I64, label %i64 i32 $F32, label %f32 i32 $F64, label %f64 i32 $V128, label %v128 ]
i32:
  %i32.value = load i32, ptr %slot
  %i32.wide = sext i32 %i32.value to i64
  %i32.object = call ptr @PyLong_FromLongLong(i64 %i32.wide)
  ret ptr %i32.object
i64:
  %i64.value = load i64, ptr %slot
  %i64.object = call ptr @PyLong_FromLongLong(i64 %i64.value)
  ret ptr %i64.object
f32:
  %f32.value = load float, ptr %slot
  %f32.wide = fpext float %f32.value to double
  %f32.object = call ptr @PyFloat_FromDouble(double %f32.wide)
  ret ptr %f32.object
f64:
  %f64.value = load double, ptr %slot
  %f64.object = call ptr @PyFloat_FromDouble(double %f64.value)
  ret ptr %f64.object
v128:
  %v128.value = load $vector, ptr %slot, align 16
  %v128.object = call ptr @wasmine_bytes_from_vector($vector %v128.value)
  ret ptr %v128.object
reference:
  %object = call ptr @box_reference(i32 %kind, ptr %slot, ptr %store)
  ret ptr %object
}

; The same with numbers as the unsigned integer of their bits.
define internal ptr @box_bits(i32 %kind, ptr %slot, ptr %store) {
  switch i32 %kind, label %reference [ i32 $I32, label %narrow i32 $F32, label %narrow i32 $I64, label %wide i32 $F64, label %wide i32 $V128, label %v128 ]
narrow:
  %narrow.value = load i32, ptr %slot
  %narrow.bits = zext i32 %narrow.value to i64
  %narrow.object = call ptr @PyLong_FromUnsignedLongLong(i64 %narrow.bits)
  ret ptr %narrow.object
wide:
  %wide.value = load i64, ptr %slot
  %wide.object = call ptr @PyLong_FromUnsignedLongLong(i64 %wide.value)
  ret ptr %wide.object
v128:
  %v128.value = load $vector, ptr %slot, align 16
  %v128.object = call ptr @wasmine_int_from_vector($vector %v128.value)
  ret ptr %v128.object
reference:
  %object = call ptr @box_reference(i32 %kind, ptr %slot, ptr %store)
  ret ptr %object
}

define internal ptr @box_reference(i32 %kind, ptr %slot, ptr %store) {
  %value = load ptr, ptr %slot
  switch i32 %kind, label %extern [ i32 $FUNCREF, label %func i32 $FUNC, label %func i32 $ANY, label %any i32 $EXN, label %exn ]
extern:
  %extern.object = call ptr @wasmine_object_from_externref(ptr %store, ptr %value)
  ret ptr %extern.object
func:
  %func.object = call ptr @wasmine_object_from_funcref(ptr %store, ptr %value)
  ret ptr %func.object
any:
  %any.object = call ptr @wasmine_object_from_anyref(ptr %store, ptr %value)
  ret ptr %any.object
exn:
  %exn.object = call ptr @wasmine_object_from_exnref(ptr %store, ptr %value)
  ret ptr %exn.object
}

; Turn arguments that are references into slots; the store is claimed and the lock held. 0 with an
; exception set if one cannot be.
define internal i32 @unbox_references(ptr %callable, ptr %arguments, ptr %signature, ptr %slots, ptr %store) noinline {
entry:
  %count = get i64 SignatureRecord.params, %signature
  %rows = getelementptr i8, ptr %signature, i64 $signature_header
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %again ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %done
body:
  %next = add i64 %i, 1
  %row = getelementptr [2 x i32], ptr %rows, i64 %i
  %kind = get i32 ValueRecord.kind, %row
  %number = icmp ult i32 %kind, $EXTERNREF
  br i1 %number, label %again, label %convert
convert:
  %argument = getelementptr ptr, ptr %arguments, i64 %i
  %object = load ptr, ptr %argument
  switch i32 %kind, label %other [ i32 $EXTERNREF, label %extern i32 $FUNCREF, label %func ]
extern:
  %extern.value = call ptr @wasmine_externref_from(ptr %store, ptr %object)
  br label %converted
func:
  %func.value = call ptr @wasmine_funcref_from(ptr %store, ptr %object)
  br label %converted
other:
  %other.value = call ptr @wasmine_reference_from(ptr %callable, i64 %i, ptr %object)
  br label %converted
converted:
  %value = phi ptr [ %extern.value, %extern ], [ %func.value, %func ], [ %other.value, %other ]
  %bits = ptrtoint ptr %value to i64
  %failed = icmp eq i64 %bits, -1
  br i1 %failed, label %abandon, label %keep
keep:
  %place = get i32 ValueRecord.place, %row
  %place.wide = zext i32 %place to i64
  %slot = getelementptr i8, ptr %slots, i64 %place.wide
  store volatile ptr %value, ptr %slot
  br label %again
again:
  br label %head
done:
  ret i32 1
abandon:
  ret i32 0
}
"""
