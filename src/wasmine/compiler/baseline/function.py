"""The walk over a decoded body: each instruction to its stencil, or to what handles it.

What is frequent is done in the loop itself, as in the optimising compiler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import chain, count, islice
from typing import Any, Final, TypeAlias, cast

from wasmine.abi.baseline import CompiledFunction
from wasmine.compiler.baseline import (
    aggregates,
    arrays,
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
from wasmine.compiler.baseline.locations import CONSTANTS, GENERAL, SLOT, WIDE_CONSTANTS, class_of
from wasmine.compiler.baseline.state import DEEP, FunctionState
from wasmine.compiler.baseline.templates import Piece
from wasmine.compiler.deadcode import END, BlockEnds, skip
from wasmine.errors import InternalError
from wasmine.types import ValType
from wasmine.wasm.body import Body
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode

Handler: TypeAlias = Callable[[FunctionState, int, Any], bool | None]
"""Compiles one instruction: (state, position in the body, immediate). True if nothing behind it in its
block can be reached."""

HANDLED, CONSTANT, UNARY, BINARY, COMMUTING, LOAD, STORE = range(7)
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
    arrays.HANDLERS,
    casts.HANDLERS,
    exceptions.HANDLERS,
    references.HANDLERS,
)

MAXIMUM_OFFSET: Final = 1 << 31
"""Static offsets from here on are left to handlers: stencils add those below."""

Row: TypeAlias = tuple[int, Any, int, int]
"""The way, the handler, the constants or the stencil's name, the class of the operands, that of the result."""
COMMUTES: Final = re.compile(r"^i\d\d\.(add|mul|and|or|xor)$")


def _row(opcode: Opcode) -> Row:
    """The row of an instruction that has no handler."""
    params, results = opcode.params, opcode.results
    if params is None or results is None or opcode.immediates not in ((), ("memarg",)):
        return (HANDLED, None, 0, 0)
    operand = _class(params[-1:])
    if opcode.immediates:
        if opcode.feature == "threads":
            return (HANDLED, None, 0, 0)
        if len(params) == 1:
            return (LOAD, opcode.name, GENERAL, _class(results))
        return (STORE, opcode.name, operand, GENERAL)
    if len(results) == 1 and len(params) in (1, 2) and {*map(class_of, params)} == {operand}:
        kind = COMMUTING if COMMUTES.search(opcode.name) else BINARY
        return (kind if len(params) > 1 else UNARY, opcode.name, operand, _class(results))
    return (HANDLED, None, 0, 0)


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


ROWS[BY_NAME["i32.const"].index] = (CONSTANT, CONSTANTS, 0, 0)
ROWS[BY_NAME["i64.const"].index] = (CONSTANT, WIDE_CONSTANTS, 0, 0)
for _table in TABLES:
    _bind(_table)
# local.get is a matter of the loop alone.
if {opcode.name for opcode in OPCODES if ROWS[opcode.index][1] is None} - {"local.get"}:
    raise InternalError("there are instructions that nothing compiles")
CHECKED_ROWS: Final[list[Row]] = [
    (HANDLED, memories.HANDLERS[row[1]], 0, 0) if row[0] in (LOAD, STORE) else row for row in ROWS
]
"""The same where accesses to memory 0 are checked."""

LOCAL_GET: Final = BY_NAME["local.get"].index
LOCAL_SET: Final = BY_NAME["local.set"].index
LOCAL_TEE: Final = BY_NAME["local.tee"].index
SETTING: Final = (LOCAL_SET, LOCAL_TEE)
BLOCK_ENDS: Final = BlockEnds(
    control.end_unreached,
    exceptions.delegate_unreached,
    exceptions.catch_unreached,
    control.else_unreached,
)


def _walk(f: FunctionState, body: Body) -> None:  # noqa: C901, PLR0912, PLR0915
    rows = ROWS if f.context.has_plain_memory else CHECKED_ROWS
    code, stack, library = f.code, f.stack, f.library
    add_site, add_position = f.sites.append, f.positions.append
    push, pop, locals_, temporaries = stack.append, stack.pop, f.locals, f.temporaries
    immediates = cast("list[Any]", body.immediates)
    free_lists = (f.free, f.free_vectors)
    followers = chain(islice(body.codes, 1, None), (END,))
    f.steps = steps = zip(count(), body.codes, immediates, followers, strict=False)
    for position, opcode, immediate, follower in steps:
        if opcode == LOCAL_GET:
            push(locals_[immediate])
            continue
        kind, function, class_, result_class = rows[opcode]
        if kind == HANDLED:
            if function(f, position, immediate):
                skip(f, steps, BLOCK_ENDS)
            continue
        if kind == CONSTANT:
            push(function[immediate])
            continue
        if kind >= LOAD:
            _, offset, memory = immediate
            if memory or offset >= MAXIMUM_OFFSET:
                memories.HANDLERS[function](f, position, immediate)
                continue
            f.uses_memory = True
            add_site(len(code))
            add_position(position)
            if kind == STORE:
                value, first = pop(), pop()
                code += library[function, first, value, offset]
                if value in temporaries:
                    free_lists[class_].append(value)
                if first in temporaries:
                    free_lists[0].append(first)
                continue
        second = pop() if BINARY <= kind < LOAD else b""
        first = pop()
        if kind == COMMUTING and (second in temporaries or type(first) is bytes):
            # The first operand is the one that instructions overwrite.
            first, second = second, first
        # Where the result goes: to the local that it is for, over an operand, or to a free register.
        result = -1
        if follower in SETTING:
            result = locals_[immediates[position + 1]]
            if result >= SLOT or len(stack) > DEEP or result in stack:
                result = -1
            else:
                next(steps)
                if follower == LOCAL_TEE:
                    push(result)
                if first in temporaries:
                    free_lists[class_].append(first)
                if second in temporaries:
                    free_lists[class_].append(second)
        if result < 0:
            if first in temporaries:
                if class_ == result_class:
                    result = first
                else:
                    free_lists[class_].append(first)
                if second in temporaries:
                    free_lists[class_].append(second)
            elif second in temporaries:
                if class_ == result_class:
                    result = second
                else:
                    free_lists[class_].append(second)
            if result < 0:
                free = free_lists[result_class]
                result = free.pop() if free else f.take(result_class)
            push(result)
        if BINARY <= kind < LOAD:
            piece = library[function, result, first, second]
        elif kind == UNARY:
            piece = library[function, result, first]
        else:
            piece = library[function, result, first, offset]
        if type(piece) is Piece:
            f.place_piece(piece, position)
        else:
            code += piece


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
