"""Memories where address space is scarce: static ones give way to dynamic ones."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource
import wasmtime
from wasmine import Engine, Instance, Limits, Memory, MemoryType, Module, ResourceError, Trap

source = bytes(wasmtime.wat2wasm('''(module
  (memory (export "memory") 1 200)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1))))'''))
importer = bytes(wasmtime.wat2wasm('''(module (import "m" "memory" (memory 1 200))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))'''))
module, other = Module(source), Module(importer)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 900_000_000, resource.RLIM_INFINITY))

plugin = Instance(module).exports
reader = Instance(other, {"m": plugin}).exports
plugin.store(65532, 7)
assert plugin.grow(100) == 1 and plugin.load(65532) == reader.load(65532) == 7
plugin.store(100 * 65536, 8)
assert reader.load(100 * 65536) == 8
for exports in (plugin, reader):
    try:
        exports.load(101 * 65536)
    except Trap as trap:
        assert trap.message == "out of bounds memory access", trap
    else:
        raise AssertionError("no trap")

memory = Memory(MemoryType(Limits(2)))
memory[0:3] = b"abc"
assert memory.grow(3) == 2 and memory[0:3] == b"abc" and memory.data_size == 5 * 65536
try:
    Memory(MemoryType(Limits(60000)))
except ResourceError as error:
    print(error)
"""


def test_programs_run_with_little_address_space() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Error when allocating memory" in result.stdout
