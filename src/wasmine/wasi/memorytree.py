"""Directories and files in memory, as programs see them."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Final, Self

from wasmine.wasi.abi import Errno, ErrnoError, FdFlags, FileType, Whence
from wasmine.wasi.descriptors import FILE_ABILITY, Descriptor, signed_offset
from wasmine.wasi.filesystem import Directory, Entry, Opening, Status, Times, failure
from wasmine.wasi.memorynodes import SIZE_MAX, FileNode, FolderNode, LinkNode, Volume

# The flags of an open file that can be changed, as on Linux.
_CHANGEABLE: Final = FdFlags.APPEND | FdFlags.NONBLOCK


class MemoryTree(Directory):
    """A folder of a volume, and all that is below it."""

    def __init__(self, folder: FolderNode, read_only: bool = False) -> None:
        self.folder = folder
        self.read_only = read_only

    def _adopt(self, folder: FolderNode) -> Self:
        """Another folder of the same grant."""
        made = type(self).__new__(type(self))
        MemoryTree.__init__(made, folder, self.read_only)
        return made

    @property
    def _volume(self) -> Volume:
        return self.folder.volume

    def reopen(self) -> Self:
        return self._adopt(self.folder)

    def enter(self, name: bytes) -> Self:
        node = self.folder.find(name)
        if isinstance(node, FolderNode):
            return self._adopt(node)
        raise failure(errno.ELOOP if isinstance(node, LinkNode) else errno.ENOTDIR)

    def read_link(self, name: bytes) -> bytes:
        with self._volume.lock:
            node = self.folder.find(name)
            if not isinstance(node, LinkNode):
                raise failure(errno.EINVAL)
            node.accessed = self._volume.now()
            return node.target

    def open(self, name: bytes, opening: Opening) -> Descriptor | Directory:
        writing = opening.write or opening.truncate
        with self._volume.lock:
            if writing:
                self.check_writable()
            node = self.folder.look(name)
            if node is None:
                if not opening.create:
                    raise failure(errno.ENOENT)
                self.check_writable()
                node = FileNode(self._volume)
                self.folder.insert(name, node)
            elif opening.create and opening.exclusive:
                raise failure(errno.EEXIST)
            elif isinstance(node, FolderNode):
                if writing or opening.create:
                    raise failure(errno.EISDIR)
                return self._adopt(node)
            elif opening.directory:
                raise failure(errno.ENOTDIR)
            elif not isinstance(node, FileNode):
                raise failure(errno.ELOOP)
            elif opening.truncate:
                node.resize(0)
            return MemoryFile(node, opening, self.read_only)

    def status(self, name: bytes | None = None) -> Status:
        with self._volume.lock:
            return (self.folder if name is None else self.folder.find(name)).status()

    def set_times(self, name: bytes | None, times: Times) -> None:
        self.check_writable()
        with self._volume.lock:
            (self.folder if name is None else self.folder.find(name)).set_times(times)

    def entries(self) -> Iterable[Entry]:
        with self._volume.lock:
            if self.folder.links:
                self.folder.accessed = self._volume.now()
            names = self.folder.names.items()
            return [Entry(name, node.inode, node.type) for name, node in names]

    def make_directory(self, name: bytes) -> None:
        self.check_writable()
        with self._volume.lock:
            self.folder.insert(name, FolderNode(self._volume))

    def make_link(self, name: bytes, target: bytes) -> None:
        self.check_writable()
        with self._volume.lock:
            self.folder.insert(name, LinkNode(self._volume, target))

    def remove_directory(self, name: bytes) -> None:
        self.check_writable()
        with self._volume.lock:
            self.folder.remove_folder(name)

    def remove_file(self, name: bytes) -> None:
        self.check_writable()
        with self._volume.lock:
            self.folder.remove_file(name)

    def rename(self, name: bytes, target: Directory, new_name: bytes) -> None:
        other = self._writable_with(target)
        with self._volume.lock:
            self.folder.move(name, other, new_name)

    def link(self, name: bytes, target: Directory, new_name: bytes) -> None:
        """Also refused out of a grant that is read-only: the file could be written by the new name."""
        other = self._writable_with(target)
        with self._volume.lock:
            self.folder.link(name, other, new_name)

    def _writable_with(self, target: Directory) -> FolderNode:
        self.check_writable()
        if not isinstance(target, MemoryTree) or target.folder.volume is not self._volume:
            raise failure(errno.EXDEV)
        target.check_writable()
        return target.folder


class MemoryFile(Descriptor):
    """A file in memory that a program has opened; of a grant that is read-only, or not.

    It stays as long as it is open, whether it has a name or not.
    """

    ability = FILE_ABILITY
    type = FileType.REGULAR_FILE

    def __init__(self, node: FileNode, opening: Opening, read_only: bool) -> None:
        super().__init__()
        self._read_only = read_only
        self._node = node
        self._position = 0
        self._readable = opening.read or not opening.write
        self._writable = opening.write
        self._set(FdFlags(opening.flags))

    def _set(self, flags: FdFlags) -> None:
        self.flags = flags
        self._appending = bool(flags & FdFlags.APPEND)

    def read(self, buffers: Sequence[memoryview]) -> int:
        count = self.read_at(buffers, self._position)
        self._position += count
        return count

    def read_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        if not buffers:
            return 0
        self._check(self._readable, offset, sum(map(len, buffers)))
        with self._node.volume.lock:
            return self._node.read(buffers, offset)

    def write(self, buffers: Sequence[memoryview]) -> int:
        with self._node.volume.lock:
            if self._appending and buffers:
                self._position = self._node.size
            count = self.write_at(buffers, self._position)
            self._position += count
            return count

    def write_at(self, buffers: Sequence[memoryview], offset: int) -> int:
        """At the end with APPEND, whatever the offset: so does Linux."""
        if not buffers:
            return 0
        self._check(self._writable, offset, sum(map(len, buffers)))
        with self._node.volume.lock:
            return self._node.write(buffers, self._node.size if self._appending else offset)

    def _check(self, allowed: bool, offset: int, length: int) -> None:
        """Raises ErrnoError: EBADF, or EINVAL for offsets that are out of all proportion."""
        if not allowed:
            raise ErrnoError(Errno.EBADF)
        if offset + length > SIZE_MAX:
            raise ErrnoError(Errno.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        start = (0, self._position, self._node.size)[Whence(whence)]
        if not 0 <= start + offset <= SIZE_MAX:
            raise ErrnoError(Errno.EINVAL)
        self._position = start + offset
        return self._position

    def set_flags(self, flags: FdFlags) -> None:
        if (flags ^ self.flags) & ~_CHANGEABLE:
            raise ErrnoError(Errno.ENOTSUP)
        self._set(flags)

    def status(self) -> Status:
        with self._node.volume.lock:
            return self._node.status()

    def set_size(self, size: int) -> None:
        if not self._writable:
            raise ErrnoError(Errno.EINVAL)
        with self._node.volume.lock:
            self._node.resize(signed_offset(size))

    def set_times(self, times: Times) -> None:
        if self._read_only:
            raise failure(errno.EROFS)
        with self._node.volume.lock:
            self._node.set_times(times)

    def allocate(self, offset: int, length: int) -> None:
        end = signed_offset(offset) + signed_offset(length)
        if not length:
            raise ErrnoError(Errno.EINVAL)
        if not self._writable:
            raise ErrnoError(Errno.EBADF)
        if end > SIZE_MAX:
            raise ErrnoError(Errno.EFBIG)
        with self._node.volume.lock:
            self._node.resize(max(end, self._node.size))

    def advise(self, offset: int, length: int, _advice: int) -> None:
        signed_offset(offset)
        signed_offset(length)

    def sync(self, only_data: bool) -> None:
        """Nothing is ever elsewhere."""

    def available(self) -> int:
        return max(0, self._node.size - self._position)
