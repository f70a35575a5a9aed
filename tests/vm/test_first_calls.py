"""Functions that are compiled when they are first called, however that call comes about."""

from __future__ import annotations

import gc
import os
import random
import signal
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness import instance
from wasmine import Engine, Instance, InvalidModule, Module, Store, Trap, TrapCode
from wasmine.abi.baseline import CompiledFunction
from wasmine.abi.codespace import X86_64
from wasmine.abi.image import Image
from wasmine.vm.code import MACHINE
from wasmine.vm.codespace import CodeSpace, FunctionCompiler
from wasmine.wasm.module import ModuleInfo

from .harness import run_script, trap_of

pytestmark = pytest.mark.skipif(MACHINE != X86_64, reason="code spaces are for x86-64")


class Watched(Engine):
    """An engine that compiles on first call, and tells what."""

    def __init__(self, before: Callable[[int], object] = lambda _: None) -> None:
        """`before` is called before a function is compiled."""
        super().__init__(tier="baseline")
        self.compiled: list[int] = []
        self.before = before

    def function_compiler(self, info: ModuleInfo, *args: Any) -> FunctionCompiler:
        return _Watching(super().function_compiler(info, *args), self)


class _Watching:
    def __init__(self, compiler: FunctionCompiler, engine: Watched) -> None:
        self._compiler, self._engine = compiler, engine
        self.constants = compiler.constants

    def __call__(self, local: int) -> CompiledFunction | Image:
        self._engine.compiled.append(local)
        self._engine.before(local)
        return self._compiler(local)


def space(made: Instance) -> CodeSpace:
    """The code space of an instance's module."""
    code = made._handle.artifact.code
    assert isinstance(code, CodeSpace)
    return code


ROADS = """(module
  (import "host" "call" (func $host (param i32) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (table (export "table") 10 funcref)
  (elem (i32.const 1) $by_table)
  (elem declare func $by_reference)
  (func $started (call $from_start))
  (func $from_start)
  (start $started)
  (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $by_table (param i32) (result i32) (i32.add (local.get 0) (i32.const 2)))
  (func $by_reference (param i32) (result i32) (i32.add (local.get 0) (i32.const 3)))
  (func $by_tail (param i32) (result i32) (i32.add (local.get 0) (i32.const 4)))
  (func (export "direct") (param i32) (result i32) (call $one (local.get 0)))
  (func (export "table_call") (param i32) (result i32)
    (call_indirect (type $unary) (local.get 0) (i32.const 1)))
  (func (export "reference") (param i32) (result i32)
    (call_ref $unary (local.get 0) (ref.func $by_reference)))
  (func (export "tail") (param i32) (result i32) (return_call $by_tail (local.get 0)))
  (func (export "tail_table") (param i32) (result i32)
    (return_call_indirect (type $unary) (local.get 0) (i32.const 1)))
  (func (export "host") (param i32) (result i32) (call $host (local.get 0)))
  (func (export "back") (param i32) (result i32) (i32.add (local.get 0) (i32.const 5))))"""

# functions of ROADS without the import
STARTED, FROM_START, ONE, BY_TABLE, BY_REFERENCE, BY_TAIL = range(6)
DIRECT, TABLE_CALL, REFERENCE, TAIL, TAIL_TABLE, HOST, BACK = range(6, 13)


def test_every_road_reaches_a_function_that_is_not_compiled() -> None:
    engine = Watched()
    made: Instance = instance(
        ROADS, {"host": {"call": lambda x: made.exports.back(x)}}, engine=engine
    )
    assert engine.compiled == [STARTED, FROM_START]
    exports = made.exports
    for name, result, compiled in (
        ("direct", 11, [DIRECT, ONE]),
        ("table_call", 12, [TABLE_CALL, BY_TABLE]),
        ("reference", 13, [REFERENCE, BY_REFERENCE]),
        ("tail", 14, [TAIL, BY_TAIL]),
        ("tail_table", 12, [TAIL_TABLE]),
        ("host", 15, [HOST, BACK]),
    ):
        engine.compiled.clear()
        assert exports[name](10) == result
        assert engine.compiled == compiled
        assert exports[name](20) == result + 10
        assert engine.compiled == compiled


def test_a_function_reference_goes_to_another_module_before_it_is_compiled() -> None:
    engine = Watched()
    given = instance(ROADS, {"host": {"call": lambda x: x}}, engine=engine)
    using = instance(
        """(module (import "roads" "back" (func $back (param i32) (result i32)))
          (import "roads" "table" (table 2 funcref))
          (func (export "call") (param i32) (result i32) (call $back (local.get 0)))
          (func (export "take") (param i32) (result i32)
            (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1))))""",
        {"roads": given.exports},
        engine=engine,
    )
    engine.compiled.clear()
    assert using.exports.call(1) == 6
    assert using.exports.take(1) == 3
    assert engine.compiled == [0, BACK, 1, BY_TABLE]
    assert given.exports.table[1](5) == 7
    assert given.exports.table[1] == given.exports.table[1]


ARGUMENTS = """(module
  (func $many (export "many")
    (param i32 i64 f32 f64 i64 i32 i64 i32 v128 f32 f64 f64 f64 f64 f64 f32 externref)
    (result i64 f64 externref i32 f32 i64 v128)
    (i64.add (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1))
      (i64.add (local.get 4) (i64.add (local.get 6) (i64.extend_i32_s (local.get 7)))))
    (f64.add (f64.add (local.get 3) (local.get 10)) (f64.add (local.get 11)
      (f64.add (local.get 12) (f64.add (local.get 13) (local.get 14)))))
    (local.get 16) (local.get 5)
    (f32.add (local.get 2) (f32.add (local.get 9) (local.get 15)))
    (local.get 6) (local.get 8))
  (func (export "through") (param externref) (result i64 f64 externref i32 f32 i64 v128)
    (call $many (i32.const 1) (i64.const 2) (f32.const 0.5) (f64.const 1.5) (i64.const 3)
      (i32.const 4) (i64.const 5) (i32.const 6) (v128.const i64x2 7 8) (f32.const 0.25)
      (f64.const 2) (f64.const 4) (f64.const 8) (f64.const 16) (f64.const 32) (f32.const 0.125)
      (local.get 0))))"""


def test_arguments_in_registers_and_elsewhere_survive_compiling() -> None:
    engine = Watched()
    store = Store(engine)
    other, made = (Instance(Module(ARGUMENTS, engine=engine), store=store) for _ in range(2))
    assert other.exports.through("a")[2] == "a"
    # This uses the same places for what does not fit in registers.
    engine.before = lambda _: other.exports.through("b")
    thing = object()
    expected = (17, 63.5, thing, 4, 0.875, 5, struct.pack("<QQ", 7, 8))
    assert made.exports.through(thing) == expected
    assert made.exports.through(thing) == expected
    assert engine.compiled == [1, 0, 1, 0]


RECURSIVE = """(module (memory 1)
  (func $fibonacci (export "fibonacci") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add
        (call $fibonacci (i32.sub (local.get 0) (i32.const 1)))
        (call $fibonacci (i32.sub (local.get 0) (i32.const 2)))))))
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "out") (result i32) (call $load (i32.const -4)))
  (func $endless (export "endless") (call $endless)))"""


def test_an_error_of_compiling_ends_the_call_and_the_next_call_tries_again() -> None:
    def refuse(_: int) -> None:
        raise RuntimeError("not now")

    engine = Watched(refuse)
    made = instance(RECURSIVE, engine=engine)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="not now"):
            made.exports.fibonacci(10)
    engine.before = lambda _: None
    assert made.exports.fibonacci(10) == 55
    assert engine.compiled == [0, 0, 0, 0]


def test_traps_have_backtraces() -> None:
    made = instance(RECURSIVE, engine=Watched())
    with pytest.raises(Trap) as caught:
        made.exports.out()
    assert [frame.function_index for frame in caught.value.trace] == [1, 2]
    assert all(frame.module_offset for frame in caught.value.trace)
    assert trap_of(made.exports.endless) is TrapCode.STACK_OVERFLOW


def test_threads_that_call_first_at_the_same_time_agree() -> None:
    engine = Watched(lambda _: time.sleep(0.05))
    module = Module(RECURSIVE, engine=engine)
    count = 4
    barrier = threading.Barrier(count)
    results: list[int] = []

    def work() -> None:
        made = Instance(module, store=Store(engine))
        barrier.wait()
        results.append(made.exports.fibonacci(15))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [610] * count
    assert engine.compiled == [0]


def test_a_finalizer_that_calls_the_function_which_is_being_compiled() -> None:
    answers = []

    class Last:
        def __del__(self) -> None:
            answers.append(made.exports.fibonacci(12))

    def interrupt(_: int) -> None:
        engine.before = lambda _: None
        Last()

    engine = Watched(interrupt)
    made = instance(RECURSIVE, engine=engine)
    assert made.exports.fibonacci(10) == 55
    assert answers == [144]
    assert engine.compiled == [0, 0]
    assert made.exports.fibonacci(11) == 89


def test_a_signal_handler_that_raises_while_a_function_is_compiled() -> None:
    def interrupt(_: int) -> None:
        engine.before = lambda _: None
        signal.raise_signal(signal.SIGINT)

    engine = Watched(interrupt)
    made = instance(RECURSIVE, engine=engine)
    with pytest.raises(KeyboardInterrupt):
        made.exports.fibonacci(10)
    assert made.exports.fibonacci(10) == 55


FORK = """
import os
import random
from wasmine.api.engine import Engine
text = "(module" + "".join(
    f"(func (export \\"f{i}\\") (result i32) (i32.const {i}))" for i in range(300)) + ")"
made = Instance(Module(text, engine=Engine(tier="baseline")))
exports = made.exports
def calls(numbers):
    for i in numbers:
        if exports[f"f{i}"]() != i:
            return 1
    return 0
assert calls(range(0, 10)) == 0
to_child, to_parent = os.pipe(), os.pipe()
child = os.fork()
if not child:
    failures = calls(range(10, 100))
    os.write(to_parent[1], b"x")
    os.read(to_child[0], 1)
    os._exit(failures + calls(range(0, 200)))
os.read(to_parent[0], 1)
failures = calls(range(299, 50, -1))  # while the child has code of its own at the same addresses
os.write(to_child[1], b"x")
assert os.waitpid(child, 0)[1] == 0
assert failures == 0 and calls(range(300)) == 0
"""


def test_parent_and_child_compile_apart_after_a_fork() -> None:
    run_script(FORK)


def test_a_fork_while_a_function_is_compiled() -> None:
    run_script(
        """
import os, threading
from wasmine.api.engine import Engine
inside, go_on = threading.Event(), threading.Event()
class SlowCompiler:
    def __init__(self, compiler):
        self.compiler, self.constants = compiler, compiler.constants
    def __call__(self, index):
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(20)
        return self.compiler(index)
class Slow(Engine):
    def function_compiler(self, *args):
        return SlowCompiler(super().function_compiler(*args))
engine = Slow(tier="baseline")
module = Module('(module (func (export "one") (result i32) (i32.const 1)))', engine=engine)
first, second = (Instance(module, store=Store(engine)) for _ in range(2))
results = []
thread = threading.Thread(target=lambda: results.append(first.exports.one()))
thread.start()
inside.wait()
child = os.fork()
if not child:
    os._exit(second.exports.one())  # what the thread held is not held here
import signal
status = os.waitpid(child, 0)[1]
go_on.set()
thread.join()
assert os.waitstatus_to_exitcode(status) == 1
assert results == [1]
"""
    )


def test_code_needs_no_file() -> None:
    without = "import os\ndef fail(*_): raise OSError('no files')\nos.memfd_create = fail\n"
    run_script(without + FORK)
    run_script(without.replace("OSError('no files')", "AttributeError") + FORK)
    run_script("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))" + FORK)


def test_a_child_process_without_descriptors_or_memory_leaves_the_code_of_its_parent_alone() -> (
    None
):
    run_script(
        """
import os, resource, sys
from wasmine.api.engine import Engine
from wasmine.vm.codememory import CodeMemory
text = "(module" + "".join(
    f"(func (export \\"f{i}\\") (result i32) (i32.const {i}))" for i in range(9)) + ")"
exports = Instance(Module(text, engine=Engine(tier="baseline", cache=False))).exports
assert exports.f0() == 0
def in_child(action):
    child = os.fork()
    if not child:
        os._exit(action())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
def without_memory():
    try:
        exports.f1()
    except MemoryError:
        return exports.f0()
    return 1
def without_descriptors():
    return exports.f1() - 1
def fail(*_):
    raise ResourceError("no memory")
map_code, CodeMemory.map_code = CodeMemory.map_code, fail
in_child(without_memory)
CodeMemory.map_code = map_code
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        os.dup(0)
except OSError:
    in_child(without_descriptors)
assert [exports[f"f{i}"]() for i in range(9)] == list(range(9))
"""
    )


def big_module(body: str) -> str:
    """A module too large to be validated at once, with two functions at its end."""
    filler = "(i32.const 0x7fffffff) drop " * 22_000
    return (
        f'(module (func {filler}) (func (export "bad") {body})'
        '(func (export "good") (result i32) (i32.const 7)))'
    )


def test_bodies_of_large_modules_are_validated_when_they_are_called() -> None:
    source = big_module("(result i32) (i64.const 1)")
    with pytest.raises(InvalidModule, match="type mismatch"):
        Module(source, engine=Engine(tier="optimized"))
    assert not Module.validate(source)
    made = Instance(Module(source, engine=Engine(tier="baseline")))
    assert made.exports.good() == 7
    for _ in range(2):
        with pytest.raises(InvalidModule, match="type mismatch") as caught:
            made.exports.bad()
        assert caught.value.function == 1
        assert caught.value.offset
    assert made.exports.good() == 7


def test_bodies_of_small_modules_are_validated_at_once() -> None:
    with pytest.raises(InvalidModule, match="type mismatch"):
        Module("(module (func (result i32) (i64.const 1)))", engine=Engine(tier="baseline"))


def test_no_page_is_writable_where_code_runs() -> None:
    made = instance(ROADS, {"host": {"call": lambda x: x}}, engine=Watched())
    assert made.exports.direct(1) == 2
    code = space(made)
    inside, views = set(), set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, protection, *_ = line.split()
        start, end = (int(part, 16) for part in place.split("-"))
        if start < code.end and code.base < end:
            inside.add(protection)
        elif "memfd:wasmine" in line:
            views.add(protection)
    assert inside == {"r-xp", "r-xs"}
    assert "rw-s" in views <= {"rw-s", "r-xs"}


def test_memory_and_descriptors_go_with_the_module() -> None:
    gc.collect()  # what other tests have left goes now
    descriptors = len(os.listdir("/proc/self/fd"))
    made = instance(ROADS, {"host": {"call": lambda x: x}}, engine=Watched())
    made.exports.direct(1)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    before = Path("/proc/self/maps").read_text().count("memfd:wasmine")
    engine = Watched()
    other = Instance(Module(RECURSIVE, engine=engine))
    other.exports.fibonacci(5)
    assert Path("/proc/self/maps").read_text().count("memfd:wasmine") > before
    del other
    assert Path("/proc/self/maps").read_text().count("memfd:wasmine") == before


EXCEPTIONS = """(module
  (tag $e (param i32))
  (func $throw (param i32) (throw $e (local.get 0)))
  (func $middle (param i32) (call $throw (local.get 0)))
  (func (export "catch") (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h) (call $middle (local.get 0)))
      (i32.const -1))))"""


def test_exceptions_pass_through_functions_that_were_compiled_on_the_way() -> None:
    made = instance(EXCEPTIONS, engine=Watched())
    assert [made.exports.catch(i) for i in range(3)] == [0, 1, 2]


def many(count: int) -> str:
    """Functions that call each other: `f{i}` returns the number of functions from i on."""
    bodies = "".join(
        f'(func $f{i} (export "f{i}") (result i32) (local i32) (loop $l'
        f" (br_if $l (i32.lt_s (local.tee 0 (i32.add (local.get 0) (i32.const 1)))"
        f" (i32.const 3)))) (i32.add (i32.const 1)"
        f" {f'(call $f{i + 1})' if i + 1 < count else '(i32.const 0)'}))"
        for i in range(count)
    )
    return f"(module {bodies})"


def test_signals_at_any_moment_of_compiling() -> None:
    """The handler calls functions that are not compiled, in the midst of compiling others."""
    count, answers = 120, []
    engine = Engine(tier="baseline")
    for round_ in range(6):
        made = Instance(Module(many(count), engine=engine))
        exports = made.exports
        pending = iter(range(count - 1, 0, -3))

        def handle(*_: object, exports: Any = exports, pending: Any = pending) -> None:
            function = next(pending, None)
            if function is not None:
                answers.append(exports[f"f{function}"]() == count - function)

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0007 + 0.0001 * round_, 0.0011)
        try:
            assert exports.f0() == count
            assert [exports[f"f{i}"]() for i in range(count)] == list(range(count, 0, -1))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert all(space(made).is_compiled(local) for local in range(count))
    assert answers
    assert all(answers)


def test_signals_that_come_faster_than_their_handler_is_compiled() -> None:
    """In a process of its own: other threads would be told of the signals, and the interpreter."""
    run_script(
        """
import signal
text = "(module" + "".join(
    f'(func $f{i} (export "f{i}") (result i32) {"(i32.popcnt" * 300} '
    f'{f"(call $f{i + 1})" if i < 19 else "(i32.const 7)"}{")" * 301}'
    for i in range(20)) + ")"
exports = Instance(Module(text, engine=Engine(tier="baseline"))).exports
level = deepest = 0
def handle(*_):
    global level, deepest
    level += 1
    deepest = max(deepest, level)
    exports.f0()
    level -= 1
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
assert exports.f0() == 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert 0 < deepest < 60, deepest
"""
    )


def test_threads_that_compile_all_over_the_module() -> None:
    count, threads = 150, 6
    engine = Engine(tier="baseline")
    module = Module(many(count), engine=engine)

    def work(seed: int) -> bool:
        exports = Instance(module, store=Store(engine)).exports
        order = random.Random(seed).sample(range(count), count)
        return all(exports[f"f{i}"]() == count - i for i in order)

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(work, range(threads)))


def test_a_deep_stack_has_room_for_the_compiler() -> None:
    made = instance(
        """(module
          (func $deep (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then (call $last))
              (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))
          (func $last (result i32) (i32.const 7))
          (func (export "down") (param i32) (result i32) (call $deep (local.get 0))))""",
        engine=Engine(tier="baseline"),
    )
    depth = 1000
    while trap_of(made.exports.down, 2 * depth) is None:
        depth *= 2
    # `last` of a fresh module is compiled where the stack ends
    low, high = depth, 2 * depth
    while high - low > 8:
        middle = (low + high) // 2
        fresh = Instance(Module(made.module.info.data, engine=Engine(tier="baseline")))
        low, high = (middle, high) if trap_of(fresh.exports.down, middle) is None else (low, middle)
    assert made.exports.down(low) == low + 7


def test_exceptions_while_the_table_of_frames_grows() -> None:
    count = 400
    functions = "".join(
        f"(func $g{i} (throw $e (i32.const {i})))"
        f'(func (export "t{i}") (result i32) (block $h (result i32)'
        f" (try_table (catch $e $h) (call $g{i})) (i32.const -1)))"
        for i in range(count)
    )
    made = Instance(
        Module(f"(module (tag $e (param i32)) {functions})", engine=Engine(tier="baseline"))
    )
    addresses = set()
    for i in range(count):
        assert made.exports[f"t{i}"]() == i
        addresses.add(space(made).frames_address())
    assert len(addresses) > 1
    assert [made.exports[f"t{i}"]() for i in range(count)] == list(range(count))


def test_a_handler_needs_the_compiler_while_it_is_imported(tmp_path: Path) -> None:
    """Code from the cache runs without the compiler, until a function is called that is not there."""
    script = """
import _thread, signal, sys, time
module = Module({!r}, engine=Engine(tier="baseline", cache={!r}))
exports, others = Instance(module).exports, Instance(module).exports
assert exports.known() == 1
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "wasmine.compiler.baseline.state":
            _thread.interrupt_main(signal.SIGUSR1)
            time.sleep(0.1)
found = []
signal.signal(signal.SIGUSR1, lambda *_: found.append(others.second()))
sys.meta_path.insert(0, Finder())
assert exports.first() == 2
assert found == [3], found
""".format(
        """(module (func (export "known") (result i32) (i32.const 1))
          (func (export "first") (result i32) (i32.const 2))
          (func (export "second") (result i32) (i32.const 3)))""",
        str(tmp_path),
    )
    run_script(script.partition("class Finder")[0])
    run_script(script)
