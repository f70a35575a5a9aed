"""Files and directories behind the path_ functions, and how paths lead to them.

A `Directory` is a capability: a program that holds one reaches what is below it and nothing else.
File systems implement steps of one name; this file alone knows "..", symbolic links and slashes.
Names and paths are bytes. Methods raise OSError with the host's errno numbers.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeVar

from wasmine.wasi.abi import Errno, ErrnoError, FileType

if TYPE_CHECKING:
    from wasmine.wasi.descriptors import Descriptor

T = TypeVar("T")

# What Linux allows in one path; more are a circle.
_MOST_LINKS: Final = 40


class Status(NamedTuple):
    """What a program is told about a file, in the order of the record `filestat`.

    `size` in bytes, times in nanoseconds since 1970-01-01 00:00 UTC.
    """

    device: int
    inode: int
    type: FileType
    links: int
    size: int
    accessed: int
    modified: int
    changed: int


class Times(NamedTuple):
    """New times of a file, in nanoseconds; None leaves one as it is."""

    accessed: int | None
    modified: int | None


class Entry(NamedTuple):
    """A name in a directory."""

    name: bytes
    inode: int
    type: FileType


class Opening(NamedTuple):
    """How a file is opened."""

    read: bool = False
    write: bool = False
    create: bool = False
    exclusive: bool = False
    truncate: bool = False
    directory: bool = False
    """What is there must be a directory."""
    flags: int = 0
    """FdFlags."""


def failure(number: int) -> OSError:
    """The OSError of a host's errno."""
    return OSError(number, os.strerror(number))


class Directory:
    """A directory that is held open. A name is one component: never empty, "." or "..", no slash.

    No method follows a symbolic link: where one is met that would have to be followed, it raises
    OSError with ELOOP, or ENOTDIR where a directory was expected.
    """

    read_only = False
    """Nothing below may be changed: what would change it raises OSError with EROFS."""

    def reopen(self) -> Directory:
        """The same directory once more, to be closed by itself."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the directory. The default has nothing to let go of."""

    def enter(self, name: bytes) -> Directory:
        """A directory in this one."""
        raise NotImplementedError

    def read_link(self, name: bytes) -> bytes:
        """Where a symbolic link leads; OSError with EINVAL where the name is no link."""
        raise NotImplementedError

    def open(self, name: bytes, opening: Opening) -> Descriptor | Directory:
        """A file, or the directory of this name."""
        raise NotImplementedError

    def status(self, name: bytes | None = None) -> Status:
        """About what the name stands for, a link as such, or about the directory itself."""
        raise NotImplementedError

    def set_times(self, name: bytes | None, times: Times) -> None:
        """Of what the name stands for, a link as such, or of the directory itself."""
        raise NotImplementedError

    def entries(self) -> Iterable[Entry]:
        """The names in the directory, without "." and ".."."""
        raise NotImplementedError

    def sync(self, only_data: bool) -> None:
        """Waits until the names are on the disk. The default has no disk."""

    def make_directory(self, name: bytes) -> None:
        raise NotImplementedError

    def make_link(self, name: bytes, target: bytes) -> None:
        """A symbolic link."""
        raise NotImplementedError

    def remove_directory(self, name: bytes) -> None:
        raise NotImplementedError

    def remove_file(self, name: bytes) -> None:
        raise NotImplementedError

    def rename(self, name: bytes, target: Directory, new_name: bytes) -> None:
        """Also to a directory of another file system, which is EXDEV."""
        raise NotImplementedError

    def link(self, name: bytes, target: Directory, new_name: bytes) -> None:
        """Another name for the file, in any directory; EXDEV in that of another file system."""
        raise NotImplementedError

    def check_writable(self) -> None:
        """Raises OSError with EROFS in a grant that is read-only."""
        if self.read_only:
            raise failure(errno.EROFS)

    def descend(self, path: bytes) -> Directory:
        """The directory at a path below this one, links followed; to be closed by the caller.

        Raises ErrnoError(ENOTCAPABLE) where the path leaves this directory, OSError otherwise.
        """
        # From this directory to where the walk has come to: ".." is the way back, not a name.
        entered = [self.reopen()]
        pending = _components(path)
        links = 0
        try:
            while pending:
                name = pending.pop()
                if name == b"..":
                    if len(entered) == 1:
                        escape()
                    entered.pop().close()
                    continue
                here = entered[-1]
                try:
                    entered.append(here.enter(name))
                except OSError as error:
                    target = _link_instead(here, name, error)
                    if target is None:
                        raise
                    links += 1
                    if links > _MOST_LINKS:
                        raise failure(errno.ELOOP) from None
                    pending += _components(target)
            return entered.pop()
        finally:
            for directory in entered:
                directory.close()


def _components(path: bytes) -> list[bytes]:
    """The names of a relative path, the last one first. Raises ErrnoError for an absolute path."""
    if path.startswith(b"/"):
        escape()
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]


def escape() -> NoReturn:
    """Refuses a path that leads out of the directory that it begins in."""
    raise ErrnoError(Errno.ENOTCAPABLE)


def _link_instead(directory: Directory, name: bytes, error: OSError) -> bytes | None:
    """The target of the link that a step was refused for; None if there is none."""
    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
        return None
    try:
        return directory.read_link(name)
    except OSError:
        return None


class Place(NamedTuple):
    """Where a path leads: a name in a directory."""

    directory: Directory
    name: bytes
    slashed: bool
    """The path ends in a slash: only a directory will do."""


def resolve(
    root: Directory,
    path: bytes,
    act: Callable[[Place], T],
    *,
    itself: Errno | Callable[[Directory], T],
    follow: bool = False,
) -> T:
    """What `act` returns for the place that a path leads to, all links but the last followed.

    With `follow` the last one is too: whenever `act` raises OSError with ELOOP. A path that ends
    in "." or ".." names a directory rather than a name in one: `itself` is called with it, or is
    the errno that it is refused with. Raises ErrnoError(ENOTCAPABLE) for what leads out of the root.
    """
    if not path:
        raise ErrnoError(Errno.ENOENT)
    for _ in range(_MOST_LINKS + 1):
        parent, name, slashed = _split(path)
        with _Held(root, parent) as directory:
            if not name:
                if isinstance(itself, Errno):
                    raise ErrnoError(itself)
                return itself(directory)
            try:
                return act(Place(directory, name, slashed))
            except OSError as error:
                target = _link_instead(directory, name, error) if follow else None
                if target is None:
                    raise
        path = _joined(parent, target + b"/" * slashed)
    raise failure(errno.ELOOP)


class _Held:
    """The directory at a path, closed afterwards unless it is where the path began."""

    def __init__(self, root: Directory, path: bytes) -> None:
        self._root = root
        self._directory = root if not path else root.descend(path)

    def __enter__(self) -> Directory:
        return self._directory

    def __exit__(self, *_: object) -> None:
        if self._directory is not self._root:
            self._directory.close()


def _split(path: bytes) -> tuple[bytes, bytes, bool]:
    """The path of the directory, the name in it, whether a slash follows; no name for "." and ".."."""
    if path.startswith(b"/"):
        escape()
    stripped = path.rstrip(b"/")
    parent, _, name = stripped.rpartition(b"/")
    if name in (b".", b".."):
        return stripped, b"", False
    return parent, name, len(stripped) < len(path)


def _joined(parent: bytes, target: bytes) -> bytes:
    """A link's target, seen from where the path of the link's directory began."""
    if not target or target.startswith(b"/"):
        escape()
    return b"/".join((parent, target)) if parent else target
