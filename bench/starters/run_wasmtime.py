"""Runs a scenario with the wasmtime package: run_wasmtime.py CACHE|- SCENARIO FILE [OPTION...] -- ARGV..."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import wasmtime
from scenarios import SCENARIOS, Job


class WasmtimeGuest:
    """An instance of wasmtime's."""

    def __init__(self, store: wasmtime.Store, exports: Any) -> None:
        self._store = store
        self._exports = exports

    def call(self, name: str, *arguments: int) -> int:
        """See Guest; a program that exits has come to its end."""
        try:
            result = self._exports[name](self._store, *arguments)
        except wasmtime.ExitTrap as exit_:
            return int(exit_.code)
        return result if isinstance(result, int) else 0

    def write(self, address: int, data: bytes) -> None:
        """See Guest."""
        self._exports["memory"].write(self._store, data, address & 0xFFFFFFFF)

    def read(self, address: int, size: int) -> bytes:
        """See Guest."""
        address &= 0xFFFFFFFF
        return bytes(self._exports["memory"].read(self._store, address, address + size))


def _nothing(results: list[wasmtime.ValType]) -> Any:
    zeros = [0 for _ in results]
    return lambda *_: zeros if len(zeros) > 1 else zeros[0] if zeros else None


def main(cache: str, job: Job) -> int:
    """Instantiates the module with WASI, and functions that do nothing for what else it imports."""
    config = wasmtime.Config()
    if cache != "-":
        config.cache = cache
    engine = wasmtime.Engine(config)
    module = wasmtime.Module.from_file(engine, job.file)
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = job.argv
    wasi.env = job.env.items()
    for guest, host in job.directories.items():
        wasi.preopen_dir(host, guest)
    for guest, host in job.resources.items():
        wasi.preopen_dir(host, guest, False)
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.allow_shadowing = True  # a module may import the same twice
    linker.define_wasi()
    for import_ in module.imports:
        if import_.module != "wasi_snapshot_preview1" and isinstance(
            import_.type, wasmtime.FuncType
        ):
            function = wasmtime.Func(store, import_.type, _nothing(import_.type.results))
            linker.define(store, import_.module, import_.name or "", function)
    instance = linker.instantiate(store, module)
    return SCENARIOS[job.scenario](WasmtimeGuest(store, instance.exports(store)), job.argv)


if __name__ == "__main__":
    # libc's output streams are not Python's; both are empty when the process ends.
    exit_code = main(sys.argv[1], Job.parse(*sys.argv[2:]))
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
    sys.exit(exit_code & 0xFF)
