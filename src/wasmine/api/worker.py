"""What a worker process does: it compiles what it is asked to, until the other end is gone.

A worker is started by `workers` as `python -c START`, with one end of a socket as its standard input.
It never writes anything else, and it ends with the process that started it, whatever happens there.

Frames in both directions are a length and that many bytes. The first frame is the worker's Setup; then
come Jobs. The bytes of a module come as a file descriptor with the first job that needs them. The
answer to a job is its result, behind a byte that says whether there is one.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pickle
import select
import signal
import socket
import threading
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from wasmine.wasm.decoder import decode

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.compiler.module import MemoryStyle
    from wasmine.types import FunctionType
    from wasmine.wasm.features import Features
    from wasmine.wasm.module import ModuleInfo

LENGTH: Final = Struct("<Q")
DONE: Final = b"\1"
FAILED: Final = b"\0"
READY: Final = b"ready"
"""What a worker says first."""

START: Final = """\
import pickle, socket, struct
s = socket.socket(fileno=0)
def receive(n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise SystemExit
        data += more
    return data
setup = pickle.loads(receive(struct.unpack("<Q", receive(8))[0]))
import sys
sys.path[:] = setup["path"]
sys.dont_write_bytecode = setup["dont_write_bytecode"]
sys.pycache_prefix = setup["pycache_prefix"]
from wasmine.api import worker
worker.main(s, setup["parent"], setup["niceness"])
"""
"""The program of a worker, which finds the package where its parent has."""

_PR_SET_PDEATHSIG: Final = 1
_OUT_OF_MEMORY_SCORE: Final = b"700"
"""Of at most 1000: the system ends a worker before the program that it works for."""


class Job(NamedTuple):
    """Something to compile."""

    module: int
    """A number for the module among those that this worker knows."""
    features: Features
    styles: tuple[MemoryStyle, ...]
    """Of the module's memories."""
    opt_level: str
    functions: tuple[int, ...]
    """Indices with imports, ascending."""
    linked: bool = True
    """Whether the result is a serialised Image, or an object to be linked with others."""
    loops: tuple[tuple[int, int], ...] = ()
    """Where functions are taken over, if the result is an Image: see `translate_unit`. They need not
    be among those to compile."""
    warm: tuple[int, ...] = ()
    """Functions that are worth being compiled too, if the result is an Image and calls them."""


class ThunkJob(NamedTuple):
    """Thunks to compile, of each kind for function types as `erased` gives them."""

    entry: tuple[FunctionType, ...]
    raw: tuple[FunctionType, ...]
    host: tuple[FunctionType, ...]


def main(channel: socket.socket, parent: int, niceness: int) -> None:
    """Answer jobs until the other end of the channel is closed."""
    _be_modest(channel, parent, niceness)
    send(channel, READY)
    modules: dict[int, ModuleInfo] = {}
    while (frame := receive(channel)) is not None:
        data, descriptor = frame
        job: Job | ThunkJob = pickle.loads(data)
        if descriptor is not None and isinstance(job, Job):
            # One more module than the last one is all that is ever needed at once.
            for number in list(modules)[:-1]:
                del modules[number]
            modules.pop(job.module, None)
            modules[job.module] = decode(_content(descriptor), job.features)
        try:
            if isinstance(job, ThunkJob):
                answer = DONE + _thunks(job)
            else:
                answer = DONE + _run(modules[job.module], job)
        except Exception:
            answer = FAILED
        send(channel, answer)


def _run(info: ModuleInfo, job: Job) -> bytes:
    from wasmine.api import pipeline

    if job.linked:
        return compile_hot(info, job).to_bytes()
    options = pipeline.options_for(job.styles)
    return pipeline.compile_object(info, job.functions, options, job.opt_level)


def _thunks(job: ThunkJob) -> bytes:
    from wasmine.api import pipeline

    return pipeline.compile_thunks(job.entry, job.raw, job.host).to_bytes()


def compile_hot(info: ModuleInfo, job: Job) -> Image:
    """The Image that a job asks for, whose functions replace those that there are."""
    from wasmine.api import pipeline

    owners = {owner for owner, _ in job.loops}
    roots = sorted(owners.union(job.functions))
    alone = owners.difference(job.functions)
    found = pipeline.with_callees(info, roots, frozenset(job.warm))
    functions = [index for index in found if index not in alone]
    options = pipeline.options_for(job.styles, entries=True)
    return pipeline.compile_functions(info, functions, job.loops, options, job.opt_level)


def _be_modest(channel: socket.socket, parent: int, niceness: int) -> None:
    """Run at low priority, end with the parent, and leave the terminal's signals to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", 0) as file:
        file.write(_OUT_OF_MEMORY_SCORE)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_end_with, args=(channel,), daemon=True).start()


def _end_with(channel: socket.socket) -> None:
    """End this process when the other end of the channel is closed, in the middle of a job too."""
    poll = select.poll()
    poll.register(channel, 0)
    poll.poll()
    os._exit(0)


def _content(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        return bytes(data)


# --- frames --------------------------------------------------------------------------------------


def send(channel: socket.socket, data: bytes, descriptor: int | None = None) -> None:
    """Send a frame, with a file descriptor if there is one. Raises OSError."""
    head = LENGTH.pack(len(data))
    if descriptor is None:
        channel.sendall(head)
    else:
        socket.send_fds(channel, [head], [descriptor])
    channel.sendall(data)


def receive(channel: socket.socket) -> tuple[bytes, int | None] | None:
    """The next frame, and the descriptor that came with it; None when there will be none."""
    try:
        head, descriptors, _, _ = socket.recv_fds(channel, LENGTH.size, 1, socket.MSG_WAITALL)
        if len(head) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack(head)
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = channel.recv_into(view)
            if not count:
                return None
            view = view[count:]
    except OSError:
        return None
    return bytes(data), descriptors[0] if descriptors else None
