"""Modules from text, scripts in a process of their own, and what the system says about this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness import SOURCE
from tests.tiers import VARIABLE
from wasmine import Trap, TrapCode

PRELUDE = f"""
import wasmtime
from wasmine import *
from wasmine.errors import TrapCode
import os
if tier := os.environ.get("{VARIABLE}"):
    Engine.__init__.__kwdefaults__["tier"] = tier
def instance(text, imports=None, **options):
    return Instance(Module(bytes(wasmtime.wat2wasm(text))), imports, **options)
def trap(function, *arguments):
    try:
        function(*arguments)
    except Trap as error:
        return error.code.name
    return None
"""
"""What scripts begin with."""


def trap_of(function: Any, *arguments: object) -> TrapCode | None:
    """The code of the trap that a call ends with, None if it returns."""
    try:
        function(*arguments)
    except Trap as trap:
        return trap.code
    return None


def run_script(
    script: str, *flags: str, status: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python code after PRELUDE in a new process, which must end with `status`.

    A negative status is the number of a signal, as in subprocess.
    """
    result = subprocess.run(
        [sys.executable, *flags, "-c", PRELUDE + script],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result


def resident_bytes() -> int:
    """The memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def open_files() -> int:
    """The number of open file descriptors."""
    return len(os.listdir("/proc/self/fd"))
