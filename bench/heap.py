"""Measures the garbage-collected heap, wasmine beside wasmtime's package with its default collector.

    python bench/heap.py [--engines wasmtime,wasmine] [--rounds N] [--quick]

Every workload runs in a process of its own. Times are the least CPU time of the rounds; memory is the
most that was resident, less what the process had with the module compiled. A pause is what the longest of
many short calls takes more than the median one, while a tree of a million objects is alive.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime

from tables import markdown

WAT = """
(module
  (type $point (struct (field i32) (field i64)))
  (type $node (struct (field $next (ref null $node)) (field $value i32)))
  (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))))
  (type $row (array (mut i32)))
  (global $list (mut (ref null $node)) (ref.null $node))
  (global $tree (mut (ref null $tree)) (ref.null $tree))
  (func (export "points") (param $n i32) (result i64) (local $sum i64) (local $p (ref null $point))
    (loop $again
      (local.set $p (struct.new $point (local.get $n) (i64.extend_i32_u (local.get $n))))
      (local.set $sum (i64.add (local.get $sum) (struct.get $point 1 (local.get $p))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "list") (param $n i32) (result i64) (local $sum i64) (local $x (ref null $node))
    (global.set $list (ref.null $node))
    (loop $again
      (global.set $list (struct.new $node (global.get $list) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.set $x (global.get $list))
    (loop $again
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (struct.get $node $value (local.get $x)))))
      (br_if $again (i32.eqz (ref.is_null (local.tee $x (struct.get $node $next (local.get $x)))))))
    (local.get $sum))
  (func $make (param $depth i32) (result (ref $tree))
    (if (result (ref $tree)) (local.get $depth)
      (then (struct.new $tree
        (call $make (i32.sub (local.get $depth) (i32.const 1)))
        (call $make (i32.sub (local.get $depth) (i32.const 1)))))
      (else (struct.new_default $tree))))
  (func $count (param $tree (ref null $tree)) (result i32)
    (if (result i32) (ref.is_null (local.get $tree))
      (then (i32.const 0))
      (else (i32.add (i32.const 1) (i32.add
        (call $count (struct.get $tree $left (local.get $tree)))
        (call $count (struct.get $tree $right (local.get $tree))))))))
  (func (export "trees") (param $n i32) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (call $count (call $make (i32.const 12))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "rows") (param $n i32) (result i64) (local $sum i64) (local $row (ref null $row))
    (loop $again
      (local.set $row (array.new $row (local.get $n) (i32.const 100)))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (array.get $row (local.get $row) (i32.const 99)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "keep") (param $depth i32) (global.set $tree (call $make (local.get $depth)))))
"""


@dataclass(frozen=True)
class Workload:
    """Calls `name` with `n`, which makes `objects` objects."""

    title: str
    name: str
    n: int
    objects: int


WORKLOADS = (
    Workload("100 million structs, dropped at once", "points", 100_000_000, 100_000_000),
    Workload("list of 3 million nodes, made and read", "list", 3_000_000, 3_000_000),
    Workload("500 binary trees of depth 12", "trees", 500, 500 * (2**13 - 1)),
    Workload("2 million arrays of 100 i32", "rows", 2_000_000, 2_000_000),
)
PAUSE = "longest pause, a million objects alive"
LIVE_DEPTH = 19
SHORT_CALLS, SHORT_CALL = 3000, 10_000


def _wasmine() -> Callable[..., Any]:
    from wasmine import Engine, Instance, Module

    made = Instance(Module(bytes(wasmtime.wat2wasm(WAT)), engine=Engine(tier="optimized")))
    return lambda name, *arguments: getattr(made.exports, name)(*arguments)


def _wasmtime() -> Callable[..., Any]:
    config = wasmtime.Config()
    config.wasm_gc = True
    config.wasm_function_references = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    made = wasmtime.Instance(store, wasmtime.Module(engine, WAT), [])
    exports: Any = made.exports(store)
    return lambda name, *arguments: exports[name](store, *arguments)


ENGINES = {"wasmtime": _wasmtime, "wasmine": _wasmine}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _measure(engine: str, title: str, rounds: int, scale: int) -> dict[str, float]:
    """Runs in the child: seconds and bytes of a workload, or the seconds of the longest pause."""
    call = ENGINES[engine]()
    if title == PAUSE:
        call("keep", LIVE_DEPTH)
        times = []
        for _ in range(SHORT_CALLS // scale):
            start = time.thread_time()
            call("points", SHORT_CALL)
            times.append(time.thread_time() - start)
        return {"seconds": max(times) - statistics.median(times)}
    workload = next(w for w in WORKLOADS if w.title == title)
    call("points", 1)
    before, n = _peak(), workload.n // scale
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        call(workload.name, n)
        times.append(time.thread_time() - start)
    return {"seconds": min(times), "objects": workload.objects // scale, "bytes": _peak() - before}


def _child(engine: str, title: str, rounds: int, scale: int) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), "--child", engine, title]
    command += ["--rounds", str(rounds), "--scale", str(scale)]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode:
        reason = (output.stderr.strip() or "no reason given").splitlines()[-1]
        raise SystemExit(f"{engine}, {title}: {reason}")
    result: dict[str, float] = json.loads(output.stdout)
    return result


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, once")
    parser.add_argument("--scale", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        engine, title = options.child
        print(json.dumps(_measure(engine, title, options.rounds, options.scale)))
        return
    rounds, scale = (1, 10) if options.quick else (options.rounds, options.scale)
    engines = options.engines.split(",")
    rows = []
    for workload in WORKLOADS:
        row = [workload.title]
        for engine in engines:
            got = _child(engine, workload.title, rounds, scale)
            each = got["seconds"] / got["objects"] * 1e9
            row.append(
                f"{got['seconds']:.3f} s, {each:.1f} ns each, {got['bytes'] / 2**20:.0f} MiB"
            )
        rows.append(row)
    pauses = [_child(engine, PAUSE, 1, scale)["seconds"] for engine in engines]
    rows.append([PAUSE, *(f"{seconds * 1e3:.1f} ms" for seconds in pauses)])
    print(markdown([["", *engines], *rows]))


if __name__ == "__main__":
    main()
