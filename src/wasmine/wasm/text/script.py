"""Scripts in the format of the official suite (.wast) to commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, cast

from wasmine.frozen import Frozen
from wasmine.types import F32, F64, I32, I64, V128, AbstractHeapType
from wasmine.wasm.text.assembler import assemble, wat2wasm
from wasmine.wasm.text.commands import (
    Action,
    ActionCommand,
    AnyReference,
    Argument,
    AssertException,
    AssertExhaustion,
    AssertInvalid,
    AssertInvalidCustom,
    AssertMalformed,
    AssertMalformedCustom,
    AssertModule,
    AssertReturn,
    AssertTrap,
    AssertUnlinkable,
    Command,
    Constant,
    Either,
    Get,
    HostReference,
    InstanceCommand,
    Invoke,
    Lanes,
    LaneShape,
    ModuleCommand,
    ModuleSource,
    Nan,
    NanPattern,
    NullReference,
    Register,
    Result,
    Thread,
    Wait,
)
from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.fields import FIELDS
from wasmine.wasm.text.lexer import Tokens
from wasmine.wasm.text.numbers import float_bits, integer_bits
from wasmine.wasm.text.types import HEAP_CODES
from wasmine.wasm.text.vectors import NAN_PATTERNS, join_lanes, read_lanes


class TextModule(Frozen):
    """A module in a script as text: its tokens behind `(module` or `(module definition`."""

    tokens: Tokens
    position: int
    memory64: bool
    kind: Literal["text"] = "text"

    def encode(self) -> bytes:
        """Its bytes. Raises MalformedText."""
        return assemble(self.tokens, self.position, names=True, memory64=self.memory64)[0]


class BinaryModule(Frozen):
    """A module in a script as bytes, which nobody has looked at."""

    data: bytes
    kind: Literal["binary"] = "binary"

    def encode(self) -> bytes:
        """Its bytes."""
        return self.data


class QuotedModule(Frozen):
    """A module in a script as a string that contains the text."""

    text: bytes
    memory64: bool
    kind: Literal["quote"] = "quote"

    def encode(self) -> bytes:
        """Its bytes. Raises MalformedText, with the place in the quoted text."""
        return wat2wasm(self.text, memory64=self.memory64)


def parse_script(text: str | bytes, *, memory64: bool = True) -> list[Command]:
    """The commands of a script. Raises MalformedText where it is none.

    A script that is nothing but the fields of a module is one module, as in the text format.
    `memory64` is that of `wat2wasm`.
    """
    tokens = Tokens(text)
    parser = _ScriptParser(tokens, memory64)
    if parser.word == "(" and tokens.words[1] in FIELDS:
        source = QuotedModule(tokens.text.encode(), memory64)
        return [ModuleCommand(*tokens.place(0), source, None, False)]
    commands = parser.commands()
    if parser.word:
        raise parser.unexpected()
    return commands


_NUMBERS: Final = {
    "i32.const": (I32, integer_bits, 32),
    "i64.const": (I64, integer_bits, 64),
    "f32.const": (F32, float_bits, 32),
    "f64.const": (F64, float_bits, 64),
}
_REFERENCES: Final[dict[str, AbstractHeapType]] = {
    "ref.func": "func",
    "ref.extern": "extern",
    "ref.any": "any",
    "ref.eq": "eq",
    "ref.i31": "i31",
    "ref.struct": "struct",
    "ref.array": "array",
    "ref.exn": "exn",
}


class _ScriptParser(Cursor):
    def __init__(self, tokens: Tokens, memory64: bool) -> None:
        super().__init__(tokens)
        self._memory64 = memory64

    def commands(self) -> list[Command]:
        """Commands, as long as parentheses open."""
        commands = []
        while self.word == "(":
            commands.append(self._command())
        return commands

    def _command(self) -> Command:
        start = self.position
        keyword = self.keyword()
        place = self.tokens.place(start)
        if keyword in _COMMANDS:
            command = _COMMANDS[keyword](self, place)
        elif keyword in _MODULE_ASSERTIONS:
            source = self._module_source()
            command = _MODULE_ASSERTIONS[keyword](*place, source, self._message())
        elif keyword in ("invoke", "get"):
            self.position = start
            return ActionCommand(*place, self._action())
        else:
            raise self.unexpected(start + 1)
        self.expect(")")
        return command

    def _message(self) -> str:
        return self.string().decode(errors="replace")

    def module(self, place: tuple[int, int]) -> Command:
        form = self.word
        if form == "instance":
            self.position += 1
            return InstanceCommand(*place, self.identifier(), self.identifier())
        name, source = self._module_body()
        return ModuleCommand(*place, source, name, form == "definition")

    def _module_source(self) -> ModuleSource:
        self.expect("(")
        self.expect("module")
        _, source = self._module_body()
        self.expect(")")
        return source

    def _module_body(self) -> tuple[str | None, ModuleSource]:
        """A module behind `(module`, up to its closing parenthesis."""
        self.accept("definition")
        start = self.position
        name = self.identifier()
        if self.word in ("binary", "quote"):
            self.position += 1
            quoted = self.words[self.position - 1] == "quote"
            data = self.strings()
            return name, QuotedModule(data, self._memory64) if quoted else BinaryModule(data)
        self.skip_to_end()
        return name, TextModule(self.tokens, start, self._memory64)

    def register(self, place: tuple[int, int]) -> Command:
        return Register(*place, self.name(), self.identifier())

    def _action(self) -> Action:
        keyword = self.keyword()
        module = self.identifier()
        if keyword == "get":
            action: Action = Get(module, self.name())
        elif keyword == "invoke":
            name = self.name()
            arguments = []
            while self.word == "(":
                arguments.append(self._argument())
            action = Invoke(module, name, tuple(arguments))
        else:
            raise self.unexpected(self.position - 1)
        self.expect(")")
        return action

    def _argument(self) -> Argument:
        start = self.position
        value = self._result()
        if not isinstance(value, Constant | NullReference | HostReference):
            raise self.unexpected(start + 1)
        return value

    def _result(self) -> Result:
        keyword = self.keyword()
        value: Result
        if keyword in _NUMBERS:
            value = self._number(keyword)
        elif keyword == "v128.const":
            value = self._vector()
        elif keyword == "ref.null":
            value = NullReference(self._heap_type())
        elif keyword == "ref.host" or (keyword == "ref.extern" and self.at_index):
            kind: Literal["extern", "host"] = "host" if keyword == "ref.host" else "extern"
            value = HostReference(kind, self.unsigned())
        elif keyword in _REFERENCES:
            value = AnyReference(_REFERENCES[keyword])
        elif keyword == "either":
            alternatives = []
            while self.word == "(" and not self.at_form("either"):
                alternatives.append(self._result())
            if self.word != ")":
                raise self.unexpected(self.position + 1)
            value = Either(tuple(alternatives))
        else:
            raise self.unexpected(self.position - 1)
        self.expect(")")
        return value

    def _number(self, keyword: str) -> Result:
        type_, parse, width = _NUMBERS[keyword]
        if parse is float_bits and self.word in NAN_PATTERNS:
            self.position += 1
            return Nan(type_, cast("NanPattern", self.words[self.position - 1]))
        return Constant(type_, self.number(parse, width))

    def _vector(self) -> Result:
        shape, width, lanes = read_lanes(self, patterns=True)
        numbers = [lane for lane in lanes if isinstance(lane, int)]
        if len(numbers) == len(lanes):
            return Constant(V128, join_lanes(numbers, width))
        return Lanes(cast("LaneShape", shape), tuple(cast("list[int | NanPattern]", lanes)))

    def _heap_type(self) -> AbstractHeapType | int | None:
        if self.word in HEAP_CODES:
            self.position += 1
            return cast("AbstractHeapType", self.words[self.position - 1])
        return self.unsigned() if self.at_index else None

    def assert_return(self, place: tuple[int, int]) -> Command:
        action = self._action()
        results = []
        while self.word == "(":
            results.append(self._result())
        return AssertReturn(*place, action, tuple(results))

    def assert_trap(self, place: tuple[int, int]) -> Command:
        subject = self._module_source() if self.at_form("module") else self._action()
        return AssertTrap(*place, subject, self._message())

    def assert_exhaustion(self, place: tuple[int, int]) -> Command:
        return AssertExhaustion(*place, self._action(), self._message())

    def assert_exception(self, place: tuple[int, int]) -> Command:
        return AssertException(*place, self._action())

    def thread(self, place: tuple[int, int]) -> Command:
        name = self._required_identifier()
        shared = []
        while self.accept_form("shared"):
            self.expect("(")
            self.expect("module")
            shared.append(self._required_identifier())
            self.expect(")")
            self.expect(")")
        return Thread(*place, name, tuple(shared), tuple(self.commands()))

    def wait(self, place: tuple[int, int]) -> Command:
        return Wait(*place, self._required_identifier())

    def _required_identifier(self) -> str:
        name = self.identifier()
        if name is None:
            raise self.unexpected()
        return name


_COMMANDS: Final[dict[str, Callable[[_ScriptParser, tuple[int, int]], Command]]] = {
    "module": _ScriptParser.module,
    "register": _ScriptParser.register,
    "assert_return": _ScriptParser.assert_return,
    "assert_trap": _ScriptParser.assert_trap,
    "assert_exhaustion": _ScriptParser.assert_exhaustion,
    "assert_exception": _ScriptParser.assert_exception,
    "thread": _ScriptParser.thread,
    "wait": _ScriptParser.wait,
}
_MODULE_ASSERTIONS: Final[dict[str, type[AssertModule]]] = {
    "assert_malformed": AssertMalformed,
    "assert_invalid": AssertInvalid,
    "assert_unlinkable": AssertUnlinkable,
    "assert_malformed_custom": AssertMalformedCustom,
    "assert_invalid_custom": AssertInvalidCustom,
}
