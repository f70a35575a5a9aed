"""Types and instructions as the text format writes them (specification 6.4 and 6.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from wasmine.types import (
    ArrayType,
    CompositeType,
    FieldType,
    FunctionType,
    HeapType,
    RefType,
    StructType,
    ValType,
)
from wasmine.wasm.body import Body
from wasmine.wasm.identifiers import Identifiers, identifier, quote
from wasmine.wasm.module import ConstExpr, ModuleInfo
from wasmine.wasm.names import NameMap
from wasmine.wasm.opcodes import BY_NAME, OPCODES, Opcode

_Writer: TypeAlias = Callable[[Any], str]


def write_float(bits: int, exponent_bits: int, mantissa_bits: int) -> str:
    """The number with these bits, so that reading it gives the same bits."""
    mantissa = bits & ((1 << mantissa_bits) - 1)
    exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1)
    sign = "-" if bits >> (mantissa_bits + exponent_bits) else ""
    if exponent == (1 << exponent_bits) - 1:
        if mantissa == 0:
            return f"{sign}inf"
        quiet = mantissa == 1 << (mantissa_bits - 1)
        return f"{sign}nan" if quiet else f"{sign}nan:{mantissa:#x}"
    size, code = (8, "<d") if mantissa_bits == 52 else (4, "<f")
    return repr(struct.unpack(code, bits.to_bytes(size, "little"))[0])


class TypeWriter:
    """Types of one module, with the identifiers of those that are defined in it."""

    def __init__(self, identifiers: Identifiers) -> None:
        self._identifiers = identifiers
        self._values: dict[ValType, str] = {}
        self._bare: dict[FunctionType, str] = {}

    def heap(self, heap: HeapType) -> str:
        """A heap type."""
        return self._identifiers.types[heap] if isinstance(heap, int) else str(heap)

    def value(self, type_: ValType) -> str:
        """A value type."""
        known = self._values.get(type_)
        if known is None:
            known = str(type_)
            if isinstance(type_, RefType) and isinstance(type_.heap, int):
                known = f"(ref {'null ' if type_.nullable else ''}{self.heap(type_.heap)})"
            self._values[type_] = known
        return known

    def function(self, type_: FunctionType) -> str:
        """Parameters and results, all after a space."""
        known = self._bare.get(type_)
        if known is None:
            known = self._list("param", type_.params) + self._list("result", type_.results)
            self._bare[type_] = known
        return known

    def signature(self, type_: FunctionType) -> str:
        """Like `function`, with the names of the parameters among the locals."""
        locals_ = self._identifiers.locals
        params = self.declared("param", type_.params, 0)
        return f"{params}{self._list('result', type_.results)}" if locals_ else self.function(type_)

    def declared(self, word: str, types: Sequence[ValType], first: int) -> str:
        """Parameters or locals from the index `first` on, those without a name in common lists."""
        text, unnamed = "", list[ValType]()
        for index, type_ in enumerate(types, first):
            name = self._identifiers.locals.declare(index)
            if not name:
                unnamed.append(type_)
                continue
            text += f"{self._list(word, unnamed)} ({word}{name} {self.value(type_)})"
            unnamed = []
        return text + self._list(word, unnamed)

    def _list(self, word: str, types: Sequence[ValType]) -> str:
        return f" ({word} {' '.join(map(self.value, types))})" if types else ""

    def composite(self, type_: CompositeType, index: int) -> str:
        """A function, struct or array type; `index` is that of the type."""
        match type_:
            case FunctionType():
                return f"(func{self.function(type_)})"
            case StructType():
                names = self._identifiers.fields(index)
                fields = (
                    f" (field{names.declare(number)} {self._field(field)})"
                    for number, field in enumerate(type_.fields)
                )
                return f"(struct{''.join(fields)})"
            case ArrayType():
                return f"(array {self._field(type_.field)})"

    def _field(self, field: FieldType) -> str:
        storage = field.storage
        text = self.value(storage) if isinstance(storage, ValType) else storage
        return f"(mut {text})" if field.mutable else text


_OPENING: Final = {opcode.index for opcode in OPCODES if "blocktype" in opcode.immediates}
_MIDDLE: Final = {BY_NAME[name].index for name in ("else", "catch", "catch_all")}
_DELEGATE: Final = BY_NAME["delegate"].index
_CLOSING: Final = {BY_NAME["end"].index, _DELEGATE}
_DEEPEST: Final = 40
"""Blocks that are indented: in deeper ones the text would move out of sight."""

_CATCHES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")


class InstructionWriter:
    """Instructions of one module."""

    def __init__(self, info: ModuleInfo, identifiers: Identifiers, types: TypeWriter) -> None:
        self._info = info
        self._identifiers = identifiers
        self._types = types
        self._labels: list[str | None] = []
        # kinds of which the text has another order than the binary format, or omits some
        self._special: dict[tuple[str, ...], _Writer] = {
            ("memory",): self._memory,
            ("memory", "memory"): self._memories,
            ("data", "memory"): self._memory_init,
            ("elem", "table"): self._table_init,
            ("type", "table"): self._indirect_call,
            ("type", "field"): self._struct_field,
        }
        self._writers = [self._writer(opcode) for opcode in OPCODES]
        self._mnemonics = [opcode.mnemonic for opcode in OPCODES]

    def instruction(self, opcode: Opcode, immediate: object) -> str:
        """An instruction that stands alone."""
        write = self._writers[opcode.index]
        return f"{opcode.mnemonic} {write(immediate)}".rstrip() if write else opcode.mnemonic

    def expression(self, expression: ConstExpr) -> str:
        """A constant expression in one line."""
        return " ".join(self.instruction(*each) for each in expression.instructions)

    def body(self, body: Body, labels: NameMap) -> Iterator[tuple[int, str]]:
        """The instructions of a function before its final `end`: offset, and the line, indented."""
        writers, mnemonics, stack = self._writers, self._mnemonics, self._labels
        structured = _OPENING | _MIDDLE | _CLOSING
        indents = ["  " * min(depth, _DEEPEST) for depth in range(_DEEPEST + 1)]
        stack[:] = [None]
        indent, blocks = indents[0], 0
        lines = zip(body.codes[:-1], body.immediates, body.offsets, strict=False)
        for code, immediate, offset in lines:
            write = writers[code]
            if code not in structured:
                if write is None:
                    yield offset, f"{indent}{mnemonics[code]}"
                else:
                    yield offset, f"{indent}{mnemonics[code]} {write(immediate)}".rstrip()
            elif code in _OPENING:
                yield offset, indent + self._block(code, immediate, labels.get(blocks))
                stack.append(labels.get(blocks))
                blocks += 1
                indent = indents[min(len(stack) - 1, _DEEPEST)]
            else:
                if code in _CLOSING:
                    stack.pop()
                indent = indents[min(len(stack) - 1 - (code in _MIDDLE), _DEEPEST)]
                yield offset, indent + self.instruction(OPCODES[code], immediate)
                indent = indents[min(len(stack) - 1, _DEEPEST)]

    def _block(self, code: int, immediate: Any, name: str | None) -> str:
        opcode = OPCODES[code]
        type_, *more = immediate if len(opcode.immediates) > 1 else (immediate,)
        text = opcode.mnemonic
        if name is not None:
            shown = identifier(name) if name else ""
            text += f" {shown}" if shown else f" (@name {quote(name)})"
        text += self._block_type(type_)
        return f"{text} {self._catches(more[0])}".rstrip() if more else text

    def _block_type(self, type_: FunctionType | int) -> str:
        """The type of a block, after a space: the index of a type, or what is short for one."""
        if not isinstance(type_, int):
            return self._types.function(type_)
        types = self._info.types
        known = types[type_].composite if type_ < len(types) else None
        shown = self._types.function(known) if isinstance(known, FunctionType) else ""
        return f" (type {self._identifiers.types[type_]}){shown}"

    def _label(self, depth: int) -> str:
        """A branch target: by its name, unless a block within has the same one."""
        stack = self._labels
        name = stack[-1 - depth] if depth < len(stack) else None
        if not name or name in stack[len(stack) - depth :]:
            return str(depth)
        return identifier(name)

    def _writer(self, opcode: Opcode) -> _Writer | None:
        """What writes the immediates of this instruction; None if it has none."""
        special = self._special.get(opcode.immediates)
        if special is not None:
            return special
        if "memarg" in opcode.immediates:
            return self._memory_access(opcode)
        if opcode.name == "ref.null":
            return lambda type_: self._types.heap(type_.heap)
        if not opcode.immediates:
            return None
        writers = [self._immediate(kind) for kind in opcode.immediates]
        if len(writers) == 1:
            return writers[0]
        return lambda values: " ".join(
            [write(value) for write, value in zip(writers, values, strict=True)]
        )

    def _immediate(self, kind: str) -> _Writer:
        """What writes immediates of this kind."""
        spaces = self._identifiers
        writers: dict[str, _Writer] = {
            "label": self._label,
            "labels": self._branch_table,
            "func": spaces.functions.__getitem__,
            "type": spaces.types.__getitem__,
            "table": spaces.tables.__getitem__,
            "memory": spaces.memories.__getitem__,
            "global": spaces.globals.__getitem__,
            "local": spaces.locals.__getitem__,
            "tag": spaces.tags.__getitem__,
            "data": spaces.data_segments.__getitem__,
            "elem": spaces.elements.__getitem__,
            "lanes": lambda lanes: " ".join(map(str, lanes)),
            "f32": lambda bits: write_float(bits, 8, 23),
            "f64": lambda bits: write_float(bits, 11, 52),
            "v128": _vector,
            "ref_null": self._types.value,
            "ref": self._types.value,
            "types": lambda type_: f"(result {self._types.value(type_)})",
            "cast": self._cast,
            "catches": self._catches,
            "blocktype": lambda type_: self._block_type(type_).lstrip(),
            "zero": lambda _: "",
        }
        return writers.get(kind, str)

    def _memory_access(self, opcode: Opcode) -> _Writer:
        natural = opcode.access.bit_length() - 1
        memories = self._identifiers.memories

        def write(memarg: tuple[int, int, int]) -> str:
            alignment, offset, memory = memarg
            text = memories[memory] if memory else ""
            if offset:
                text += f" offset={offset}"
            if alignment != natural:
                text += f" align={1 << alignment}"
            return text.lstrip()

        if len(opcode.immediates) == 1:
            return write
        return lambda values: f"{write(values[0])} {values[1]}".lstrip()

    def _memory(self, memory: int) -> str:
        return self._identifiers.memories[memory] if memory else ""

    def _memories(self, memories: tuple[int, int]) -> str:
        return " ".join(
            map(self._identifiers.memories.__getitem__, memories if any(memories) else ())
        )

    def _memory_init(self, values: tuple[int, int]) -> str:
        segment, memory = values
        return f"{self._memory(memory)} {self._identifiers.data_segments[segment]}".lstrip()

    def _table_init(self, values: tuple[int, int]) -> str:
        segment, table = values
        return f"{self._identifiers.tables[table]} {self._identifiers.elements[segment]}"

    def _indirect_call(self, values: tuple[int, int]) -> str:
        type_, table = values
        text = self._identifiers.tables[table] if table else ""
        return f"{text} (type {self._identifiers.types[type_]})".lstrip()

    def _struct_field(self, values: tuple[int, int]) -> str:
        type_, field = values
        return f"{self._identifiers.types[type_]} {self._identifiers.fields(type_)[field]}"

    def _branch_table(self, labels: tuple[tuple[int, ...], int]) -> str:
        return " ".join(map(self._label, (*labels[0], labels[1])))

    def _cast(self, cast: tuple[int, RefType, RefType]) -> str:
        label, *types = cast
        return " ".join([self._label(label), *map(self._types.value, types)])

    def _catches(self, catches: tuple[tuple[int, int | None, int], ...]) -> str:
        tags = self._identifiers.tags
        return " ".join(
            f"({_CATCHES[kind]} {self._label(label)})"
            if tag is None
            else f"({_CATCHES[kind]} {tags[tag]} {self._label(label)})"
            for kind, tag, label in catches
        )


def _vector(bits: int) -> str:
    lanes = struct.unpack("<4I", bits.to_bytes(16, "little"))
    return f"i32x4 {' '.join(f'{lane:#010x}' for lane in lanes)}"
