"""What a process loads before it runs a program: no more than it needs, whatever the machine's speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import SOURCE
from wasmine import Engine, wat2wasm

# Each takes as long to import as a good part of the runtime, or brings all of the compiler.
HEAVY = {
    "argparse",
    "ast",
    "dataclasses",
    "difflib",
    "hashlib",
    "inspect",
    "llvmlite",
    "multiprocessing",
    "numpy",
    "pathlib",
    "platformdirs",
    "random",
    "subprocess",
    "tempfile",
    "urllib",
    "wasmine.api.pipeline",
    "wasmine.cli.dump",
    "wasmine.compiler",
    "wasmine.script",
    "wasmine.wasi.paths",
    "wasmine.wasi.polling",
    "wasmine.wasi.sockets",
    "wasmine.wasm.body",
    "wasmine.wasm.code_validator",
    "wasmine.wasm.names",
    "wasmine.wasm.text.assembler",
}
PROGRAM = Path(__file__).parents[1] / "wasi" / "programs" / "echo.wasm"

SHOW = "\nimport sys\nprint(*sys.modules, file=sys.stderr)\n"


def modules(code: str, directory: Path, *arguments: str) -> set[str]:
    """What is loaded after the code, in a process with a cache of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code + SHOW, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "WASMINE_CACHE_DIR": str(directory)},
        input="text\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_importing_wasmine_loads_nothing_else(tmp_path: Path) -> None:
    before = modules("", tmp_path)
    assert modules("import wasmine", tmp_path) - before == {"wasmine"}


API = """
import sys
from wasmine import Module
from wasmine.wasi import Environment
environment = Environment(["program"])
environment.start(environment.instantiate(Module(sys.argv[1])))
"""
AUTO = API.replace("import Module", "import Engine, Module").replace(
    "sys.argv[1])", 'sys.argv[1], engine=Engine(tier="auto"))'
)
COMMAND = """
import sys
from wasmine.cli import main
main(["run", sys.argv[1]], sys.stdout, sys.stderr)
"""


@pytest.mark.parametrize("code", [API, AUTO, COMMAND], ids=["api", "auto", "command"])
def test_a_program_from_the_cache_loads_what_it_needs(code: str, tmp_path: Path) -> None:
    modules(code, tmp_path, str(PROGRAM))
    loaded = modules(code, tmp_path, str(PROGRAM))
    assert not loaded & HEAVY
    assert {"wasmine.wasi.files", "wasmine.vm.process"} <= loaded


FIRST_CALL = """
import sys
from wasmine import Engine, Instance, Module
module = Module(sys.argv[1], engine=Engine(tier="auto"))
Instance(module).exports.f()
"""


@pytest.mark.skipif(not Engine(tier="auto").is_lazy, reason="functions are compiled by LLVM")
def test_a_first_call_loads_no_more_than_the_compiler(tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.wasm")
        text = f'(module (func (export "f") (result i32) i32.const {number}))'
        paths[-1].write_bytes(wat2wasm(text))
    modules(FIRST_CALL, tmp_path, str(paths[0]))  # puts the stencils into the cache
    loaded = modules(FIRST_CALL, tmp_path, str(paths[1]))
    assert "wasmine.compiler.baseline.function" in loaded
    assert not loaded & {"dataclasses", "inspect", "llvmlite", "wasmine.compiler.module"}
