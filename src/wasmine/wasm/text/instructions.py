"""Sequences of instructions, plain and folded, at any depth of nesting (specification 6.5).

One loop over the tokens, with a stack of what is open. A folded instruction whose operands are still to
come is its bytes, which are written when its parenthesis closes; everything else is a `Block`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.text.encoder import END, opcode_bytes, unsigned
from wasmine.wasm.text.immediates import SIMPLE, WITH_IMMEDIATES, read_catches
from wasmine.wasm.text.scope import CodeParser
from wasmine.wasm.text.types import read_block_type

HINT: Final = "metadata.code.branch_hint"
_HINTS: Final = {b"\0", b"\1"}
_HINTED: Final = ("if", "br_if")


def _code(name: str) -> bytes:
    return opcode_bytes(BY_NAME[name])


_IF, _ELSE, _CATCH, _CATCH_ALL, _DELEGATE = map(
    _code, ("if", "else", "catch", "catch_all", "delegate")
)


@dataclass(slots=True)
class Block:
    """Something open that is not just a folded instruction.

    `form` is its keyword, with a parenthesis before it if one closes it; `plain` whether instructions may
    stand in it without parentheses; `pending` what is to be written later.
    """

    form: str
    label: str | None = None
    plain: bool = True
    pending: bytes = b""
    hint: int | None = None


_Open: TypeAlias = bytes | Block


class Code:
    """Reads instructions and writes their bytes to `out`, where the caller may have begun."""

    def __init__(self, parser: CodeParser, out: bytearray) -> None:
        self.parser = parser
        self.out = out
        self.hints: list[tuple[int, int]] = []
        """Branch hints: offset in `out`, and the hint."""
        self._stack: list[_Open] = []

    def sequence(self) -> None:
        """Instructions up to a parenthesis that closes what was opened before them; it is not read."""
        self._run(single=False)

    def folded(self) -> None:
        """One folded instruction."""
        if self.parser.word != "(":
            raise self.parser.unexpected()
        self._run(single=True)

    def _run(self, single: bool) -> None:
        parser, stack = self.parser, self._stack
        words = parser.words
        while True:
            position = parser.position
            word = words[position]
            if word == "(":
                parser.position = position + 2
                self._open(words[position + 1], position)
            elif word == ")":
                if not stack:
                    return
                parser.position = position + 1
                top = stack.pop()
                if isinstance(top, bytes):
                    self.out += top
                else:
                    self._close(top)
                if single and not stack:
                    return
            elif self._plain:
                parser.position = position + 1
                self._read_plain(word)
            else:
                raise parser.unexpected()

    @property
    def _plain(self) -> bool:
        """Whether an instruction without parentheses may come next."""
        stack = self._stack
        if not stack:
            return True
        top = stack[-1]
        return isinstance(top, Block) and top.plain

    # plain instructions

    def _read_plain(self, word: str) -> None:
        """The instruction that begins with this word, which has been read."""
        code = SIMPLE.get(word)
        if code is not None:
            self.out += code
            return
        parser = self.parser
        if parser.annotations and word in _HINTED:
            self._note_hint(self._take_hint(parser.position - 1))
        read = WITH_IMMEDIATES.get(word)
        if read is not None:
            self.out += read(parser)
        elif word in _OPENING:
            label = parser.identifier()
            self._enter(word, label, self._block_start(word))
        elif word in _PARTS:
            _PARTS[word](self)
        else:
            raise parser.unexpected(parser.position - 1)

    def _block_start(self, word: str) -> bytes:
        """The bytes of what opens a block, whose label has been read."""
        start = _OPENING[word] + read_block_type(self.parser)
        return start + read_catches(self.parser) if word == "try_table" else start

    def _enter(self, form: str, label: str | None, start: bytes) -> None:
        self.out += start
        self.parser.labels.enter(label)
        self._stack.append(Block(form, label, plain=form != "(try"))

    def _innermost(self, *forms: str) -> Block:
        """The block that is open, which must be one of these: the word before belongs to it."""
        top = self._stack[-1] if self._stack else None
        if not isinstance(top, Block) or top.form not in forms:
            raise self.parser.unexpected(self.parser.position - 1)
        return top

    def _check_label(self, block: Block) -> None:
        parser = self.parser
        position = parser.position
        label = parser.identifier()
        if label is not None and label != block.label:
            raise parser.error(f"mismatching label {label}", position)

    def read_else(self) -> None:
        block = self._innermost("if")
        self._check_label(block)
        block.form = "else"
        self.out += _ELSE

    def read_end(self) -> None:
        block = self._innermost(
            "block", "loop", "if", "else", "try_table", "try", "catch", "catch_all"
        )
        self._check_label(block)
        self._stack.pop()
        self.parser.labels.leave(block.label)
        self.out += END

    def read_catch(self) -> None:
        block = self._innermost("try", "catch")
        block.form = "catch"
        self.out += _CATCH + unsigned(self.parser.context.tags.read(self.parser))

    def read_catch_all(self) -> None:
        block = self._innermost("try", "catch")
        self._check_label(block)
        block.form = "catch_all"
        self.out += _CATCH_ALL

    def read_delegate(self) -> None:
        block = self._innermost("try")
        self._stack.pop()
        self._delegate(block)

    def _delegate(self, block: Block) -> None:
        """Ends a `try` block; the label counts from outside of it."""
        self.parser.labels.leave(block.label)
        self.out += _DELEGATE + unsigned(self.parser.labels.read(self.parser))

    # folded instructions that are blocks, parts of blocks, or have a branch hint

    def _open(self, word: str, position: int) -> None:
        """What begins with a parenthesis, at this position, and this word, which have been read."""
        stack = self._stack
        top = stack[-1] if stack else None
        if isinstance(top, Block):
            if word in _FOLDED_PARTS:
                _FOLDED_PARTS[word](self, top)
                return
            if not top.plain and top.form not in _WITH_OPERANDS:
                raise self.parser.unexpected(position + 1)
        code = SIMPLE.get(word)
        if code is None:
            self._open_with_immediates(word, position)
        else:
            stack.append(code)

    def _open_with_immediates(self, word: str, position: int) -> None:
        parser = self.parser
        hint = self._take_hint(position) if parser.annotations and word in _HINTED else None
        read = WITH_IMMEDIATES.get(word)
        if read is not None:
            code = read(parser)
            self._stack.append(code if hint is None else Block("(", None, False, code, hint))
        elif word == "if":
            label = parser.identifier()
            self._stack.append(Block("(if", label, False, self._block_start(word), hint))
        elif word in _OPENING:
            label = parser.identifier()
            self._enter(f"({word}", label, self._block_start(word))
        else:
            raise parser.unexpected(position + 1)

    def _part(self, block: Block, before: tuple[str, ...], now: str, start: bytes) -> None:
        """Opens a part of a folded block, if it stands where it may."""
        if block.form not in before:
            raise self.parser.unexpected(self.parser.position - 1)
        block.form = now
        self.out += start
        self._stack.append(Block("(part"))

    def open_then(self, block: Block) -> None:
        if block.form == "(if":
            self._note_hint(block.hint)
            self.parser.labels.enter(block.label)
        self._part(block, ("(if",), "(then", block.pending)

    def open_else(self, block: Block) -> None:
        self._part(block, ("(then",), "(else", _ELSE)

    def open_do(self, block: Block) -> None:
        self._part(block, ("(try",), "(do", b"")

    def open_catch(self, block: Block) -> None:
        position = self.parser.position - 1
        if block.form not in ("(do", "(catch"):
            raise self.parser.unexpected(position)
        tag = unsigned(self.parser.context.tags.read(self.parser))
        self._part(block, ("(do", "(catch"), "(catch", _CATCH + tag)

    def open_catch_all(self, block: Block) -> None:
        self._part(block, ("(do", "(catch"), "(catch_all", _CATCH_ALL)

    def open_delegate(self, block: Block) -> None:
        if block.form != "(do":
            raise self.parser.unexpected(self.parser.position - 1)
        block.form = "(delegate"
        self._delegate(block)
        self._stack.append(Block("(part", plain=False))

    def _close(self, block: Block) -> None:
        """What a closing parenthesis, which has been read, does to the block that was innermost."""
        form = block.form
        if form == "(":
            self._note_hint(block.hint)
            self.out += block.pending
        elif form in _CLOSED_BY_END:
            self.parser.labels.leave(block.label)
            self.out += END
        elif form not in ("(part", "(delegate"):
            raise self.parser.unexpected(self.parser.position - 1)

    def _note_hint(self, hint: int | None) -> None:
        """A branch hint, if there is one, for the instruction that is written next."""
        if hint is not None:
            self.hints.append((len(self.out), hint))

    def _take_hint(self, position: int) -> int | None:
        """The branch hint before the token at a position."""
        parser = self.parser
        after, parser.position = parser.position, position
        taken = parser.take_annotations(HINT)
        parser.position = after
        if not taken:
            return None
        if len(taken) > 1:
            raise parser.annotation_error(taken[1], f"@{HINT} annotation: duplicate annotation")
        content = parser.content(taken[0])
        hint = content.strings()
        content.expect(")")
        if hint not in _HINTS:
            raise parser.annotation_error(taken[0], f"@{HINT} annotation: invalid contents")
        return hint[0]


_OPENING: Final = {word: _code(word) for word in ("block", "loop", "if", "try", "try_table")}
_PARTS: Final = {
    "else": Code.read_else,
    "end": Code.read_end,
    "catch": Code.read_catch,
    "catch_all": Code.read_catch_all,
    "delegate": Code.read_delegate,
}
_FOLDED_PARTS: Final = {
    "then": Code.open_then,
    "else": Code.open_else,
    "do": Code.open_do,
    "catch": Code.open_catch,
    "catch_all": Code.open_catch_all,
    "delegate": Code.open_delegate,
}
_WITH_OPERANDS: Final = ("(", "(if")
_CLOSED_BY_END: Final = frozenset(
    ["(block", "(loop", "(try_table", "(then", "(else", "(do", "(catch", "(catch_all"]
)
