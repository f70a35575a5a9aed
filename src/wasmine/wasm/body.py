"""One function body as parallel lists, which validator, translator and disassembler walk.

The loop runs once per instruction of a program of millions: it keeps everything in local variables
and reads what is frequent in place, the rest through `immediates`.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

from wasmine.errors import InvalidModule, MalformedModule
from wasmine.types import ValType
from wasmine.wasm import limits
from wasmine.wasm.features import Features
from wasmine.wasm.immediates import (
    MEMORY_FLAG,
    ImmediateReader,
    illegal_opcode,
    immediate_reader,
)
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import BY_NAME, OPCODES, PREFIXES, Opcode
from wasmine.wasm.reader import (
    UNEXPECTED_END,
    IntegerError,
    Reader,
    read_signed,
    read_unsigned,
)
from wasmine.wasm.typecodes import read_val_type


class Body:
    """A decoded function body. `codes`, `immediates` and `offsets` have one item per instruction.

    The representation of immediates by kind is described in `opcodes.IMMEDIATES`.
    """

    __slots__ = ("codes", "declared", "declared_count", "immediates", "locals", "offsets")

    def __init__(self) -> None:
        self.locals: list[ValType] = []
        """Types of the parameters, then of the declared locals."""
        self.declared: set[ValType] = set()
        """The types that occur among the declared locals."""
        self.declared_count = 0
        """How many of the locals are declared, and not parameters."""
        self.codes: list[int] = []
        """Indices into `OPCODES`; the last one is the `end` of the function."""
        self.immediates: list[object] = []
        """None without one, the value itself if there is one, a tuple of several."""
        self.offsets: list[int] = []
        """Where in the module each instruction begins."""


def decode_body(info: ModuleInfo, local_index: int) -> Body:
    """Decodes the body of a function, counted from the first that is not imported.

    Raises MalformedModule, or InvalidModule for the index of a type that the module has not.
    """
    entry = info.bodies[local_index]
    # an integer may run over the end of the body and be wrong there
    reader = Reader(info.data[entry.start : entry.end + _OVERRUN], entry.start)
    body = Body()
    try:
        _read_locals(info, local_index, reader, body)
        end = entry.start + _decode(reader, info, body)
        if end > entry.end:
            raise _no_end(info, local_index)
        if end < entry.end:
            message = "section size mismatch: bytes after the end of the function"
            raise MalformedModule(message, end)
    except (MalformedModule, InvalidModule) as error:
        starts_behind = bool(body.offsets) and body.offsets[-1] >= entry.end
        found = _no_end(info, local_index) if starts_behind else error
        info.blame(found, info.imported_functions + local_index)
        raise found from None
    return body


_OVERRUN: Final = 16


def decode_locals(info: ModuleInfo, local_index: int) -> list[ValType]:
    """The types of a function's parameters and locals. Raises what `decode_body` raises for them."""
    entry = info.bodies[local_index]
    body = Body()
    _read_locals(info, local_index, Reader(info.data[entry.start : entry.end], entry.start), body)
    return body.locals


def _read_locals(info: ModuleInfo, local_index: int, reader: Reader, body: Body) -> None:
    type_index = info.functions[info.imported_functions + local_index]
    types = body.locals
    types += info.function_type(type_index, reader.offset).params
    for _ in range(reader.u32()):
        offset = reader.offset
        count = reader.u32()
        if len(types) + count > limits.LOCALS:
            message = f"too many locals: {len(types) + count} are more than {limits.LOCALS}"
            raise MalformedModule(message, offset)
        type_ = read_val_type(reader, info)
        types += [type_] * count
        body.declared.add(type_)
        body.declared_count += count


def _no_end(info: ModuleInfo, local_index: int) -> MalformedModule:
    """The error for a body without its final `end`.

    The specification's interpreter reads on into what follows, hence one phrase for each place.
    """
    end = info.bodies[local_index].end
    if end == len(info.data):
        return MalformedModule(UNEXPECTED_END, end)
    if local_index + 1 == len(info.bodies):
        return MalformedModule("section size mismatch: the last function has no end", end)
    return MalformedModule("END opcode expected", end)


# What the loop does for an opcode byte.
_NOTHING, _INDEX, _INTEGER, _MEMARG, _BLOCK, _ELSE, _END, _READ, _PREFIX, _ILLEGAL = range(10)

_Row: TypeAlias = tuple[int, int, ImmediateReader | None]
"""Action, index of the instruction, reader of its immediates."""

_ACTIONS: Final[dict[tuple[str, ...], int]] = {
    (): _NOTHING,
    ("blocktype",): _BLOCK,
    ("i32",): _INTEGER,
    ("i64",): _INTEGER,
    ("memarg",): _MEMARG,
    **{(kind,): _INDEX for kind in ("label", "func", "table", "memory", "global", "local", "tag")},
}


def _row(opcode: Opcode) -> _Row:
    action = _ACTIONS.get(opcode.immediates, _READ)
    if opcode.name in ("end", "delegate"):
        action = _END
    elif opcode.name == "else":
        action = _ELSE
    elif "blocktype" in opcode.immediates:
        action = _BLOCK
    return action, opcode.index, immediate_reader(opcode)


_NO_ROW: Final[_Row] = (_ILLEGAL, 0, None)


@cache
def _rows(features: Features) -> tuple[list[_Row], dict[int, dict[int, _Row]]]:
    """What the loop does for each opcode byte, and by prefix for each number behind it."""
    rows = [_NO_ROW] * 256
    prefixed: dict[int, dict[int, _Row]] = {prefix: {} for prefix in PREFIXES}
    for opcode in OPCODES:
        if not features.has(opcode.feature):
            continue
        if opcode.prefix:
            prefixed[opcode.prefix][opcode.number] = _row(opcode)
        else:
            rows[opcode.number] = _row(opcode)
    for prefix in PREFIXES:
        rows[prefix] = (_PREFIX, 0, None)
    return rows, prefixed


_BITS: Final = {BY_NAME["i32.const"].index: 32, BY_NAME["i64.const"].index: 64}
_IF: Final = BY_NAME["if"].index


def _decode(reader: Reader, info: ModuleInfo, body: Body) -> int:  # noqa: C901, PLR0912, PLR0915
    """Appends the instructions to `body`. Returns the position after the final `end`.

    One function with everything in it, because a call per instruction would halve the speed.
    """
    code, base, position = reader.data, reader.base, reader.position
    rows, prefixed = _rows(info.features)
    add_code, add_offset = body.codes.append, body.offsets.append
    add_immediate = body.immediates.append
    opened: list[int] = []
    start = position
    try:
        while True:
            start = position
            action, index, read = rows[code[position]]
            position += 1
            if action == _PREFIX:
                number, position = read_unsigned(code, position, 32)
                action, index, read = prefixed[code[start]].get(number, _NO_ROW)
            add_code(index)
            add_offset(base + start)
            if action == _INDEX:
                value = code[position]
                position += 1
                if value >= 0x80:
                    value, position = read_unsigned(code, position - 1, 32)
                add_immediate(value)
            elif action == _NOTHING:
                add_immediate(None)
            elif action == _INTEGER:
                value = code[position]
                position += 1
                if value >= 0x80:
                    value, position = read_signed(code, position - 1, _BITS[index])
                elif value >= 0x40:
                    value -= 0x80
                add_immediate(value)
            elif action == _MEMARG and code[position] < MEMORY_FLAG and code[position + 1] < 0x80:
                add_immediate((code[position], code[position + 1], 0))
                position += 2
            else:
                if action == _BLOCK:
                    opened.append(index)
                    if len(opened) > limits.NESTING:
                        raise MalformedModule("nesting of blocks too deep", base + start)
                elif action == _END:
                    if opened:
                        opened.pop()
                    elif read is None:
                        add_immediate(None)
                        return position
                    else:
                        raise MalformedModule("END opcode expected", base + start)
                elif action == _ELSE:
                    if not opened or opened.pop() != _IF:
                        raise MalformedModule("END opcode expected", base + start)
                    opened.append(index)
                elif action == _ILLEGAL:
                    raise _illegal(code, start, base)
                if read is None:
                    add_immediate(None)
                else:
                    reader.position = position
                    add_immediate(read(reader, info))
                    position = reader.position
    except IntegerError as error:
        raise MalformedModule(str(error), base + start) from None
    except IndexError:
        raise MalformedModule(UNEXPECTED_END, base + len(code)) from None


def _illegal(code: bytes, position: int, base: int) -> MalformedModule:
    byte = code[position]
    if byte not in PREFIXES:
        return illegal_opcode(0, byte, base + position)
    return illegal_opcode(byte, read_unsigned(code, position + 1, 32)[0], base + position)
