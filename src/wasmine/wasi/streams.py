"""Standard input and output: host descriptors, bytes, Python files of either kind, or functions.

`input_stream` and `output_stream` choose. A stream cannot be sought, and closing the guest's number
leaves what the host handed in open.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from wasmine.wasi.abi import Errno, ErrnoError, Rights
from wasmine.wasi.descriptors import Descriptor, file_type, host_status
from wasmine.wasi.filesystem import Status


class Readable(Protocol):
    """A Python file open for reading, binary or text."""

    def read(self, size: int, /) -> bytes | str | None: ...


class BinaryWritable(Protocol):
    """A Python file open for writing bytes."""

    def write(self, data: bytes, /) -> int | None: ...


class TextWritable(Protocol):
    """A Python file open for writing text."""

    def write(self, data: str, /) -> int | None: ...


Source: TypeAlias = int | bytes | bytearray | memoryview | str | Readable | None
Sink: TypeAlias = int | BinaryWritable | TextWritable | Callable[[bytes], object] | None

# Buffers of one call are joined up to this many bytes, so that a line stays one write.
_JOIN_LIMIT: Final = 1 << 16
# Files that are Python objects are read in pieces of at most this many bytes: a guest may ask for
# more than it will get.
_READ_LIMIT: Final = 1 << 20

_COMMON: Final = Rights.FD_FILESTAT_GET | Rights.FD_FDSTAT_SET_FLAGS | Rights.POLL_FD_READWRITE
INPUT_RIGHTS: Final = Rights.FD_READ | _COMMON
OUTPUT_RIGHTS: Final = Rights.FD_WRITE | _COMMON

_PLAIN_BUFFERS: Final = (io.BufferedReader, io.BufferedWriter)


class _HostStream(Descriptor):
    """A descriptor of the host. `file` is the Python file it came from, if any.

    The file is kept, for its descriptor's number would be another's once it is closed.
    """

    def __init__(self, host: int, file: io.IOBase | None = None) -> None:
        super().__init__()
        self._host = host
        self._file = file
        self.type = file_type(os.fstat(host).st_mode)

    def host_descriptor(self) -> int:
        if self._file is not None and self._file.closed:
            raise ErrnoError(Errno.EBADF)
        return self._host

    def status(self) -> Status:
        """The host's device and inode numbers are not the program's business."""
        return host_status(os.fstat(self.host_descriptor()))._replace(device=0, inode=0, links=1)


class _HostInput(_HostStream):
    """Read straight into guest memory."""

    ability = INPUT_RIGHTS

    def read(self, buffers: Sequence[memoryview]) -> int:
        host = self.host_descriptor()
        return os.readv(host, buffers) if buffers else 0


class _HostOutput(_HostStream):
    """Written straight from guest memory, after what the Python file still holds."""

    ability = OUTPUT_RIGHTS

    def write(self, buffers: Sequence[memoryview]) -> int:
        host = self.host_descriptor()
        if self._file is not None:
            self._file.flush()
        return os.writev(host, buffers) if buffers else 0


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
        count = 0
        for buffer in buffers:
            piece = data[count : count + len(buffer)]
            buffer[: len(piece)] = piece
            count += len(piece)
        self._rest = data[count:]
        return count


class _ObjectOutput(Descriptor):
    """A function that is given the bytes."""

    ability = OUTPUT_RIGHTS

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        super().__init__()
        self._sink = sink

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
    if source is None:
        if sys.stdin is None:
            return None
        host = _plain_descriptor(sys.stdin)
        return _HostInput(*host) if host else _ObjectInput(_reader(sys.stdin))
    if isinstance(source, str):
        source = source.encode()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _ObjectInput(io.BytesIO(source).read)
    if isinstance(source, int):
        return _HostInput(source)
    if hasattr(source, "read"):
        return _ObjectInput(_reader(source))
    raise TypeError(f"stdin: expected bytes, a file or a descriptor, got {_kind(source)}")


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
        return _HostOutput(sink)
    host = _plain_descriptor(sink)
    if host:
        return _HostOutput(*host)
    if hasattr(sink, "write"):
        return _ObjectOutput(_writer(sink))
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


def _reader(file: object) -> Callable[[int], bytes]:
    """Reads from a Python file what is there, waiting only when nothing is."""
    binary: Any = getattr(file, "buffer", file)
    # read1 and readline return what there is; read would wait until all that was asked for came.
    text = isinstance(binary, io.TextIOBase)
    read = getattr(binary, "readline" if text else "read1", binary.read)

    def source(size: int) -> bytes:
        _check_open(binary)
        data = read(size)
        if data is None:
            raise ErrnoError(Errno.EAGAIN)
        return data.encode(errors="surrogateescape") if isinstance(data, str) else bytes(data)

    return source


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
