"""`wasmine wast`: scripts of the official test suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TextIO

from wasmine import Engine
from wasmine.cli.common import (
    FAILED,
    OK,
    Arguments,
    Command,
    add_features,
    features,
    read_file,
    write,
)

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_features(parser)
    parser.add_argument("files", metavar="FILE", nargs="+")


def _wast(arguments: Arguments, stdout: TextIO, _stderr: TextIO) -> int:
    # only this command needs it
    from wasmine.script import run_script

    code = OK
    for path in arguments.files:
        engine = Engine(features=features(arguments))
        report = run_script(read_file(path), engine=engine)
        write(stdout, (f"{path}:{failure}" for failure in report.failures))
        write(stdout, [f"{path}: {report}"])
        if report.failures:
            code = FAILED
    return code


WAST: Final = Command("wast", "Run scripts of the test suite; shows what fails.", _arguments, _wast)
