"""Modules from text, scripts in a process of their own, and counts of what is alive."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.harness import SOURCE, instance

GIB = 1 << 30


def exports(text: str, imports: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """What an instance of a module in text exports."""
    return instance(text, imports, **options).exports


def run_script(script: str, *flags: str) -> str:
    """Run Python code in a new process, which must succeed; what it printed, errors too."""
    result = subprocess.run(
        [sys.executable, *flags, "-c", "from wasmine import *\n" + script],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def address_space() -> int:
    """Bytes of address space that this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")


class Thing:
    """An object whose life can be watched."""


class Watch:
    """Makes things and tells which are alive."""

    def __init__(self) -> None:
        self._things: dict[str, weakref.ref[Thing]] = {}

    def make(self, name: str) -> Thing:
        """A new thing."""
        thing = Thing()
        self._things[name] = weakref.ref(thing)
        return thing

    @property
    def alive(self) -> str:
        """The names of the things that exist, in the order in which they were made."""
        return " ".join(name for name, thing in self._things.items() if thing() is not None)


SAMPLE = """
(module
  (import "env" "call" (func $call (param i32) (result i32)))
  (memory (export "memory") 1 10)
  (table (export "table") 4 10 funcref)
  (table (export "things") 4 10 externref)
  (global (export "variable") (mut i32) (i32.const 1))
  (global (export "thing") (mut externref) (ref.null extern))
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "func") (param funcref) (result funcref) (local.get 0))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func (export "two") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "call") (param i32) (result i32) (call $call (local.get 0)))
  (func (export "spin") (param $n i32) (result i32)
    (loop $again
      (drop (call $call (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 7)))
"""


def sample(call: Callable[..., object] = lambda x: x) -> Any:
    """The exports of an instance of SAMPLE, whose host function is `call`."""
    return exports(SAMPLE, {"env": {"call": call}})


def nothing() -> None:
    """A host function."""


class Index:
    """An integer by protocol, which does something when it is asked."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __index__(self) -> Any:
        return self._action()

    __float__ = __index__


def fail(error: BaseException) -> Any:
    """Raise from within an expression."""
    raise error
