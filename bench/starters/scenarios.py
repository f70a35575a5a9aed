"""How programs are run, and libraries are called, told in terms that every engine understands."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Job(NamedTuple):
    """What a runner is to do: SCENARIO FILE [OPTION...] -- ARGV..."""

    scenario: str
    file: str
    argv: tuple[str, ...]
    env: dict[str, str]
    """From --env=NAME=VALUE."""
    directories: dict[str, str]
    """Guest to host, from --dir=GUEST=HOST."""
    resources: dict[str, str]
    """The same, read-only, from --resource=GUEST=HOST."""

    @classmethod
    def parse(cls, scenario: str, file: str, *rest: str) -> Job:
        """The job that arguments tell; their syntax is not checked."""
        split = rest.index("--")
        found: dict[str, dict[str, str]] = {"--dir": {}, "--env": {}, "--resource": {}}
        for option in rest[:split]:
            kind, name, value = option.split("=", 2)
            found[kind][name] = value
        return cls(
            scenario,
            file,
            rest[split + 1 :],
            found["--env"],
            found["--dir"],
            found["--resource"],
        )


class Guest(Protocol):
    """An instance, as the scenarios see it."""

    def call(self, name: str, *arguments: int) -> int:
        """Calls an export with integers; its result, 0 without one."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Writes into the exported memory."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """Reads from it."""
        ...


def command(guest: Guest, _: Sequence[str]) -> int:
    """A program: what it prints is its output."""
    return guest.call("_start")


def instantiate(_guest: Guest, _: Sequence[str]) -> int:
    """Nothing runs but what instantiating runs."""
    print("instantiated")
    return 0


def initialize(guest: Guest, _: Sequence[str]) -> int:
    """A library's own initialisation is the first call."""
    guest.call("_initialize")
    print("initialized")
    return 0


def reactor(guest: Guest, _: Sequence[str]) -> int:
    """A library whose export `run` is a whole program."""
    guest.call("_initialize")
    return guest.call("run")


def quickjs(guest: Guest, _: Sequence[str]) -> int:
    """Makes a JavaScript context and evaluates an expression in it."""
    guest.call("_initialize")
    guest.call("qjs_init")
    source, name = b"[1, 2, 3].map(x => x * 14).join()\0", b"bench.js\0"
    address = guest.call("wasm_malloc", len(source) + len(name))
    guest.write(address, source + name)
    value = guest.call("qjs_eval", address, len(source) - 1, address + len(source), 0)
    text = guest.call("qjs_get_string", value)
    print(guest.read(text, 32).split(b"\0")[0].decode())
    return 0


def ruby(guest: Guest, argv: Sequence[str]) -> int:
    """Starts the Ruby interpreter and evaluates the last argument in it; not 0 if that raises."""

    def allocate(data: bytes) -> int:
        address = guest.call("cabi_realloc", 0, 0, 4, max(1, len(data)))
        guest.write(address, data)
        return address

    guest.call("_initialize")
    arguments = (b"ruby.wasm\0", b"-EUTF-8\0", b"-e_=0\0")
    pairs = [struct.pack("<II", allocate(text), len(text)) for text in arguments]
    guest.call("ruby-init: func(args: list<string>) -> ()", allocate(b"".join(pairs)), len(pairs))
    line = argv[-1].encode()
    result = guest.call(
        "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>",
        allocate(line),
        len(line),
    )
    (state,) = struct.unpack("<i", guest.read(result + 4, 4))
    return int(state)


def graphviz(guest: Guest, argv: Sequence[str]) -> int:
    """Draws the graph of the standard input: arguments are the layout engine and the format."""

    size = guest.call("malloc", 4)
    graph, engine, format_ = (_text(guest, each) for each in (sys.stdin.read(), *argv))
    drawn = guest.call("graphviz_render", graph, format_, engine, size)
    if drawn:
        sys.stdout.buffer.write(guest.read(drawn, *struct.unpack("<I", guest.read(size, 4))))
    return 0 if drawn else 1


def _text(guest: Guest, content: str) -> int:
    data = content.encode() + b"\0"
    address = guest.call("malloc", len(data))
    guest.write(address, data)
    return address


def perl(guest: Guest, argv: Sequence[str]) -> int:
    """Runs a script with arguments in the Perl interpreter."""
    guest.call("_initialize")
    script, *rest = argv
    arguments = struct.pack(f"<{len(rest)}I", *(_text(guest, each) for each in rest))
    address = guest.call("malloc", max(1, len(arguments)))
    guest.write(address, arguments)
    result = guest.call("zeroperl_init") or guest.call(
        "zeroperl_run_file", _text(guest, script), len(rest), address
    )
    guest.call("zeroperl_flush")
    return result


SCENARIOS: dict[str, Callable[[Guest, Sequence[str]], int]] = {
    scenario.__name__: scenario
    for scenario in (command, instantiate, initialize, reactor, quickjs, ruby, perl, graphviz)
}
