"""What README.md shows is what happens: its Python and console blocks are run in order.

A block of Python is followed by a block `output` with what it prints; all of them share their
names. A line of a console block that begins with `$` is a command; what follows is its output.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = sorted(
    path.relative_to(ROOT / "src/wasmine") for path in ROOT.glob("src/wasmine/**/*.py")
)


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the README where the text begins."""

    language: str
    text: str
    line: int


def blocks() -> Iterator[Block]:
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        yield Block(match[1], match[2], README.count("\n", 0, match.start(2)) + 1)


def commands() -> Iterator[tuple[str, str]]:
    """Each command of the console blocks with its output."""
    for block in blocks():
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


def shell_commands() -> list[str]:
    """The commands of the README that install and test."""
    lines = (block.text.strip() for block in blocks() if block.language == "sh")
    return [command.strip() for line in lines for command in line.split(" && ")]


def test_python_blocks_print_what_the_readme_says() -> None:
    names: dict[str, object] = {}
    parts = [*blocks(), Block("", "", 0)]
    for block, following in pairwise(parts):
        if block.language != "python":
            continue
        assert following.language == "output", f"line {block.line}: no output block follows"
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.text, "README.md", "exec")
        with chdir(ROOT), redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == following.text, f"README.md:{following.line}"


@pytest.mark.parametrize(("command", "output"), list(commands()))
def test_commands_print_what_the_readme_says(command: str, output: str) -> None:
    wasmine = f'wasmine() {{ "{sys.executable}" -m wasmine "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", wasmine + command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"COLUMNS": "80"},
    )
    assert done.stdout == output


def test_continuous_integration_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    environment, activation, *rest = shell_commands()
    assert (environment, activation) == ("python3 -m venv .venv", ". .venv/bin/activate")
    assert [command for command in rest if command not in script] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\((?!https:|#)([^)#]+)", prose)
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_architecture_names_every_source_file() -> None:
    """Packages' own `__init__` files go without saying, except that of the whole."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    index = text.partition("## Files")[2].partition("\n## ")[0]
    directory, named = "", set()
    for line in re.findall(r"^    +((?:[\w/]+(?:\.py|/)(?: |$))+)", index, re.MULTILINE):
        if line.strip().endswith("/"):
            directory = line.strip()
        else:
            named |= {directory + name for name in line.split()}
    sources = {str(path) for path in SOURCES if path.name != "__init__.py" or len(path.parts) == 1}
    assert named == sources
