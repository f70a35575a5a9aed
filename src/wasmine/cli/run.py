"""`wasmine run`: a WASI program, or one function of a module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TextIO

from wasmine import Function, Instance, Module, wasi
from wasmine.api.archive import MAGIC
from wasmine.cli.common import (
    OK,
    Arguments,
    Command,
    UsageError,
    add_features,
    add_file,
    add_level,
    compile_file,
    suggest,
    write,
)
from wasmine.cli.values import format_value, parse_value
from wasmine.wasi import Environment, WasiExit

if TYPE_CHECKING:
    import argparse

    from wasmine.wasi.filesystem import Directory


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--invoke", metavar="NAME", help="call this export with ARGS as its arguments"
    )
    parser.add_argument(
        "--env", metavar="NAME=VALUE", action="append", default=[], help="a variable, often"
    )
    parser.add_argument(
        "--dir",
        metavar="HOST[::GUEST][:ro]",
        action="append",
        default=[],
        help="a directory that the program may use, under the same path or as GUEST;"
        " with :ro it cannot change anything there",
    )
    parser.add_argument("--stdin", metavar="FILE", help="standard input")
    parser.add_argument(
        "--trace-wasi", action="store_true", help="tell of each WASI call, on standard error"
    )
    parser.add_argument(
        "--compiled", action="store_true", help="FILE is what `compile` made, and is trusted"
    )
    add_level(parser)
    add_features(parser)
    add_file(parser)
    parser.add_argument("arguments", metavar="ARGS", nargs="...")


def _run(arguments: Arguments, stdout: TextIO, stderr: TextIO) -> int:
    stdin = None if arguments.stdin is None else os.open(arguments.stdin, os.O_RDONLY)
    try:
        with _environment(arguments, stdin, stdout, stderr) as environment:
            instance = environment.instantiate(_module(arguments))
            if arguments.invoke is None:
                return environment.start(instance) & 0xFF
            results = _invoke(instance, arguments.invoke, arguments.arguments)
    except WasiExit as exit_:
        return exit_.code & 0xFF
    finally:
        if stdin is not None:
            os.close(stdin)
    write(stdout, results)
    return OK


def _environment(
    arguments: Arguments, stdin: int | None, stdout: TextIO, stderr: TextIO
) -> Environment:
    """What the options give to the program."""
    program = [os.path.basename(arguments.file)]
    if arguments.invoke is None:
        program += arguments.arguments
    return Environment(
        program,
        dict(_variable(text) for text in arguments.env),
        stdin,
        stdout,
        stderr,
        dirs=dict(_directory(text) for text in arguments.dir),
        trace=stderr if arguments.trace_wasi else None,
    )


def _module(arguments: Arguments) -> Module:
    """The module to run. Raises UsageError if machine code is to be run, or not, without a word."""
    if arguments.compiled:
        if arguments.opt_level or arguments.enable or arguments.disable:
            raise UsageError("a compiled module has the options that it was compiled with")
        return Module.deserialize_file(arguments.file)
    with open(arguments.file, "rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise UsageError(
                f"{arguments.file} is machine code, which nothing confines:"
                " if you trust it, run it with --compiled"
            )
    return compile_file(arguments)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--env {text}: expected NAME=VALUE")
    return name, value


def _directory(text: str) -> tuple[str, str | Directory]:
    """The guest's path, and what it finds there. Raises OSError if it cannot be opened."""
    granted, colon, mode = text.rpartition(":")
    read_only = bool(colon) and mode == "ro" and not granted.endswith(":")
    host, colons, guest = (granted if read_only else text).partition("::")
    if not host or (colons and not guest):
        raise UsageError(f"--dir {text}: expected HOST[::GUEST][:ro]")
    if not read_only:
        return guest or host, host
    return guest or host, wasi.HostDirectory(host, read_only=True)


def _invoke(instance: Instance, name: str, texts: Sequence[str]) -> list[str]:
    """Calls an export with arguments in text form and returns its results likewise."""
    function = _exported_function(instance, name)
    params = function.type.params
    if len(texts) != len(params):
        raise UsageError(f"{name} takes {len(params)} arguments, {function.type}; got {len(texts)}")
    values = [parse_value(text, type_) for text, type_ in zip(texts, params, strict=True)]
    returned = function(*values)
    types = function.type.results
    results = returned if len(types) > 1 else [returned] * len(types)
    return [format_value(value, type_) for value, type_ in zip(results, types, strict=True)]


def _exported_function(instance: Instance, name: str) -> Function:
    functions = {key: item for key, item in instance.exports.items() if isinstance(item, Function)}
    if name in functions:
        return functions[name]
    raise UsageError(f"there is no exported function {name}{suggest(name, functions)}")


RUN: Final = Command("run", "Run a WASI program, or one function of a module.", _arguments, _run)
