"""A program that is none: WASI functions called from Python, on a memory made of bytes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from wasmine.wasi import Clocks, Errno
from wasmine.wasi.abi import (
    DIRENT,
    FDSTAT,
    FILESTAT,
    IOVEC,
    PRESTAT,
    U32,
    U64,
    ErrnoError,
    FdFlags,
    FileType,
    LookupFlags,
    OFlags,
    Rights,
)
from wasmine.wasi.context import Context
from wasmine.wasi.descriptors import DescriptorTable
from wasmine.wasi.environment import Directories, granted
from wasmine.wasi.filesystem import Entry, Status
from wasmine.wasi.guest import GuestMemory
from wasmine.wasi.hostsockets import host_socket
from wasmine.wasi.preview1 import ROWS, SNAPSHOT, functions, link
from wasmine.wasi.streams import Sink, Source, input_stream, output_stream

SIZE = 65536
ROOT: Final = 3
"""The descriptor of the first directory that is granted."""
ALL: Final = Rights((1 << 30) - 1)

_RESULTS: Final = {
    "size": U32,
    "fd": U32,
    "time": U64,
    "u64": U64,
    "fdstat": FDSTAT,
    "filestat": FILESTAT,
    "prestat": PRESTAT,
}
# Where `ask` begins to put what it passes by address; tests use what is below as they like.
_OWN: Final = 1024


class FakeMemory:
    """One page of bytes that behaves like a linear memory, of the kind that moves when it grows."""

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)

    @property
    def data_size(self) -> int:
        return len(self._bytes)

    def uint8_view(self) -> memoryview:
        return memoryview(self._bytes)

    def extend(self, data: bytes) -> None:
        self._bytes = self._bytes + data

    def read(self, offset: int, length: int, /) -> bytes:
        if offset < 0 or length < 0 or offset + length > len(self):
            raise IndexError
        return bytes(self._bytes[offset : offset + length])

    def write(self, offset: int, data: bytes, /) -> None:
        if offset < 0 or offset + len(data) > len(self):
            raise IndexError
        self[offset : offset + len(data)] = data

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._bytes[part])

    def __setitem__(self, part: slice, data: bytes) -> None:
        memoryview(self._bytes)[part] = data


class Guest:
    """WASI functions, called with integers as a program would (`call`) or with values (`ask`).

    `dirs` are granted as an `Environment` grants them, from descriptor ROOT on; `sockets` come then.
    """

    def __init__(
        self,
        stdin: Source = b"",
        *,
        stdout: Sink = None,
        dirs: Directories | None = None,
        sockets: Sequence[socket.socket] = (),
        arguments: tuple[bytes, ...] = (),
        environment: tuple[bytes, ...] = (),
        clocks: Clocks | None = None,
        random: Callable[[int], bytes] = bytes,
        snapshot: str = SNAPSHOT,
    ) -> None:
        self.memory = FakeMemory(SIZE)
        self.output = bytearray()
        output = output_stream("stdout", self.output.extend if stdout is None else stdout)
        streams = (input_stream(stdin), output, None, *granted(dirs or {}))
        self.descriptors = DescriptorTable([*streams, *map(host_socket, sockets)])
        context = Context(arguments, environment, self.descriptors, clocks or Clocks(), random)
        context.bind(GuestMemory(self.memory))
        self.functions = {
            name: link(row, function, context, snapshot)
            for name, (row, function) in functions(snapshot).items()
        }

    def close(self) -> None:
        self.descriptors.close_all()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, name: str, *arguments: int) -> Errno:
        return Errno(self.functions[name](*arguments))

    def ask(self, name: str, *values: Any) -> Any:
        """What a function returns besides the errno. Raises ErrnoError unless that is SUCCESS.

        Paths and data to be written are bytes. For a buffer to be filled its length is given, and
        returned is what was filled in, else the number or the fields of the record.
        """
        row = ROWS[name]
        arguments: list[int] = []
        end = _OWN
        filled = None
        for kind, value in zip(row.kinds, values, strict=True):
            if kind not in ("path", "buffer", "iovs", "ciovs"):
                arguments.append(int(value))
                continue
            length = value if isinstance(value, int) else len(value)
            start = end + IOVEC.size
            end = start + length
            self._need(end)
            if isinstance(value, int):
                filled = start
            else:
                self.memory.write(start, value)
            if kind.endswith("iovs"):
                self.memory.write(start - IOVEC.size, IOVEC.pack(start, length))
                arguments += (start - IOVEC.size, 1)
            else:
                arguments += (start, length)
        layouts = [_RESULTS.get(kind, U32) for kind in row.result_kinds]
        results = end
        self._need(results + sum(layout.size for layout in layouts))
        for layout in layouts:
            arguments.append(end)
            end += layout.size
        errno = self.call(name, *arguments)
        if errno is not Errno.SUCCESS:
            raise ErrnoError(errno)
        if filled is not None:
            size = self.u32(results) if layouts else results - filled
            return self.memory.read(filled, size)
        if not layouts:
            return None
        fields = layouts[0].unpack_from(self.memory.uint8_view(), results)
        return fields[0] if len(fields) == 1 else fields

    def errno(self, name: str, *values: Any) -> Errno:
        """Like `ask`, where only the errno matters."""
        try:
            self.ask(name, *values)
        except ErrnoError as error:
            return error.errno
        return Errno.SUCCESS

    def _need(self, size: int) -> None:
        if size > len(self.memory):
            self.memory.extend(bytes(size - len(self.memory)))

    def open(
        self,
        path: bytes,
        oflags: OFlags | int = 0,
        rights: Rights | int = ALL & ~Rights.FD_WRITE,
        *,
        fd: int = ROOT,
        follow: bool = True,
        inheriting: Rights | int = ALL,
        flags: FdFlags | int = 0,
    ) -> int:
        lookup = LookupFlags.SYMLINK_FOLLOW if follow else 0
        opened: int = self.ask("path_open", fd, lookup, path, oflags, rights, inheriting, flags)
        return opened

    def status(self, path: bytes, *, fd: int = ROOT, follow: bool = False) -> Status:
        device, inode, kind, *rest = self.ask("path_filestat_get", fd, int(follow), path)
        return Status(device, inode, FileType(kind), *rest)

    def fd_status(self, fd: int) -> Status:
        device, inode, kind, *rest = self.ask("fd_filestat_get", fd)
        return Status(device, inode, FileType(kind), *rest)

    def read(self, fd: int, length: int = 4096) -> bytes:
        data: bytes = self.ask("fd_read", fd, length)
        return data

    def list(self, fd: int = ROOT, size: int = 4096) -> Iterator[Entry]:
        """The entries of a directory, "." and ".." among them, asked for with such a buffer."""
        cookie = 0
        while True:
            data = self.ask("fd_readdir", fd, size, cookie)
            for following, entry in whole_entries(data):
                cookie = following
                yield entry
            if len(data) < size:
                return

    def u32(self, address: int) -> int:
        return int.from_bytes(self.memory[address : address + 4], "little")

    def u64(self, address: int) -> int:
        return int.from_bytes(self.memory[address : address + 8], "little")

    def put_iovs(self, address: int, *pairs: tuple[int, int]) -> None:
        for number, (start, length) in enumerate(pairs):
            self.memory.write(address + IOVEC.size * number, IOVEC.pack(start, length))


def whole_entries(data: bytes) -> Sequence[tuple[int, Entry]]:
    """The records of fd_readdir that are there as a whole, each with the cookie of the next."""
    found = []
    at = 0
    while at + DIRENT.size <= len(data):
        cookie, inode, length, kind = DIRENT.unpack_from(data, at)
        at += DIRENT.size + length
        if at <= len(data):
            found.append((cookie, Entry(data[at - length : at], inode, FileType(kind))))
    return found
