"""`wasmine compile`: a module as machine code, to be shipped."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TextIO

from wasmine import Module
from wasmine.cli.common import (
    OK,
    Arguments,
    Command,
    add_features,
    add_file,
    add_level,
    engine_of,
    read_module,
)

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="for `run --compiled OUT`"
    )
    add_level(parser)
    add_features(parser)
    add_file(parser)


def _compile(arguments: Arguments, _stdout: TextIO, stderr: TextIO) -> int:
    # Of this tier, a module leaves all compiling to `serialize`.
    module = Module(read_module(arguments.file), engine=engine_of(arguments, tier="baseline"))
    with _progress(stderr) as bar:
        compiled = module.serialize(progress=bar)
    _replace(arguments.output, compiled)
    return OK


class _Bar:
    """How much is done, on one line of a terminal; elsewhere nothing is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are compiled."""
        if not self._stream.isatty():
            return
        width = min(shutil.get_terminal_size().columns, 80) - len("compiling [] 100 %")
        share = done / total if total else 1.0
        filled = round(share * max(width, 0))
        shown = f"compiling [{'#' * filled:{max(width, 0)}}] {share:4.0%}"
        if shown != self._shown:
            self._stream.write(f"\r{shown}")
            self._stream.flush()
            self._shown = shown

    def clear(self) -> None:
        """Leave the line as if nothing had been there."""
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._stream.flush()


@contextlib.contextmanager
def _progress(stream: TextIO) -> Iterator[_Bar]:
    bar = _Bar(stream)
    try:
        yield bar
    finally:
        bar.clear()


def _replace(path: str, content: bytes) -> None:
    """Write a file, in place of the one there is: a program may have that one mapped."""
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, a device
        with open(path, "wb") as file:
            file.write(content)
        return
    temporary = f"{path}.{secrets.token_hex(4)}"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


COMPILE: Final = Command(
    "compile", "Translate a module to machine code for this processor.", _arguments, _compile
)
