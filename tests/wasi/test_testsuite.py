"""One test for each program of the official WASI test suite, and the suite's own runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from wasmine import wasi
from wasmine.wasi import HostDirectory, MemoryDirectory
from wasmine.wasi.filesystem import Directory

from . import adapter, testsuite

if not testsuite.names():
    pytest.skip(
        f"no WASI test suite at {testsuite.location()}: name its directory in {testsuite.VARIABLE}",
        allow_module_level=True,
    )


def test_all_programs_are_found() -> None:
    assert len(testsuite.names()) >= 72


@pytest.mark.parametrize("files", [HostDirectory, MemoryDirectory.load])
@pytest.mark.parametrize("name", testsuite.names())
def test_program(name: str, files: Callable[[Path], Directory], tmp_path: Path) -> None:
    """On files of the host and in memory."""
    case = testsuite.case(name)
    dirs = {"/": files(testsuite.fresh(case.root, tmp_path / "root"))} if case.root else {}
    result = wasi.run(case.program, [case.program.name, *case.args], case.env, b"", dirs=dirs)
    assert result.exit_code == case.exit_code, result.stderr.decode()
    for output, expected in ((result.stdout, case.stdout), (result.stderr, case.stderr)):
        if expected is not None:
            assert output.decode() == expected


@pytest.mark.parametrize("name", ["c/fopen-with-access", "rust/path_link"])
def test_the_adapter_s_command_runs_a_program(name: str, tmp_path: Path) -> None:
    case = testsuite.case(name)
    assert case.root is not None
    root = str(testsuite.fresh(case.root, tmp_path / "root"))
    given = (case.args, case.env, root)
    command = adapter.compute_argv(
        str(case.program), given, [], adapter.get_wasi_worlds()[0], adapter.get_wasi_versions()[0]
    )
    assert command[0] == "wasmine"
    started = [sys.executable, "-m", *command]
    done = subprocess.run(started, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# The runner is written for Python 3.12, whose enumerations can be asked whether they have any value.
RUNNER = """
import enum, os, runpy, sys
if sys.version_info < (3, 12):
    enum.EnumMeta.__contains__ = lambda self, value: value in list(self)
sys.argv.pop(0)
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(
    not (find_spec("colorama") and find_spec("requests")),
    reason="the suite's own runner needs colorama and requests",
)
def test_the_suite_s_own_runner(tmp_path: Path) -> None:
    """All programs, each in a process of its own, which takes ten seconds.

    In a copy of the suite, for they leave files beside them.
    """
    shutil.copytree(testsuite.location() / "test-runner", tmp_path / "test-runner")
    folders = []
    for folder in testsuite.location().glob(testsuite.PROGRAMS):
        folders.append(tmp_path / folder.relative_to(testsuite.location()))
        shutil.copytree(folder, folders[-1], symlinks=True)
    options = ("--disable-colors", "-r", adapter.__file__, "-t", *map(str, folders))
    runner = str(tmp_path / "test-runner" / "wasi_test_runner.py")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, runner, *options],
        env={**os.environ, "WASMINE": f"{sys.executable} -m wasmine"},
        capture_output=True,
        check=False,
        encoding="UTF-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"PASS: {len(testsuite.names())} tests passed" in done.stdout, done.stdout
