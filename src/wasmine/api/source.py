"""What a module can be made of: the binary format, the text format, or a file with either."""

from __future__ import annotations

import os
import re
from typing import Final, TypeAlias

from wasmine.errors import MalformedText
from wasmine.public import public

Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str]

# the text format begins with a parenthesis or a comment
_BEGINNING: Final = r"[ \t\n\r]*(?:\(|;;)"
_TEXT: Final = re.compile(_BEGINNING)
_TEXT_BYTES: Final = re.compile(_BEGINNING.encode())


def read_source(source: object) -> bytes:
    """The binary format of a module that is given as bytes, text or path.

    A string is text if it begins as a module does, with a parenthesis or comment, and a path otherwise.
    Bytes, and so the content of files, are text if they begin like that. Raises MalformedText, with a
    note that names the file, OSError, TypeError.
    """
    if isinstance(source, str) and _TEXT.match(source):
        return wat2wasm(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _binary(bytes(source))
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise TypeError(f"a module is given as bytes, text or a path, not {kind}")
    with open(source, "rb") as file:
        data = file.read()
    try:
        return _binary(data)
    except MalformedText as error:
        error.add_note(f"in {os.fspath(source)}")
        raise


def _binary(data: bytes) -> bytes:
    return wat2wasm(data) if _TEXT_BYTES.match(data) else data


@public
def wat2wasm(text: str | bytes, *, names: bool = True) -> bytes:
    """The binary format of a module in the text format.

    Identifiers become names in a name section, which traces show, unless `names` is false. Raises
    MalformedText with line, column and token; TypeError for anything but str and bytes.
    """
    _check_text(text)
    # most programs have binary modules only and need not wait for this
    from wasmine.wasm.text import assembler

    return assembler.wat2wasm(text, names=names)


def _check_text(text: object) -> None:
    if not isinstance(text, str | bytes):
        raise TypeError(f"the text of a module is str or bytes, not {type(text).__name__}")
