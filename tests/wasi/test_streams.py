"""Standard streams of every kind: descriptors, files, functions, bytes; broken and closed ones."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pty
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from wasmine import Module, wasi
from wasmine.wasi import Errno
from wasmine.wasi.abi import ErrnoError, FdFlags, FileType, Rights, Whence, errno_of
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.streams import Sink, Source, input_stream, output_stream

from .guest import Guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = Path(__file__).parent / "programs"


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


class TestWithoutWaiting:
    """What a program that has made a stream non-blocking gets; the host's open file stays as it is."""

    @staticmethod
    def guest(stdin: Source = b"", stdout: Sink = None) -> Guest:
        guest = Guest(stdin, stdout=stdout)
        for fd in (0, 1):
            guest.ask("fd_fdstat_set_flags", fd, FdFlags.NONBLOCK)
        return guest

    def test_a_pipe(self, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
        source, sink = (file.fileno() for file in pipe)
        guest = self.guest(source, sink)
        assert guest.errno("fd_read", 0, 10) is Errno.EAGAIN
        assert guest.ask("fd_write", 1, b"hello") == 5
        assert guest.read(0) == b"hello"
        total = 0
        while guest.errno("fd_write", 1, bytes(10_000)) is Errno.SUCCESS:
            total += 1
            assert total < 1000
        assert guest.errno("fd_write", 1, b"x") is Errno.EAGAIN
        assert guest.read(0, 60_000) == bytes(60_000)
        assert guest.ask("fd_write", 1, b"x") == 1
        assert os.get_blocking(source)
        assert os.get_blocking(sink)
        pipe[0].close()
        assert guest.errno("fd_write", 1, b"x") is Errno.EPIPE

    def test_the_end(self, pipe: tuple[IO[bytes], IO[bytes]]) -> None:
        guest = self.guest(pipe[0].fileno())
        pipe[1].close()
        assert guest.read(0) == b""

    def test_a_fifo_and_a_terminal(self, tmp_path: Path) -> None:
        """Of these the kernel has no call that does not wait."""
        os.mkfifo(tmp_path / "fifo")
        fifo = os.open(tmp_path / "fifo", os.O_RDWR)
        terminal, other_end = pty.openpty()
        for reading, writing in ((fifo, fifo), (other_end, other_end)):
            guest = self.guest(reading, writing)
            assert guest.errno("fd_read", 0, 10) is Errno.EAGAIN
            assert guest.ask("fd_write", 1, b"line\n") == 5
        assert os.read(terminal, 100) == b"line\r\n"
        os.write(terminal, b"typed\n")
        assert self.guest(other_end).read(0) == b"typed\n"
        guest = self.guest(fifo, fifo)
        assert guest.read(0) == b"line\n"
        guest.put_iovs(0, (100, 3000), (100, 3000))
        assert guest.call("fd_write", 1, 0, 2, 50) is Errno.SUCCESS
        assert guest.u32(50) == 4096  # so much finds room in any pipe that can be written
        while guest.errno("fd_write", 1, bytes(4096)) is Errno.SUCCESS:
            continue
        assert guest.errno("fd_write", 1, b"x") is Errno.EAGAIN
        for host in (fifo, terminal, other_end):
            assert os.get_blocking(host)
            os.close(host)

    def test_a_file_never_waits(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        with open(tmp_path / "file", "rb") as file:
            assert self.guest(file.fileno()).read(0) == b"content"

    def test_a_program(self) -> None:
        reading, writing = os.pipe()

        def output(data: bytes) -> None:
            lines.append(data)
            if data.startswith(b"read: -1"):
                os.write(writing, b"hello")

        lines: list[bytes] = []
        environment = wasi.Environment(["waiting", "try"], stdin=reading, stdout=output)
        environment.start(environment.instantiate(Module(PROGRAMS / "waiting.wasm")))
        assert b"".join(lines) == (
            b"waiting\nset: 0 \nread: -1 Resource temporarily unavailable\npoll: 1 \n"
            b"available: 5 \nread: 5 \nterminal: 0 \n"
        )
        for end in (reading, writing):
            os.close(end)


def test_waiting_although_others_have_made_the_file_non_blocking(
    pipe: tuple[IO[bytes], IO[bytes]],
) -> None:
    source, sink = (file.fileno() for file in pipe)
    guest = Guest(source, stdout=sink)
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    timer = threading.Timer(0.05, os.write, (sink, b"late"))
    timer.start()
    assert guest.read(0) == b"late"
    timer.join()
    with contextlib.suppress(BlockingIOError):
        while os.write(sink, bytes(65536)):
            continue
    timer = threading.Timer(0.05, os.read, (source, 1 << 20))
    timer.start()
    assert guest.ask("fd_write", 1, b"x") == 1
    timer.join()


def test_short_reads_and_writes(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = (file.fileno() for file in pipe)
    os.write(sink, b"some")
    assert Guest(source).read(0, 60_000) == b"some"
    os.set_blocking(sink, False)
    guest = Guest(source, stdout=sink)
    guest.memory.extend(bytes(1 << 20))
    guest.put_iovs(0, (0, 1 << 20))
    assert guest.call("fd_write", 1, 0, 1, 50) is Errno.SUCCESS
    assert guest.u32(50) == 65536


def test_input_that_is_a_file_can_be_sought(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"0123456789")
    memory = io.BytesIO(b"0123456789")
    with open(path, "rb") as file, open(path, "rb", buffering=0) as raw:
        host = os.open(path, os.O_RDONLY)
        positions: dict[Any, Callable[[], int]] = {
            host: lambda: os.lseek(host, 0, os.SEEK_CUR),
            file: file.tell,
            raw: raw.tell,
            memory: memory.tell,
        }
        for source, position in positions.items():
            guest = Guest(source)
            kind, _, rights, _ = guest.ask("fd_fdstat_get", 0)
            assert kind == (FileType.UNKNOWN if source is memory else FileType.REGULAR_FILE)
            assert {Rights.FD_SEEK, Rights.FD_TELL} <= set(Rights(rights))
            assert guest.read(0, 3) == b"012"
            assert guest.ask("fd_tell", 0) == position() == 3
            assert guest.ask("fd_seek", 0, -2, Whence.END) == 8
            assert guest.read(0) == b"89"
            assert guest.ask("fd_seek", 0, 1, Whence.SET) == position() == 1
            assert guest.errno("fd_seek", 0, -5, Whence.SET) is Errno.EINVAL
            if source is not memory:
                assert guest.fd_status(0).size == 10
        assert Guest(host).ask("fd_pread", 0, 2, 4) == b"45"
        assert Guest(host).errno("fd_pread", 0, 2, 1 << 63) is Errno.EINVAL
        os.close(host)
        raw.seek(0)
        result = wasi.run(PROGRAMS / "waiting.wasm", ["waiting", "seek"], stdin=raw)
    assert result.stdout == b"waiting\nread: 4 \ntell: 4 \nseek: 7 \nread: 3 \nseek: 2 \n"


def test_what_cannot_be_sought(pipe: tuple[IO[bytes], IO[bytes]], tmp_path: Path) -> None:
    sources: list[Source] = [
        b"bytes",
        io.StringIO("text"),
        pipe[0],
        pipe[0].fileno(),
        lambda _: b"",
    ]
    for source in sources:
        guest = Guest(source)
        assert guest.errno("fd_seek", 0, 0, 0) is Errno.ESPIPE
        assert guest.errno("fd_pread", 0, 1, 0) is Errno.ESPIPE
        assert not guest.ask("fd_fdstat_get", 0)[2] & (Rights.FD_SEEK | Rights.FD_TELL)
    with open(tmp_path / "output", "wb") as file:
        # What others have written there before is not the program's.
        assert Guest(stdout=file).errno("fd_seek", 1, 0, 0) is Errno.ESPIPE


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_programs_take_for_a_terminal() -> None:
    """wasi-libc's isatty: a character device that cannot be sought."""

    def is_terminal(guest: Guest, fd: int) -> bool:
        kind, _, rights, _ = guest.ask("fd_fdstat_get", fd)
        position = rights & (Rights.FD_SEEK | Rights.FD_TELL)
        return kind == FileType.CHARACTER_DEVICE and not position

    terminal, other_end = pty.openpty()
    with open(other_end, "rb", buffering=0) as file:
        for end in (other_end, file, Terminal()):
            assert is_terminal(Guest(end), 0)
        for target in (other_end, Terminal()):
            assert is_terminal(Guest(stdout=target), 1)
    os.close(terminal)
    with open("/dev/null", "r+b", buffering=0) as null:
        guest = Guest(null.fileno(), stdout=null.fileno())
        assert guest.ask("fd_seek", 1, 0, 0) == 0
        assert not is_terminal(guest, 0)
        assert not is_terminal(guest, 1)
    assert not is_terminal(Guest(b""), 0)


def test_input_from_functions_and_iterables() -> None:
    asked: list[int] = []

    def source(size: int) -> bytes | str | None:
        asked.append(size)
        return (b"more than asked for", None, "ü", b"")[len(asked) - 1]

    guest = Guest(source)
    assert guest.read(0, 9) == b"more than"
    assert guest.read(0, 100) == b" asked for"
    assert guest.errno("fd_read", 0, 7) is Errno.EAGAIN
    assert guest.read(0, 50) == "ü".encode()
    assert guest.read(0, 50) == b""
    assert asked == [9, 7, 50, 50]
    iterables: list[Source] = [["a", b"", b"bc"], iter((b"a", "", "bc")), (x for x in ("a", b"bc"))]
    for iterable in iterables:
        guest = Guest(iterable)
        assert [guest.read(0) for _ in range(4)] == [b"a", b"bc", b"", b""]
    assert (
        wasi.run(PROGRAMS / "echo.wasm", stdin=(f"{n}\n" for n in range(3))).stdout == b"0\n1\n2\n"
    )
    wrong: Any = [1]
    with pytest.raises(TypeError, match="stdin: expected bytes or text, got int"):
        Guest(wrong).read(0)


def test_the_process_s_own_input_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(reading) as own:
        monkeypatch.setattr(sys, "stdin", own)
        stream = input_stream(own)
        assert stream is not None
        assert stream.host_descriptor() == reading
    os.close(writing)
