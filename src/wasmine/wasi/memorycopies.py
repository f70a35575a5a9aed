"""Copies of directories, from one file system to another."""

from __future__ import annotations

import contextlib
from typing import Final, NamedTuple

from wasmine.wasi.abi import FdFlags, FileType
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.filesystem import Directory, Entry, Opening, Status, Times

_PIECE: Final = 1 << 18
_OLD: Final = Opening(read=True, flags=FdFlags.NONBLOCK)
_NEW: Final = Opening(write=True, create=True, exclusive=True)


class _Step(NamedTuple):
    """A directory that is being copied, as far as it has come."""

    name: bytes
    source: Directory
    target: Directory
    pending: list[Entry]
    status: Status

    def close(self) -> None:
        self.source.close()
        self.target.close()


def copy(source: Directory, target: Directory) -> None:
    """Copies all that is in a directory into another, with the times of files.

    Files and links in the target are replaced, directories are added to, and nothing outside is
    written: links are copied as links, and in the target none is followed. Files with several names
    keep them. Raises OSError, and ValueError for what is neither file nor directory nor link.
    """
    _Copying(target).run(source)


class _Copying:
    def __init__(self, target: Directory) -> None:
        self._target = target
        # Where files with several names were put first, by device and inode: names that lead there.
        self._copied: dict[tuple[int, int], list[bytes]] = {}
        self._buffer = memoryview(bytearray(_PIECE))
        # One in the other, and open: it does not matter what is moved meanwhile.
        self._way: list[_Step] = []

    def run(self, source: Directory) -> None:
        self._way.append(_step(b"", source.reopen(), self._target.reopen()))
        try:
            while self._way:
                step = self._way[-1]
                if step.pending:
                    self._copy(step, step.pending.pop())
                else:
                    step.target.set_times(None, _times(step.status))
                    self._way.pop().close()
        finally:
            for step in self._way:
                step.close()

    def _copy(self, step: _Step, entry: Entry) -> None:
        """Copies what has a name; of a directory, what is in it is copied next."""
        name = entry.name
        status = step.source.status(name)
        if status.type is FileType.DIRECTORY:
            inner = _made_directory(step.target, name)
            self._way.append(_step(name, step.source.enter(name), inner))
            return
        with contextlib.suppress(FileNotFoundError):
            step.target.remove_file(name)
        identity = status.device, status.inode
        if identity in self._copied:
            self._link(self._copied[identity], step.target, name)
            return
        if status.links > 1:
            self._copied[identity] = [*(outer.name for outer in self._way[1:]), name]
        if status.type is FileType.SYMBOLIC_LINK:
            step.target.make_link(name, step.source.read_link(name))
        elif status.type is FileType.REGULAR_FILE:
            self._copy_file(step, name)
        else:
            raise ValueError(f"{name!r} is neither a file, a directory nor a link")
        step.target.set_times(name, _times(status))

    def _link(self, path: list[bytes], here: Directory, name: bytes) -> None:
        """Gives a file that was copied before another name."""
        directory = self._target.reopen()
        try:
            for step in path[:-1]:
                inner = directory.enter(step)
                directory.close()
                directory = inner
            directory.link(path[-1], here, name)
        finally:
            directory.close()

    def _copy_file(self, step: _Step, name: bytes) -> None:
        with (
            contextlib.closing(step.source.open(name, _OLD)) as source,
            contextlib.closing(step.target.open(name, _NEW)) as target,
        ):
            if not isinstance(source, Descriptor) or not isinstance(target, Descriptor):
                raise ValueError(f"{name!r} has become a directory meanwhile")
            while count := source.read([self._buffer]):
                rest = self._buffer[:count]
                while rest:
                    rest = rest[target.write([rest]) :]


def _step(name: bytes, source: Directory, target: Directory) -> _Step:
    """A directory that is about to be copied; the names come last to first."""
    entries = sorted(source.entries(), reverse=True)
    return _Step(name, source, target, entries, source.status())


def _times(status: Status) -> Times:
    return Times(status.accessed, status.modified)


def _made_directory(target: Directory, name: bytes) -> Directory:
    """The directory of a name, made if there is none. Raises FileExistsError for anything else."""
    try:
        target.make_directory(name)
    except FileExistsError:
        try:
            return target.enter(name)
        except OSError:
            pass
        raise
    return target.enter(name)
