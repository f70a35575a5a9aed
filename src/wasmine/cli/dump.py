"""`wasmine dump`: instructions, LLVM IR and machine code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TextIO

from wasmine.cli.common import (
    OK,
    Arguments,
    Command,
    UsageError,
    add_features,
    add_file,
    add_level,
    compile_file,
    read_module,
    suggest,
    write,
)
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import Disassembler
from wasmine.wasm.features import ALL
from wasmine.wasm.module import ModuleInfo

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--function", metavar="NAME|INDEX", help="this function only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--wat", action="store_true", help="without offsets, as text to assemble")
    form.add_argument("--ir", action="store_true", help="the function's LLVM IR instead")
    form.add_argument("--asm", action="store_true", help="the function's machine code instead")
    add_level(parser)
    add_features(parser)
    add_file(parser)


def _dump(arguments: Arguments, stdout: TextIO, _stderr: TextIO) -> int:
    if (arguments.ir or arguments.asm) and arguments.function is None:
        raise UsageError("--ir and --asm show one function: name it with --function")
    info = decode(read_module(arguments.file), ALL, resolve=False)
    disassembler = Disassembler(info, offsets=not arguments.wat)
    index = None if arguments.function is None else _find_function(info, arguments.function)
    if index is None:
        write(stdout, disassembler.module())
    elif arguments.ir:
        write(stdout, compile_file(arguments).ir(index).splitlines())
    elif arguments.asm:
        write(stdout, compile_file(arguments).asm(index).expandtabs().splitlines())
    else:
        write(stdout, disassembler.function(index))
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
            raise UsageError(f"there is no function {text}{suggest(text, names)}")
        index = names[text]
    if index < info.imported_functions:
        raise UsageError(f"function {index} is imported: it has no instructions")
    return index


DUMP: Final = Command("dump", "Show a module as text, with its instructions.", _arguments, _dump)
