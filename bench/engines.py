"""What runs a kernel: native code, wasmtime and wasmine, behind one small interface each."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from build import native_path, wasm_path
from kernels import Kernel

if TYPE_CHECKING:
    from wasmtime import Func

MASK64 = 2**64 - 1


@dataclass(frozen=True)
class Loaded:
    """A kernel ready to run: `run(n)` is its checksum as an unsigned 64-bit integer."""

    run: Callable[[int], int]
    compile_seconds: float


class KernelEngine(Protocol):
    """Compiles and instantiates kernels."""

    def load(self, kernel: Kernel) -> Loaded:
        """Makes a kernel ready, reporting the CPU time of all threads that took."""


class Native:
    """The C compiler's machine code, called through ctypes."""

    def load(self, kernel: Kernel) -> Loaded:
        """Opens the shared library; the compile time is that of loading it."""
        start = time.process_time()
        function = ctypes.CDLL(str(native_path(kernel))).run
        function.restype = ctypes.c_uint64
        function.argtypes = [ctypes.c_uint32]
        return Loaded(function, time.process_time() - start)


class Wasmtime:
    """The wasmtime package with its default configuration."""

    def __init__(self) -> None:
        import wasmtime

        self._wasmtime = wasmtime
        self._engine = wasmtime.Engine()

    def load(self, kernel: Kernel) -> Loaded:
        """Compiles with Cranelift and instantiates without imports."""
        code = wasm_path(kernel).read_bytes()
        start = time.process_time()
        module = self._wasmtime.Module(self._engine, code)
        store = self._wasmtime.Store(self._engine)
        exports = self._wasmtime.Instance(store, module, []).exports(store)
        function = cast("Func", exports["run"])
        seconds = time.process_time() - start
        return Loaded(lambda n: int(function(store, n)) & MASK64, seconds)


class Wasmine:
    """This package, with one set of options, without its cache."""

    def __init__(self, **options: Any) -> None:
        import wasmine

        self._wasmine = wasmine
        self._engine = wasmine.Engine(cache=False, **options)

    def load(self, kernel: Kernel) -> Loaded:
        """Compiles and instantiates without imports."""
        code = wasm_path(kernel).read_bytes()
        start = time.process_time()
        module = self._wasmine.Module(code, engine=self._engine)
        store = self._wasmine.Store(self._engine)
        function = self._wasmine.Instance(module, store=store).exports.run
        seconds = time.process_time() - start
        return Loaded(lambda n: int(function(n)) & MASK64, seconds)


NAMES = ("native", "wasmtime", "wasmine", "baseline")


def make_engines(names: str, opt_level: str) -> dict[str, KernelEngine]:
    """The engines of a comma-separated list, in the fixed order of `NAMES`."""
    wanted = {name.strip() for name in names.split(",")}
    if unknown := wanted - set(NAMES):
        raise SystemExit(f"no such engine: {', '.join(sorted(unknown))}")
    makers: dict[str, Callable[[], KernelEngine]] = {
        "native": Native,
        "wasmtime": Wasmtime,
        "wasmine": lambda: Wasmine(tier="optimized", opt_level=opt_level),
        "baseline": lambda: Wasmine(tier="baseline"),
    }
    return {name: makers[name]() for name in NAMES if name in wanted}
