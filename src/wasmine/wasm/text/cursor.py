"""A place in a list of tokens, and the parts of the grammar that need nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wasmine.errors import MalformedText
from wasmine.wasm.text.keywords import UNSIGNED
from wasmine.wasm.text.lexer import Tokens, is_identifier, is_string, string_bytes
from wasmine.wasm.text.numbers import parse_integer

_INDEX: Final = frozenset("$0123456789")


def is_index(word: str) -> bool:
    """Whether a token, judging by its beginning, is an identifier or an unsigned number."""
    return word[:1] in _INDEX


class Cursor:
    """Reads tokens one after the other. All methods raise MalformedText for what does not fit."""

    def __init__(self, tokens: Tokens, position: int = 0) -> None:
        self.tokens = tokens
        self.words = tokens.words
        self.position = position

    @property
    def word(self) -> str:
        """The next token; empty at the end."""
        return self.words[self.position]

    def error(self, message: str, position: int | None = None) -> MalformedText:
        """An error at the next token, or at another one."""
        return self.tokens.error(message, self.position if position is None else position)

    def unexpected(self, position: int | None = None) -> MalformedText:
        """The error for a token that no rule allows here."""
        return self.tokens.unexpected(self.position if position is None else position)

    def at_form(self, keyword: str) -> bool:
        """Whether a parenthesis and this keyword follow."""
        words, position = self.words, self.position
        return words[position] == "(" and words[position + 1] == keyword

    def accept(self, word: str) -> bool:
        """Reads this token if it is the next one."""
        if self.words[self.position] != word:
            return False
        self.position += 1
        return True

    def accept_form(self, keyword: str) -> bool:
        """Reads a parenthesis and this keyword if they follow."""
        if not self.at_form(keyword):
            return False
        self.position += 2
        return True

    def expect(self, word: str) -> None:
        """Reads this token."""
        if self.words[self.position] != word:
            raise self.unexpected()
        self.position += 1

    def keyword(self) -> str:
        """Reads a parenthesis and the keyword after it."""
        self.expect("(")
        self.position += 1
        return self.words[self.position - 1]

    def skip_to_end(self) -> None:
        """Moves to the parenthesis that closes the innermost form that is open here."""
        words, position = self.words, self.position
        depth = 0
        while True:
            word = words[position]
            if word == "(":
                depth += 1
            elif word == ")":
                if depth == 0:
                    self.position = position
                    return
                depth -= 1
            elif not word:
                raise self.tokens.incomplete(self.position)
            position += 1

    def skip(self) -> None:
        """Moves behind the form that begins here."""
        self.position += 1
        self.skip_to_end()
        self.position += 1

    def identifier(self) -> str | None:
        """Reads an identifier, with its dollar sign, if one follows; `$"a"` is the same as `$a`."""
        word = self.words[self.position]
        if not word.startswith("$"):
            return None
        if '"' in word or len(word) == 1:
            word = f"${self._quoted_identifier(word)}"
        self.position += 1
        return word

    def _quoted_identifier(self, word: str) -> str:
        if not is_identifier(word) or word in ("$", '$""'):
            raise self.unexpected()
        return self._decoded(word[1:])

    def _decoded(self, word: str) -> str:
        try:
            return string_bytes(word).decode()
        except ValueError:
            raise self.error("malformed UTF-8 encoding") from None

    @property
    def at_string(self) -> bool:
        """Whether a string follows."""
        return is_string(self.words[self.position])

    def string(self) -> bytes:
        """Reads a string."""
        if not self.at_string:
            raise self.unexpected()
        try:
            data = string_bytes(self.words[self.position])
        except ValueError:
            raise self.error("malformed UTF-8 encoding") from None
        self.position += 1
        return data

    def strings(self) -> bytes:
        """Reads any number of strings, as one."""
        pieces = []
        while self.words[self.position].startswith('"'):
            pieces.append(self.string())
        return b"".join(pieces)

    def name(self) -> str:
        """Reads a string that is a name."""
        if not self.at_string:
            raise self.unexpected()
        name = self._decoded(self.words[self.position])
        self.position += 1
        return name

    @property
    def at_index(self) -> bool:
        """Whether an identifier or a number follows."""
        return is_index(self.words[self.position])

    def unsigned(self, bits: int = 32) -> int:
        """Reads an unsigned integer of so many bits."""
        word = self.words[self.position]
        if UNSIGNED.fullmatch(word) is None:
            raise self.unexpected()
        value = parse_integer(word)
        if value is None or value >> bits:
            raise self.error(f"i{bits} constant out of range")
        self.position += 1
        return value

    def number(self, parse: Callable[[str, int], int | None], width: int) -> int:
        """Reads a number of so many bits."""
        word = self.words[self.position]
        try:
            bits = parse(word, width)
        except OverflowError:
            raise self.error("constant out of range") from None
        if bits is None:
            raise self.unexpected()
        self.position += 1
        return bits
