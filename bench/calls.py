"""Measures what crossing between Python and WebAssembly costs, wasmine beside wasmtime's package.

    python bench/calls.py [--engines wasmtime,wasmine] [--rounds N] [--quick]

Each cell is the median over the rounds of the CPU time of one operation, in microseconds. For
scale, the table starts with calls that stay in Python: an empty function and `math.gcd`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import timeit
from dataclasses import dataclass, field

import wasmtime

from tables import markdown

LOOPS = 1000
MEGABYTE = 1 << 20
PYTHON = "python"

WAT = """
(module
  (import "env" "f" (func $f (param i32 i32) (result i32)))
  (memory (export "memory") 32)
  (func (export "add") (param i32 i32) (result i32)
    local.get 0
    local.get 1
    i32.add)
  (func (export "loop") (param $n i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum
        (i32.add (local.get $sum) (call $f (local.get $n) (local.get $sum))))
      (br_if $again
        (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    local.get $sum)
  (func (export "fail")
    unreachable))
"""

CALL_ADD = f"call of add(i32, i32), {PYTHON} to wasm"
CALL_BACK = f"call of f(i32, i32), wasm to {PYTHON}"
INSTANTIATE = "store and instance"
READ_SMALL, READ_LARGE = "memory read, 64 B", "memory read, 1 MiB"
WRITE_SMALL, WRITE_LARGE = "memory write, 64 B", "memory write, 1 MiB"
TRAP = "trap, raised and caught"
BUFFERS = {"small": bytes(64), "large": bytes(MEGABYTE)}
EMPTY, GCD = "def f(a, b): pass", "math.gcd(a, b)"


@dataclass
class Operation:
    """A statement to time with the names it uses; it does the thing measured `per` times."""

    title: str
    engine: str
    statement: str
    names: dict[str, object]
    per: int = 1
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._timer = timeit.Timer(self.statement, timer=time.thread_time, globals=self.names)
        self._count = 1

    def calibrate(self, target: float) -> None:
        """Settles how often a round runs the statement, to take at least target seconds."""
        while self._timer.timeit(self._count) < target:
            self._count *= 2

    def time_round(self) -> None:
        """Adds one measurement."""
        self.seconds.append(self._timer.timeit(self._count) / (self._count * self.per))

    def median(self) -> float:
        """The middle round's microseconds."""
        return 1e6 * statistics.median(self.seconds)


def difference(a: int, b: int) -> int:
    """The function that wasm calls back; the loop's sum stays small with it."""
    return a - b


def trap_statement(call: str) -> str:
    """Code that calls and catches."""
    return f"try:\n    {call}\nexcept Trap:\n    pass"


def python_operations() -> list[Operation]:
    """The yardsticks."""

    def f(a: int, b: int) -> None:
        pass

    return [
        Operation(EMPTY, PYTHON, "f(1, 2)", {"f": f}),
        Operation(GCD, PYTHON, "f(1, 2)", {"f": math.gcd}),
    ]


def wasmtime_operations(code: bytes) -> list[Operation]:
    """The operations in wasmtime's API."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, code)
    ints = wasmtime.FuncType([wasmtime.ValType.i32()] * 2, [wasmtime.ValType.i32()])

    def instantiate() -> tuple[wasmtime.Store, wasmtime.Instance]:
        store = wasmtime.Store(engine)
        function = wasmtime.Func(store, ints, difference)
        return store, wasmtime.Instance(store, module, [function])

    store, instance = instantiate()
    exports = instance.exports(store)
    names: dict[str, object] = {
        **BUFFERS,
        **{name: exports[name] for name in ("add", "loop", "fail", "memory")},
        "store": store,
        "instantiate": instantiate,
        "Trap": wasmtime.Trap,
    }
    statements = [
        (CALL_ADD, "add(store, 1, 2)", 1),
        (CALL_BACK, f"loop(store, {LOOPS})", LOOPS),
        (INSTANTIATE, "instantiate()", 1),
        (READ_SMALL, "memory.read(store, 1024, 1088)", 1),
        (WRITE_SMALL, "memory.write(store, small, 1024)", 1),
        (READ_LARGE, f"memory.read(store, 1024, {1024 + MEGABYTE})", 1),
        (WRITE_LARGE, "memory.write(store, large, 1024)", 1),
        (TRAP, trap_statement("fail(store)"), 1),
    ]
    return [Operation(title, "wasmtime", code, names, per) for title, code, per in statements]


def wasmine_operations(code: bytes) -> list[Operation]:
    """The operations in wasmine's API."""
    import wasmine

    engine = wasmine.Engine()
    module = wasmine.Module(code, engine=engine)
    imports = {"env": {"f": difference}}

    def instantiate() -> wasmine.Instance:
        return wasmine.Instance(module, imports, store=wasmine.Store(engine))

    exports = instantiate().exports
    names: dict[str, object] = {
        **BUFFERS,
        **{name: getattr(exports, name) for name in ("add", "loop", "fail", "memory")},
        "instantiate": instantiate,
        "Trap": wasmine.Trap,
    }
    statements = [
        (CALL_ADD, "add(1, 2)", 1),
        (CALL_BACK, f"loop({LOOPS})", LOOPS),
        (INSTANTIATE, "instantiate()", 1),
        (READ_SMALL, "memory.read(1024, 64)", 1),
        (WRITE_SMALL, "memory.write(1024, small)", 1),
        (READ_LARGE, f"memory.read(1024, {MEGABYTE})", 1),
        (WRITE_LARGE, "memory.write(1024, large)", 1),
        (TRAP, trap_statement("fail()"), 1),
    ]
    return [Operation(title, "wasmine", code, names, per) for title, code, per in statements]


def measure(operations: list[Operation], rounds: int, target: float) -> None:
    """Times every operation once a round, so that all see the same disturbances."""
    for operation in operations:
        operation.calibrate(target)
    for _ in range(rounds):
        for operation in operations:
            operation.time_round()


def report(operations: list[Operation], engines: list[str]) -> list[list[str]]:
    """The rows of the table; every time is also given in empty Python calls."""
    medians = {(item.title, item.engine): item.median() for item in operations}
    empty = medians[EMPTY, PYTHON]
    ratio = ["wasmine/wasmtime"] if len(engines) == 2 else []
    rows = [["operation", *(f"{name} us" for name in engines), *ratio, "in empty calls"]]
    for title in (EMPTY, GCD):
        time_each = medians[title, PYTHON]
        blank = [""] * (len(engines) + len(ratio) - 1)
        rows.append([title, f"{time_each:.3f}", *blank, f"{time_each / empty:.1f}"])
    for title in dict.fromkeys(item.title for item in operations if item.engine != PYTHON):
        times = [medians[title, name] for name in engines]
        ratios = [f"{times[1] / times[0]:.3f}"] if ratio else []
        scale = " / ".join(f"{each / empty:.1f}" for each in times)
        rows.append([title, *(f"{each:.3f}" for each in times), *ratios, scale])
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engines", default="wasmtime,wasmine", metavar="A,B")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="default: 7")
    parser.add_argument("--quick", action="store_true", help="shorter rounds, noisier numbers")
    options = parser.parse_args()
    makers = {"wasmtime": wasmtime_operations, "wasmine": wasmine_operations}
    engines = [name for name in makers if name in options.engines.split(",")]
    if not engines:
        parser.error(f"--engines takes some of {', '.join(makers)}")
    code = bytes(wasmtime.wat2wasm(WAT))
    operations = python_operations()
    for name in engines:
        operations += makers[name](code)
    measure(operations, options.rounds, 0.005 if options.quick else 0.03)
    print(markdown(report(operations, engines)))


if __name__ == "__main__":
    main()
