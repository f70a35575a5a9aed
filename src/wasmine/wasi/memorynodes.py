"""The nodes of a file system that is held in memory: files, links and folders.

Knows no paths and no programs. Whoever changes a node holds the lock of its volume. Methods raise
OSError with the errno numbers of Linux, and in the order in which Linux checks.
"""

from __future__ import annotations

import errno
import itertools
import weakref
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Final

from wasmine.wasi.abi import MAX_U64, FileType
from wasmine.wasi.contents import Content
from wasmine.wasi.filesystem import Status, Times, failure

# What a node and a name take in the host's memory besides their bytes, or a little more.
NODE_SIZE: Final = 640
NAME_SIZE: Final = 160

# What Linux allows in one name, in bytes.
NAME_MAX: Final = 255
SIZE_MAX: Final = (1 << 63) - 1

# No number of a device of the host has more than 32 bits.
_devices: Final = itertools.count(1 << 32)


class Volume:
    """A file system: the lock, the clock and the room that its nodes share."""

    def __init__(self, limit: int, clock: Callable[[], int]) -> None:
        self.lock = RLock()
        self.limit = limit
        self.clock = clock
        self.used = 0
        self.device = next(_devices)
        self.inodes = itertools.count(1)

    def now(self) -> int:
        return self.clock() & MAX_U64

    def charge(self, amount: int) -> None:
        """Takes room, or gives it back if the amount is negative. Raises OSError with ENOSPC."""
        with self.lock:
            self.require(amount)
            self.used += amount

    def require(self, amount: int) -> None:
        """Raises OSError with ENOSPC unless there is so much room."""
        if amount > self.limit - self.used:
            raise failure(errno.ENOSPC)


class Node:
    """What has a name, or several, or had and is still open.

    `links` counts the names. The room that a node takes is given back when nothing refers to it.
    """

    __slots__ = (
        "__weakref__",
        "_charged",
        "accessed",
        "changed",
        "inode",
        "links",
        "modified",
        "volume",
    )

    type = FileType.UNKNOWN

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._charged = 0
        self.charge(NODE_SIZE)
        self.inode = next(volume.inodes)
        self.links = 0
        self.accessed = self.modified = self.changed = volume.now()

    def __del__(self) -> None:
        self.volume.charge(-self._charged)

    def charge(self, amount: int) -> None:
        """Takes room for this node. Raises OSError with ENOSPC."""
        self.volume.charge(amount)
        self._charged += amount

    @property
    def size(self) -> int:
        return 0

    def status(self) -> Status:
        return Status(
            self.volume.device,
            self.inode,
            self.type,
            self.links,
            self.size,
            self.accessed,
            self.modified,
            self.changed,
        )

    def set_times(self, times: Times) -> None:
        if times.accessed is not None:
            self.accessed = times.accessed
        if times.modified is not None:
            self.modified = times.modified
        self.changed = self.volume.now()

    def touch(self) -> None:
        """It has been changed."""
        self.modified = self.changed = self.volume.now()


class LinkNode(Node):
    """A symbolic link."""

    __slots__ = ("target",)

    type = FileType.SYMBOLIC_LINK

    def __init__(self, volume: Volume, target: bytes) -> None:
        super().__init__(volume)
        self.charge(len(target))
        self.target = target

    @property
    def size(self) -> int:
        return len(self.target)


class FileNode(Node):
    """A regular file. Holes take the same room as bytes, for whoever copies the file."""

    __slots__ = ("content",)

    type = FileType.REGULAR_FILE

    def __init__(self, volume: Volume) -> None:
        super().__init__(volume)
        self.content = Content()

    @property
    def size(self) -> int:
        return self.content.size

    def read(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Fills the buffers in order; returns the bytes read, 0 at the end."""
        done = 0
        for buffer in buffers:
            count = self.content.read(buffer, offset + done)
            done += count
            if count < len(buffer):
                break
        self.accessed = self.volume.now()
        return done

    def write(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Writes the buffers in order, as far as there is room; returns the bytes written."""
        total = sum(map(len, buffers))
        if not total:
            return 0
        room = self.size + self.volume.limit - self.volume.used - offset
        if room <= 0:
            raise failure(errno.ENOSPC)
        end = offset + min(total, room)
        self.charge(max(0, end - self.size))
        at = offset
        for buffer in buffers:
            self.content.write(buffer[: end - at], at)
            at = min(end, at + len(buffer))
        self.touch()
        return end - offset

    def resize(self, size: int) -> None:
        """Cuts the file off, or lets it end in a hole."""
        self.charge(size - self.size)
        self.content.resize(size)
        self.touch()


class FolderNode(Node):
    """Names, and the node that each stands for. One that has been removed has no links."""

    __slots__ = ("_most", "names", "parent")

    type = FileType.DIRECTORY

    def __init__(self, volume: Volume) -> None:
        super().__init__(volume)
        self.links = 2
        self.names: dict[bytes, Node] = {}
        # How many names there have been since the dictionary was made.
        self._most = 0
        # A weak reference, so that a tree is gone as soon as nothing refers to it.
        self.parent: Callable[[], FolderNode | None] = _nothing

    @property
    def size(self) -> int:
        return len(self.names)

    def find(self, name: bytes) -> Node:
        """The node of a name. Raises OSError: ENOENT, ENAMETOOLONG."""
        node = self.look(name)
        if node is None:
            raise failure(errno.ENOENT)
        return node

    def look(self, name: bytes) -> Node | None:
        """The node of a name, if there is one. Raises OSError: ENAMETOOLONG, ENOENT if removed."""
        if not self.links:
            raise failure(errno.ENOENT)
        node = self.names.get(name)
        if node is None and len(name) > NAME_MAX:
            raise failure(errno.ENAMETOOLONG)
        return node

    def insert(self, name: bytes, node: Node) -> None:
        """Gives a node a name. Raises OSError: EEXIST, ENAMETOOLONG, ENOSPC, ENOENT if removed."""
        if self.look(name) is not None:
            raise failure(errno.EEXIST)
        self.charge(NAME_SIZE + len(name))
        self.names[name] = node
        self._most = max(self._most, len(self.names))
        if isinstance(node, FolderNode):
            node.parent = weakref.ref(self)
            self.links += 1
        else:
            node.links += 1
            node.changed = self.volume.now()
        self.touch()

    def drop(self, name: bytes) -> Node:
        """Takes a name away, from whatever has it; returns the node. Raises OSError: ENOENT."""
        node = self.find(name)
        del self.names[name]
        if len(self.names) * 8 < self._most:
            # One that has lost its names is as large as before, and no longer paid for.
            self.names = dict(self.names)
            self._most = len(self.names)
        self.charge(-NAME_SIZE - len(name))
        if isinstance(node, FolderNode):
            self.links -= 1
        else:
            node.links -= 1
            node.changed = self.volume.now()
        self.touch()
        return node

    def remove_file(self, name: bytes) -> None:
        """Raises OSError: ENOENT, EISDIR."""
        if isinstance(self.find(name), FolderNode):
            raise failure(errno.EISDIR)
        self.drop(name)

    def remove_folder(self, name: bytes) -> None:
        """Raises OSError: ENOENT, ENOTDIR, ENOTEMPTY."""
        node = self.find(name)
        if not isinstance(node, FolderNode):
            raise failure(errno.ENOTDIR)
        if node.names:
            raise failure(errno.ENOTEMPTY)
        self.drop(name)
        node.links = 0

    def link(self, name: bytes, target: FolderNode, new_name: bytes) -> None:
        """Gives a file another name. Raises OSError: EPERM for a folder, and as `insert` does."""
        node = self.find(name)
        if target.look(new_name) is not None:
            raise failure(errno.EEXIST)
        if isinstance(node, FolderNode):
            raise failure(errno.EPERM)
        target.insert(new_name, node)

    def move(self, name: bytes, target: FolderNode, new_name: bytes) -> None:
        """Renames, also over what has the new name, if it is no full folder and of the same kind.

        Raises OSError: EINVAL for a folder into itself, EISDIR, ENOTDIR, ENOTEMPTY, ENOSPC.
        """
        node = self.find(name)
        replaced = target.look(new_name)
        if isinstance(node, FolderNode) and target.is_within(node):
            raise failure(errno.EINVAL)
        if isinstance(replaced, FolderNode) and self.is_within(replaced):
            raise failure(errno.ENOTEMPTY)
        if replaced is node:
            return
        if replaced is not None:
            if isinstance(node, FolderNode):
                target.remove_folder(new_name)
            else:
                target.remove_file(new_name)
        else:
            self.volume.require(len(new_name) - len(name))
        self.drop(name)
        target.insert(new_name, node)
        node.changed = self.volume.now()

    def put(self, name: bytes, node: Node) -> None:
        """Gives a node a name, in place of all that has it. Raises OSError: ENOSPC, ENOENT."""
        if name in self.names:
            self.discard(name)
        self.insert(name, node)

    def discard(self, name: bytes) -> None:
        """Takes away a name, and all names below it. Raises OSError: ENOENT."""
        removed = [self.drop(name)]
        while removed:
            node = removed.pop()
            if isinstance(node, FolderNode):
                removed += [node.drop(below) for below in list(node.names)]
                node.links = 0

    def is_within(self, other: FolderNode) -> bool:
        """Whether this is the other folder, or below it."""
        here: FolderNode | None = self
        while here is not None and here is not other:
            here = here.parent()
        return here is other


def _nothing() -> None:
    """The parent of a folder that has none."""
