"""`wasmine wat2wasm`: from the text format to the binary format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TextIO

from wasmine.cli.common import OK, Arguments, Command, add_file, read_file
from wasmine.wasm.text.assembler import wat2wasm

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", help="default: FILE with the suffix .wasm")
    parser.add_argument("--no-names", action="store_true", help="leave out the name section")
    add_file(parser)


def _wat2wasm(arguments: Arguments, _stdout: TextIO, _stderr: TextIO) -> int:
    module = wat2wasm(read_file(arguments.file), names=not arguments.no_names)
    output = arguments.output or f"{os.path.splitext(arguments.file)[0]}.wasm"
    with open(output, "wb") as file:
        file.write(module)
    return OK


WAT2WASM: Final = Command(
    "wat2wasm", "Translate a module from text to binary.", _arguments, _wat2wasm
)
