"""WASI preview 1: the operating-system interface of compiled programs.

    from wasmine import wasi

    result = wasi.run("tool.wasm", ["tool", "--verbose"], stdin=b"data")
    result.exit_code, result.stdout

`Environment` is for everything else: streams that are files or functions, several instances,
libraries instead of programs. A program reaches nothing but what its environment holds.
"""

from wasmine.wasi.abi import Errno
from wasmine.wasi.context import Clocks
from wasmine.wasi.environment import Environment, Result, run
from wasmine.wasi.process import WasiExit

__all__ = ["Clocks", "Environment", "Errno", "Result", "WasiExit", "run"]
