"""Thunks between CPython and WebAssembly that serve every function type.

They do what those of `boundary.py` do, value by value after the SignatureRecord of the type, with
registers as an array of slots (`abi/boundary.py`). They are part of the runtime, so that a process which
compiles nothing has them.
"""

from __future__ import annotations

from typing import Final

from wasmine.abi.boundary import FIRST_STORED, FIRST_VECTOR, SIGNATURE_HEADER, ValueKind
from wasmine.abi.convention import (
    INTEGER_PARAMS,
    INTEGER_RESULTS,
    SLOT_SIZE,
    VECTOR_PARAMS,
    VECTOR_RESULTS,
)
from wasmine.compiler.ir import VECTOR, WASM_CC
from wasmine.compiler.native.boundary import NARGS_MASK
from wasmine.compiler.native.conversions import CONVERSIONS
from wasmine.compiler.native.entry import DEPART, LANDED

HOT_CALLS: Final = 1 << 11
"""Every so many calls of functions of a type by generic thunks, Python is told: a power of two."""

_REGISTERS: Final = (
    *(("i64", "integer", i, i) for i in range(INTEGER_PARAMS)),
    *((VECTOR, "vector", i, FIRST_VECTOR + i) for i in range(VECTOR_PARAMS)),
)
"""Of each register for parameters: type, name, number, slot."""
_RESULTS: Final = (
    *(("i64", i) for i in range(INTEGER_RESULTS)),
    *((VECTOR, FIRST_VECTOR + i) for i in range(VECTOR_RESULTS)),
)
"""Of each register for results: type, slot."""
_RESULT: Final = f"{{ {', '.join(kind for kind, _ in _RESULTS)} }}"
_DECLARED: Final = "".join(f", {kind} %{name}.{i}" for kind, name, i, _ in _REGISTERS)

_COUNTING: Final = """
; A call of a function of this type by a generic thunk; the interpreter lock is held.
define internal void @count_call(ptr %signature) alwaysinline {
  %calls = get i64 SignatureRecord.calls, %signature
  %more = add i64 %calls, 1
  put i64 %more, SignatureRecord.calls, %signature
  %rest = and i64 %more, $hot_mask
  %hot = icmp eq i64 %rest, 0
  br i1 %hot, label %tell, label %done
tell:
  call void @tell_hot(ptr %signature)
  br label %done
done:
  ret void
}

; Whatever Python makes of it, the call goes on.
define internal void @tell_hot(ptr %signature) $cold {
  %address = ptrtoint ptr %signature to i64
  %address.o = call ptr @PyLong_FromUnsignedLongLong(i64 %address)
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @wasmine_py_hot_signature, ptr %address.o, ptr null)
  call void @Py_DecRef(ptr %address.o)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %clear, label %release
clear:
  call void @PyErr_Clear()
  ret void
release:
  call void @Py_DecRef(ptr %result)
  ret void
}
"""

_ENTRY: Final = """
; A vectorcallfunc. {comment}
define ptr @wasmine_{name}(ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords) {{
entry:
  %landing = alloca i64, i64 $landing_words, align 16
  %signature = get ptr NativeCallable.signature, %callable
  %special = get ptr SignatureRecord.{name}, %signature
  %none = icmp eq ptr %special, null
  br i1 %none, label %generic, label %forward
forward:
  put ptr %special, NativeCallable.vectorcall, %callable
  %forwarded = call ptr %special(ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords)
  ret ptr %forwarded
generic:
  call void @count_call(ptr %signature)
  %count = and i64 %flagged, {nargs_mask}
  %params = get i64 SignatureRecord.params, %signature
  %count.ok = icmp eq i64 %count, %params
  %keywords.ok = icmp eq ptr %keywords, null
  %shape.ok = and i1 %count.ok, %keywords.ok
  br i1 %shape.ok, label %room, label %slow
room:
  %size = get i64 SignatureRecord.size, %signature
  %slots = alloca i8, i64 %size, align 16
  %rows = getelementptr i8, ptr %signature, i64 $signature_header
  br label %unbox.head
unbox.head:
  %i = phi i64 [ 0, %room ], [ %i.next, %unbox.body ]
  %more = icmp ult i64 %i, %params
  br i1 %more, label %unbox.body, label %enter
unbox.body:
  %i.next = add i64 %i, 1
  %argument = getelementptr ptr, ptr %arguments, i64 %i
  %object = load ptr, ptr %argument
  %row = getelementptr [2 x i32], ptr %rows, i64 %i
  %kind = get i32 ValueRecord.kind, %row
  %place = get i32 ValueRecord.place, %row
  %place.wide = zext i32 %place to i64
  %slot = getelementptr i8, ptr %slots, i64 %place.wide
  %unboxed = call i32 @{unbox}(i32 %kind, ptr %object, ptr %slot)
  %other = icmp eq i32 %unboxed, 0
  br i1 %other, label %slow, label %unbox.head
enter:
  %buffer = at Landing.jump_buffer, %landing
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  store volatile ptr %frame, ptr %buffer
  %entered = call i32 @wasmine_enter(ptr %callable, ptr %landing)
  %refused = icmp ne i32 %entered, 0
  br i1 %refused, label %nothing, label %claimed
claimed:
  %store = get ptr NativeCallable.store, %callable
  %references = get i64 SignatureRecord.references, %signature
  %plain = icmp eq i64 %references, 0
  br i1 %plain, label %ready, label %convert
convert:
  %converted = call i32 @unbox_references(ptr %callable, ptr %arguments, ptr %signature, ptr %slots, ptr %store)
  %failed = icmp eq i32 %converted, 0
  br i1 %failed, label %abandon, label %ready
ready:
  %anyfunc = get ptr NativeCallable.anyfunc, %callable
  %body = get ptr VMCallerCheckedAnyfunc.func_ptr, %anyfunc
  %vmctx = get ptr VMCallerCheckedAnyfunc.vmctx, %anyfunc
{depart}run:
{call}
  call void @PyEval_RestoreThread(ptr %tstate)
  %results = get i64 SignatureRecord.results, %signature
  %result.rows = getelementptr [2 x i32], ptr %rows, i64 %params
  {shape}
single:
  %single.kind = get i32 ValueRecord.kind, %result.rows
  %single.place = get i32 ValueRecord.place, %result.rows
  %single.wide = zext i32 %single.place to i64
  %single.slot = getelementptr i8, ptr %slots, i64 %single.wide
  %single.object = call ptr @{box}(i32 %single.kind, ptr %single.slot, ptr %store)
  br label %leave
void:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  br label %leave
several:
  %tuple = call ptr @PyTuple_New(i64 %results)
  br label %box.head
box.head:
  %k = phi i64 [ 0, %several ], [ %k.next, %box.body ]
  %k.more = icmp ult i64 %k, %results
  br i1 %k.more, label %box.body, label %leave
box.body:
  %k.next = add i64 %k, 1
  %k.row = getelementptr [2 x i32], ptr %result.rows, i64 %k
  %k.kind = get i32 ValueRecord.kind, %k.row
  %k.place = get i32 ValueRecord.place, %k.row
  %k.wide = zext i32 %k.place to i64
  %k.slot = getelementptr i8, ptr %slots, i64 %k.wide
  %k.object = call ptr @{box}(i32 %k.kind, ptr %k.slot, ptr %store)
  ; Takes over the reference; a null item only happens when memory is out, and then an exception is
  ; set, which CPython reports for us.
  %k.set = call i32 @PyTuple_SetItem(ptr %tuple, i64 %k, ptr %k.object)
  br label %box.head
leave:
  %answer = phi ptr [ %single.object, %single ], [ @_Py_NoneStruct, %void ], [ %tuple, %box.head ]
  call void @wasmine_leave(ptr %landing)
  ret ptr %answer
{landed}slow:
  %slow.answer = call ptr @wasmine_slow_call(ptr @wasmine_py_{convert}, ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords)
  ret ptr %slow.answer
nothing:
  ret ptr null
}}
"""

_IMPORT: Final = """
; What WebAssembly code calls for a Python callable of any type.
define {cc} {result} @wasmine_host(ptr %host{declared}) {{
  %signature = get ptr VMHostFunction.signature, %host
  %body = get ptr SignatureRecord.host, %signature
  %result = musttail call {cc} {result} %body(ptr %host{declared})
  ret {result} %result
}}

; As long as there is no thunk for the type.
define {cc} {result} @wasmine_generic_host(ptr %host{declared}) "frame-pointer"="all" {{
entry:
  %store = get ptr VMHostFunction.store, %host
  %signature = get ptr VMHostFunction.signature, %host
  %size = get i64 SignatureRecord.size, %signature
  %slots = alloca i8, i64 %size, align 16
{save}
  %params = get i64 SignatureRecord.params, %signature
  %room = add i64 %params, 1
  %vector = alloca ptr, i64 %room, align 16
  %thread = get ptr VMStoreContext.thread, %store
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  call void @count_call(ptr %signature)
  call void @wasmine_poll(ptr %store)
  %rows = getelementptr i8, ptr %signature, i64 $signature_header
  %arguments = getelementptr ptr, ptr %vector, i64 1
  br label %box.head
box.head:
  %i = phi i64 [ 0, %given.done ], [ %i.next, %box.body ]
  %more = icmp ult i64 %i, %params
  br i1 %more, label %box.body, label %call
box.body:
  %i.next = add i64 %i, 1
  %row = getelementptr [2 x i32], ptr %rows, i64 %i
  %kind = get i32 ValueRecord.kind, %row
  %place = get i32 ValueRecord.place, %row
  %place.wide = zext i32 %place to i64
  %slot = getelementptr i8, ptr %slots, i64 %place.wide
  %boxed = call ptr @box(i32 %kind, ptr %slot, ptr %store)
  %item = getelementptr ptr, ptr %arguments, i64 %i
  store ptr %boxed, ptr %item
  br label %box.head
call:
  %callable = get ptr VMHostFunction.callable, %host
  %object = call ptr @wasmine_call_host(ptr %callable, ptr %arguments, i64 %params)
  ; A callable that switches native stacks, as greenlets do, may have left another one there.
  put ptr %landing, ThreadRecord.landing, %thread
  %raised = icmp eq ptr %object, null
  br i1 %raised, label %unwind, label %result
result:
  %results = get i64 SignatureRecord.results, %signature
  %result.rows = getelementptr [2 x i32], ptr %rows, i64 %params
  switch i64 %results, label %slow [ i64 0, label %void i64 1, label %single ]
void:
  %none = icmp eq ptr %object, @_Py_NoneStruct
  br i1 %none, label %accept, label %slow
single:
  %single.kind = get i32 ValueRecord.kind, %result.rows
  %single.place = get i32 ValueRecord.place, %result.rows
  %single.wide = zext i32 %single.place to i64
  %single.slot = getelementptr i8, ptr %slots, i64 %single.wide
  %number = icmp ult i32 %single.kind, $EXTERNREF
  br i1 %number, label %unbox, label %reference
unbox:
  %unboxed = call i32 @unbox(i32 %single.kind, ptr %object, ptr %single.slot)
  %other.number = icmp eq i32 %unboxed, 0
  br i1 %other.number, label %slow, label %accept
reference:
  %simple = icmp eq i32 %single.kind, $EXTERNREF
  br i1 %simple, label %extern, label %slow
extern:
  %extern.value = call ptr @wasmine_externref_from(ptr %store, ptr %object)
  call void @Py_DecRef(ptr %object)
  store volatile ptr %extern.value, ptr %single.slot
  %extern.bits = ptrtoint ptr %extern.value to i64
  %extern.failed = icmp eq i64 %extern.bits, -1
  br i1 %extern.failed, label %unwind, label %return
slow:
  %answers.some = call i64 @llvm.umax.i64(i64 %results, i64 1)
  %answers.size = mul i64 %answers.some, {slot_size}
  %answers = alloca i8, i64 %answers.size, align 16
  %converted = call ptr @wasmine_convert_results(ptr %host, ptr %object, ptr %answers)
  %refused = icmp eq ptr %converted, null
  br i1 %refused, label %unwind, label %spread.head
spread.head:
  %k = phi i64 [ 0, %slow ], [ %k.next, %spread.body ]
  %k.more = icmp ult i64 %k, %results
  br i1 %k.more, label %spread.body, label %return
spread.body:
  %k.next = add i64 %k, 1
  %k.offset = mul i64 %k, {slot_size}
  %k.answer = getelementptr i8, ptr %answers, i64 %k.offset
  %k.value = load $vector, ptr %k.answer, align 16
  %k.row = getelementptr [2 x i32], ptr %result.rows, i64 %k
  %k.place = get i32 ValueRecord.place, %k.row
  %k.wide = zext i32 %k.place to i64
  %k.slot = getelementptr i8, ptr %slots, i64 %k.wide
  store $vector %k.value, ptr %k.slot, align 16
  br label %spread.head
accept:
  call void @Py_DecRef(ptr %object)
  br label %return
return:
  %saved = call ptr @PyEval_SaveThread()
{give}
unwind:
  %exception = call ptr @wasmine_exception_raised(ptr %store)
  %other = icmp eq ptr %exception, null
  br i1 %other, label %pass, label %throw
throw:
  ; Without this frame on the stack, the exception comes from where the thunk was called.
  %never = musttail call {cc} {result} @wasmine_throw(ptr %host, ptr %exception)
  ret {result} %never
pass:
  call void @wasmine_unwind(ptr %landing)
  unreachable
}}
"""


def _slot(name: str, slot: int) -> str:
    return f"  {name} = getelementptr i8, ptr %slots, i64 {slot * SLOT_SIZE}"


def _copy_stored(field: str, name: str, *, to_store: bool) -> list[str]:
    """Lines between the slots and the `values` of the store, in a block of their own."""
    outer, inner = f"%{name}.values", f"%{name}.slots"
    target, source = (outer, inner) if to_store else (inner, outer)
    return [
        f"  %{name}.size = get i64 SignatureRecord.{field}, %signature",
        f"  %{name}.none = icmp eq i64 %{name}.size, 0",
        f"  br i1 %{name}.none, label %{name}.done, label %{name}.copy",
        f"{name}.copy:",
        f"  {outer} = at VMStoreContext.values, %store",
        _slot(inner, FIRST_STORED),
        f"  call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 %{name}.size, i1 false)",
        f"  br label %{name}.done",
        f"{name}.done:",
    ]


def _call() -> str:
    """From slots to registers, the call of `%body`, and back."""
    lines = _copy_stored("stored_params", "given", to_store=True)
    for kind, name, i, slot in _REGISTERS:
        lines.append(_slot(f"%{name}.{i}.p", slot))
        lines.append(f"  %{name}.{i} = load {kind}, ptr %{name}.{i}.p, align 16")
    lines.append(f"  %returned = call {WASM_CC} {_RESULT} %body(ptr %vmctx{_DECLARED})")
    for number, (kind, slot) in enumerate(_RESULTS):
        lines.append(_slot(f"%returned.{number}.p", slot))
        lines.append(f"  %returned.{number} = extractvalue {_RESULT} %returned, {number}")
        lines.append(f"  store {kind} %returned.{number}, ptr %returned.{number}.p, align 16")
    return "\n".join([*lines, *_copy_stored("stored_results", "taken", to_store=False)])


def _save() -> str:
    """From registers to slots."""
    lines = []
    for kind, name, i, slot in _REGISTERS:
        lines.append(_slot(f"%{name}.{i}.p", slot))
        lines.append(f"  store {kind} %{name}.{i}, ptr %{name}.{i}.p, align 16")
    return "\n".join([*lines, *_copy_stored("stored_params", "given", to_store=False)])


def _give() -> str:
    """Results from slots, returned."""
    lines = _copy_stored("stored_results", "returned", to_store=True)
    value = "poison"
    for number, (kind, slot) in enumerate(_RESULTS):
        lines.append(_slot(f"%give.{number}.p", slot))
        lines.append(f"  %give.{number} = load {kind}, ptr %give.{number}.p, align 16")
        lines.append(
            f"  %all.{number} = insertvalue {_RESULT} {value}, {kind} %give.{number}, {number}"
        )
        value = f"%all.{number}"
    return "\n".join([*lines, f"  ret {_RESULT} {value}"])


def _entry(name: str, comment: str, conversion: str, convert: str, results: str) -> str:
    """IR of an entry thunk. `conversion` ends the names of what converts a value, `convert` is what takes
    arguments that they cannot. `results` is the number of results by which they are boxed: -1, a tuple."""
    return _ENTRY.format(
        name=name,
        comment=comment,
        nargs_mask=NARGS_MASK,
        unbox=f"unbox{conversion}",
        box=f"box{conversion}",
        convert=convert,
        call=_call(),
        shape=f"switch i64 {results}, label %several [ i64 0, label %void i64 1, label %single ]",
        depart=DEPART,
        landed=LANDED,
    )


def generic_thunks() -> str:
    """IR of the thunks for all types; its placeholders are those of `generic_placeholders`."""
    objects = "Values are numbers and objects."
    bits = "Values are bits, and results always a tuple."
    entry = _entry("entry", objects, "", "convert_arguments", "%results")
    raw = _entry("raw", bits, "_bits", "convert_bits", "-1")
    host = _IMPORT.format(
        cc=WASM_CC,
        result=_RESULT,
        declared=_DECLARED,
        slot_size=SLOT_SIZE,
        save=_save(),
        give=_give(),
    )
    return CONVERSIONS + _COUNTING + entry + raw + host


def generic_placeholders() -> dict[str, int | str]:
    """What the IR here names."""
    return {
        **{kind.name: kind.value for kind in ValueKind},
        "signature_header": SIGNATURE_HEADER,
        "hot_mask": HOT_CALLS - 1,
    }
