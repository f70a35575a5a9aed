"""Standard input and output: host descriptors, bytes, Python files of either kind, or functions.

`input_stream` and `output_stream` choose. Only input that is a file can be sought, and closing the
guest's number leaves what the host handed in open.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeAlias

from wasmine.wasi.abi import Errno, ErrnoError, FileType
from wasmine.wasi.descriptors import Descriptor, host_status
from wasmine.wasi.filesystem import Status
from wasmine.wasi.hoststreams import (
    INPUT_RIGHTS,
    OUTPUT_RIGHTS,
    POSITION_RIGHTS,
    HostInput,
    HostOutput,
)


class Readable(Protocol):
    """A Python file open for reading, binary or text."""

    def read(self, size: int, /) -> bytes | str | None: ...


class BinaryWritable(Protocol):
    """A Python file open for writing bytes."""

    def write(self, data: bytes, /) -> int | None: ...


class TextWritable(Protocol):
    """A Python file open for writing text."""

    def write(self, data: str, /) -> int | None: ...


Source: TypeAlias = (
    int
    | bytes
    | bytearray
    | memoryview
    | str
    | Readable
    | Callable[[int], bytes | str | None]
    | Iterable[bytes | str]
    | None
)
Sink: TypeAlias = int | BinaryWritable | TextWritable | Callable[[bytes], object] | None

# Buffers of one call are joined up to this many bytes, so that a line stays one write.
_JOIN_LIMIT: Final = 1 << 16
# Files that are Python objects are read in pieces of at most this many bytes: a guest may ask for
# more than it will get.
_READ_LIMIT: Final = 1 << 20

_PLAIN_BUFFERS: Final = (io.BufferedReader, io.BufferedWriter)


class _BytesInput(Descriptor):
    """Bytes that are all there."""

    ability = INPUT_RIGHTS

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data = data

    def read(self, buffers: Sequence[memoryview]) -> int:
        count = _distribute(self._data, buffers)
        self._data = self._data[count:]
        return count

    def available(self) -> int:
        return len(self._data)


class _ObjectInput(Descriptor):
    """Bytes from a function, which is asked for at most so many and returns none at the end."""

    ability = INPUT_RIGHTS

    def __init__(self, source: Callable[[int], bytes]) -> None:
        super().__init__()
        self._source = source
        self._rest = b""

    def read(self, buffers: Sequence[memoryview]) -> int:
        wanted = min(sum(map(len, buffers)), _READ_LIMIT)
        if not wanted:
            return 0
        data = self._rest or self._source(wanted)
        count = _distribute(memoryview(data), buffers)
        self._rest = data[count:]
        return count


class _FileInput(_ObjectInput):
    """A Python file. One that can be sought has one position for the program and for the host."""

    def __init__(self, file: object) -> None:
        binary: Any = getattr(file, "buffer", file)
        self._binary = binary
        self._status = _status(binary)
        self.type = self._status.type
        can_seek = getattr(binary, "seekable", None)
        if not isinstance(binary, io.TextIOBase) and can_seek and can_seek():
            self.ability |= POSITION_RIGHTS
        super().__init__(_reader(binary))

    def seek(self, offset: int, whence: int) -> int:
        if not self.ability & POSITION_RIGHTS:
            raise ErrnoError(self.no_position)
        _check_open(self._binary)
        try:
            return int(self._binary.seek(offset, whence))
        except ValueError:  # to before the begin
            raise ErrnoError(Errno.EINVAL) from None

    def status(self) -> Status:
        return self._status


def _distribute(data: memoryview, buffers: Sequence[memoryview]) -> int:
    """Copies as much as there is room for; the number of bytes."""
    count = 0
    for buffer in buffers:
        piece = data[count : count + len(buffer)]
        buffer[: len(piece)] = piece
        count += len(piece)
    return count


def _status(file: Any) -> Status:
    """What a program is told of a Python file: its type, and the size of one of the host."""
    plain = _plain_descriptor(file)
    if plain is not None:
        return host_status(os.fstat(plain[0]))._replace(device=0, inode=0, links=1)
    is_terminal = getattr(file, "isatty", None)
    terminal = is_terminal is not None and not getattr(file, "closed", False) and is_terminal()
    kind = FileType.CHARACTER_DEVICE if terminal else FileType.UNKNOWN
    return Status(0, 0, kind, 0, 0, 0, 0, 0)


class _ObjectOutput(Descriptor):
    """A function that is given the bytes."""

    ability = OUTPUT_RIGHTS

    def __init__(self, sink: Callable[[bytes], object], file: object = None) -> None:
        super().__init__()
        self._sink = sink
        self.type = _status(file).type

    def write(self, buffers: Sequence[memoryview]) -> int:
        total = sum(map(len, buffers))
        if total <= _JOIN_LIMIT:
            self._sink(b"".join(buffers))
        else:
            for buffer in buffers:
                self._sink(bytes(buffer))
        return total


def input_stream(source: Source) -> Descriptor | None:
    """A descriptor that reads `source`; None means the process's own standard input.

    What Python has read ahead of its own standard input is not seen, as in `subprocess`. The result
    is None where the process has none. Raises TypeError for what cannot be read, OSError for a
    descriptor that is not open.
    """
    if source is None or source is sys.stdin:
        return _own_input()
    if isinstance(source, str):
        source = source.encode()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _BytesInput(memoryview(source).cast("B"))
    if isinstance(source, int):
        return HostInput(source)
    return _object_input(source)


def _own_input() -> Descriptor | None:
    if sys.stdin is None:
        return None
    host = _plain_descriptor(sys.stdin)
    return HostInput(*host) if host else _FileInput(sys.stdin)


def _object_input(source: object) -> Descriptor:
    if type(source) is io.FileIO and not source.closed:
        return HostInput(source.fileno(), source)
    if hasattr(source, "read"):
        return _FileInput(source)
    if callable(source):
        return _ObjectInput(_asking(source))
    if isinstance(source, Iterable):
        return _ObjectInput(_taking(iter(source)))
    raise TypeError(
        "stdin: expected bytes, a file, a descriptor, a function or an iterable,"
        f" got {_kind(source)}"
    )


def output_stream(name: str, sink: Sink) -> Descriptor | None:
    """A descriptor that writes to `sink`; None means the process's own stream of this name.

    The result is None where the process has none. Raises TypeError for what cannot be written,
    OSError for a descriptor that is not open.
    """
    if sink is None:
        sink = sys.stdout if name == "stdout" else sys.stderr
        if sink is None:
            return None
    if isinstance(sink, int):
        return HostOutput(sink)
    host = _plain_descriptor(sink)
    if host:
        return HostOutput(*host)
    if hasattr(sink, "write"):
        return _ObjectOutput(_writer(sink), sink)
    if callable(sink):
        return _ObjectOutput(sink)
    raise TypeError(f"{name}: expected a file, a function or a descriptor, got {_kind(sink)}")


def _kind(value: object) -> str:
    return type(value).__name__


def _plain_descriptor(file: object) -> tuple[int, io.IOBase] | None:
    """The descriptor whose bytes are this file's bytes, and the file; None if there is no such.

    A file that transforms its bytes, a gzip file say, has a `fileno` too: only io's own layers are
    known to pass them on as they are.
    """
    if not isinstance(file, io.IOBase) or file.closed:
        return None
    layer: object = file
    if isinstance(layer, io.TextIOWrapper):
        layer = layer.buffer
    if isinstance(layer, _PLAIN_BUFFERS) and type(layer) in _PLAIN_BUFFERS:
        layer = layer.raw
    return (layer.fileno(), file) if type(layer) is io.FileIO else None


def _reader(binary: Any) -> Callable[[int], bytes]:
    """Reads from a Python file what is there, waiting only when nothing is."""
    # read1 and readline return what there is; read would wait until all that was asked for came.
    text = isinstance(binary, io.TextIOBase)
    read = _asking(getattr(binary, "readline" if text else "read1", binary.read))

    def source(size: int) -> bytes:
        _check_open(binary)
        return read(size)

    return source


def _asking(function: Callable[[int], Any]) -> Callable[[int], bytes]:
    """The bytes that a function returns; None means that there are none yet."""

    def source(size: int) -> bytes:
        data = function(size)
        if data is None:
            raise ErrnoError(Errno.EAGAIN)
        return _encoded(data)

    return source


def _taking(pieces: Iterator[Any]) -> Callable[[int], bytes]:
    """The next piece that is not empty, and nothing once there are no more."""
    return lambda _: next(filter(None, map(_encoded, pieces)), b"")


def _encoded(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode(errors="surrogateescape")
    if isinstance(data, int):  # bytes() would take it for a length
        raise TypeError("stdin: expected bytes or text, got int")
    return bytes(data)


def _writer(file: object) -> Callable[[bytes], object]:
    """Writes to a Python file at once, as text in UTF-8 where it takes only text."""
    binary: Any = getattr(file, "buffer", file)
    is_text = isinstance(binary, io.TextIOBase) or getattr(binary, "encoding", None) is not None
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    # A text file in front of a binary one holds text of its own, which was written before.
    flush_before = getattr(file, "flush", _nothing) if binary is not file else _nothing
    flush_after = getattr(binary, "flush", _nothing)

    def sink(data: bytes) -> None:
        _check_open(binary)
        flush_before()
        _write_all(binary.write, decode(data) if is_text else data)
        flush_after()

    return sink


def _nothing() -> None:
    """In place of a method that a file does not have."""


def _write_all(write: Callable[[Any], int | None], data: bytes | str) -> None:
    """Files without a buffer may take less than they were given, and say so."""
    while data:
        count = write(data)
        if not isinstance(count, int) or not 0 < count < len(data):
            return
        data = data[count:]


def _check_open(file: object) -> None:
    if getattr(file, "closed", False):
        raise ErrnoError(Errno.EBADF)
