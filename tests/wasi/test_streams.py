"""Standard streams of every kind: descriptors, files, functions, bytes; broken and closed ones."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pty
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from wasmine.wasi import Errno
from wasmine.wasi.abi import ErrnoError, FileType, errno_of
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.streams import Sink, Source, input_stream, output_stream

if TYPE_CHECKING:
    from collections.abc import Iterator


def write(sink: Sink, *pieces: bytes) -> Errno:
    """Writes the pieces in one call, as a program would see the outcome."""
    stream = output_stream("stdout", sink)
    assert stream is not None
    return write_to(stream, *pieces)


def write_to(stream: Descriptor, *pieces: bytes) -> Errno:
    try:
        count = stream.write([memoryview(piece) for piece in pieces])
    except ErrnoError as error:
        return error.errno
    except OSError as error:
        return errno_of(error)
    assert count == sum(map(len, pieces))
    return Errno.SUCCESS


class Reading:
    """A source read as a program does it, into two buffers at a time."""

    def __init__(self, source: Source) -> None:
        stream = input_stream(source)
        assert stream is not None
        self.stream = stream

    def read(self, length: int) -> bytes:
        data = bytearray(length)
        view = memoryview(data)
        count = self.stream.read([view[: length // 2], view[length // 2 :]])
        return bytes(data[:count])


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with open(reading, "rb") as source, contextlib.suppress(OSError), open(writing, "wb") as sink:
        yield source, sink


class Unbuffered:
    """A file of which only `write` is known, and which takes a little at a time."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data[:3]
        return len(data[:3])


def test_output_to_files_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "output"
    text = "grüße, ".encode() + b"\xff.\n"
    binary = io.BytesIO()
    string = io.StringIO()
    wrapper = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    wrapper.write("ü")
    little = Unbuffered()
    pieces: list[bytes] = []
    sinks: list[Sink] = [binary, string, wrapper, little, pieces.append]
    for sink in sinks:
        assert write(sink, text) is Errno.SUCCESS
    assert binary.getvalue() == text
    assert string.getvalue() == text.decode(errors="replace")
    assert wrapper.buffer.getvalue() == b"\xfc" + text
    assert little.data == text
    assert pieces == [text]
    with open(path, "wb") as file:
        file.write(b"before ")
        assert write(file, text) is Errno.SUCCESS
        assert path.read_bytes() == b"before " + text
        assert write(file.fileno(), b"more") is Errno.SUCCESS
        file.write(b" after")
    assert path.read_bytes() == b"before " + text + b"more after"
    with open(path, "w", encoding="latin-1") as text_file:
        text_file.write("ü")
        assert write(text_file, b"more") is Errno.SUCCESS
    assert path.read_bytes() == b"\xfcmore"


def test_a_file_that_transforms_is_not_gone_around(tmp_path: Path) -> None:
    path = tmp_path / "output.gz"
    with gzip.open(path, "wb") as file:
        assert write(file, b"compress me") is Errno.SUCCESS
    assert gzip.decompress(path.read_bytes()) == b"compress me"
    with gzip.open(path, "rb") as file:
        assert Reading(file).read(100) == b"compress me"


def test_characters_may_be_cut_anywhere() -> None:
    sink = io.StringIO()
    stream = output_stream("stdout", sink)
    assert stream is not None
    for byte in "a€ü".encode():
        assert write_to(stream, bytes([byte])) is Errno.SUCCESS
    assert sink.getvalue() == "a€ü"


def test_input_from_files_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"line 1\nline 2\n")
    data = path.read_bytes()
    with open(path, "rb") as binary, open(path) as text, open(path, "rb", 0) as raw:
        sources: list[Source] = [
            data, bytearray(data), memoryview(data), data.decode(), io.BytesIO(data), binary, text, raw,
        ]  # fmt: skip
        for source in sources:
            reading = Reading(source)
            assert reading.read(3) == b"lin"
            assert reading.read(100) == b"e 1\nline 2\n"
            assert reading.read(100) == b""
        descriptor = os.open(path, os.O_RDONLY)
        assert Reading(descriptor).read(100) == data
        os.close(descriptor)


def test_text_input_comes_by_lines_and_in_utf_8() -> None:
    reading = Reading(io.StringIO("ü1\nü2\n"))
    assert reading.read(1) == b"\xc3"
    assert reading.read(100) == b"\xbc"
    assert reading.read(100) == b"1\n"
    assert reading.read(100) == "ü2\n".encode()
    assert reading.read(100) == b""


def test_input_does_not_wait_for_more_than_there_is(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    reading = Reading(source)
    sink.write(b"a line\n")
    sink.flush()
    assert reading.read(100) == b"a line\n"
    sink.close()
    assert reading.read(100) == b""


def test_a_broken_pipe_is_the_program_s_to_handle(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    source.close()
    for target in (sink, sink.fileno()):
        assert write(target, b"into the void") is Errno.EPIPE
        assert write(target, b"again") is Errno.EPIPE


def test_closed_files(tmp_path: Path) -> None:
    files: list[IO[bytes]] = [open(tmp_path / "file", "wb"), io.BytesIO()]  # noqa: SIM115
    for file in files:
        stream = output_stream("stdout", file)
        assert stream is not None
        file.close()
        assert write_to(stream, b"x") is Errno.EBADF
        assert write(file, b"x") is Errno.EBADF
    source = io.BytesIO(b"x")
    reading = Reading(source)
    source.close()
    with pytest.raises(ErrnoError) as caught:
        reading.read(1)
    assert caught.value.errno is Errno.EBADF


def test_files_open_the_other_way(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open(path, "wb") as writable:
        reading = Reading(writable)
        with pytest.raises(OSError, match="read") as caught:
            reading.read(1)
        assert errno_of(caught.value) is Errno.EBADF
    with open(path, "rb") as readable:
        assert write(readable, b"x") is Errno.EBADF


def test_a_full_device_is_reported() -> None:
    with open("/dev/full", "wb") as file:
        assert write(file, b"x") is Errno.ENOSPC


def test_the_process_s_own_streams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.stdout.write("host\n")
    stream = output_stream("stdout", None)
    assert stream is not None
    assert stream.write([memoryview(b"guest\n")]) == 6
    sys.stdout.write("host\n")
    assert capsys.readouterr().out == "host\nguest\nhost\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    source = input_stream(None)
    assert source is not None
    buffer = bytearray(10)
    assert source.read([memoryview(buffer)]) == 6
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    assert input_stream(None) is None
    assert output_stream("stdout", None) is None


def test_lines_are_joined_and_large_writes_are_not() -> None:
    sizes: list[int] = []
    assert write(lambda data: sizes.append(len(data)), b"a" * 100, b"b" * 100) is Errno.SUCCESS
    assert write(lambda data: sizes.append(len(data)), b"a" * 60000, b"b" * 60000) is Errno.SUCCESS
    assert sizes == [200, 60000, 60000]


def test_what_a_stream_is(tmp_path: Path) -> None:
    terminal, other_end = pty.openpty()
    reading, writing = os.pipe()
    with open(tmp_path / "file", "wb") as file, open("/dev/null", "wb") as null:
        kinds: dict[FileType, list[Sink]] = {
            FileType.CHARACTER_DEVICE: [terminal, null],
            FileType.REGULAR_FILE: [file, file.fileno()],
            FileType.UNKNOWN: [writing, io.BytesIO()],
        }
        for kind, sinks in kinds.items():
            for sink in sinks:
                stream = output_stream("stdout", sink)
                assert stream is not None
                assert stream.type is kind
    for descriptor in (terminal, other_end, reading, writing):
        os.close(descriptor)
