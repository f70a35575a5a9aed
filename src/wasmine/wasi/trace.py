"""Tells of the WASI calls of a program, a line each, by the names that the rows give:

path_open(fd=3, dirflags=SYMLINK_FOLLOW, path="a.txt", oflags=0, ...) = SUCCESS, opened_fd=4
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import Any, Final, Protocol

from wasmine.wasi.abi import (
    ClockId,
    Errno,
    FdFlags,
    FileType,
    FstFlags,
    LookupFlags,
    OFlags,
    RiFlags,
    Rights,
    SdFlags,
    Whence,
)
from wasmine.wasi.preview1 import Row, Trace
from wasmine.wasi.process import WasiExit

# So many bytes of what a program writes are shown, and so many names of flags.
_MOST_BYTES: Final = 32
_MOST_NAMES: Final = 4


class LineWriter(Protocol):
    """A text file, as far as a tracer needs one."""

    def write(self, text: str, /) -> object: ...


def tracer(sink: LineWriter | Callable[[str], object]) -> Trace:
    """Writes lines to a text file, or gives them to a function, without their ends."""
    put: Callable[[str], object] = sink if callable(sink) else lambda line: sink.write(line + "\n")

    def trace(
        row: Row, values: Sequence[Any], ending: Errno | BaseException, returned: Any
    ) -> None:
        put(f"{row.name}({_arguments(row, values)}) = {_ending(row, ending, returned)}")

    return trace


def _arguments(row: Row, values: Sequence[Any]) -> str:
    if len(values) != len(row.parameters):  # they could not be read: what the program passed
        return ", ".join(f"{value:#x}" for value in values)
    pairs = zip(row.parameters, row.kinds, values, strict=True)
    return ", ".join(f"{name}={_shown(kind, value)}" for name, kind, value in pairs)


def _ending(row: Row, ending: Errno | BaseException, returned: Any) -> str:
    if isinstance(ending, WasiExit):
        return f"exit code {ending.code}"
    if not isinstance(ending, Errno):
        return f"{type(ending).__name__}: {ending}"
    if ending or not row.results:
        return ending.name
    results = (returned,) if len(row.results) == 1 else returned
    triples = zip(row.results, row.result_kinds, results, strict=True)
    return ", ".join(
        [ending.name, *(f"{name}={_shown(kind, value)}" for name, kind, value in triples)]
    )


def _shown(kind: str, value: Any) -> str:
    return _SHOWN.get(kind, str)(value)


def _names(numbers: type[IntEnum]) -> Callable[[int], str]:
    known = {member.value: member.name for member in numbers}
    return lambda value: known.get(value, str(value))


def _flags(flags: type[IntFlag]) -> Callable[[int], str]:
    """Flags by name; as a number where there are many, or some that have no name."""
    known = {int(flag): str(flag.name) for flag in flags}

    def show(value: int) -> str:
        names = [name for flag, name in known.items() if value & flag]
        nameless = value & ~sum(known)
        return (
            "|".join(names) if names and not nameless and len(names) <= _MOST_NAMES else hex(value)
        )

    return show


def _quoted(data: bytes) -> str:
    text = data.decode(errors="backslashreplace")
    escaped = (c if c.isprintable() else ascii(c)[1:-1] for c in text.replace('"', '\\"'))
    return f'"{"".join(escaped)}"'


def _data(buffers: Sequence[memoryview]) -> str:
    """The begin of what a program writes, and how much it is."""
    total = sum(map(len, buffers))
    begin = b""
    for buffer in buffers:
        begin += buffer[: _MOST_BYTES - len(begin)]
    return _quoted(begin) if len(begin) == total else f"{_quoted(begin)}... ({total} bytes)"


def _record(shown: Mapping[str, Callable[[int], str]]) -> Callable[[Sequence[int]], str]:
    def show(fields: Sequence[int]) -> str:
        pairs = zip(shown.items(), fields, strict=True)
        return f"{{{', '.join(f'{name}={show(value)}' for (name, show), value in pairs)}}}"

    return show


_FILE_TYPE: Final = _names(FileType)
_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "ptr": hex,
    "rights": _flags(Rights),
    "clock": _names(ClockId),
    "whence": _names(Whence),
    "lookupflags": _flags(LookupFlags),
    "oflags": _flags(OFlags),
    "fdflags": _flags(FdFlags),
    "fstflags": _flags(FstFlags),
    "riflags": _flags(RiFlags),
    "sdflags": _flags(SdFlags),
    "path": _quoted,
    "buffer": lambda view: f"{len(view)} bytes",
    "iovs": lambda views: f"[{', '.join(str(len(view)) for view in views)}] bytes",
    "ciovs": _data,
    "fdstat": _record(
        {
            "type": _FILE_TYPE,
            "flags": _flags(FdFlags),
            "rights": _flags(Rights),
            "inheriting": _flags(Rights),
        }
    ),
    "filestat": _record(
        {
            "device": str,
            "inode": str,
            "type": _FILE_TYPE,
            "links": str,
            "size": str,
            "accessed": str,
            "modified": str,
            "changed": str,
        }
    ),
    "prestat": _record({"type": lambda _: "DIR", "length": str}),
}
"""How values of a kind are shown; as numbers where nothing is said."""
