"""What a program is given: `Environment`, and `run` for the common case."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from wasmine import Function, Instance, LinkError, Memory, Module
from wasmine.frozen import Frozen
from wasmine.wasi.context import Clocks, Context
from wasmine.wasi.descriptors import Descriptor, DescriptorTable
from wasmine.wasi.filesystem import Directory
from wasmine.wasi.guest import GuestMemory
from wasmine.wasi.preview1 import ROWS, SNAPSHOT, UNSTABLE, Trace, handler_of, link, names_of
from wasmine.wasi.process import WasiExit
from wasmine.wasi.streams import Sink, Source, input_stream, output_stream

if TYPE_CHECKING:
    import socket

    from wasmine.wasi.trace import LineWriter

Directories = Mapping[str, "str | os.PathLike[str] | Directory"]
Imports = dict[str, dict[str, Callable[..., int]]]


class Environment:
    """The arguments, variables, streams, directories, clocks and randomness of one program.

    stdin: bytes, text, a Python file, a descriptor, an iterable of bytes or text, or a function that
    returns up to so many bytes, none at the end and None for none yet. stdout and stderr: a Python
    file, binary or text, a function of bytes or a descriptor. None stands for the process's own
    stream. Nothing that is handed in is ever closed.

    dirs: what the guest finds at which path: a path of the host, `HostDirectory(path, read_only=True)`
    or a `MemoryDirectory`. It reaches what is below these and nothing else.

    sockets: stream and datagram sockets, connected, bound or listening. They get the numbers after
    the directories, in this order: the first one is 3 + len(dirs). What a program accepts is closed
    with the environment.

    trace: a text file or a function, which gets a line for each call that the program makes.

    Raises TypeError and ValueError for what cannot be used, OSError for a directory that cannot be
    opened.

        with Environment(argv=["tool", "-v"], stdin=b"data", dirs={"/": "work"}) as environment:
            instance = environment.instantiate(module)
            exit_code = environment.start(instance)
    """

    def __init__(
        self,
        argv: Iterable[str | bytes] = (),
        env: Mapping[str, str | bytes] | None = None,
        stdin: Source = None,
        stdout: Sink = None,
        stderr: Sink = None,
        *,
        dirs: Directories | None = None,
        sockets: Iterable[socket.socket] = (),
        clocks: Clocks | None = None,
        random: Callable[[int], bytes] = os.urandom,
        trace: LineWriter | Callable[[str], object] | None = None,
    ) -> None:
        if isinstance(argv, (str, bytes)):
            raise TypeError("argv: expected a sequence of arguments, got one string")
        streams = (
            input_stream(stdin),
            output_stream("stdout", stdout),
            output_stream("stderr", stderr),
            *granted(dirs or {}),
            *_handed_in(sockets),
        )
        self._context = Context(
            [_c_string("argv", argument) for argument in argv],
            [_variable(name, value) for name, value in (env or {}).items()],
            DescriptorTable(streams),
            Clocks() if clocks is None else clocks,
            random,
        )

        self._trace = None if trace is None else _tracer(trace)

    def imports(self, module: Module | None = None) -> Imports:
        """The functions, as the imports of an `Instance`; with a module, only those it imports.

        Raises LinkError when the module imports one of them with another type.
        """
        offered = {snapshot: names_of(snapshot) for snapshot in (SNAPSHOT, UNSTABLE)}
        wanted = offered if module is None else _imported(module)
        return {
            snapshot: {
                name: self._linked(name, snapshot) for name in offered[snapshot] if name in members
            }
            for snapshot, members in wanted.items()
        }

    def _linked(self, name: str, snapshot: str) -> Callable[..., int]:
        return link(ROWS[name], handler_of(name, snapshot), self._context, snapshot, self._trace)

    def bind(self, instance: Instance) -> None:
        """Names the instance whose memory the functions work on: its export "memory"."""
        memory = instance.exports.get("memory")
        self._context.bind(GuestMemory(memory if isinstance(memory, Memory) else None))

    def instantiate(
        self, module: Module, imports: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Instance:
        """An instance with these functions among its imports, and bound.

        `imports` are the others, and win where they name the same. A library (a "reactor") is made
        ready by its `_initialize`; a program waits for `start`. Raises LinkError as `Instance` does.
        """
        merged: dict[str, dict[str, Any]] = {**self.imports(module)}
        for name, members in (imports or {}).items():
            merged[name] = {**merged.get(name, {}), **members}
        instance = Instance(module, merged)
        self.bind(instance)
        initialize = instance.exports.get("_initialize")
        if isinstance(initialize, Function) and "_start" not in instance.exports:
            initialize()
        return instance

    def start(self, instance: Instance) -> int:
        """Runs a program to its end and returns its exit code, an unsigned 32-bit integer.

        Raises LinkError when the module is no program, Trap when it traps.
        """
        main = instance.exports.get("_start")
        if not isinstance(main, Function):
            raise LinkError("unknown export: the module is no WASI program, it has no _start")
        self.bind(instance)
        try:
            main()
        except WasiExit as exit_:
            return exit_.code
        return 0

    def close(self) -> None:
        """Closes the files that the program has left open."""
        self._context.descriptors.close_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Result(Frozen):
    """How a program ended. The streams are empty unless they were captured."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


def run(
    module: Module | str | os.PathLike[str] | bytes,
    argv: Iterable[str | bytes] | None = None,
    env: Mapping[str, str | bytes] | None = None,
    stdin: Source = None,
    capture: bool = True,
    *,
    imports: Mapping[str, Mapping[str, Any]] | None = None,
    dirs: Directories | None = None,
    sockets: Iterable[socket.socket] = (),
    clocks: Clocks | None = None,
    random: Callable[[int], bytes] = os.urandom,
    trace: LineWriter | Callable[[str], object] | None = None,
) -> Result:
    """Runs a program and returns its exit code and output.

    `argv` begins with the program's name, as in C; without it that is all there is. With `capture`
    off, output goes to the process's own streams. Raises Trap when the program traps, and what
    `Module` and `Environment.instantiate` raise.
    """
    if argv is None:
        argv = [os.path.basename(module) if isinstance(module, (str, os.PathLike)) else "program"]
    if not isinstance(module, Module):
        module = Module(module)
    stdout = bytearray()
    stderr = bytearray()
    with Environment(
        argv,
        env,
        stdin,
        stdout.extend if capture else None,
        stderr.extend if capture else None,
        dirs=dirs,
        sockets=sockets,
        clocks=clocks,
        random=random,
        trace=trace,
    ) as environment:
        exit_code = environment.start(environment.instantiate(module, imports))
    return Result(exit_code, bytes(stdout), bytes(stderr))


def _tracer(sink: LineWriter | Callable[[str], object]) -> Trace:
    from wasmine.wasi.trace import tracer

    return tracer(sink)


def _handed_in(sockets: Iterable[socket.socket]) -> list[Descriptor]:
    """The descriptors of sockets. Raises TypeError, ValueError or OSError."""
    handed_in = list(sockets)
    if not handed_in:
        return []
    from wasmine.wasi.hostsockets import host_socket

    return [host_socket(one) for one in handed_in]


def granted(dirs: Directories) -> list[Descriptor]:
    """The descriptors of granted directories. Raises TypeError, ValueError or OSError."""
    if not dirs:
        return []
    from wasmine.wasi.directories import OpenDirectory
    from wasmine.wasi.hostfiles import HostDirectory

    made: list[Descriptor] = []
    for guest, host in dirs.items():
        name = _c_string("dirs", guest)
        if not name:
            raise ValueError("dirs: a directory needs a path in the guest")
        directory = host.reopen() if isinstance(host, Directory) else HostDirectory(host)
        made.append(OpenDirectory(directory, name))
    return made


def _imported(module: Module) -> dict[str, set[str]]:
    """The WASI functions that a module imports. Raises LinkError for types that differ."""
    names: dict[str, set[str]] = {}
    wrong = []
    for wanted in module.imports:
        row = ROWS.get(wanted.name)
        if wanted.module not in (SNAPSHOT, UNSTABLE) or row is None:
            continue
        if wanted.type != row.type:
            wrong.append(f"{wanted.module}.{wanted.name}: {row.type}, not {wanted.type}")
        names.setdefault(wanted.module, set()).add(wanted.name)
    if wrong:
        raise LinkError(f"incompatible import type: {'; '.join(wrong)}")
    return names


def _variable(name: str, value: str | bytes) -> bytes:
    encoded = _c_string("env", name)
    if not encoded or b"=" in encoded:
        raise ValueError(f"env: {name!r} cannot be the name of a variable")
    return encoded + b"=" + _c_string("env", value)


def _c_string(what: str, text: str | bytes) -> bytes:
    """UTF-8, or what the operating system gave Python where it is not."""
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"{what}: expected str, got {type(text).__name__}")
    data = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    if b"\0" in data:
        raise ValueError(f"{what}: {text!r} contains a zero character")
    return data
