"""A file system in memory, to be given to programs: a mapping of paths in Python."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Self, TypeAlias, cast

from wasmine.frozen import Frozen
from wasmine.wasi.abi import PATH_MAX, ErrnoError
from wasmine.wasi.memorynodes import NAME_MAX, FileNode, FolderNode, LinkNode, Node, Volume
from wasmine.wasi.memorytree import MemoryTree

DEFAULT_LIMIT: Final = 1 << 30


class Link(Frozen):
    """A symbolic link, as a value in a `MemoryDirectory`: where it leads.

    Raises TypeError or ValueError for what can be no link.
    """

    target: str

    def __post_init__(self) -> None:
        if not isinstance(self.target, str):
            raise TypeError(f"Link: expected str, got {type(self.target).__name__}")
        data = _encoded(self.target)
        if not data or b"\0" in data or len(data) >= PATH_MAX:
            raise ValueError(f"Link: nothing can link to {self.target!r}")


Value: TypeAlias = "bytes | bytearray | memoryview | str | Link | Mapping[str, Value]"


class MemoryDirectory(MemoryTree, MutableMapping[str, Any]):
    """A directory in memory that programs work in like in one of the host.

        files = MemoryDirectory({"in.txt": b"data", "sub": {"a.txt": "text"}})
        wasi.run(module, argv, dirs={"/": files})
        files["out/result.txt"]

    It maps paths to what is there: bytes for a file, `Link` for a symbolic link, and for a directory
    another MemoryDirectory, which shows that directory as it is, and can be given to programs too.
    Links within a path are followed, one at its end is not. What is assigned may also be text, for a
    file in UTF-8, and any mapping, for a directory; it replaces what was there, and directories on
    the way are made. Iterating and len() are about the names in the directory itself.

    limit: how many bytes all files together may take, each file and each name counted with what it
    takes in Python, and holes with their length; more is ENOSPC, for programs and in Python.
    read_only: programs cannot change it; Python can.
    clock: nanoseconds since 1970-01-01 00:00 UTC, for the times of files.

    Several programs may use it, one after the other or in several threads. Raises KeyError for what
    is not there, TypeError and ValueError for what can be no path and no file, and OSError.
    """

    def __init__(
        self,
        files: Mapping[str, Value] | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        read_only: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(FolderNode(Volume(limit, clock)), read_only)
        _fill(self, _mapping(files))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        limit: int = DEFAULT_LIMIT,
        read_only: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> Self:
        """A copy of a directory of the host, times of files included; links are copied as links.

        Raises OSError, with ENOSPC where the limit does not suffice, and ValueError for what is neither
        file nor directory nor link.
        """
        from wasmine.wasi.hostfiles import HostDirectory
        from wasmine.wasi.memorycopies import copy

        made = cls(limit=limit, read_only=read_only, clock=clock)
        copy(HostDirectory(path), MemoryTree(made.folder))
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copies all there is into a directory of the host, which is made if it is not there.

        Files and links there are replaced, directories are added to. Nothing outside is written,
        whatever the program has made: links are written as links and never followed. Raises
        OSError: FileExistsError for a directory where the host has something else, IsADirectoryError
        for the opposite.
        """
        from wasmine.wasi.hostfiles import HostDirectory
        from wasmine.wasi.memorycopies import copy

        os.makedirs(path, exist_ok=True)
        copy(self, HostDirectory(path))

    @property
    def limit(self) -> int:
        """In bytes, for the whole file system."""
        return self._volume.limit

    @property
    def used(self) -> int:
        """The bytes taken of the limit."""
        return self._volume.used

    def __getitem__(self, path: str) -> Any:
        node = self._find(path)
        if node is None:
            raise KeyError(path)
        return self._value(node)

    def __setitem__(self, path: str, value: Value) -> None:
        names = _names(path)
        node = self._node(path, value)
        with self._volume.lock:
            self._make_folders(path, names[:-1]).put(names[-1], node)

    def __delitem__(self, path: str) -> None:
        """Of a directory, all that is in it is gone too."""
        with self._volume.lock:
            if self._find(path) is None:
                raise KeyError(path)
            *parents, name = _names(path)
            self._descend(parents).discard(name)

    def __contains__(self, path: object) -> bool:
        return self._find(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([_decoded(name) for name in list(self.folder.names)])

    def __len__(self) -> int:
        return len(self.folder.names)

    def __repr__(self) -> str:
        kind = "(read-only) " * self.read_only
        return f"<wasmine.wasi.MemoryDirectory {kind}with {len(self)} names>"

    def walk(self) -> Iterator[tuple[str, Any]]:
        """All paths below this directory, and what is there; a directory before what is in it."""
        pending = [("", self)]
        while pending:
            prefix, directory = pending.pop()
            for name, node in list(directory.folder.names.items()):
                path = prefix + _decoded(name)
                value = self._value(node)
                yield path, value
                if isinstance(value, MemoryDirectory):
                    pending.append((path + "/", value))

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of all there is: bytes, links, and dictionaries for directories."""
        result: dict[str, Any] = {}
        pending = deque([(self.folder, result)])
        # A file with several names is copied once: a program makes names for next to nothing.
        contents: dict[Node, bytes] = {}
        with self._volume.lock:
            while pending:
                folder, made = pending.popleft()
                for name, node in folder.names.items():
                    value: Any
                    if isinstance(node, FolderNode):
                        value = {}
                        pending.append((node, value))
                    elif node in contents:
                        value = contents[node]
                    else:
                        value = self._value(node)
                        if node.links > 1:
                            contents[node] = value
                    made[_decoded(name)] = value
        return result

    def _find(self, path: object) -> Node | None:
        """What is at a path. Raises TypeError and ValueError for what is none."""
        *parents, name = _names(path)
        with self._volume.lock:
            try:
                return self._descend(parents).names.get(name)
            except (OSError, ErrnoError):
                return None

    def _descend(self, names: list[bytes]) -> FolderNode:
        """Raises OSError and ErrnoError as `descend` does."""
        # Whoever walks in here stays in here.
        return cast("MemoryTree", self.descend(b"/".join(names))).folder

    def _make_folders(self, path: str, names: list[bytes]) -> FolderNode:
        """The folder that these names lead to, made where there is none. Raises ValueError."""
        folder = self.folder
        for number, name in enumerate(names):
            try:
                folder = self._descend(names[: number + 1])
            except FileNotFoundError:
                if name in folder.names:
                    raise ValueError(f"{path!r} leads through a link to nothing") from None
                made = FolderNode(self._volume)
                folder.insert(name, made)
                folder = made
            except (OSError, ErrnoError):
                raise ValueError(f"{path!r} leads through what is no directory") from None
        return folder

    def _value(self, node: Node) -> Any:
        """What Python sees of a node."""
        if isinstance(node, FolderNode):
            return self._adopt(node)
        if isinstance(node, LinkNode):
            return Link(_decoded(node.target))
        with self._volume.lock:
            return bytes(node.content) if isinstance(node, FileNode) else None

    def _node(self, path: str, value: object) -> Node:
        """A new node that holds a value. Raises TypeError for what can be no file."""
        if isinstance(value, Mapping):
            folder = FolderNode(self._volume)
            _fill(self._adopt(folder), value)
            return folder
        if isinstance(value, Link):
            return LinkNode(self._volume, _encoded(value.target))
        if isinstance(value, str):
            value = value.encode()
        elif isinstance(value, memoryview):
            value = value.tobytes()
        if not isinstance(value, (bytes, bytearray)):
            kind = type(value).__name__
            raise TypeError(f"{path!r}: expected bytes, str, a mapping or a Link, got {kind}")
        node = FileNode(self._volume)
        if value:
            node.charge(len(value))
            node.content.write(memoryview(value), 0)
        return node


def _mapping(files: object) -> Mapping[str, Value]:
    """What a directory is filled with at first. Raises TypeError."""
    if files is None:
        return {}
    if isinstance(files, Mapping):
        return files
    hint = "MemoryDirectory.load copies a directory of the host"
    raise TypeError(f"expected a mapping, got {type(files).__name__}; {hint}")


def _fill(directory: MemoryDirectory, files: Mapping[str, Value]) -> None:
    """Puts into a directory what a mapping has, and mappings in it, however deep."""
    pending = deque([(directory, files)])
    while pending:
        directory, files = pending.popleft()
        for path, value in files.items():
            if isinstance(value, Mapping):
                directory[path] = {}
                pending.append((directory[path], value))
            else:
                directory[path] = value


def _names(path: object) -> list[bytes]:
    """The names of a path. Raises TypeError, or ValueError for what is none."""
    if not isinstance(path, str):
        raise TypeError(f"expected a path as str, got {type(path).__name__}")
    names = _encoded(path).split(b"/")
    for name in names:
        if name in (b"", b".", b"..") or b"\0" in name:
            raise ValueError(f"{path!r} is no path: names, single slashes between, no '.' or '..'")
        if len(name) > NAME_MAX:
            raise ValueError(f"{path!r} is no path: a name has at most {NAME_MAX} bytes")
    return names


def _encoded(text: str) -> bytes:
    """UTF-8, or what the host had where it is not."""
    return text.encode(errors="surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogateescape")
