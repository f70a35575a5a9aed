"""The command line: its commands, and how a command ends."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from wasmine.cli.common import (
    FAILED,
    INTERRUPTED,
    OK,
    TRAPPED,
    USAGE,
    Arguments,
    Command,
    UsageError,
    write,
)
from wasmine.errors import Trap, WasmineError

if TYPE_CHECKING:
    import argparse

_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000

_EPILOG: Final = """\
exit codes:
  0    all is well
  1    the module is invalid, a file cannot be read, an import is missing, nobody caught an
       exception, or a script fails
  2    the command line is wrong
  130  interrupted
  134  the program trapped
  what `run` starts ends with its own exit code
"""

_COMMANDS: Final = {
    "run": "run",
    "compile": "compile",
    "validate": "inspect",
    "inspect": "inspect",
    "dump": "dump",
    "wat2wasm": "wat2wasm",
    "wast": "wast",
    "cache": "cache",
}
"""In which file of this directory each command is; there its name is in capitals."""


def run() -> NoReturn:
    """The entry point of the console script."""
    # The process is ours: most objects are made by imports, and none of them is garbage.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    _end_at_once_when_interrupted()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with open(os.devnull, "w") as nowhere:  # for a process that was started without
        code = main(sys.argv[1:], sys.stdout or nowhere, sys.stderr or nowhere)
    try:
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left can go nowhere; without this the interpreter would report it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or FAILED
    gc.freeze()  # memory dies with the process: garbage is not looked for when the interpreter ends
    sys.exit(code)


def main(argv: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """Runs one command and returns the exit code. Standard input is the process's own."""
    message = ""
    code = OK
    try:
        arguments = _arguments(argv, stdout)
        code = arguments.command(arguments, stdout, stderr)
    except SystemExit:  # how argparse ends after --help and --version
        pass
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = FAILED
    except Trap as trap:
        code = TRAPPED
        write(stderr, f"wasmine: trap: {trap}".splitlines())
    except UsageError as error:
        code, message = USAGE, str(error)
    except WasmineError as error:
        code, message = FAILED, str(error)
    except OSError as error:
        code = FAILED
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if message:
        write(stderr, [f"wasmine: error: {'; '.join(message.splitlines())}"])
    return code


def _end_at_once_when_interrupted() -> None:
    """Makes Ctrl-C end the process even while no Python code runs that could notice it.

    Python's own handler only raises KeyboardInterrupt once the main thread runs Python code or wasm,
    and LLVM may take its time. A thread that waits for the signal's byte does not depend on it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # ignored by whoever started the process in the background
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(reading, 1) != bytes([signal.SIGINT]):
            pass
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, name="wasmine-interrupt", daemon=True).start()


def _command(name: str) -> Command:
    module = import_module(f"wasmine.cli.{_COMMANDS[name]}")
    command: Command = getattr(module, name.upper())
    return command


def _arguments(argv: Sequence[str], stdout: TextIO) -> Arguments:
    """What the command line says; `wasmine FILE` is `wasmine run FILE`.

    Raises UsageError, and SystemExit once help has been written.
    """
    if argv and argv[0] not in (*_COMMANDS, "-h", "--help", "--version"):
        argv = ["run", *argv]
    if len(argv) > 1 and argv[0] == "run" and not argv[1].startswith("-"):
        # Without options there is nothing to parse, and a program need not wait for argparse.
        return Arguments(command=_command("run").function, file=argv[1], arguments=list(argv[2:]))
    from contextlib import redirect_stdout

    with redirect_stdout(stdout):  # argparse writes help there
        return _parser(argv[:1]).parse_args(argv, Arguments())


def _parser(named: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command, or for all of them where none is named."""
    import argparse

    from wasmine import __version__

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message} (try {self.prog} --help)")

    parser = Parser(
        prog="wasmine",
        description="Run, validate, inspect and translate WebAssembly modules.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wasmine {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    for command in map(_command, named if set(named) & _COMMANDS.keys() else _COMMANDS):
        sub = commands.add_parser(
            command.name, help=command.text, description=command.text, epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip
        sub.set_defaults(command=command.function)
        command.add_arguments(sub)
    return parser
