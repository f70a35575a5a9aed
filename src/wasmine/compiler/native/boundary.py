"""Thunks between CPython and WebAssembly, generated for each function type.

`entry_*` is what CPython calls by vectorcall when a WebAssembly function is called: it unboxes the
arguments, claims the store, releases the interpreter lock, sets the landing place, calls, and boxes
the results. `raw_*` is the same with every value as the unsigned integer of its bits.
`host_*` is what WebAssembly code calls when a Python callable was imported.

Only numbers of the common case are handled here, and a v128 as bytes, from its bits too. Everything else
(other integer types, values out of range, several results, references to functions) goes through a Python
callable that does it with all care and good error messages.
"""

from __future__ import annotations

from collections.abc import Iterable

from wasmine.abi.convention import SLOT_SIZE, thunk_name
from wasmine.compiler.ir import LLVM_TYPES, WASM_CC, call_function, load_value, store_value
from wasmine.compiler.ir import signature as native
from wasmine.compiler.native.entry import DEPART, LANDED
from wasmine.types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    FunctionType,
    RefType,
    ValType,
    top,
)

NARGS_MASK = (1 << 63) - 1

_UNBOX = {
    # Signed and unsigned values of the width are taken; all else is for the slow call.
    I32: """  %wide.{i} = call i64 @PyLong_AsLongLong(ptr %object.{i})
  %shifted.{i} = add i64 %wide.{i}, 2147483648
  %fits.{i} = icmp ult i64 %shifted.{i}, 6442450944
  %value.{i} = trunc i64 %wide.{i} to i32
  %odd.{i} = icmp eq i64 %wide.{i}, -1
  br i1 %fits.{i}, label %ranged.{i}, label %slow
ranged.{i}:
  br i1 %odd.{i}, label %check.{i}, label %ready.{i}
""",
    I64: """  %value.{i} = call i64 @PyLong_AsLongLong(ptr %object.{i})
  %odd.{i} = icmp eq i64 %value.{i}, -1
  br i1 %odd.{i}, label %check.{i}, label %ready.{i}
""",
    F32: """  %wide.{i} = call double @PyFloat_AsDouble(ptr %object.{i})
  %value.{i} = fptrunc double %wide.{i} to float
  %odd.{i} = fcmp oeq double %wide.{i}, -1.0
  br i1 %odd.{i}, label %check.{i}, label %ready.{i}
""",
    F64: """  %value.{i} = call double @PyFloat_AsDouble(ptr %object.{i})
  %odd.{i} = fcmp oeq double %value.{i}, -1.0
  br i1 %odd.{i}, label %check.{i}, label %ready.{i}
""",
}
_CHECK = """check.{i}:
  %error.{i} = call ptr @PyErr_Occurred()
  %fine.{i} = icmp eq ptr %error.{i}, null
  br i1 %fine.{i}, label %ready.{i}, label %slow
ready.{i}:
"""
_UNBOX_VECTOR = """  %bytes.{i} = call ptr @PyBytes_AsString(ptr %object.{i})
  %other.{i} = icmp eq ptr %bytes.{i}, null
  br i1 %other.{i}, label %slow, label %sized.{i}
sized.{i}:
  %size.{i} = call i64 @PyBytes_Size(ptr %object.{i})
  %sixteen.{i} = icmp eq i64 %size.{i}, 16
  br i1 %sixteen.{i}, label %ready.{i}, label %slow
ready.{i}:
  %value.{i} = load {type}, ptr %bytes.{i}, align 1
"""
_RAW_WIDTH = {I32: 32, F32: 32, I64: 64, F64: 64}
_RAW_UNBOX = """  %wide.{i} = call i64 @PyLong_AsUnsignedLongLong(ptr %object.{i})
  %odd.{i} = icmp eq i64 %wide.{i}, -1
  %big.{i} = icmp ugt i64 %wide.{i}, {maximum}
  br i1 %big.{i}, label %slow, label %ranged.{i}
ranged.{i}:
  %bits.{i} = trunc i64 %wide.{i} to i{width}
  %value.{i} = bitcast i{width} %bits.{i} to {type}
  br i1 %odd.{i}, label %check.{i}, label %ready.{i}
"""
_BOX = {
    I32: """  %long.{i} = sext i32 {value} to i64
  %boxed.{i} = call ptr @PyLong_FromLongLong(i64 %long.{i})
""",
    I64: "  %boxed.{i} = call ptr @PyLong_FromLongLong(i64 {value})\n",
    F32: """  %long.{i} = fpext float {value} to double
  %boxed.{i} = call ptr @PyFloat_FromDouble(double %long.{i})
""",
    F64: "  %boxed.{i} = call ptr @PyFloat_FromDouble(double {value})\n",
}
_RAW_BOX = """  %bits.r{i} = bitcast {type} {value} to i{width}
  %long.{i} = zext i{width} %bits.r{i} to i64
  %boxed.{i} = call ptr @PyLong_FromUnsignedLongLong(i64 %long.{i})
"""
# A zext of i64 to i64 does not exist in LLVM.
_RAW_BOX_64 = """  %bits.r{i} = bitcast {type} {value} to i64
  %boxed.{i} = call ptr @PyLong_FromUnsignedLongLong(i64 %bits.r{i})
"""


def _unbox(index: int, kind: ValType, raw: bool) -> str:
    """IR from the argument's object to `%value.<index>`; leaves for %slow if it does not fit."""
    load = (
        f"  %argument.{index} = getelementptr ptr, ptr %arguments, i64 {index}\n"
        f"  %object.{index} = load ptr, ptr %argument.{index}\n"
    )
    if isinstance(kind, RefType):
        return load
    if kind is V128:
        return load + _UNBOX_VECTOR.format(i=index, type=LLVM_TYPES[kind])
    if not raw:
        return load + (_UNBOX[kind] + _CHECK).format(i=index)
    width = _RAW_WIDTH[kind]
    template = _RAW_UNBOX
    if width == 64:
        template = template.replace("trunc i64 %wide.{i} to i{width}", "add i64 %wide.{i}, 0")
    return load + (template + _CHECK).format(
        i=index, width=width, maximum=(1 << width) - 1, type=LLVM_TYPES[kind]
    )


def _reference_from_object(index: int, kind: ValType) -> str:
    """IR from the argument's object to a reference; the store is claimed and the lock held."""
    arguments = f"ptr %store, ptr %object.{index}"
    if kind is EXTERNREF:
        convert = "externref_from"
    elif kind is FUNCREF:
        convert = "funcref_from"
    else:
        convert = "reference_from"
        arguments = f"ptr %callable, i64 {index}, ptr %object.{index}"
    return (
        f"  %value.{index} = call ptr @wasmine_{convert}({arguments})\n"
        f"  %number.{index} = ptrtoint ptr %value.{index} to i64\n"
        f"  %failed.{index} = icmp eq i64 %number.{index}, -1\n"
        f"  br i1 %failed.{index}, label %abandon, label %reference.{index}\n"
        f"reference.{index}:\n"
    )


def _box(index: int, kind: ValType, value: str, raw: bool) -> str:
    """IR from a value to `%boxed.<index>`, a new reference or null."""
    if isinstance(kind, RefType):
        convert = f"object_from_{top(kind.heap)}ref"
        return f"  %boxed.{index} = call ptr @wasmine_{convert}(ptr %store, ptr {value})\n"
    if kind is V128:
        convert = "int_from_vector" if raw else "bytes_from_vector"
        return f"  %boxed.{index} = call ptr @wasmine_{convert}({LLVM_TYPES[kind]} {value})\n"
    if not raw:
        return _BOX[kind].format(i=index, value=value)
    width = _RAW_WIDTH[kind]
    template = _RAW_BOX_64 if width == 64 else _RAW_BOX
    return template.format(i=index, value=value, width=width, type=LLVM_TYPES[kind])


def _box_results(signature: FunctionType, raw: bool) -> str:
    """IR that makes `%answer`, what the caller in Python gets: a new reference or null."""
    results = signature.results
    boxes = "".join(_box(100 + i, kind, f"%part.{i}", raw) for i, kind in enumerate(results))
    if not results and not raw:
        return (
            "  call void @Py_IncRef(ptr @_Py_NoneStruct)\n"
            "  %answer = getelementptr i8, ptr @_Py_NoneStruct, i64 0\n"
        )
    if len(results) == 1 and not raw:
        return boxes + "  %answer = getelementptr i8, ptr %boxed.100, i64 0\n"
    # PyTuple_SetItem takes over the reference; a null item only happens when memory is out, and
    # then an exception is set, which CPython reports for us.
    return (
        boxes
        + f"  %answer = call ptr @PyTuple_New(i64 {len(results)})\n"
        + "".join(
            f"  %set.{i} = call i32 @PyTuple_SetItem(ptr %answer, i64 {i}, ptr %boxed.{100 + i})\n"
            for i in range(len(results))
        )
    )


def entry_thunk(signature: FunctionType, raw: bool = False) -> str:
    """IR of the function that CPython calls, with the type of a vectorcallfunc."""
    params = signature.params
    unbox = "".join(_unbox(i, kind, raw) for i, kind in enumerate(params))
    references = "".join(
        _reference_from_object(i, kind)
        for i, kind in enumerate(params)
        if isinstance(kind, RefType)
    )
    name = thunk_name("raw" if raw else "entry", signature)
    convert = "wasmine_py_convert_bits" if raw else "wasmine_py_convert_arguments"
    return f"""
define ptr @{name}(ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords) {{
entry:
  %landing = alloca i64, i64 $landing_words, align 16
  %count = and i64 %flagged, {NARGS_MASK}
  %count.ok = icmp eq i64 %count, {len(params)}
  %keywords.ok = icmp eq ptr %keywords, null
  %shape.ok = and i1 %count.ok, %keywords.ok
  br i1 %shape.ok, label %unbox, label %slow
unbox:
{unbox}  %buffer = at Landing.jump_buffer, %landing
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  store volatile ptr %frame, ptr %buffer
  %entered = call i32 @wasmine_enter(ptr %callable, ptr %landing)
  %refused = icmp ne i32 %entered, 0
  br i1 %refused, label %nothing, label %claimed
claimed:
  %store = get ptr NativeCallable.store, %callable
  %anyfunc = get ptr NativeCallable.anyfunc, %callable
  %body = get ptr VMCallerCheckedAnyfunc.func_ptr, %anyfunc
  %vmctx = get ptr VMCallerCheckedAnyfunc.vmctx, %anyfunc
{references}{DEPART}run:
{call_function(native(signature), "%body")}
  call void @PyEval_RestoreThread(ptr %tstate)
{_box_results(signature, raw)}  call void @wasmine_leave(ptr %landing)
  ret ptr %answer
{LANDED}slow:
  %slow.answer = call ptr @wasmine_slow_call(ptr @{convert}, ptr %callable, ptr %arguments, i64 %flagged, ptr %keywords)
  ret ptr %slow.answer
nothing:
  ret ptr null
}}
"""


def _import_result(results: tuple[ValType, ...]) -> str:
    """IR from the callable's `%object.0` to a return; what is not simple goes by slots."""
    if not results:
        return """  %none = icmp eq ptr %object.0, @_Py_NoneStruct
  br i1 %none, label %accept, label %slow
accept:
  call void @Py_DecRef(ptr %object.0)
  %saved = call ptr @PyEval_SaveThread()
  ret void
"""
    if results == (EXTERNREF,):
        return """  %value.0 = call ptr @wasmine_externref_from(ptr %store, ptr %object.0)
  call void @Py_DecRef(ptr %object.0)
  %number.0 = ptrtoint ptr %value.0 to i64
  %failed.0 = icmp eq i64 %number.0, -1
  br i1 %failed.0, label %unwind, label %ready
ready:
  %saved = call ptr @PyEval_SaveThread()
  ret ptr %value.0
"""
    if len(results) == 1 and not isinstance(results[0], RefType):
        (kind,) = results
        unbox = _UNBOX_VECTOR if kind is V128 else _UNBOX[kind] + _CHECK
        return (
            unbox.format(i=0, type=LLVM_TYPES[kind])
            + f"""  call void @Py_DecRef(ptr %object.0)
  %saved = call ptr @PyEval_SaveThread()
  ret {LLVM_TYPES[kind]} %value.0
"""
        )
    return "  br label %slow\n"


def _slot_result(signature: FunctionType) -> str:
    """IR that returns what the Python side has written into `%slots`."""
    form = native(signature)
    lines = ["%saved.slow = call ptr @PyEval_SaveThread()"]
    for i, kind in enumerate(form.results):
        lines.append(f"%slot.{i} = getelementptr i8, ptr %slots, i64 {i * SLOT_SIZE}")
        lines.append(f"%stored.{i} = load {kind}, ptr %slot.{i}")
    lines += [
        store_value(form.results[index], f"%stored.{index}", "%store", offset, f"%result.{index}")
        for index, offset in form.stored_results
    ]
    if len(form.returned) < 2:
        values = [f"%stored.{index}" for index in form.returned]
        return "\n".join([*lines, f"ret {form.result} {' '.join(values)}\n"])
    value = "poison"
    for number, index in enumerate(form.returned):
        kind = form.results[index]
        lines.append(
            f"%all.{index} = insertvalue {form.result} {value}, {kind} %stored.{index}, {number}"
        )
        value = f"%all.{index}"
    return "\n".join([*lines, f"ret {form.result} {value}\n"])


def _tail_call_throw(result: str) -> str:
    call = f"musttail call {WASM_CC} {result} @wasmine_throw(ptr %host, ptr %exception)"
    if result == "void":
        return f"{call}\n  ret void"
    return f"%never = {call}\n  ret {result} %never"


def import_thunk(signature: FunctionType) -> str:
    """IR of the function that stands for a Python callable, with the WebAssembly convention."""
    params, results = signature.params, signature.results
    form = native(signature)
    declared = form.arguments % tuple(f"%p{index}" for index in form.passed)
    stored = "".join(
        load_value(f"%p{index}", form.params[index], "%store", offset) + "\n"
        for index, offset in form.stored_params
    )
    boxes = "".join(_box(200 + i, kind, f"%p{i}", False) for i, kind in enumerate(params))
    stores = "".join(
        f"  %item.{i} = getelementptr ptr, ptr %vector, i64 {i + 1}\n"
        f"  store ptr %boxed.{200 + i}, ptr %item.{i}\n"
        for i in range(len(params))
    )
    return f"""
define {WASM_CC} {form.result} @{thunk_name("host", signature)}(ptr %host{declared}) "frame-pointer"="all" {{
entry:
  %vector = alloca ptr, i64 {len(params) + 1}
  %slots = alloca i8, i64 {max(1, len(results)) * SLOT_SIZE}, align 16
  %store = get ptr VMHostFunction.store, %host
{stored}  %thread = get ptr VMStoreContext.thread, %store
  %landing = get ptr ThreadRecord.landing, %thread
  %tstate = get ptr Landing.tstate, %landing
  call void @PyEval_RestoreThread(ptr %tstate)
  call void @wasmine_poll(ptr %store)
{boxes}{stores}  %callable = get ptr VMHostFunction.callable, %host
  %first = getelementptr ptr, ptr %vector, i64 1
  %object.0 = call ptr @wasmine_call_host(ptr %callable, ptr %first, i64 {len(params)})
  ; A callable that switches native stacks, as greenlets do, may have left another one there.
  put ptr %landing, ThreadRecord.landing, %thread
  %raised = icmp eq ptr %object.0, null
  br i1 %raised, label %unwind, label %result
result:
{_import_result(results)}slow:
  %answer = call ptr @wasmine_convert_results(ptr %host, ptr %object.0, ptr %slots)
  %refused = icmp eq ptr %answer, null
  br i1 %refused, label %unwind, label %converted
converted:
{_slot_result(signature)}unwind:
  %exception = call ptr @wasmine_exception_raised(ptr %store)
  %other = icmp eq ptr %exception, null
  br i1 %other, label %pass, label %throw
throw:
  ; Without this frame on the stack, the exception comes from where the thunk was called.
  {_tail_call_throw(form.result)}
pass:
  call void @wasmine_unwind(ptr %landing)
  unreachable
}}
"""


def thunks(
    entries: Iterable[FunctionType], raws: Iterable[FunctionType], imports: Iterable[FunctionType]
) -> str:
    """IR of all thunks that these function types need."""
    return "\n".join(
        [
            *(entry_thunk(signature) for signature in entries),
            *(entry_thunk(signature, raw=True) for signature in raws),
            *(import_thunk(signature) for signature in imports),
        ]
    )
