"""Rebuilds the .wasm file of every example in C with Zig's C compiler (pip install ziglang).

    python examples/build.py [NAME ...]

The results are part of the repository, so running the examples needs no compiler.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

COMMON_FLAGS = (
    *("-std=c17", "-Os", "-g0", "-s", "-fno-sanitize=all", "-Wl,-z,stack-size=65536"),
    *("-Wall", "-Wextra", "-Werror"),
)
LIBRARY_FLAGS = ("-target", "wasm32-freestanding", "-Wl,--no-entry")
PROGRAM_FLAGS = ("-target", "wasm32-wasi")

EXPORTS = {
    "add": ("add",),
    "sha256": ("buffer", "sha256"),
    "image": ("capacity", "pixels", "to_grey", "blur"),
    "callbacks": ("capacity", "sort"),
    "sandbox": ("total", "peek", "divide", "recurse", "give_up"),
    "simd": ("capacity", "track", "mix", "loudest"),
}
EXTRA_FLAGS = {"simd": ("-msimd128", "-O3")}
PROGRAMS = ("hello", "files")


def flags_of(name: str) -> tuple[str, ...]:
    """The flags of one example: a WASI program, or a module that exports functions."""
    if name in PROGRAMS:
        return PROGRAM_FLAGS
    exports = (f"-Wl,--export={export}" for export in EXPORTS[name])
    return *LIBRARY_FLAGS, *EXTRA_FLAGS.get(name, ()), *exports


def build(name: str) -> None:
    """Compiles NAME/NAME.c to NAME/NAME.wasm."""
    source = HERE / name / f"{name}.c"
    output = source.with_suffix(".wasm")
    zig = (sys.executable, "-m", "ziglang", "cc")
    command = [*zig, *COMMON_FLAGS, *flags_of(name), str(source), "-o", str(output)]
    subprocess.run(command, check=True)
    output.chmod(0o644)
    print(f"{name}: {output.stat().st_size} bytes")


def main() -> None:
    """Builds the examples named on the command line, or all."""
    names = (*EXPORTS, *PROGRAMS)
    wanted = sys.argv[1:] or names
    for name in wanted:
        if name not in names:
            raise SystemExit(f"no such example: {name} (there are: {', '.join(names)})")
        build(name)


if __name__ == "__main__":
    main()
