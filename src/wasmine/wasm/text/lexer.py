"""Text to tokens (specification 6.3).

A token is a piece of the text as it stands there: a parenthesis, a string, or a word, whose first
character says what it may be. What is no token at all becomes a piece of one character, which no rule
of the grammar accepts; `Tokens.unexpected` then says what is wrong with it. So one regular expression
does the work, and positions are looked for only when somebody wants to know one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from typing import Final

from wasmine.errors import MalformedText
from wasmine.frozen import Frozen
from wasmine.wasm.text.keywords import KEYWORDS, is_keyword

_WORD: Final = r"[0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]"
_ESCAPE: Final = r"\\(?:[tnr\"'\\]|[0-9a-fA-F]{2}|u\{[0-9a-fA-F](?:_?[0-9a-fA-F])*\})"
_STRING: Final = rf'"(?:[^"\\\x00-\x1f\x7f]|{_ESCAPE})*+"'
_SPACE: Final = r"(?:[ \t\n\r]++|;;[^\n\r]*+|\(;(?:[^(;]|;(?!\))|\((?!;))*+;\))*+"  # comments that are not nested
_TOKENS: Final = re.compile(
    rf"{_SPACE}(\((?:;|@(?:{_WORD}++|{_STRING})?)?|\)|(?:{_WORD}++|{_STRING})++|.|\Z)", re.DOTALL
)
_COMMENT_BEGIN: Final = re.compile(rf"{_STRING}|;;[^\n\r]*+|(\(;)")
_COMMENT_PART: Final = re.compile(r"\(;|;\)")
_LINES: Final = re.compile(r"\r\n?|\n")
_ILLEGAL: Final = re.compile(r"[^ -~]", re.DOTALL)
_PLAIN_STRING: Final = re.compile(_STRING)
_ESCAPES: Final = re.compile(_ESCAPE)
_CHARACTERS: Final = {"t": "\t", "n": "\n", "r": "\r"}
_UNEXPECTED: Final = "unexpected token"


class Annotation(Frozen):
    """`(@name ...)`: its name, the tokens after it, the last of which closes it, and their offsets."""

    name: str
    start: int
    words: list[str]
    starts: list[int]


class Tokens:
    """The tokens of a text, the last of which is empty. Raises MalformedText for annotations that are none.

    `annotations` has those that stand before a token, by its number; they are no tokens themselves.
    """

    def __init__(self, text: str | bytes) -> None:
        self.text = text if isinstance(text, str) else self._decoded(text)
        self._scanned = self.text
        self.annotations: dict[int, list[Annotation]] = {}
        self.words = self._split()
        if "(;" in self.words:
            self._scanned = self._without_comments()
            self.words = self._split()
        if "(@" in self.text and any(word.startswith("(@") for word in self.words):
            self._take_annotations()

    @classmethod
    def of(cls, tokens: Tokens, annotation: Annotation) -> Tokens:
        """The tokens of an annotation in these tokens."""
        self = cls.__new__(cls)
        self.text = tokens.text
        self.words = [*annotation.words, ""]
        self.annotations = {}
        self.__dict__["starts"] = [*annotation.starts, annotation.starts[-1]]
        return self

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            before = data[: error.start].decode()
            self.text = before
            raise self.error_at("malformed UTF-8 encoding", error.start, "") from None

    def _split(self) -> list[str]:
        words: list[str] = _TOKENS.findall(self._scanned)
        while len(words) > 1 and not words[-2]:
            words.pop()
        return words

    @cached_property
    def starts(self) -> list[int]:
        """Where in the text each token begins."""
        return [match.start(1) for match in _TOKENS.finditer(self._scanned)]

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in _LINES.finditer(self.text))]

    def place(self, number: int) -> tuple[int, int]:
        """Line and column of a token, from 1."""
        return self._place_at(self.starts[number])

    def _place_at(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def error_at(self, message: str, offset: int, word: str) -> MalformedText:
        """The error for an offset in the text."""
        return MalformedText(message, *self._place_at(offset), word)

    def error(self, message: str, number: int) -> MalformedText:
        """The error for a token."""
        return self.error_at(message, self.starts[number], self.words[number])

    def unexpected(self, number: int) -> MalformedText:
        """What is wrong with a token that no rule of the grammar has here."""
        word = self.words[number]
        return self.error_at(self._defect(word, self.starts[number]), self.starts[number], word)

    def incomplete(self, first: int) -> MalformedText:
        """The error for a text that ends inside of what began at a token: the first that is none, or the end."""
        last = len(self.words) - 1
        for number in range(first, last):
            if self._defect(self.words[number], self.starts[number]) != _UNEXPECTED:
                return self.unexpected(number)
        return self.unexpected(last)

    def _defect(self, word: str, start: int) -> str:
        if word == "(;":
            return "unclosed comment"
        if word == '"':
            return self._string_defect(start)
        if len(word) == 1 and (_ILLEGAL.match(word)):
            return "illegal character"
        if word in ("$", '$""'):
            return "empty identifier"
        if not word:
            missing = self.words.count("(") - self.words.count(")")
            return f"{_UNEXPECTED} (missing parentheses: {missing})" if missing > 0 else _UNEXPECTED
        known = word in ("(", ")") or is_string(word) or is_identifier(word) or is_keyword(word)
        return _UNEXPECTED if known else f"unknown operator {word}{_suggestion(word)}"

    def _string_defect(self, start: int) -> str:
        """Why the text after a quotation mark is no string."""
        end = start + 1
        while end < len(self.text):
            character = self.text[end]
            if character == "\\":
                escape = _ESCAPES.match(self.text, end)
                if escape is None:
                    return "illegal escape"
                end = escape.end()
            elif character == "\n":
                break
            elif character < " " or character == "\x7f":
                return "illegal control character"
            else:
                end += 1
        return "unclosed string"

    def _without_comments(self) -> str:
        """The text with block comments blanked, nested ones too, so that offsets stay what they are."""
        text, pieces, copied, position = self.text, [], 0, 0
        while match := _COMMENT_BEGIN.search(text, position):
            position = match.end()
            if match[1]:
                begun, position = match.start(), self._comment_end(match.start())
                pieces += [text[copied:begun], " " * (position - begun)]
                copied = position
        return "".join([*pieces, text[copied:]])

    def _comment_end(self, begun: int) -> int:
        depth = 0
        for match in _COMMENT_PART.finditer(self.text, begun):
            depth += 1 if match[0] == "(;" else -1
            if depth == 0:
                return match.end()
        raise self.error_at("unclosed comment", begun, "(;")

    def _take_annotations(self) -> None:
        """Moves annotations out of the tokens."""
        words, starts = self.words, self.starts
        kept_words: list[str] = []
        kept_starts: list[int] = []
        position = 0
        while position < len(words):
            if words[position].startswith("(@"):
                end = self._annotation_end(position)
                annotation = Annotation(
                    self._annotation_name(position),
                    starts[position],
                    words[position + 1 : end + 1],
                    starts[position + 1 : end + 1],
                )
                self.annotations.setdefault(len(kept_words), []).append(annotation)
                position = end + 1
            else:
                kept_words.append(words[position])
                kept_starts.append(starts[position])
                position += 1
        self.words = kept_words
        self.__dict__["starts"] = kept_starts

    def _annotation_name(self, position: int) -> str:
        name = self.words[position][2:]
        if name in ("", '""'):
            raise self.error("empty annotation id", position)
        if not name.startswith('"'):
            return name
        try:
            return string_bytes(name).decode()
        except UnicodeDecodeError:
            raise self.error("malformed UTF-8 encoding", position) from None

    def _annotation_end(self, position: int) -> int:
        """The number of the parenthesis that closes an annotation."""
        self._annotation_name(position)
        depth = 0
        for end in range(position, len(self.words)):
            word = self.words[end]
            if word == ")":
                depth -= 1
                if depth == 0:
                    return end
            elif word.startswith("("):
                depth += 1
            elif word == '"' or (len(word) == 1 and _ILLEGAL.match(word)):
                raise self.unexpected(end)
        raise self.error("unclosed annotation", position)


def string_bytes(word: str) -> bytes:
    """The bytes that a string literal stands for. Raises ValueError for an escape that is no character."""
    if "\\" not in word:
        return word[1:-1].encode("utf-8", "surrogatepass")
    return b"".join(_string_pieces(word))


def _string_pieces(word: str) -> Iterator[bytes]:
    copied = 1
    for match in _ESCAPES.finditer(word):
        yield word[copied : match.start()].encode("utf-8", "surrogatepass")
        copied = match.end()
        escape = match[0][1:]
        if escape.startswith("u"):
            code = int(escape[2:-1].replace("_", ""), 16)
            if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
                raise ValueError(f"no character has the number {code:#x}")
            yield chr(code).encode()
        elif len(escape) == 2:
            yield bytes([int(escape, 16)])
        else:
            yield _CHARACTERS.get(escape, escape).encode()
    yield word[copied:-1].encode("utf-8", "surrogatepass")


def _suggestion(word: str) -> str:
    near = get_close_matches(word, (known for known in KEYWORDS if known[0] == word[0]), 1, 0.8)
    return f" (did you mean {near[0]}?)" if near else ""


def is_string(word: str) -> bool:
    """Whether a token is one string."""
    return word[:1] == '"' and _PLAIN_STRING.fullmatch(word) is not None


def is_identifier(word: str) -> bool:
    """Whether a token is an identifier, quoted or not; it may be one whose name is empty."""
    return word.startswith("$") and (
        '"' not in word or _PLAIN_STRING.fullmatch(word, 1) is not None
    )
