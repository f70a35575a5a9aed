"""Rebuilds the modules of this directory: `python tests/vm/programs/build.py`, with ziglang installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ZIG = (sys.executable, "-m", "ziglang")
FLAGS = (
    "-target", "wasm32-wasi", "-nostdlib", "-fno-rtti", "-O1",
    "-fwasm-exceptions", "-mexception-handling", "-mllvm", "-wasm-enable-eh",
)  # fmt: skip


def build(name: str, old: bool) -> None:
    """One module from exceptions.cpp, with the old instructions or with those of WebAssembly 3.0."""
    object_ = HERE / f"{name}.o"
    kind = f"-wasm-use-legacy-eh={str(old).lower()}"
    source = HERE / "exceptions.cpp"
    subprocess.run([*ZIG, "c++", *FLAGS, "-mllvm", kind, "-c", source, "-o", object_], check=True)
    target = HERE / f"{name}.wasm"
    subprocess.run(
        [*ZIG, "wasm-ld", "--no-entry", "--strip-all", object_, "-o", target], check=True
    )
    object_.unlink()


if __name__ == "__main__":
    build("exceptions", old=False)
    build("exceptions_old", old=True)
