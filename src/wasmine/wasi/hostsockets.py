"""Sockets of the host: those that were handed in, and connections that the guest has accepted."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

from wasmine.wasi.abi import Errno, ErrnoError, FdFlags, FileType, RiFlags, Rights
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.hoststreams import bytes_available, is_ready

_CONNECTED: Final = (
    Rights.FD_READ
    | Rights.FD_WRITE
    | Rights.FD_FDSTAT_SET_FLAGS
    | Rights.FD_FILESTAT_GET
    | Rights.POLL_FD_READWRITE
    | Rights.SOCK_SHUTDOWN
)
_TYPES: Final = {
    socket.SOCK_STREAM: FileType.SOCKET_STREAM,
    socket.SOCK_DGRAM: FileType.SOCKET_DGRAM,
}
_SHUTDOWN: Final = {1: socket.SHUT_RD, 2: socket.SHUT_WR, 3: socket.SHUT_RDWR}


class HostSocket(Descriptor):
    """A stream or datagram socket, connected, bound or listening.

    The open socket may be shared with others: it is left as blocking as it is. Calls for the guest
    wait or not as the guest wants it, whatever timeout a Python socket has.
    """

    def __init__(self, own: socket.socket) -> None:
        """`own` is closed with the descriptor. Raises ValueError for sockets of other types."""
        self._socket = own
        if own.type not in _TYPES:
            raise ValueError(f"sockets: expected stream or datagram sockets, got {own!r}")
        self.type = _TYPES[socket.SocketKind(own.type)]
        listens = own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        self.ability = _CONNECTED | Rights.SOCK_ACCEPT if listens else _CONNECTED
        super().__init__()
        self._patient = True

    def set_flags(self, flags: FdFlags) -> None:
        super().set_flags(flags)
        self._patient = FdFlags.NONBLOCK not in flags

    def read(self, buffers: Sequence[memoryview]) -> int:
        return self.receive(buffers, RiFlags(0))[0]

    def write(self, buffers: Sequence[memoryview]) -> int:
        return self.send(buffers)

    def receive(self, buffers: Sequence[memoryview], flags: RiFlags) -> tuple[int, bool]:
        """Fills the buffers; the number of bytes, and whether the rest of a datagram was dropped."""
        if not buffers and self.type is FileType.SOCKET_STREAM:
            return 0, False
        bits = socket.MSG_PEEK if RiFlags.RECV_PEEK in flags else 0
        count, truncated = self._receive(buffers, bits)
        if RiFlags.RECV_WAITALL in flags and not bits and self.type is FileType.SOCKET_STREAM:
            while self._patient and (rest := _after(buffers, count)):
                more, _ = self._receive(rest, 0)
                if not more:
                    break
                count += more
        return count, truncated

    def _receive(self, buffers: Sequence[memoryview], bits: int) -> tuple[int, bool]:
        while True:
            try:
                count, _, state, _ = self._socket.recvmsg_into(buffers, 0, bits | self._waiting)
            except BlockingIOError:
                self._wait(to_read=True)
            else:
                return count, bool(state & socket.MSG_TRUNC)

    def send(self, buffers: Sequence[memoryview]) -> int:
        """Sends the buffers; the number of bytes that were taken."""
        while True:
            try:
                return self._socket.sendmsg(buffers, (), socket.MSG_NOSIGNAL | self._waiting)
            except BlockingIOError:
                self._wait(to_read=False)

    def accept(self, flags: FdFlags) -> HostSocket:
        """The next connection; it is the guest's, and closed with the environment.

        No call accepts without waiting on a socket that may wait: a guest that shares the listening
        socket with another process may find that connection gone, and wait for the next.
        """
        while True:
            if not self._patient and not is_ready(self._socket.fileno(), to_read=True):
                raise ErrnoError(Errno.EAGAIN)
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                self._wait(to_read=True)
            else:
                break
        connection.settimeout(None)
        made = HostSocket(connection)
        made.set_flags(flags)
        return made

    @property
    def _waiting(self) -> int:
        return 0 if self._patient else socket.MSG_DONTWAIT

    def _wait(self, to_read: bool) -> None:
        """Waits, where that is what the guest expects. Raises ErrnoError(EAGAIN) where it is not."""
        if not self._patient:
            raise ErrnoError(Errno.EAGAIN)
        is_ready(self._socket.fileno(), to_read, timeout=None)

    def shutdown(self, how: int) -> None:
        """Ends receiving, sending, or both, by SdFlags."""
        if how not in _SHUTDOWN:
            raise ErrnoError(Errno.EINVAL)
        self._socket.shutdown(_SHUTDOWN[how])

    def host_descriptor(self) -> int:
        return self._socket.fileno()

    def available(self) -> int:
        return bytes_available(self._socket.fileno())

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        self.close()


def host_socket(handed_in: object) -> HostSocket:
    """A descriptor for a socket that stays open for the host.

    Raises TypeError for what is no plain socket, whose bytes would not be those of the descriptor
    (TLS), ValueError for types other than stream and datagram, OSError for one that is closed.
    """
    if type(handed_in) is not socket.socket:
        raise TypeError(f"sockets: expected socket.socket, got {type(handed_in).__name__}")
    number = os.dup(handed_in.fileno())
    blocking = os.get_blocking(number)
    own = socket.socket(fileno=number)
    if own.gettimeout() is not None:
        # Python's default timeout, which makes Python itself wait, and the open file non-blocking.
        own.settimeout(None)
        os.set_blocking(number, blocking)
    return HostSocket(own)


def _after(buffers: Sequence[memoryview], count: int) -> list[memoryview]:
    """What is left to fill once so many bytes are there."""
    rest = []
    for buffer in buffers:
        rest.append(buffer[count:])
        count = max(0, count - len(buffer))
    return [buffer for buffer in rest if buffer]
