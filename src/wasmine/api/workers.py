"""Processes that compile beside the program: they share no interpreter and no LLVM with it.

Nothing that goes wrong here is the program's concern: where processes cannot be started, or one ends
in the middle of a job, that job has no result, and its code stays as it is.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pickle
import queue
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from wasmine.api import worker
from wasmine.api.worker import DONE, READY, START, Job, ThunkJob
from wasmine.vm.signals import held_back

STARTING_TIME: Final = 60.0
"""Seconds after which a process that has not said a word is no worker."""
JOB_TIME: Final = 300.0
"""Seconds after which a worker is given up. The largest function in a build of Ruby, 138 kB, takes 33 seconds
of CPU time, and workers have low priority."""
IDLE_TIME: Final = 10.0
"""Seconds without a job after which a worker's memory is worth more than its readiness."""
FAILURES: Final = 5
"""After so many workers that ended by themselves no more are started."""
NICENESS: Final = 15
"""Of workers that nobody waits for."""

_PYTHON: Final = re.compile(r"(?i)(python|pypy)[\d.]*(t|d|w)*(-[\w.-]*)?(\.exe)?")

Done = Callable[[bytes | None], None]
"""Takes the result of a job, or None if there is none; called in the pool's own thread."""


class Source:
    """The bytes of a module as workers get them: a file without a name."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def descriptor(self) -> int:
        """The file, which is written when it is first asked for. Raises OSError."""
        with self._lock:
            if self._descriptor is None:
                descriptor = _unnamed_file()
                weakref.finalize(self, os.close, descriptor).atexit = False
                view = memoryview(self._data)
                while view:
                    view = view[os.write(descriptor, view) :]
                self._descriptor = descriptor
            return self._descriptor


def _unnamed_file() -> int:
    try:
        return os.memfd_create("wasmine-module", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())


class Request(NamedTuple):
    """A job in the queue; its module, if there is one, has no number yet."""

    source: Source | None
    job: Job | ThunkJob
    done: Done


class _Worker:
    """A process, and the job it is at."""

    def __init__(self, niceness: int) -> None:
        """Raises OSError or ValueError if no process can be started."""
        setup = {
            "path": _search_path(),
            "dont_write_bytecode": sys.dont_write_bytecode,
            "pycache_prefix": sys.pycache_prefix,
            "parent": os.getpid(),
            "niceness": niceness,
        }
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = subprocess.Popen(
                    (sys.executable, "-I", "-S", "-c", START),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
                worker.send(ours, pickle.dumps(setup))
            except BaseException:
                ours.close()
                raise
        self.channel = ours
        self.request: Request | None = None
        self.ready = False
        self.deadline = time.monotonic() + STARTING_TIME
        self.known: dict[int, weakref.ref[Source]] = {}

    def start(self, request: Request) -> None:
        """Send a job. Raises OSError."""
        job, descriptor = request.job, None
        if request.source is not None and isinstance(job, Job):
            job, descriptor = job._replace(module=id(request.source)), self._show(request.source)
        self.request = request
        if self.ready:
            self.deadline = time.monotonic() + JOB_TIME
        worker.send(self.channel, pickle.dumps(job), descriptor)

    def _show(self, source: Source) -> int | None:
        """The file of a module, if the worker does not know it. Raises OSError."""
        number = id(source)
        known = self.known.get(number)
        if known is not None and known() is source:
            return None
        descriptor = source.descriptor()
        # As the worker does.
        for other in list(self.known)[:-1]:
            del self.known[other]
        self.known.pop(number, None)
        self.known[number] = weakref.ref(source)
        return descriptor

    def kill(self) -> None:
        """End the process without waiting for it."""
        with contextlib.suppress(OSError):
            self.channel.close()
        with contextlib.suppress(OSError):
            self.process.kill()


def _search_path() -> list[str]:
    """Where the modules that a worker imports are, wherever it is started."""
    places: list[str] = []
    path: list[object] = [*sys.path]
    for place in path:
        # Programs put there what they like, and may have left the directory that names are relative to.
        with contextlib.suppress(OSError):
            if isinstance(place, str) and place:
                places.append(os.path.abspath(place))
    for name in ("wasmine", "llvmlite"):
        spec = None
        with contextlib.suppress(Exception):  # of a program's own finders
            spec = importlib.util.find_spec(name)
        # An editable installation may be found without being on the path.
        if spec is not None and spec.origin is not None:
            place = os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
            if place not in places:
                places.append(place)
    return places


def can_start() -> bool:
    """Whether `sys.executable` is an interpreter that workers can run in.

    Where Python is part of another program, that program would be started instead.
    """
    executable = sys.executable
    if not executable or getattr(sys, "frozen", False):
        return False
    names = {os.path.basename(executable), os.path.basename(os.path.realpath(executable))}
    return any(_PYTHON.fullmatch(name) for name in names)


def processors() -> int:
    """How many processors this process may use, by its affinity and the limit of its container."""
    count = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(count, int(quota) // int(period)))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup/cpu")
        quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if int(quota) > 0:
            return max(1, min(count, int(quota) // int(period)))
    return count


class Pool:
    """Workers, and a thread that feeds them. Both are started when there is work.

    In a child process made by `fork` a pool begins anew: what was asked for before is not done.
    """

    def __init__(self, limit: int, niceness: int = NICENESS) -> None:
        """At most `limit` workers."""
        self.limit: Final = limit
        self._niceness = niceness
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        self._inbox: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None
        self._workers: list[_Worker] = []
        self._failures = 0
        self._closed = False

    @property
    def usable(self) -> bool:
        """Whether a job has a chance."""
        return not self._closed and self._failures < FAILURES and can_start()

    def submit(self, source: Source | None, job: Job | ThunkJob, done: Done) -> bool:
        """Have a job done some time. False, and `done` is never called, if there are no workers."""
        if not self.usable:
            return False
        if self._thread is None and not held_back(self._start):
            return False
        self._inbox.put(Request(source, job, done))
        self._wake()
        return True

    def _start(self) -> bool:
        """Start the thread, which gets no signals; False if it cannot be."""
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # perhaps there are descriptors later
            return False
        theirs.setblocking(False)
        thread = threading.Thread(
            target=self._run, args=(ours,), name="wasmine workers", daemon=True
        )
        with self._lock:
            first = self._thread is None
            if first:
                self._thread, self._waker = thread, theirs
        if not first:  # another thread, or a finalizer that ran meanwhile, was faster
            ours.close()
            theirs.close()
            return True
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter ends
            self._closed = True
            ours.close()
            return False
        return True

    def close(self) -> None:
        """End all workers, without waiting for them."""
        self._closed = True
        for each in list(self._workers):
            each.kill()
        self._wake()

    def disown(self) -> None:
        """Leave it to the system to clean up after the workers, which are dead, or nearly."""
        for each in self._workers:
            each.process.returncode = 0

    def forget(self) -> None:
        """Begin anew in a child process: the workers are the parent's."""
        self.disown()
        for each in self._workers:
            each.channel.close()
        if self._waker is not None:
            self._waker.close()
        self._reset()

    def _wake(self) -> None:
        # A full buffer wakes the thread as well.
        if self._waker is not None:
            with contextlib.suppress(OSError):
                self._waker.send(b"!")

    # --- the thread ---

    def _run(self, waker: socket.socket) -> None:
        waiting: deque[Request] = deque()
        try:
            with waker, selectors.DefaultSelector() as selector:
                selector.register(waker, selectors.EVENT_READ)
                while not self._closed:
                    self._step(selector, waiting)
        except Exception:
            # When the interpreter ends, anything may fail here, and nobody wants to know.
            if not self._closed and not sys.is_finalizing():
                raise
        finally:
            self.close()
            if self._waker is not None:
                self._waker.close()
            for each in self._workers:
                each.process.wait()
                each.channel.close()
                waiting += [each.request] if each.request is not None else []
            while not self._inbox.empty():
                waiting.append(self._inbox.get())
            for request in waiting:
                request.done(None)

    def _step(self, selector: selectors.BaseSelector, waiting: deque[Request]) -> None:
        while True:
            try:
                waiting.append(self._inbox.get_nowait())
            except queue.Empty:
                break
        self._assign(selector, waiting)
        for key, _ in selector.select(self._patience()):
            if isinstance(key.data, _Worker):
                self._hear(selector, key.data)
            elif isinstance(key.fileobj, socket.socket):
                key.fileobj.recv(4096)
        now = time.monotonic()
        for each in list(self._workers):
            if each.deadline <= now:
                self._lose(selector, each, failed=each.request is not None or not each.ready)

    def _patience(self) -> float | None:
        """Seconds until something is overdue."""
        if not self._workers:
            return None
        return max(0.0, min(each.deadline for each in self._workers) - time.monotonic())

    def _assign(self, selector: selectors.BaseSelector, waiting: deque[Request]) -> None:
        while waiting:
            idle = next((each for each in self._workers if each.request is None), None)
            if idle is None:
                if len(self._workers) >= self.limit:
                    return
                idle = self._hire(selector)
            if idle is None:
                if self._workers:
                    return
                while waiting:
                    waiting.popleft().done(None)
                return
            request = waiting.popleft()
            try:
                idle.start(request)
            except OSError:
                idle.request = request
                self._lose(selector, idle, failed=True)

    def _hire(self, selector: selectors.BaseSelector) -> _Worker | None:
        if not self.usable:
            return None
        try:
            new = _Worker(self._niceness)
        except (OSError, ValueError, subprocess.SubprocessError):
            self._failures = FAILURES
            return None
        self._workers.append(new)
        if self._closed:  # by another thread, which may not have seen this one
            new.kill()
        selector.register(new.channel, selectors.EVENT_READ, new)
        return new

    def _hear(self, selector: selectors.BaseSelector, each: _Worker) -> None:
        frame = worker.receive(each.channel)
        if frame is None:
            self._lose(selector, each, failed=True)
        elif not each.ready:
            each.ready = frame[0] == READY
            if not each.ready:
                self._lose(selector, each, failed=True)
            else:
                each.deadline = time.monotonic() + (JOB_TIME if each.request else IDLE_TIME)
        else:
            request, each.request = each.request, None
            each.deadline = time.monotonic() + IDLE_TIME
            if request is not None:
                answer = frame[0]
                request.done(answer[1:] if answer[:1] == DONE else None)

    def _lose(self, selector: selectors.BaseSelector, each: _Worker, *, failed: bool) -> None:
        """End a worker; its job has no result."""
        with contextlib.suppress(KeyError, ValueError):
            selector.unregister(each.channel)
        self._workers.remove(each)
        each.kill()
        each.process.wait()
        self._failures += failed
        if each.request is not None:
            each.request.done(None)


_pools: Final[weakref.WeakSet[Pool]] = weakref.WeakSet()


def _close_all() -> None:
    for pool in list(_pools):
        pool.close()
        pool.disown()


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
