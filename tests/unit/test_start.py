"""What a process loads before it runs a program: no more than it needs, whatever the machine's speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import SOURCE

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
    "wasmine.wasm.code_validator",
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


def test_compiling_first_calls_loads_no_llvm(tmp_path: Path) -> None:
    modules(AUTO, tmp_path, str(PROGRAM))  # now the cache has the runtime and the stencils
    loaded = modules(AUTO, tmp_path, str(PROGRAM.with_name("lines.wasm")))
    assert "wasmine.compiler.baseline.function" in loaded
    assert not loaded & {"dataclasses", "inspect", "llvmlite", "numpy"}
