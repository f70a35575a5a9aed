"""The import rules of ARCHITECTURE.md, as a table."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "wasmine"

# Each layer and what it may import besides itself. "wasmine" is the package's own list of public
# names: only those who use wasmine as everybody else does may import it.
BELOW_API = {"frozen", "public", "errors", "types", "wasm", "abi"}
MAY_IMPORT = {
    "frozen": set[str](),
    "public": set[str](),
    "errors": {"frozen", "public"},
    "version": set[str](),
    "types": {"frozen", "public", "errors"},
    "wasm": {"frozen", "public", "errors", "types"},
    "abi": {"frozen", "errors", "types", "wasm"},
    "compiler": BELOW_API,
    "vm": BELOW_API,
    "api": BELOW_API | {"compiler", "vm", "version"},
    "wasi": {"frozen", "errors", "types", "api", "wasmine"},
    "script": {"frozen", "errors", "types", "wasm", "wasmine"},
    "cli": {"frozen", "errors", "types", "wasm", "api", "wasi", "script", "wasmine"},
    "__main__": {"cli"},
    "__init__": {"errors", "types", "wasm", "api", "version"},
}

# Whoever wants another LLVM exchanges this file.
LLVM_INTERFACE = SOURCE / "compiler" / "target.py"

FILES = sorted(SOURCE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported_names(path: Path) -> Iterator[str]:
    """The absolute names of everything that the file imports, at any depth of its code."""
    package = ["wasmine", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            # `from . import x` names a module of the package, or what its __init__ offers.
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_layers(path: Path) -> set[str]:
    layers = set()
    for name in imported_names(path):
        package, _, rest = name.partition(".")
        if package == "wasmine":
            part = rest.partition(".")[0]
            layers.add(part if part in MAY_IMPORT else "wasmine")
    return layers


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    own = layer(path)
    assert own in MAY_IMPORT, f"{own} is a new layer: give it a row in MAY_IMPORT"
    assert imported_layers(path) <= MAY_IMPORT[own] | {own}


def test_one_file_imports_llvmlite() -> None:
    users = [
        path
        for path in FILES
        if any(name.partition(".")[0] == "llvmlite" for name in imported_names(path))
    ]
    assert users == [LLVM_INTERFACE]


# (module (func (export "f") (result i32) i32.const 42))
MODULE = bytes.fromhex("0061736d01000000 01050160 00017f 03020100 0705010166 0000 0a06010400412a0b")

WITHOUT_LLVMLITE = """
import runpy, sys
sys.modules["llvmlite"] = None  # an import of it fails from here on
{code}
"""


def run_without_llvmlite(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LLVMLITE.format(code=code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_wasmine_does_not_import_llvmlite() -> None:
    code = "import sys, wasmine; sys.exit('llvmlite' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_validating_needs_no_llvmlite() -> None:
    code = f"import wasmine; print(wasmine.Module.validate({MODULE!r}))"
    assert run_without_llvmlite(code) == "True\n"


@pytest.mark.parametrize("command", ["validate", "inspect", "dump"])
def test_commands_that_only_read_need_no_llvmlite(command: str, tmp_path: Path) -> None:
    path = tmp_path / "module.wasm"
    path.write_bytes(MODULE)
    code = "sys.argv[0] = 'wasmine'; runpy.run_module('wasmine', run_name='__main__')"
    run_without_llvmlite(code, command, str(path))
