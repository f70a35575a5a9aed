"""The walk over a decoded body: each instruction to its stencil, or to what handles it.

What is frequent is done in the loop itself, as in the optimising compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, TypeAlias, cast

from wasmine.abi.baseline import CompiledFunction
from wasmine.compiler.baseline import (
    aggregates,
    atomics,
    calls,
    casts,
    conditions,
    control,
    exceptions,
    frame,
    memories,
    pins,
    references,
    variables,
    vectors,
)
from wasmine.compiler.baseline.context import BaselineContext
from wasmine.compiler.baseline.control import Label
from wasmine.compiler.baseline.locations import GENERAL, SLOT, class_of
from wasmine.compiler.baseline.state import DEEP, FunctionState
from wasmine.errors import InternalError
from wasmine.types import ValType
from wasmine.wasm.body import Body
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode

Handler: TypeAlias = Callable[[FunctionState, int, Any], bool | None]
"""Compiles one instruction: (state, position in the body, immediate). True if nothing behind it in its
block can be reached."""

HANDLED, BINARY, UNARY, LOAD, STORE, MISSING = range(6)
"""What the loop does for a row: call its handler, or take a stencil in one of these ways."""

TABLES: Final = (
    calls.HANDLERS,
    conditions.HANDLERS,
    control.HANDLERS,
    variables.HANDLERS,
    memories.HANDLERS,
    vectors.HANDLERS,
    atomics.HANDLERS,
    aggregates.HANDLERS,
    casts.HANDLERS,
    exceptions.HANDLERS,
    references.HANDLERS,
)

MAXIMUM_OFFSET: Final = 1 << 31
"""Static offsets from here on are left to handlers: stencils add those below."""

Row: TypeAlias = tuple[int, Any, int, int]
"""The way, the handler or the stencil's name, the class of the operands, that of the result."""
_SCALARS: Final = frozenset(("mvp", "sign-extension", "nontrapping-float-to-int"))


def _row(opcode: Opcode) -> Row:
    """The row of an instruction that has no handler."""
    params, results = opcode.params, opcode.results
    if params is None or results is None or opcode.immediates not in ((), ("memarg",)):
        return (MISSING, opcode.name, 0, 0)
    operand = _class(params[-1:])
    if opcode.immediates:
        if opcode.feature == "threads":
            return (MISSING, opcode.name, 0, 0)
        if len(params) == 1:
            return (LOAD, opcode.name, GENERAL, _class(results))
        return (STORE, opcode.name, operand, GENERAL)
    if len(results) == 1 and len(params) in (1, 2) and {*map(class_of, params)} == {operand}:
        return (BINARY if len(params) == 2 else UNARY, opcode.name, operand, _class(results))
    return (MISSING, opcode.name, 0, 0)


def _class(types: tuple[ValType, ...]) -> int:
    return class_of(types[0]) if types else GENERAL


ROWS: Final[list[Row]] = [_row(opcode) for opcode in OPCODES]
"""How each row of the opcode table is compiled, by its index."""


def _bind(table: Mapping[str, Handler]) -> None:
    """Settle that these instructions have handlers; those of loads and stores are for other memories."""
    for name, handler in table.items():
        index = BY_NAME[name].index
        if ROWS[index][0] not in (LOAD, STORE):
            ROWS[index] = (HANDLED, handler, 0, 0)


for _table in TABLES:
    _bind(_table)

LOCAL_GET: Final = BY_NAME["local.get"].index
LOCAL_SET: Final = BY_NAME["local.set"].index
LOCAL_TEE: Final = BY_NAME["local.tee"].index
SETTING: Final = (LOCAL_SET, LOCAL_TEE)
ELSE: Final = BY_NAME["else"].index
DELEGATE: Final = BY_NAME["delegate"].index
CATCHES: Final = frozenset(BY_NAME[name].index for name in ("catch", "catch_all"))
END: Final = BY_NAME["end"].index
OPENING: Final = frozenset(opcode.index for opcode in OPCODES if "blocktype" in opcode.immediates)
Steps: TypeAlias = Iterator[tuple[int, int, Any]]


def _walk(f: FunctionState, body: Body) -> None:  # noqa: C901, PLR0912, PLR0915
    rows, code, stack, library = ROWS, f.code, f.stack, f.context.library
    push, pop, locals_, temporaries = stack.append, stack.pop, f.locals, f.temporaries
    codes, immediates = body.codes, cast("list[Any]", body.immediates)
    free_lists = (f.free, f.free_vectors)
    plain_memory = f.context.has_plain_memory
    steps: Steps = zip(count(), codes, immediates, strict=False)
    f.steps = steps
    for position, opcode, immediate in steps:
        if opcode == LOCAL_GET:
            push(locals_[immediate])
            continue
        kind, function, class_, result_class = rows[opcode]
        if kind == HANDLED:
            if function(f, position, immediate):
                _skip(f, steps)
            continue
        if kind == STORE:
            if not plain_memory or immediate[2] or immediate[1] >= MAXIMUM_OFFSET:
                memories.HANDLERS[function](f, position, immediate)
                continue
            value, address = pop(), pop()
            f.uses_memory = True
            f.lines.append((len(code), position))
            code += library[function, address, value, immediate[1]]
            if value in temporaries:
                free_lists[class_].append(value)
            if address in temporaries:
                free_lists[0].append(address)
            continue
        if kind == LOAD:
            if not plain_memory or immediate[2] or immediate[1] >= MAXIMUM_OFFSET:
                memories.HANDLERS[function](f, position, immediate)
                continue
            f.uses_memory = True
            first = pop()
        elif kind == BINARY:
            second, first = pop(), pop()
        elif kind == UNARY:
            first = pop()
        else:
            raise InternalError(f"nothing compiles {function}")
        free = free_lists[result_class]
        # Where the result goes: to the local that it is for, or over an operand.
        follower = codes[position + 1]
        pinned = -1
        if follower in SETTING:
            pinned = locals_[immediates[position + 1]]
            if pinned >= SLOT or len(stack) > DEEP or pinned in stack:
                pinned = -1
        if pinned >= 0:
            result = pinned
            next(steps)
            if first in temporaries:
                free_lists[class_].append(first)
            if kind == BINARY and second in temporaries:
                free_lists[class_].append(second)
            if follower == LOCAL_TEE:
                push(result)
        else:
            if class_ == result_class:
                if first in temporaries:
                    result = first
                    if kind == BINARY and second in temporaries:
                        free.append(second)
                elif kind == BINARY and second in temporaries:
                    result = second
                else:
                    result = free.pop() if free else f.take(result_class)
            else:
                if first in temporaries:
                    free_lists[class_].append(first)
                if kind == BINARY and second in temporaries:
                    free_lists[class_].append(second)
                result = free.pop() if free else f.take(result_class)
            push(result)
        if kind == BINARY:
            piece = library[function, result, first, second]
        elif kind == UNARY:
            piece = library[function, result, first]
        else:
            f.lines.append((len(code), position))
            piece = library[function, result, first, immediate[1]]
        if piece.holes:
            f.place_piece(piece, position)
        else:
            code += piece


def _skip(f: FunctionState, steps: Steps) -> None:
    """Drop what cannot be reached, up to where control comes in again or the body ends."""
    depth = 0
    for position, code, immediate in steps:
        if code in OPENING:
            depth += 1
        elif code == END:
            if depth:
                depth -= 1
            elif control.end_unreached(f, position):
                return
        elif code == DELEGATE:
            if depth:
                depth -= 1
            elif exceptions.delegate_unreached(f, position, immediate):
                return
        elif depth:
            continue
        elif code == ELSE:
            control.else_unreached(f)
            return
        elif code in CATCHES:
            exceptions.catch_unreached(f, position, immediate)
            return


def compile_function(context: BaselineContext, local_index: int, body: Body) -> CompiledFunction:
    """Machine code for a validated body of a function, counted from the first that is not imported.

    Raises UnsupportedFeature for more parameters or results than can be passed.
    """
    f = FunctionState(context, local_index, body)
    pins.choose(f)
    frame.begin(f)
    f.labels.append(Label(len(f.type.results), 0))
    _walk(f, body)
    return frame.finish(f)
