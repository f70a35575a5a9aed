"""Structured control flow and calls.

A label's values travel through stack slots: each branch stores them, the place where paths meet loads
them, and LLVM makes SSA form of it. A label that no branch takes leaves no trace, and the values of its
block stay on the operand stack.

Handlers return True where control does not go on; the driver then skips to the `else` or `end` of the
block and calls `else_unreached` or `end_unreached`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc, offset_of
from wasmine.compiler.builder import FunctionBuilder, Handler
from wasmine.compiler.heap import is_subtype
from wasmine.compiler.ir import (
    IN_CONTEXT,
    IN_TABLE,
    WASM_CC,
    Signature,
    load_value,
    store_value,
)
from wasmine.compiler.variables import table_element
from wasmine.errors import TrapCode
from wasmine.types import FunctionType

FUNC_PTR: Final = offset_of(VMCallerCheckedAnyfunc, "func_ptr")
TYPE_INDEX: Final = offset_of(VMCallerCheckedAnyfunc, "type_index")
ENVIRONMENT: Final = offset_of(VMCallerCheckedAnyfunc, "vmctx")


class Label:
    """What a branch aims at: the end of a block, or the start of a loop."""

    __slots__ = ("alternative", "height", "name", "operands", "position", "types", "used")

    def __init__(self, position: int, types: tuple[str, ...], height: int) -> None:
        self.position = position
        self.name = f"L{position}"
        self.types = types
        """LLVM types of the values that a branch brings."""
        self.height = height
        """Number of operands below the block's."""
        self.used = False
        self.alternative = False
        """Whether this is an `if` whose `else` has not come yet."""
        self.operands: list[str] = []
        """The parameters of an `if`, for its other half."""

    @property
    def leads_on(self) -> bool:
        """Whether `finish` has anything to write."""
        return False

    def finish(self, f: FunctionBuilder) -> None:
        """Write what belongs behind the end of the block, where control does not come in."""


class Loop(Label):
    """A label that stands in front of its block."""

    __slots__ = ()


# --- labels --------------------------------------------------------------------------------------


def bring(f: FunctionBuilder, label: Label) -> None:
    """Store the operands that a branch takes along. They stay on the stack."""
    types, position = label.types, label.position
    if not label.used:
        label.used = True
        for number, type_ in enumerate(types):
            f.entry.append(f"%s{position}_{number} = alloca {type_}")
    if types:
        for number, value in enumerate(f.stack[-len(types) :]):
            f.append(f"store {types[number]} {value}, ptr %s{position}_{number}")


def meet(f: FunctionBuilder, label: Label) -> None:
    """Begin the block where the branches to a label meet, with the operands that they bring."""
    position = label.position
    f.append(f"{label.name}:")
    f.cache.clear()
    del f.stack[label.height :]
    for number, type_ in enumerate(label.types):
        f.append(f"%v{position}_{number} = load {type_}, ptr %s{position}_{number}")
        f.stack.append(f"%v{position}_{number}")


def _block(f: FunctionBuilder, position: int, type_: FunctionType) -> None:
    signature = f.module.signature(type_)
    f.labels.append(Label(position, signature.results, len(f.stack) - len(signature.params)))


def _loop(f: FunctionBuilder, position: int, type_: FunctionType) -> None:
    types = f.module.signature(type_).params
    label = Loop(position, types, len(f.stack) - len(types))
    f.labels.append(label)
    if f.takeover is not None and f.takeover.position == position:
        f.takeover.enter(f, label)
        return
    if f.takeover is not None and position in f.takeover.around:
        f.takeover.keep(f, label)
    bring(f, label)
    f.append(f"br label %{label.name}")
    meet(f, label)


def _if(f: FunctionBuilder, position: int, type_: FunctionType) -> None:
    condition = f.condition(f.stack.pop(), position)
    signature = f.module.signature(type_)
    height = len(f.stack) - len(signature.params)
    label = Label(position, signature.results, height)
    label.alternative = True
    label.operands = f.stack[height:]
    f.labels.append(label)
    f.append(f"br i1 {condition}, label %N{position}, label %E{position}\nN{position}:")


def _else(f: FunctionBuilder, _position: int, _: Any) -> None:
    label = f.labels[-1]
    bring(f, label)
    f.append(f"br label %{label.name}")
    else_unreached(f)


def else_unreached(f: FunctionBuilder) -> None:
    """The other half of an `if`, whose first half does not reach its end."""
    label = f.labels[-1]
    label.alternative = False
    f.append(f"E{label.position}:")
    # What the first half learnt does not hold here.
    f.cache.clear()
    f.stack[label.height :] = label.operands


def end(f: FunctionBuilder, position: int, _: Any) -> None:
    """The end of a block that control reaches from within."""
    label = f.labels[-1]
    if type(label) is Loop:
        f.labels.pop()
        return
    if label.alternative:
        _else(f, position, None)
    if label.used or label.leads_on:
        bring(f, label)
        f.append(f"br label %{label.name}")
        label.finish(f)
        meet(f, label)
    else:
        label.finish(f)
    f.labels.pop()
    if not f.labels:
        _return(f, position, None)


def end_unreached(f: FunctionBuilder, position: int) -> bool:
    """The end of a block that control does not reach from within. Whether it goes on behind it."""
    label = f.labels[-1]
    if label.alternative:
        else_unreached(f)
        end(f, position, None)
        return True
    label.finish(f)
    f.labels.pop()
    if type(label) is Loop or not label.used:
        return False
    meet(f, label)
    if not f.labels:
        _return(f, position, None)
    return True


# --- branches ------------------------------------------------------------------------------------


def _br(f: FunctionBuilder, position: int, depth: int) -> bool:
    label = f.labels[-1 - depth]
    if label is f.labels[0]:
        return _return(f, position, None)
    bring(f, label)
    f.append(f"br label %{label.name}")
    return True


def _br_if(f: FunctionBuilder, position: int, depth: int) -> None:
    condition = f.condition(f.stack.pop(), position)
    label = f.labels[-1 - depth]
    bring(f, label)
    f.append(f"br i1 {condition}, label %{label.name}, label %N{position}\nN{position}:")


def _br_on_null(f: FunctionBuilder, position: int, depth: int) -> None:
    reference = f.stack.pop()
    label = f.labels[-1 - depth]
    bring(f, label)
    f.append(
        f"%i{position} = icmp eq ptr {reference}, null\n"
        f"br i1 %i{position}, label %{label.name}, label %N{position}\nN{position}:"
    )
    f.stack.append(reference)


def _br_on_non_null(f: FunctionBuilder, position: int, depth: int) -> None:
    label = f.labels[-1 - depth]
    bring(f, label)
    f.append(
        f"%i{position} = icmp ne ptr {f.stack.pop()}, null\n"
        f"br i1 %i{position}, label %{label.name}, label %N{position}\nN{position}:"
    )


def _br_table(f: FunctionBuilder, _position: int, immediate: tuple[tuple[int, ...], int]) -> bool:
    depths, default = immediate
    selector = f.stack.pop()
    for depth in sorted({*depths, default}):
        bring(f, f.labels[-1 - depth])
    labels = f.labels
    cases = " ".join(
        f"i32 {number}, label %{labels[-1 - depth].name}" for number, depth in enumerate(depths)
    )
    f.append(f"switch i32 {selector}, label %{labels[-1 - default].name} [ {cases} ]")
    return True


def _return(f: FunctionBuilder, position: int, _: Any) -> bool:
    signature = f.signature
    results = signature.results
    if not results:
        f.append("ret void")
        return True
    values = f.stack[-len(results) :]
    for index, offset in signature.stored_results:
        line = store_value(
            results[index], values[index], f.store(), offset, f"%q{position}_{index}"
        )
        f.append(line + IN_CONTEXT)
    if len(signature.returned) == 1:
        f.append(f"ret {signature.result} {values[signature.returned[0]]}")
        return True
    whole = "poison"
    for number, index in enumerate(signature.returned):
        part = f"%r{position}_{number}"
        f.append(
            f"{part} = insertvalue {signature.result} {whole}, {results[index]} {values[index]}, {number}"
        )
        whole = part
    f.append(f"ret {signature.result} {whole}")
    return True


def _unreachable(f: FunctionBuilder, position: int, _: Any) -> bool:
    f.append(f"br label %{f.trap(position, TrapCode.UNREACHABLE_CODE_REACHED)}")
    return True


# --- calls ---------------------------------------------------------------------------------------


def _emit_call(
    f: FunctionBuilder, position: int, signature: Signature, callee: str, environment: str
) -> None:
    f.calls = True
    call = _callee(f, position, signature, callee, environment)
    handler = f.handler
    if handler is None:
        call = f"call {call}{f.location(position)}"
    else:
        handler.landed = True
        call = (
            f"invoke {call} to label %K{position} unwind label %P{handler.position}"
            f"{f.location(position)}\nK{position}:"
        )
    results = signature.results
    r = f"%v{position}"
    if not results:
        f.append(call)
        return
    f.append(f"{r} = {call}")
    if len(results) == 1:
        f.stack.append(r)
        return
    for number, index in enumerate(signature.returned):
        f.append(f"{r}_{index} = extractvalue {signature.result} {r}, {number}")
    for index, offset in signature.stored_results:
        line = load_value(f"{r}_{index}", results[index], f.store(), offset)
        f.append(line + IN_CONTEXT)
    f.stack += [f"{r}_{index}" for index in range(len(results))]


def _callee(
    f: FunctionBuilder, position: int, signature: Signature, callee: str, environment: str
) -> str:
    """The operands of a call, whose arguments are popped; what is not passed in registers is stored."""
    arguments = signature.arguments
    if signature.params:
        values = f.pop(len(signature.params))
        for index, offset in signature.stored_params:
            name = f"%q{position}_{index}"
            line = store_value(signature.params[index], values[index], f.store(), offset, name)
            f.append(line + IN_CONTEXT)
        arguments %= tuple(values[index] for index in signature.passed)
    return f"{WASM_CC} {signature.result} {callee}(ptr {environment}{arguments})"


def _emit_tail_call(
    f: FunctionBuilder, position: int, signature: Signature, callee: str, environment: str
) -> bool:
    # No stack is passed on, so that LLVM can always do what `musttail` demands; the results that a
    # callee leaves in the store are those of this function.
    callee = _callee(f, position, signature, callee, environment)
    call = f"musttail call {callee}{f.location(position)}"
    if signature.result == "void":
        f.append(f"{call}\nret void")
    else:
        f.append(f"%v{position} = {call}\nret {signature.result} %v{position}")
    return True


Callee: TypeAlias = tuple[Signature, str, str]
"""What is called: its signature, its body, its environment."""


def _direct(f: FunctionBuilder, position: int, index: int) -> Callee:
    module = f.module
    signature = module.signature_of(index)
    offsets = module.offsets
    body, environment = f"%b{position}", f"%m{position}"
    local = index - module.info.imported_functions
    if local >= 0:
        if module.has_name(index):
            f.callees.add(index)
            return signature, f"@f{index}", "%vmctx"
        f.context_load(f"%e{position}", "ptr", offsets.vmctx_entries())
        f.append(
            f"{body}p = getelementptr ptr, ptr %e{position}, i64 {local}\n"
            f"{body} = load ptr, ptr {body}p{IN_CONTEXT}"
        )
        return signature, body, "%vmctx"
    f.context_load(body, "ptr", offsets.vmctx_imported_function_body(index))
    f.context_load(environment, "ptr", offsets.vmctx_imported_function_environment(index))
    return signature, body, environment


def _indirect(f: FunctionBuilder, position: int, immediate: tuple[int, int]) -> Callee:
    """The element of a table that the top operand names, if its type is the expected one."""
    type_index, table_index = immediate
    module = f.module
    place = table_element(f, position, module.tables[table_index], f.stack.pop())
    function = f"%f{position}"
    f.append(
        f"{function} = load ptr, ptr {place}{IN_TABLE}\n{function}z = icmp eq ptr {function}, null"
    )
    f.trap_if(f"{function}z", position, TrapCode.INDIRECT_CALL_TO_NULL, "z")
    _check_type(f, position, function, type_index)
    return _referenced(f, function, type_index)


def _check_type(f: FunctionBuilder, position: int, function: str, type_index: int) -> None:
    """Trap if a function is not of the expected type or one below it."""
    expected = f"%t{position}"
    f.context_load(expected, "i32", f.module.offsets.vmctx_signature_id(type_index))
    f.append(_field(function, "t", "i32", TYPE_INDEX))
    type_ = f.module.info.types[type_index]
    if type_.final:
        f.append(f"{function}x = icmp ne i32 {function}t, {expected}")
    else:
        fits = is_subtype(f, position, f"{function}t", expected, type_)
        f.append(f"{function}x = xor i1 {fits}, true")
    f.trap_if(f"{function}x", position, TrapCode.BAD_SIGNATURE, "x")


def _by_reference(f: FunctionBuilder, position: int, type_index: int) -> Callee:
    """The function that the top operand refers to."""
    reference, function = f.stack.pop(), f"%f{position}"
    f.append(f"{function}z = icmp eq ptr {reference}, null")
    f.trap_if(f"{function}z", position, TrapCode.NULL_FUNCTION)
    f.append(f"{function} = getelementptr i8, ptr {reference}, i64 0")
    return _referenced(f, function, type_index)


def _referenced(f: FunctionBuilder, function: str, type_index: int) -> Callee:
    """The function of a record, which is of this type."""
    f.append(
        f"{_field(function, 'b', 'ptr', FUNC_PTR)}\n{_field(function, 'm', 'ptr', ENVIRONMENT)}"
    )
    module = f.module
    signature = module.signature(module.info.function_type(type_index))
    return signature, f"{function}b", f"{function}m"


def _calling(find: Callable[[FunctionBuilder, int, Any], Callee]) -> Handler:
    def call(f: FunctionBuilder, position: int, immediate: Any) -> None:
        _emit_call(f, position, *find(f, position, immediate))

    return call


def _tail_calling(find: Callable[[FunctionBuilder, int, Any], Callee]) -> Handler:
    def call(f: FunctionBuilder, position: int, immediate: Any) -> bool:
        return _emit_tail_call(f, position, *find(f, position, immediate))

    return call


def _field(function: str, letter: str, kind: str, offset: int) -> str:
    """Load a field of a VMCallerCheckedAnyfunc."""
    return (
        f"{function}{letter}p = getelementptr i8, ptr {function}, i64 {offset}\n"
        f"{function}{letter} = load {kind}, ptr {function}{letter}p{IN_CONTEXT}"
    )


HANDLERS: Final[dict[str, Handler]] = {
    "unreachable": _unreachable,
    "block": _block,
    "loop": _loop,
    "if": _if,
    "else": _else,
    "end": end,
    "br": _br,
    "br_if": _br_if,
    "br_table": _br_table,
    "return": _return,
    "br_on_null": _br_on_null,
    "br_on_non_null": _br_on_non_null,
    "call": _calling(_direct),
    "call_indirect": _calling(_indirect),
    "call_ref": _calling(_by_reference),
    "return_call": _tail_calling(_direct),
    "return_call_indirect": _tail_calling(_indirect),
    "return_call_ref": _tail_calling(_by_reference),
}
