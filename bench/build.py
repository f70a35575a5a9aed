"""Builds the kernels with Zig's C compiler, to WebAssembly and to a native shared library.

    python bench/build.py [--kernels a,b] [--jobs 2] [--force]

Both builds are -O3 of the same source without vector extensions: WebAssembly 2.0 less SIMD on one
side, the host architecture's baseline on the other. Kernels with SIMD are built for WebAssembly alone,
because their sources are in its instructions. Outputs go to `bench/build/`; a file newer
than its sources is left alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernels import Kernel, select

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "kernels"
OUTPUTS = HERE / "build"

COMMON_FLAGS = (
    *("-std=c17", "-O3", "-g0", "-s", "-ffp-contract=off", "-fno-sanitize=all"),
    *("-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"),
)
WASM_FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=generic+bulk_memory"),
    *("-Wl,--no-entry", "-Wl,--export=run"),
)
SIMD_FLAGS = tuple(flag.replace("+bulk_memory", "+bulk_memory+simd128") for flag in WASM_FLAGS)
NATIVE_FLAGS = ("-mcpu=baseline", "-shared", "-fPIC")


def wasm_path(kernel: Kernel) -> Path:
    """Where the WebAssembly build of a kernel is."""
    return OUTPUTS / f"{kernel.name}.wasm"


def native_path(kernel: Kernel) -> Path:
    """Where the native build of a kernel is."""
    return OUTPUTS / f"{kernel.name}{'.dll' if sys.platform == 'win32' else '.so'}"


def is_current(output: Path, inputs: list[Path]) -> bool:
    """Whether output exists and is newer than everything it is made from."""
    if not output.exists():
        return False
    made = output.stat().st_mtime
    return all(made > path.stat().st_mtime for path in inputs)


def compile_one(source: Path, output: Path, flags: tuple[str, ...], force: bool) -> str | None:
    """Builds one output unless it is current; the compiler's messages if that failed."""
    if not force and is_current(output, [source, *SOURCES.glob("**/*.h"), Path(__file__)]):
        return None
    zig = (sys.executable, "-m", "ziglang", "cc")
    command = [*zig, *COMMON_FLAGS, *flags, str(source), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{source.name}: {done.stderr}" if done.returncode else None


def build(kernels: tuple[Kernel, ...], jobs: int = 2, force: bool = False) -> None:
    """Brings both builds of every kernel up to date."""
    OUTPUTS.mkdir(exist_ok=True)
    tasks = []
    for kernel in kernels:
        source = SOURCES / f"{kernel.source}.c"
        flags = SIMD_FLAGS if kernel.simd else WASM_FLAGS
        tasks.append((source, wasm_path(kernel), flags, force))
        if not kernel.simd:
            tasks.append((source, native_path(kernel), NATIVE_FLAGS, force))
    with ThreadPoolExecutor(jobs) as pool:
        failures = [text for text in pool.map(lambda task: compile_one(*task), tasks) if text]
    if failures:
        raise SystemExit("\n".join(failures))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kernels", metavar="A,B", help="only these kernels")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at once (default: 2)")
    parser.add_argument("--force", action="store_true", help="build even what is up to date")
    options = parser.parse_args()
    kernels = select(options.kernels)
    build(kernels, options.jobs, options.force)
    size = sum(wasm_path(kernel).stat().st_size for kernel in kernels)
    print(f"{len(kernels)} kernels in {OUTPUTS.name}/, {size} bytes of WebAssembly")


if __name__ == "__main__":
    main()
