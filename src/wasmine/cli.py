"""The command `wasmine`: run, validate, inspect and dump WebAssembly modules.

Exit codes: 0 all is well; 1 the module is invalid, a file cannot be read, or an import is missing;
2 the command line is wrong; 130 interrupted; 134 the program trapped. What `run` starts ends with
its own exit code. Errors are one line on standard error, a trap is followed by its backtrace.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import Final, NoReturn, TextIO

from wasmine import Engine, Function, Instance, Module, __version__
from wasmine.errors import Trap, WasmineError
from wasmine.types import F32, F64, I32, I64, ValType
from wasmine.wasi import Environment, WasiExit
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import disassemble, disassemble_function
from wasmine.wasm.module import Kind, ModuleInfo
from wasmine.wasm.reader import read_unsigned
from wasmine.wasm.validator import validate, validate_module

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
TRAPPED: Final = 134

_EPILOG: Final = """\
exit codes:
  0    all is well
  1    the module is invalid, a file cannot be read, or an import is missing
  2    the command line is wrong
  130  interrupted
  134  the program trapped
  what `run` starts ends with its own exit code
"""

_LEVELS: Final = {"0": "none", "light": "light", "1": "O1", "2": "O2", "3": "O3"}
_COMMANDS: Final = ("run", "validate", "inspect", "dump")


class UsageError(Exception):
    """The command line is wrong; the text says how."""


def run() -> NoReturn:
    """The entry point of the console script."""
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
    sys.exit(code)


def main(argv: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """Runs one command and returns the exit code. Standard input is the process's own."""
    message = ""
    code = OK
    try:
        with redirect_stdout(stdout):  # argparse writes help there
            arguments = _parser().parse_args(_with_command(argv))
        code = arguments.command(arguments, stdout, stderr)
    except SystemExit:  # how argparse ends after --help and --version
        pass
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = FAILED
    except Trap as trap:
        code = TRAPPED
        _write(stderr, f"wasmine: trap: {trap}".splitlines())
    except UsageError as error:
        code, message = USAGE, str(error)
    except WasmineError as error:
        code, message = FAILED, str(error)
    except OSError as error:
        code = FAILED
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if message:
        _write(stderr, [f"wasmine: error: {'; '.join(message.splitlines())}"])
    return code


def _write(stream: TextIO, lines: Iterable[str]) -> None:
    """Writes lines; names in a module may hold anything, so what a terminal would obey is escaped."""
    for line in lines:
        shown = line if line.isprintable() else "".join(map(_escape, line))
        stream.write(shown + "\n")


def _escape(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (try {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wasmine",
        description="Run, validate and inspect WebAssembly modules.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wasmine {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Callable[..., int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip
        sub.set_defaults(command=function)
        return sub

    sub = command("run", _run, "Run a WASI program, or one function of a module.")
    sub.add_argument("--invoke", metavar="NAME", help="call this export with ARGS as its arguments")
    sub.add_argument("--env", metavar="NAME=VALUE", action="append", default=[])
    _add_level(sub)
    sub.add_argument("file", metavar="FILE")
    sub.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER)

    sub = command("validate", _validate, "Check a module; says nothing when it is valid.")
    sub.add_argument("file", metavar="FILE")

    sub = command("inspect", _inspect, "Show what a module imports, exports and consists of.")
    sub.add_argument("file", metavar="FILE")

    sub = command("dump", _dump, "Show a module's instructions.")
    sub.add_argument("--function", metavar="NAME|INDEX", help="this function only")
    form = sub.add_mutually_exclusive_group()
    form.add_argument("--ir", action="store_true", help="the function's LLVM IR instead")
    form.add_argument("--asm", action="store_true", help="the function's machine code instead")
    _add_level(sub)
    sub.add_argument("file", metavar="FILE")
    return parser


def _add_level(parser: argparse.ArgumentParser) -> None:
    levels = ", ".join(_LEVELS)
    parser.add_argument(
        "-O", "--opt-level", metavar="LEVEL", choices=_LEVELS, help=f"optimisation: {levels}"
    )


def _with_command(argv: Sequence[str]) -> list[str]:
    """`wasmine FILE` is `wasmine run FILE`."""
    known = (*_COMMANDS, "-h", "--help", "--version")
    return list(argv) if not argv or argv[0] in known else ["run", *argv]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# --- run


def _run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    env = dict(_variable(text) for text in arguments.env)
    module = _compile(arguments)
    program = [os.path.basename(arguments.file)]
    if arguments.invoke is None:
        program += arguments.arguments
    environment = Environment(program, env, stdout=stdout, stderr=stderr)
    try:
        instance = environment.instantiate(module)
        if arguments.invoke is None:
            return environment.start(instance) & 0xFF
        results = _invoke(instance, arguments.invoke, arguments.arguments)
    except WasiExit as exit_:
        return exit_.code & 0xFF
    _write(stdout, results)
    return OK


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--env {text}: expected NAME=VALUE")
    return name, value


def _compile(arguments: argparse.Namespace) -> Module:
    level = arguments.opt_level
    engine = Engine() if level is None else Engine(opt_level=_LEVELS[level])
    return Module(_read(arguments.file), engine=engine)


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
    raise UsageError(f"there is no exported function {name}{_suggest(name, functions)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def parse_value(text: str, type_: ValType) -> int | float | None:
    """The value of this type that the text names. Raises UsageError when it is none.

    Integers may be hexadecimal, and of the signed or the unsigned range.
    """
    try:
        if type_ in _INTEGER_BITS:
            value = int(text, 0)
            bits = _INTEGER_BITS[type_]
            if -1 << (bits - 1) <= value < 1 << bits:
                return value
        elif type_ in (F32, F64):
            return float.fromhex(text) if "x" in text.lower() else float(text)
        elif type_.is_ref and text == "null":
            return None
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{text}: not a value of type {type_}")


_INTEGER_BITS: Final = {I32: 32, I64: 64}


def format_value(value: object, type_: ValType) -> str:
    """The value as text from which `parse_value` makes the same one."""
    if value is None:
        return "null"
    if type_ is F32 and isinstance(value, float):
        return _shortest_f32(value)
    return repr(value)


def _shortest_f32(value: float) -> str:
    """The fewest digits that name this 32-bit number: 0.1, where Python sees 0.10000000149."""
    for digits in range(1, 9):
        text = repr(float(f"{value:.{digits}g}"))
        try:
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                return text
        except OverflowError:  # rounded up beyond the largest
            continue
    return repr(value)


# --- validate, inspect, dump


def _validate(arguments: argparse.Namespace, *_: TextIO) -> int:
    validate(_read(arguments.file))
    return OK


def _inspect(arguments: argparse.Namespace, stdout: TextIO, _stderr: TextIO) -> int:
    info = decode(_read(arguments.file))
    validate_module(info)
    _write(stdout, _describe(arguments.file, info))
    return OK


# fmt: off
_SECTIONS: Final = (
    "custom", "type", "import", "function", "table", "memory", "global", "export", "start",
    "element", "code", "data", "data count", "tag",
)
# fmt: on


def _describe(path: str, info: ModuleInfo) -> Iterator[str]:
    yield f"{path}: {len(info.data):,} bytes"
    if info.names.module:
        yield f"name: {info.names.module}"
    for field, tools in info.producers.items():
        yield f"{field}: {', '.join(f'{name} {version}'.strip() for name, version in tools)}"
    yield from _block("sections", _describe_sections(info))
    yield from _block("imports", _describe_imports(info))
    exports = (f"{e.name}  {_type_of(info, e.kind, e.index)}" for e in info.exports)
    yield from _block("exports", exports)
    local = len(info.functions) - info.imported_functions
    code = sum(body.end - body.start for body in info.bodies)
    named = len(info.names.functions)
    yield f"functions: {local:,}, {code:,} bytes; {info.imported_functions:,} imported; {named:,} named"
    if info.start is not None:
        yield f"start: function {info.start}"
    for name, types in (
        ("tables", info.tables),
        ("memories", info.memories),
        ("globals", info.globals),
    ):
        yield from _block(name, (f"{index}  {type_}" for index, type_ in enumerate(types)))
    size = sum(segment.end - segment.start for segment in info.data_segments)
    yield f"data segments: {len(info.data_segments):,}, {size:,} bytes"
    items = sum(len(segment.items) for segment in info.elements)
    yield f"element segments: {len(info.elements):,}, {items:,} elements"


def _block(title: str, lines: Iterator[str]) -> Iterator[str]:
    """A title and indented lines; nothing when there are none."""
    for number, line in enumerate(lines):
        if number == 0:
            yield f"{title}:"
        yield f"  {line}"


def _describe_sections(info: ModuleInfo) -> Iterator[str]:
    custom = {section.end: section.name for section in info.custom_sections}
    position = 8  # after the magic number and the version
    while position < len(info.data):
        number = info.data[position]
        size, start = read_unsigned(info.data, position + 1, 32)
        position = start + size
        name = _SECTIONS[number] if number else f'custom "{custom.get(position, "")}"'
        yield f"{name:<24} {size:>12,} bytes at {start:#x}"


def _describe_imports(info: ModuleInfo) -> Iterator[str]:
    passed = Counter[Kind]()
    for entry in info.imports:
        yield f"{entry.module}.{entry.name}  {_type_of(info, entry.kind, passed[entry.kind])}"
        passed[entry.kind] += 1


def _type_of(info: ModuleInfo, kind: Kind, index: int) -> str:
    """The kind and type of something by its index, imports first."""
    match kind:
        case "func":
            return f"func {info.function_type(info.functions[index])}"
        case "table":
            return str(info.tables[index])
        case "memory":
            return str(info.memories[index])
        case "global":
            return str(info.globals[index])
        case "tag":
            return f"tag {info.function_type(info.tags[index])}"


def _dump(arguments: argparse.Namespace, stdout: TextIO, _stderr: TextIO) -> int:
    if (arguments.ir or arguments.asm) and arguments.function is None:
        raise UsageError("--ir and --asm show one function: name it with --function")
    info = validate(_read(arguments.file))
    written = decode(info.data, resolve=False)
    index = None if arguments.function is None else _find_function(info, arguments.function)
    if index is None:
        _write(stdout, disassemble(written))
    elif arguments.ir:
        _write(stdout, _compile(arguments).ir(index).splitlines())
    elif arguments.asm:
        _write(stdout, _compile(arguments).asm(index).expandtabs().splitlines())
    else:
        _write(stdout, disassemble_function(written, index))
    return OK


def _find_function(info: ModuleInfo, text: str) -> int:
    """The index of the function with this name or index. Raises UsageError without such a one."""
    if text.isdecimal():
        index = int(text)
        if index >= len(info.functions):
            raise UsageError(f"unknown function {index}: there are {len(info.functions)}")
    else:
        named = ((info.function_name(index), index) for index in range(len(info.functions)))
        names = {name: index for name, index in named if name is not None}
        if text not in names:
            raise UsageError(f"there is no function {text}{_suggest(text, names)}")
        index = names[text]
    if index < info.imported_functions:
        raise UsageError(f"function {index} is imported: it has no instructions")
    return index
