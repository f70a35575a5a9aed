"""Runs a scenario with wasmine: run_wasmine.py SCENARIO FILE [OPTION...] -- ARGV..."""

from __future__ import annotations

import sys
from typing import Any, cast

from scenarios import SCENARIOS, Job

from wasmine import Engine, FunctionType, Instance, Memory, Module
from wasmine.wasi import Environment, WasiExit


class WasmineGuest:
    """An instance of ours."""

    def __init__(self, instance: Instance) -> None:
        self._exports = instance.exports

    def call(self, name: str, *arguments: int) -> int:
        """See Guest; a program that exits has come to its end."""
        function: Any = self._exports[name]
        try:
            result = function(*arguments)
        except WasiExit as exit_:
            return exit_.code
        return result if isinstance(result, int) else 0

    def write(self, address: int, data: bytes) -> None:
        """See Guest."""
        self._memory[address : address + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        """See Guest."""
        return bytes(self._memory[address : address + size])

    @property
    def _memory(self) -> Memory:
        return cast("Memory", self._exports["memory"])


def _nothing(type_: FunctionType) -> Any:
    zeros = tuple(0 for _ in type_.results)
    return lambda *_: zeros if len(zeros) > 1 else zeros[0] if zeros else None


def main(job: Job) -> int:
    """Instantiates the module with WASI, and functions that do nothing for what else it imports."""
    module = Module(job.file, engine=Engine(tier="auto"))
    environment = Environment(job.argv, job.env, dirs=_granted(job))
    imports: dict[str, dict[str, Any]] = {**environment.imports(module)}
    for import_ in module.imports:
        if isinstance(import_.type, FunctionType):
            members = imports.setdefault(import_.module, {})
            members.setdefault(import_.name, _nothing(import_.type))
    instance = Instance(module, imports)
    environment.bind(instance)
    return SCENARIOS[job.scenario](WasmineGuest(instance), job.argv)


def _granted(job: Job) -> dict[str, Any]:
    if not job.resources:
        return {**job.directories}
    from wasmine.wasi import HostDirectory

    shared = {guest: HostDirectory(host, read_only=True) for guest, host in job.resources.items()}
    return {**job.directories, **shared}


if __name__ == "__main__":
    exit_code = main(Job.parse(*sys.argv[1:]))
    sys.stdout.flush()
    sys.exit(exit_code & 0xFF)
