"""One function: walks a decoded body and hands each instruction to what lowers it.

Which handler or template belongs to a row of the opcode table is settled at import. What is frequent
is done in the loop itself; that, and not calling anything twice, is what the speed rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, TypeAlias

from wasmine.abi.vmcontext import VMStoreContext, offset_of
from wasmine.compiler import (
    arrays,
    atomics,
    casts,
    control,
    exceptions,
    lowering,
    memories,
    objects,
    variables,
)
from wasmine.compiler.builder import FunctionBuilder
from wasmine.compiler.control import Label
from wasmine.compiler.deadcode import BlockEnds, Steps, skip
from wasmine.compiler.ir import (
    CONSTANT,
    IN_CONTEXT,
    INVARIANT,
    UNLIKELY,
    WASM_CC,
    ZEROS,
    load_value,
)
from wasmine.compiler.module import ModuleContext
from wasmine.compiler.takeover import BEGINNING, UNREACHED, Takeover
from wasmine.errors import InternalError, TrapCode
from wasmine.wasm.body import Body
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode

STACK_LIMIT: Final = offset_of(VMStoreContext, "stack_limit")

SMALL_LOCALS: Final = 100
SMALL_BODY: Final = 1000
"""Up to this many instructions and locals a function that calls nothing does without a stack check:
its frame is far smaller than what the limit leaves free below itself."""

MANY_LOCALS: Final = 1000
"""A function with more is not optimised: its locals stay in memory. LLVM takes its time for every value
in every block where it is alive, and a small module could keep it busy for minutes."""


HANDLED, CONSTANTS, BINARY, COMPARE, UNARY = range(5)
"""What the loop does for a row: call its handler, or apply its template in one of these ways."""

TABLES: Final = (
    (CONSTANTS, CONSTANT),
    (BINARY, lowering.BINARY),
    (COMPARE, lowering.COMPARE),
    (UNARY, lowering.UNARY),
    (HANDLED, lowering.HANDLERS),
    (HANDLED, control.HANDLERS),
    (HANDLED, exceptions.HANDLERS),
    (HANDLED, variables.HANDLERS),
    (HANDLED, memories.HANDLERS),
    (HANDLED, atomics.HANDLERS),
    (HANDLED, objects.HANDLERS),
    (HANDLED, arrays.HANDLERS),
    (HANDLED, casts.HANDLERS),
)
Row: TypeAlias = tuple[int, Callable[..., Any]]


def _bind_vectors(f: FunctionBuilder, position: int, immediate: Any) -> object:
    """What handles the first of the instructions on vectors.

    Their templates take longer to make than those of all others, and few modules have any.
    """
    from wasmine.compiler import vectormemory, vectors

    _bind(HANDLED, vectors.HANDLERS)
    _bind(HANDLED, vectormemory.HANDLERS)
    _, handler = ROWS[f.codes[position]]
    return handler(f, position, immediate)


def _unbound(opcode: Opcode) -> Row | None:
    """The row of an instruction that no table has been asked for yet."""
    return (HANDLED, _bind_vectors) if opcode.feature in ("simd", "relaxed-simd") else None


def _bind(kind: int, table: Mapping[str, Callable[..., Any]]) -> None:
    """Settle how these instructions are lowered."""
    for name, function in table.items():
        opcode = BY_NAME.get(name)
        row = (kind, function)
        # Two threads may come here with the same table.
        if opcode is None or ROWS[opcode.index] not in (_unbound(opcode), row):
            raise InternalError(f"no or several instructions are named {name}")
        ROWS[opcode.index] = row


ROWS: Final[list[Any]] = [_unbound(opcode) for opcode in OPCODES]
"""How each row of the opcode table is lowered, by its index."""
for _kind, _table in TABLES:
    _bind(_kind, _table)
if _missing := [opcode.name for opcode in OPCODES if not ROWS[opcode.index]]:
    raise InternalError(f"nothing lowers {_missing}")
LOCAL_GET: Final = BY_NAME["local.get"].index
BLOCK_ENDS: Final = BlockEnds(
    control.end_unreached,
    exceptions.delegate_unreached,
    exceptions.catch_unreached,
    control.else_unreached,
)


def _walk(f: FunctionBuilder, body: Body) -> None:
    rows, append, stack = ROWS, f.append, f.stack
    push, pop, known, loaded = stack.append, stack.pop, f.cache.get, f.loaded
    steps: Steps = zip(count(), body.codes, body.immediates, strict=False)
    for position, code, immediate in steps:
        if code == LOCAL_GET and (value := known(immediate)) is not None:
            push(value)
            continue
        kind, function = rows[code]
        if kind == HANDLED:
            if function(f, position, immediate):
                skip(f, steps, BLOCK_ENDS)
        elif kind == CONSTANTS:
            push(function(immediate))
        elif kind == UNARY:
            result, operand = f"%v{position}", stack[-1]
            line = function(result, operand)
            append(f.located(line, result, operand) if operand in loaded else line)
            stack[-1] = result
        else:
            second = pop()
            result = f"%v{position}" if kind == BINARY else f"%c{position}"
            first = stack[-1]
            line = function(result, first, second)
            if second in loaded or first in loaded:
                line = f.located(line, result, first, second)
            append(line)
            stack[-1] = result


def _local_slots(f: FunctionBuilder, parameters: int) -> list[str]:
    """Lines that give each local a stack slot with its first value."""
    lines = []
    for index, type_ in enumerate(f.locals):
        value = f"%arg{index}" if index < parameters else ZEROS[type_]
        f.cache[index] = value
        if index in f.certain:
            f.know(value)
        lines.append(f"%l{index} = alloca {type_}\nstore {type_} {value}, ptr %l{index}")
    return lines


def _stored_parameters(f: FunctionBuilder) -> list[str]:
    """Lines that take the parameters which are not passed in registers from the store."""
    signature = f.signature
    return [
        load_value(f"%arg{index}", signature.params[index], f.store(), offset) + IN_CONTEXT
        for index, offset in signature.stored_params
    ]


def _store(f: FunctionBuilder) -> str:
    return (
        f"%storep = getelementptr i8, ptr %vmctx, i64 {f.module.offsets.vmctx_store()}\n"
        f"%store = load ptr, ptr %storep{INVARIANT}{IN_CONTEXT}"
    )


def _stack_check(f: FunctionBuilder) -> str:
    """Compare the stack pointer with the store's limit, before anything is done."""
    target = f.trap(0, TrapCode.STACK_OVERFLOW, "stack")
    return (
        f"%limitp = getelementptr i8, ptr %store, i64 {STACK_LIMIT}\n"
        f"%limit = load ptr, ptr %limitp{IN_CONTEXT}\n"
        "%sp = call ptr @llvm.stacksave()\n"
        "%low = icmp ult ptr %sp, %limit\n"
        f"br i1 %low, label %{target}, label %Nstack{UNLIKELY}\n"
        "Nstack:"
    )


def translate_function(
    module: ModuleContext, index: int, body: Body, scope: int, takeover: Takeover | None = None
) -> tuple[str, FunctionBuilder]:
    """The definition of a function, and what is known of it then.

    `index` counts imports too; `body` has been validated; `scope` is the number of metadata that
    is free for the function. With `takeover` it begins at that loop, unless `entered` of what is known
    says that it cannot. Raises UnsupportedFeature for more parameters than can be passed.
    """
    f = FunctionBuilder(module, index, body, scope, takeover)
    signature = f.signature
    last = len(body.codes) - 1
    if takeover is None:
        name = f"f{index}"
        parameters = "".join(f", {signature.params[i]} %arg{i}" for i in signature.passed)
        slots = [*_stored_parameters(f), *_local_slots(f, len(signature.params))]
    else:
        name, parameters = takeover.name(f), ", ptr %frame"
        slots = takeover.local_slots(f)
    f.labels.append(Label(last, signature.results, 0))
    _walk(f, body)
    checks = []
    if module.options.stack_checks and (
        f.calls or len(f.locals) > SMALL_LOCALS or last >= SMALL_BODY
    ):
        if "%store" not in f.opened:
            checks.append(_store(f))
        checks.append(_stack_check(f))
    if takeover is not None:
        checks.append(f"br label %{BEGINNING}\n{UNREACHED}:")
    # What travels through the store has to be read before anything else.
    prologue = [_store(f)] if "%store" in f.opened else []
    size = module.offsets.size_of_vmctx()
    attributes = "#0 #5" if len(f.locals) > MANY_LOCALS else "#0"
    if f.unwinds:
        attributes += f" personality ptr @{exceptions.PERSONALITY}"
    head = (
        f"define dso_local hidden {WASM_CC} {signature.result} @{name}"
        f"(ptr dereferenceable({size}) %vmctx{parameters}) {attributes} !dbg !{scope} {{"
    )
    return "\n".join((head, *prologue, *slots, *f.entry, *checks, *f.lines, *f.cold, "}")), f
