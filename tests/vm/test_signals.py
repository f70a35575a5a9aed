"""Signal handlers, masks, fork, and others who handle faults in the same process."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import wasmtime

from tests.harness import assemble, instance
from wasmine import Instance, TrapCode

from .harness import run_script, trap_of

TEXT = """(module
  (memory (export "memory") 1)
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 8) (local.get 0)))
  (func $endless (export "endless") (call $endless))
  (func (export "spin") (param i64) (result i64)
    (loop (br_if 0 (i64.ne (i64.const 0)
      (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))) )
    (i64.load (i32.const 0))))"""
SETUP = f"""
import ctypes, faulthandler, gc, os, signal, sys
TEXT = '''{TEXT}'''
def check(made):
    for _ in range(50):
        assert trap(made.exports.load, -1) == "HEAP_ACCESS_OUT_OF_BOUNDS"
        assert trap(made.exports.divide, 0) == "INTEGER_DIVISION_BY_ZERO"
    assert trap(made.exports.endless) == "STACK_OVERFLOW"
    assert made.exports.divide(2) == 4
"""
CRASH = "ctypes.string_at(0)"


@pytest.fixture
def made() -> Instance:
    return instance(TEXT)


@pytest.mark.parametrize("moment", ["before", "between stores", "after", "after, then disabled"])
def test_traps_with_faulthandler(moment: str) -> None:
    enable = "faulthandler.enable()\n"
    result = run_script(
        SETUP
        + (enable if moment == "before" else "")
        + "check(instance(TEXT))\n"
        + (enable if moment == "between stores" else "")
        + "made = instance(TEXT)\n"
        + (enable if moment.startswith("after") else "")
        + ("faulthandler.disable()\n" if moment == "after, then disabled" else "")
        + "check(made)\n"
    )
    assert result.stderr == ""


@pytest.mark.parametrize("moment", ["never", "before", "after", "twice"])
@pytest.mark.parametrize("crash", [CRASH, "os.kill(os.getpid(), signal.SIGSEGV)"])
def test_a_fault_elsewhere_reaches_faulthandler(moment: str, crash: str) -> None:
    result = run_script(
        SETUP
        + ("faulthandler.enable()\n" if moment in ("before", "twice") else "")
        + "made = instance(TEXT); check(made)\n"
        + ("faulthandler.disable()\n" if moment == "twice" else "")
        + ("faulthandler.enable()\n" if moment in ("after", "twice") else "")
        + f"check(made)\nsys.stdout.write('alive'); sys.stdout.flush()\n{crash}\n",
        status=-signal.SIGSEGV,
    )
    assert result.stdout == "alive"
    expected = 0 if moment == "never" else 1
    assert result.stderr.count("Fatal Python error: Segmentation fault") == expected


def test_a_fault_in_a_host_function_is_no_trap() -> None:
    result = run_script(
        SETUP
        + """
faulthandler.enable()
made = instance('(module (import "h" "f" (func $f)) (func (export "run") (call $f)))',
                {"h": {"f": lambda: ctypes.string_at(0) and None}})
made.exports.run()
""",
        status=-signal.SIGSEGV,
    )
    assert "Fatal Python error: Segmentation fault" in result.stderr
    assert "in <lambda>" in result.stderr


def test_a_native_handler_installed_before_is_called_with_its_arguments() -> None:
    """Its default and ignored neighbours keep working, and SIGBUS is handled like SIGSEGV."""
    result = run_script(
        SETUP
        + """
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
class Action(ctypes.Structure):
    _fields_ = [("handler", HANDLER), ("mask", ctypes.c_uint64 * 16), ("flags", ctypes.c_int),
                ("restorer", ctypes.c_void_p)]
@HANDLER
def handler(number, info, context):
    address = ctypes.c_size_t.from_address(info + 16).value
    print(signal.Signals(number).name, hex(address), bool(context), flush=True)
    os._exit(7)
action = Action(handler, flags=4)
for number in (signal.SIGSEGV, signal.SIGBUS):
    assert ctypes.CDLL(None).sigaction(number, ctypes.byref(action), None) == 0
check(instance(TEXT))
ctypes.string_at(0x1230)
""",
        status=7,
    )
    assert result.stdout == "SIGSEGV 0x1230 True\n"


def test_a_bus_error_elsewhere_ends_the_process() -> None:
    run_script(
        SETUP
        + """
import mmap, tempfile
check(instance(TEXT))
with tempfile.TemporaryFile() as file:
    file.truncate(4096)
    mapping = mmap.mmap(file.fileno(), 4096)
    file.truncate(0)
    mapping[0]
""",
        status=-signal.SIGBUS,
    )


@pytest.mark.parametrize("first", ["wasmine", "wasmtime"])
def test_wasmtime_in_the_same_process(first: str) -> None:
    """Both handle faults by signals; each gets its own, whoever came first."""
    ours = "made = instance(TEXT); check(made)\n"
    theirs = """
engine = wasmtime.Engine()
store = wasmtime.Store(engine)
other = wasmtime.Instance(store, wasmtime.Module(engine, TEXT), []).exports(store)
def check_other():
    for name, argument, text in (("load", -1, "out of bounds"), ("divide", 0, "divide by zero")):
        try:
            other[name](store, argument)
        except wasmtime.Trap as error:
            assert text in str(error), error
        else:
            raise AssertionError(name)
check_other()
"""
    steps = [ours, theirs] if first == "wasmine" else [theirs, ours]
    again = "\ncheck(made); check_other(); check(instance(TEXT)); check_other(); check(made)\n"
    run_script(SETUP + "".join(steps) + again)
    run_script(SETUP + "".join(steps) + again + CRASH, status=-signal.SIGSEGV)


def test_wasmtime_in_this_process(made: Instance) -> None:
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    theirs = wasmtime.Instance(store, wasmtime.Module(engine, assemble(TEXT)), []).exports(store)
    for _ in range(3):
        with pytest.raises(wasmtime.Trap, match="out of bounds memory access"):
            theirs["load"](store, -1)  # type: ignore[operator]
        assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


def test_masks_and_alternate_stack_stay_as_they_were(made: Instance) -> None:
    usual = {signal.SIGUSR1, signal.SIGTERM}
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, usual)
    try:
        for name, argument in (("load", -1), ("divide", 0), ("endless", None)):
            arguments = () if argument is None else (argument,)
            for _ in range(100 if arguments else 3):
                assert trap_of(made.exports[name], *arguments) is not None
            assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == previous | usual
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    status = Path("/proc/thread-self/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    assert not int(blocked.split()[1], 16) & (1 << (signal.SIGSEGV - 1))


class AlarmError(Exception):
    """What the handler below raises."""


@pytest.fixture
def alarm() -> Iterator[list[float]]:
    """SIGALRM raises, and its times are noted."""
    times: list[float] = []

    def handler(number: int, frame: FrameType | None) -> None:
        times.append(time.monotonic())
        raise AlarmError(number)

    previous = signal.signal(signal.SIGALRM, handler)
    yield times
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


def test_a_python_signal_handler_after_traps(made: Instance, alarm: list[float]) -> None:
    for _ in range(10):
        assert trap_of(made.exports.load, -1) is TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(AlarmError):
            time.sleep(5)
    assert len(alarm) == 10


def test_a_signal_while_wasm_runs_is_handled_when_it_returns(
    made: Instance, alarm: list[float]
) -> None:
    with pytest.raises(AlarmError):  # noqa: PT012
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        while True:
            made.exports.spin(5_000_000)
    assert len(alarm) == 1
    assert made.exports.divide(4) == 2
    assert made.store.context.depth == 0


def test_a_signal_in_a_host_function(alarm: list[float]) -> None:
    """The handler's exception unwinds the host function and passes through."""
    made = instance(
        '(module (import "h" "sleep" (func $sleep (param f64)))'
        ' (func (export "run") (call $sleep (f64.const 5))))',
        {"h": {"sleep": time.sleep}},
    )
    for _ in range(3):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(AlarmError):
            made.exports.run()
    assert made.store.context.depth == 0


def test_fork(made: Instance) -> None:
    """Handlers, thread record and alternate stack are there in the child as well."""
    result = run_script(
        SETUP
        + """
made = instance(TEXT)
check(made)
for _ in range(3):
    child = os.fork()
    if not child:
        check(made)
        check(instance(TEXT))
        os._exit(42)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
check(made)
# From a thread: the child has this thread only, and its record.
import threading
def run():
    check(made)
    child = os.fork()
    if not child:
        check(made)
        os._exit(43)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread = threading.Thread(target=run); thread.start(); thread.join()
"""
    )
    assert result.stdout == "43\n"


def test_no_page_is_writable_and_executable(made: Instance) -> None:
    """After everything was used: thunks both ways, traps, growth, a serialised module."""
    run_script(
        SETUP
        + """
def writable_code():
    lines = [line.split() for line in open("/proc/self/maps")]
    return {place for place, access, *_ in lines if "w" in access and "x" in access}
# Callbacks of ctypes, of which llvmlite has some, lie in a page of libffi.
callback = ctypes.CFUNCTYPE(None)(lambda: None)
before = writable_code()
made = instance(TEXT); check(made)
host = instance('(module (import "h" "f" (func (param i32) (result i64 i64))) (export "f" (func 0)))',
                {"h": {"f": lambda x: (x, 2)}})
assert host.exports.f(1) == (1, 2)
assert host.exports.f.call_raw(1) == (1, 2)
made.exports.memory.grow(3)
again = Instance(Module.deserialize(made.module.serialize())); check(again)
assert writable_code() == before
"""
    )


@pytest.mark.parametrize("flags", [(), ("-Xdev",), ("-Xdev", "-Wdefault")])
def test_the_interpreter_ends_quietly(flags: tuple[str, ...]) -> None:
    """Whatever is alive at the end, in cycles and in threads that are inside WebAssembly."""
    result = run_script(
        SETUP
        + """
import threading, time
made = instance(TEXT); check(made)
made.cycle = lambda: made
host = instance('(module (import "h" "f" (func $f)) (func (export "run") (loop (call $f) (br 0))))',
                {"h": {"f": lambda: time.sleep(0.001)}})
class Last:
    def __init__(self): self.kept = made; self.own = self
    def __del__(self): assert made is None or trap(self.kept.exports.load, -1)
last = Last()
externs = instance('(module (table (export "t") 4 externref))'); externs.exports.t[0] = Last()
started = threading.Event()
def spin():
    other = instance(TEXT); started.set(); other.exports.spin(0)
for target in (spin, host.exports.run):
    threading.Thread(target=target, daemon=True).start()
started.wait(); time.sleep(0.05)
print("end")
""",
        *flags,
    )
    assert result.stdout == "end\n"
    assert result.stderr == ""
