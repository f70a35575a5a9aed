"""wat2wasm: a module from the text format to the binary format."""

from __future__ import annotations

from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.fields import ModuleReader
from wasmine.wasm.text.lexer import Tokens


def wat2wasm(text: str | bytes, *, names: bool = True, memory64: bool = True) -> bytes:
    """The binary format of a module that is given in the text format.

    The identifiers of the text become the names of a name section, unless `names` is false. Without
    `memory64` sizes have 32 bits, as in the format before that proposal. Raises MalformedText, and
    InvalidModule for a branch hint that is not at a branch.
    """
    tokens = Tokens(text)
    if not Cursor(tokens).at_form("module"):
        return ModuleReader(tokens, 0, memory64).read("", names)
    module, end = assemble(tokens, 2, names=names, memory64=memory64)
    if tokens.words[end + 1]:
        raise tokens.unexpected(end + 1)
    return module


def assemble(tokens: Tokens, position: int, *, names: bool, memory64: bool) -> tuple[bytes, int]:
    """The bytes of a module of which `(module` has been read, and where its closing parenthesis is."""
    cursor = Cursor(tokens, position)
    cursor.identifier()
    form = cursor.word
    if form not in ("binary", "quote"):
        reader = ModuleReader(tokens, position, memory64)
        return reader.read(")", names), reader.parser.position
    cursor.position += 1
    source = cursor.strings()
    if cursor.word != ")":
        raise cursor.unexpected()
    if form == "quote":
        source = wat2wasm(source, names=names, memory64=memory64)
    return source, cursor.position
