"""What a program does up to its first useful output, told in terms that every engine understands."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol


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


def command(guest: Guest) -> None:
    """A program: what it prints is its output."""
    guest.call("_start")


def instantiate(guest: Guest) -> None:  # noqa: ARG001
    """Nothing runs but what instantiating runs."""
    print("instantiated")


def initialize(guest: Guest) -> None:
    """A library's own initialisation is the first call."""
    guest.call("_initialize")
    print("initialized")


def quickjs(guest: Guest) -> None:
    """Makes a JavaScript context and evaluates an expression in it."""
    guest.call("_initialize")
    guest.call("qjs_init")
    source, name = b"[1, 2, 3].map(x => x * 14).join()\0", b"bench.js\0"
    address = guest.call("wasm_malloc", len(source) + len(name))
    guest.write(address, source + name)
    value = guest.call("qjs_eval", address, len(source) - 1, address + len(source), 0)
    text = guest.call("qjs_get_string", value)
    print(guest.read(text, 32).split(b"\0")[0].decode())


def ruby(guest: Guest) -> None:
    """Starts the Ruby interpreter and evaluates a line that prints."""

    def allocate(data: bytes) -> int:
        address = guest.call("cabi_realloc", 0, 0, 4, max(1, len(data)))
        guest.write(address, data)
        return address

    guest.call("_initialize")
    arguments = (b"ruby.wasm\0", b"-EUTF-8\0", b"-e_=0\0")
    pairs = [struct.pack("<II", allocate(text), len(text)) for text in arguments]
    guest.call("ruby-init: func(args: list<string>) -> ()", allocate(b"".join(pairs)), len(pairs))
    line = b"puts [3, 1, 2].sort.inspect; $stdout.flush"
    guest.call(
        "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>",
        allocate(line),
        len(line),
    )


SCENARIOS: dict[str, Callable[[Guest], None]] = {
    scenario.__name__: scenario for scenario in (command, instantiate, initialize, quickjs, ruby)
}
