"""WASI preview 1: the operating-system interface of compiled programs.

    from wasmine import wasi

    result = wasi.run("tool.wasm", ["tool", "--verbose"], stdin=b"data", dirs={"/data": "inputs"})
    result.exit_code, result.stdout

`Environment` is for everything else: streams that are files or functions, several instances,
libraries instead of programs. A program reaches nothing but what its environment holds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from wasmine.wasi.abi import Errno
from wasmine.wasi.context import Clocks
from wasmine.wasi.environment import Environment, Result, run
from wasmine.wasi.process import WasiExit

if TYPE_CHECKING:
    from wasmine.wasi.hostfiles import HostDirectory
    from wasmine.wasi.memoryfiles import Link, MemoryDirectory

__all__ = [
    "Clocks",
    "Environment",
    "Errno",
    "HostDirectory",
    "Link",
    "MemoryDirectory",
    "Result",
    "WasiExit",
    "run",
]

# What only some programs need, and the file that is imported then.
_HOMES = {"HostDirectory": "hostfiles", "Link": "memoryfiles", "MemoryDirectory": "memoryfiles"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"wasmine.wasi.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
