"""The IR of small functions, kept as comments in the file of each.

Run with WASMINE_BLESS=1 in the environment to write what the translator says now, and read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from wasmine.compiler.module import Options
from wasmine.compiler.unit import translate_unit
from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.validator import validate_body

FILES = sorted(Path(__file__).parent.glob("*.wat"))
PREFIX = ";; "
# Byte offsets in the module change with every edit, what is counted from the front with every unit.
NOISE = re.compile(r", !dbg !DILocation\([^)]*\)|dereferenceable\(\d+\) | !dbg !\d+")


def functions(source: str) -> list[str]:
    """The lines that define a module's functions."""
    info = decode(bytes(wat2wasm(source)))
    bodies = [decode_body(info, index) for index in range(len(info.bodies))]
    for index, body in enumerate(bodies):
        validate_body(info, index, body)
    first = info.imported_functions
    text = translate_unit(info, range(first, first + len(bodies)), Options(), bodies)
    found = re.findall(r"^define dso_local.*?^}", text, re.MULTILINE | re.DOTALL)
    return NOISE.sub("", "\n".join(found)).splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ir(path: Path) -> None:
    lines = path.read_text().splitlines()
    source = [line for line in lines if not line.startswith(PREFIX)]
    wanted = [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]
    found = functions("\n".join(source))
    if os.environ.get("WASMINE_BLESS"):
        path.write_text("\n".join((*source, *(PREFIX + line for line in found), "")))
    else:
        assert found == wanted
