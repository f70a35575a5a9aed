"""Worker processes: what they compile, what becomes of them, and that nobody notices."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.harness import run_script
from tests.harness import SOURCE
from wasmine import wat2wasm
from wasmine.api import parallel, pipeline, workers
from wasmine.api.worker import Job
from wasmine.api.workers import Pool, Source
from wasmine.errors import InvalidModule
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import DEFAULT
from wasmine.wasm.module import ModuleInfo

BINARY = wat2wasm("(module (func (param i32) (result i32) local.get 0 i32.const 1 i32.add))")
PATIENCE = 60.0


def module(functions: int, invalid: int | None = None) -> ModuleInfo:
    """A module of functions that call the next one; one may leave an operand too many."""
    bodies = "".join(
        f"(func (param i32) (result i32) local.get 0 i32.const {index} i32.mul"
        f" {'i32.const 1' if index == invalid else ''}"
        f" call {min(index + 1, functions - 1)})"
        for index in range(functions)
    )
    return decode(wat2wasm(f"(module {bodies})"), DEFAULT)


def job(opt_level: str = "light", functions: tuple[int, ...] = (0,)) -> Job:
    return Job(0, DEFAULT, (), opt_level, functions, linked=False)


def result(pool: Pool, source: Source, what: Job) -> bytes | None:
    """What comes of a job."""
    results: list[bytes | None] = []
    arrived = threading.Event()

    def done(found: bytes | None) -> None:
        results.append(found)
        arrived.set()

    assert pool.submit(source, what, done)
    assert arrived.wait(PATIENCE)
    return results[0]


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1)
    yield made
    made.close()


def test_a_job_has_the_result_of_this_process(pool: Pool) -> None:
    info = decode(BINARY, DEFAULT)
    expected = pipeline.compile_object(info, (0,), pipeline.options_for(()), "light")
    assert result(pool, Source(BINARY), job()) == expected


def test_workers_know_several_modules(pool: Pool) -> None:
    infos = [module(count) for count in (1, 2, 3)]
    sources = [Source(info.data) for info in infos]
    for _ in range(2):
        for info, source in zip(infos, sources, strict=True):
            what = job(functions=(len(info.functions) - 1,))
            expected = pipeline.compile_object(
                info, what.functions, pipeline.options_for(()), "light"
            )
            assert result(pool, source, what) == expected


def test_what_goes_wrong_has_no_result(pool: Pool) -> None:
    assert result(pool, Source(b"no module"), job()) is None
    assert result(pool, Source(BINARY), job("no level")) is None
    assert result(pool, Source(BINARY), job()) is not None


def test_a_worker_that_dies_is_replaced(pool: Pool) -> None:
    assert result(pool, Source(BINARY), job()) is not None
    first = pool._workers[0].process
    first.kill()
    first.wait()
    # Its end may be noticed before the job is sent or after.
    results = [result(pool, Source(BINARY), job()) for _ in range(2)]
    assert results[1] is not None
    assert pool._workers[0].process is not first


def test_workers_that_cannot_start_are_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(1)
    for executable in ("", "/usr/bin/blender", "/opt/server"):
        monkeypatch.setattr(sys, "executable", executable)
        assert not pool.submit(Source(BINARY), job(), lambda _: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python3.11")
    assert result(pool, Source(BINARY), job()) is None
    assert not pool.usable
    pool.close()


def test_programs_put_anything_on_the_search_path(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        def find_spec(self, *_: object) -> None:
            raise RuntimeError

    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(sys, "path", [None, 5, b"bytes", Path("/path"), "relative", *sys.path])
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.setattr(os, "getcwd", gone)
    assert result(pool, Source(BINARY), job()) is not None


def test_there_is_one_thread_which_gets_no_signals(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(threading.enumerate())
    socketpair, inner = socket.socketpair, threading.Event()

    def interrupted() -> object:
        # By a finalizer, say, which runs code that is hot too.
        monkeypatch.setattr(socket, "socketpair", socketpair)
        assert pool.submit(Source(BINARY), job(), lambda _: inner.set())
        return socketpair()

    monkeypatch.setattr(socket, "socketpair", interrupted)
    assert result(pool, Source(BINARY), job()) is not None
    assert inner.wait(PATIENCE)
    (thread,) = set(threading.enumerate()) - before
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (blocked,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM):
        assert int(blocked, 16) >> (number - 1) & 1
    # What starts the thread gets them as before.
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_interpreters_are_told_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python", "python3", "python3.11", "python3.13t", "Python", "pypy3"):
        monkeypatch.setattr(sys, "executable", f"/x/{name}")
        assert workers.can_start()


# --- whole modules -------------------------------------------------------------------------------


def test_the_image_is_the_one_of_a_single_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FUNCTIONS_PER_UNIT", 10)
    info = module(35)
    progress: list[tuple[int, int]] = []
    image = parallel.compile_parallel(
        info, (), "light", lambda *numbers: progress.append(numbers), processes=3
    )
    assert image.to_bytes() == pipeline.compile_module(info, (), "light").to_bytes()
    assert progress[0][0] == 0
    assert progress[-1][0] == progress[-1][1] > 0
    assert progress == sorted(progress)


def test_without_processes_this_one_does_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FUNCTIONS_PER_UNIT", 10)
    monkeypatch.setattr(sys, "executable", "/nowhere/python3.11")
    info = module(35)
    image = parallel.compile_parallel(info, (), "light", processes=3)
    assert image.to_bytes() == pipeline.compile_module(info, (), "light").to_bytes()


@pytest.mark.parametrize("invalid", [3, 33])
def test_the_error_is_the_one_of_a_single_process(
    invalid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "FUNCTIONS_PER_UNIT", 10)
    info = module(35, invalid)
    with pytest.raises(InvalidModule) as expected:
        pipeline.compile_module(info, (), "light")
    with pytest.raises(InvalidModule) as found:
        parallel.compile_parallel(info, (), "light", processes=3)
    assert str(found.value) == str(expected.value)


# --- the program's end, and other surprises ------------------------------------------------------

BUSY = """
import os, signal, sys, threading, time
from wasmine.api import pipeline, workers
from wasmine.api.worker import Job
from wasmine.wasm.features import DEFAULT
data = wat2wasm("(module (func (result i32) i32.const 1))")
pool = workers.Pool(1)
def job(functions=(0,)):
    return Job(0, DEFAULT, (), "light", functions, linked=False)
def ask(pool, what):
    done = threading.Event()
    results = []
    assert pool.submit(workers.Source(data), what, lambda r: (results.append(r), done.set()))
    assert done.wait(60)
    return results[0]
assert ask(pool, job())
child = pool._workers[0].process.pid
"""


def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "os._exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "threading.Thread(target=time.sleep, args=(0.1,)).start()",
        "pool.submit(workers.Source(data), job(), print)",
        "os.fork() or os._exit(0)",
    ],
)
def test_workers_end_with_the_program(ending: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"from wasmine import *\n{BUSY}print(child, flush=True)\n{ending}"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, -signal.SIGKILL)
    assert errors == b""
    assert gone(int(output.split()[0]))


def test_the_exit_waits_for_nobody() -> None:
    output = run_script(
        BUSY + "os.kill(child, signal.SIGSTOP)\n"
        "pool.submit(workers.Source(data), job(), print)\nprint('end', flush=True)"
    )
    assert output == "end\n"


def test_a_child_process_has_workers_of_its_own() -> None:
    output = run_script(
        BUSY + "pid = os.fork()\n"
        "if not pid:\n    assert ask(pool, job()) and pool._workers[0].process.pid != child\n"
        "    print('child', flush=True); sys.exit()\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "assert ask(pool, job()) and pool._workers[0].process.pid == child\nprint('parent')"
    )
    assert output == "child\nparent\n"


@pytest.mark.parametrize("flag", ["-I", "-S", "-B", "-E"])
def test_workers_find_the_package(flag: str) -> None:
    path = f"import sys; sys.path[:0] = {[*sys.path, str(SOURCE)]!r}\n"
    script = f"{path}from wasmine import *\n{BUSY}print('done')"
    result = subprocess.run(
        [sys.executable, flag, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("done\n", "")


def test_workers_are_modest() -> None:
    output = run_script(
        BUSY + "print(os.getpriority(os.PRIO_PROCESS, child), os.getsid(child) == child)"
    )
    assert output == f"{workers.NICENESS} True\n"
