"""What the commands share: exit codes, reading modules, writing lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TextIO

from wasmine import Engine, Features, Module, wat2wasm
from wasmine.frozen import Frozen
from wasmine.wasm.features import ALL

if TYPE_CHECKING:
    import argparse


OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
TRAPPED: Final = 134


class UsageError(Exception):
    """The command line is wrong; the text says how."""


def read_file(path: str) -> bytes:
    """The content of a file."""
    with open(path, "rb") as file:
        return file.read()


def read_module(path: str) -> bytes:
    """The module in a file, in the binary format, whichever of the two the file has."""
    data = read_file(path)
    is_text = path.endswith(".wat") or data.lstrip()[:1] in (b"(", b";")
    return wat2wasm(data) if is_text else data


def write(stream: TextIO, lines: Iterable[str]) -> None:
    """Writes lines; names in a module may hold anything, so what a terminal would obey is escaped."""
    for line in lines:
        shown = line if line.isprintable() else "".join(map(_escape, line))
        stream.write(shown + "\n")


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def suggest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


class Arguments(SimpleNamespace):
    """What the command line says. What is set here is what `run` gets where there are no options."""

    compiled: bool = False
    env: Sequence[str] = ()
    dir: Sequence[str] = ()
    stdin: str | None = None
    trace_wasi: bool = False
    invoke: str | None = None
    opt_level: str | None = None
    enable: Sequence[str] = ()
    disable: Sequence[str] = ()


class Command(Frozen):
    """A command: what its help says, its arguments, and what it does and returns as exit code."""

    name: str
    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    function: Callable[[Arguments, TextIO, TextIO], int]


def add_file(parser: argparse.ArgumentParser) -> None:
    """Adds the argument for the module."""
    parser.add_argument("file", metavar="FILE")


_LEVELS: Final = {"0": "none", "light": "light", "1": "O1", "2": "O2", "3": "O3"}


def add_level(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the level of optimisation."""
    levels = ", ".join(_LEVELS)
    parser.add_argument(
        "-O", "--opt-level", metavar="LEVEL", choices=_LEVELS, help=f"optimisation: {levels}"
    )


def add_features(parser: argparse.ArgumentParser) -> None:
    """Adds the options for proposals that modules may or may not use."""
    for option, word in (("--enable", "may use"), ("--disable", "may not use")):
        parser.add_argument(
            option,
            metavar="FEATURE",
            choices=tuple(ALL),
            action="append",
            default=[],
            help=f"a proposal that modules {word}: {', '.join(ALL)}",
        )


def features(arguments: Arguments) -> Features:
    """The default proposals, with those that the options enable and without those they disable."""
    return Features.of({*Features(), *arguments.enable} - {*arguments.disable})


def compile_file(arguments: Arguments) -> Module:
    """The module that the arguments name, compiled as they ask for."""
    return Module(read_module(arguments.file), engine=engine_of(arguments))


def engine_of(arguments: Arguments, **options: Any) -> Engine:
    """An engine with the level and the features that the arguments ask for, and other options."""
    level = _LEVELS[arguments.opt_level or "light"]
    return Engine(opt_level=level, features=features(arguments), **options)
