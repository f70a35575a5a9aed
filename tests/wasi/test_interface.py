"""The table of functions and the layouts, compared with wasi-libc's header."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from struct import Struct

import pytest

from wasmine import Module, wasi
from wasmine.errors import InternalError
from wasmine.wasi import abi, preview1
from wasmine.wasi.context import Context

PROGRAMS = Path(__file__).parent / "programs"

NUMBERS: dict[str, type[IntEnum] | type[abi.Rights] | type[abi.FdFlags]] = {
    "CLOCKID": abi.ClockId,
    "ERRNO": abi.Errno,
    "RIGHTS": abi.Rights,
    "FILETYPE": abi.FileType,
    "FDFLAGS": abi.FdFlags,
    "EVENTTYPE": abi.EventType,
}
# The record, and its fields in the order of the Struct.
LAYOUTS: dict[str, tuple[Struct, tuple[str, ...]]] = {
    "iovec": (abi.IOVEC, ()),
    "fdstat": (
        abi.FDSTAT,
        ("fs_filetype", "fs_flags", "fs_rights_base", "fs_rights_inheriting"),
    ),
    "filestat": (
        abi.FILESTAT,
        ("dev", "ino", "filetype", "nlink", "size", "atim", "mtim", "ctim"),
    ),
    "subscription": (abi.SUBSCRIPTION, ("userdata", "u.tag")),
    "subscription_clock": (abi.SUBSCRIPTION_CLOCK, ("id", "timeout", "precision", "flags")),
    "event": (
        abi.EVENT,
        ("userdata", "error", "type", "fd_readwrite.nbytes", "fd_readwrite.flags"),
    ),
}


@pytest.fixture(scope="module")
def header() -> dict[str, int]:
    program = PROGRAMS / "interface.wasm"
    lines = wasi.run(program).stdout.decode().splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def test_every_function_of_the_header_has_a_row_of_its_type() -> None:
    declared = {entry.name: entry.type for entry in Module(PROGRAMS / "interface.wasm").imports}
    # wasi-libc has dropped the one function that no engine implements
    assert set(preview1.ROWS) - set(declared) == {"proc_raise"}
    assert {name: preview1.ROWS[name].type for name in declared} == declared
    assert len(preview1.ROWS) == 46


@pytest.mark.parametrize("prefix", NUMBERS)
def test_numbers_are_those_of_the_header(header: dict[str, int], prefix: str) -> None:
    theirs = {
        name.removeprefix(prefix + "_"): value
        for name, value in header.items()
        if name.startswith(prefix + "_")
    }
    mine = {str(member.name): int(member) for member in NUMBERS[prefix]}
    if prefix == "ERRNO":
        mine = {name.removeprefix("E"): value for name, value in mine.items()}
    if prefix == "CLOCKID":
        theirs = {name.removesuffix("_ID"): value for name, value in theirs.items()}
    assert mine == theirs


@pytest.mark.parametrize("record", LAYOUTS)
def test_layouts_are_those_of_the_header(header: dict[str, int], record: str) -> None:
    layout, fields = LAYOUTS[record]
    assert layout.size == header[f"sizeof({record})"]
    empty = layout.unpack(bytes(layout.size))
    for number, field in enumerate(fields):
        values = list(empty)
        values[number] = 1
        assert layout.pack(*values).index(1) == header[f"{record}.{field}"], field


def test_the_older_snapshot_has_the_functions_that_existed() -> None:
    assert set(preview1.ROWS) - set(preview1.functions(preview1.UNSTABLE)) == {"sock_accept"}


def refusals() -> dict[str, tuple[str, Callable[..., None]]]:
    def right(_: Context, fd: int) -> None: ...
    def wrong(_: Context, descriptor: int) -> None: ...

    return {
        "no function fd_shut": ("fd_shut", right),
        "fd_close is bound twice": ("fd_close", right),
        "parameters differ": ("fd_close", wrong),
    }


@pytest.mark.parametrize("message", refusals())
def test_binding_a_handler_is_checked(message: str) -> None:
    name, function = refusals()[message]
    snapshot = preview1.UNSTABLE if message == "parameters differ" else preview1.SNAPSHOT
    with pytest.raises(InternalError, match=message):
        preview1.handler(name, snapshot=snapshot)(function)


def test_every_row_has_a_handler() -> None:
    for snapshot in (preview1.SNAPSHOT, preview1.UNSTABLE):
        assert list(preview1.functions(snapshot)) == preview1.names_of(snapshot)


def test_a_row_without_handler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    row = preview1.Row("fd_new", ("fd",), ("fd",))
    monkeypatch.setitem(preview1.ROWS, "fd_new", row)
    with pytest.raises(InternalError, match="without handler: fd_new"):
        preview1.functions(preview1.SNAPSHOT)
