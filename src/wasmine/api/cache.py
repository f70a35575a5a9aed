"""The cache: native code on disk, found by the digest of what it was made from.

One directory holds files that are written once, under another name, and then renamed; so whoever
opens one sees all of it or none, and it may be removed while it is mapped. Cutting short one that is
mapped would end programs, as with shared libraries; only its owner could, and nothing here does.
Nothing in the directory is trusted: only the user may be able to write there, and a file's checksum
is compared before anything in it is used. Whatever goes wrong with the directory or the disk,
programs run as if there were no cache.

A file's name is its entry's kind and digest; the time of its last change is that of its last use, more or
less. The file `usage` gets a record for each file that is written: when their sum passes the
bound, what was used longest ago is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import stat
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from wasmine.api.cachefile import (
    PRIVATE,
    UNFINISHED,
    Buffer,
    Entry,
    Key,
    lay_out,
    read,
    refusal,
    write,
)
from wasmine.frozen import Frozen

DEFAULT_LIMIT: Final = 2 << 30
PATIENCE: Final = 0.5
"""Seconds that an update waits for others."""
STALE_SECONDS: Final = 3600
"""A file that is still unfinished after so long is nobody's: its writer was killed."""

_KINDS: Final = ("module", "runtime", "heap", "thunks", "stencils", "baseline", "tier")
_ENTRY: Final = re.compile(rf"({'|'.join(_KINDS)})-[0-9a-f]{{64}}")
_USAGE: Final = "usage"
_LOCKS: Final = ("updating", "evicting")
_USAGE_RECORDS: Final = 4096
"""So many records are added up to one before the file grows further."""


class CacheInfo(Frozen):
    """What there is in a cache."""

    directory: str | None
    problem: str | None
    """Why it is not used; None if it is."""
    limit: int
    """How many bytes it may hold."""
    entries: dict[str, tuple[int, int]]
    """How many there are of each kind, and their bytes."""

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        return sum(size for _, size in self.entries.values())


class Cache:
    """A directory with native code.

    Any number of processes and threads may use one at the same time. `directory` is made when it is
    first needed; without one the cache is empty and stays so, and `problem` says why. No method but
    `clear` raises OSError.
    """

    def __init__(
        self, directory: str | None, limit: int = DEFAULT_LIMIT, problem: str | None = None
    ) -> None:
        self.directory: Final = directory
        self.limit: Final = limit
        self._problem = problem

    def __repr__(self) -> str:
        return f"<wasmine cache {self.directory or self._problem}>"

    def get(self, key: Key) -> Entry | None:
        """The entry of this key, if there is an undamaged one. To be closed by the caller."""
        with self._opened() as directory:
            return None if directory is None else read(directory, key)

    def put(self, key: Key, parts: Sequence[Buffer]) -> bool:
        """Store an entry, in place of what has its key; says whether that succeeded."""
        size, places = lay_out(key, parts)
        if size > self.limit:
            return False
        with self._opened(create=True) as directory:
            if directory is None:
                return False
            try:
                # Recorded first: what a killed process leaves behind counts too.
                full = _record(directory, size) > self.limit
                write(directory, key.name, size, places)
                if full:
                    self._evict(directory)
            except OSError as error:
                self._problem = f"{error.strerror} ({self.directory})"
                return False
        return True

    def update(self, key: Key, merge: Callable[[Entry | None], Sequence[Buffer] | None]) -> bool:
        """Store what `merge` makes of the entry that there is now, or leave it if it gives None.

        No other process updates the cache meanwhile, where the file system has locks. It is waited for,
        PATIENCE at most: then nothing is stored. Says whether something was.
        """
        with self._opened(create=True) as directory:
            if directory is None:
                return False
            try:
                with _locked(directory, "updating", PATIENCE) as alone:
                    if not alone:
                        return False
                    entry = read(directory, key)
                    with entry or contextlib.nullcontext():
                        parts = merge(entry)
                    return parts is not None and self.put(key, parts)
            except OSError as error:
                self._problem = f"{error.strerror} ({self.directory})"
                return False

    def info(self) -> CacheInfo:
        """What is in the cache now."""
        entries: dict[str, tuple[int, int]] = {}
        with self._opened(create=True) as directory:
            if directory is not None and not os.access(".", os.W_OK, dir_fd=directory):
                self._problem = f"nothing can be written to {self.directory}"
            for name, status in _files(directory):
                kind = name.partition("-")[0]
                if _ENTRY.fullmatch(name):
                    count, size = entries.get(kind, (0, 0))
                    entries[kind] = (count + 1, size + status.st_size)
        return CacheInfo(self.directory, self._problem, self.limit, entries)

    def clear(self) -> None:
        """Remove everything from it. Raises OSError."""
        with self._opened() as directory:
            if directory is not None:
                for name, _ in _files(directory):
                    _remove(directory, name)

    @contextlib.contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[int | None]:
        """A descriptor of the directory, or None.

        It is opened for each use: a program that closes all descriptors of its process would make
        one that is kept refer to anything. All names are used relative to it, so that what has been
        checked is what is used.
        """
        fd = None
        if self.directory is not None:
            try:
                if create:
                    os.makedirs(self.directory, mode=stat.S_IRWXU, exist_ok=True)
                fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                if create or not isinstance(error, FileNotFoundError):
                    self._problem = f"{error.strerror} ({self.directory})"
        try:
            if fd is None:
                yield None
            else:
                reason = refusal(os.fstat(fd))
                self._problem = reason and f"{self.directory} {reason}"
                yield None if reason else fd
        finally:
            if fd is not None:
                os.close(fd)

    def _evict(self, directory: int) -> None:
        """Remove what was used longest ago until there is room for a quarter of the bound.

        Does nothing if another process is about to.
        """
        with _locked(directory, "evicting") as alone:
            if not alone:
                return
            total = 0
            now = time.time()
            entries = []
            for name, status in _files(directory):
                if _ENTRY.fullmatch(name):
                    entries.append((status.st_mtime, status.st_size, name))
                    total += status.st_size
                elif UNFINISHED.fullmatch(name):
                    if now - status.st_mtime > STALE_SECONDS:
                        _remove(directory, name)
                    else:
                        total += status.st_size
            entries.sort()
            for _, size, name in entries:
                if total <= self.limit * 3 // 4:
                    break
                _remove(directory, name)
                total -= size
            # What others recorded since the files were listed is lost until they are listed again.
            write(directory, _USAGE, 8, [(0, total.to_bytes(8, "little"))])


def _record(directory: int, size: int) -> int:
    """Note that `size` bytes are about to be written. Returns what the cache then holds, about,
    or more than any bound if that is to be found out."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(_USAGE, flags, PRIVATE, dir_fd=directory)
    try:
        first = os.fstat(fd).st_size == 0
        os.write(fd, size.to_bytes(8, "little"))  # appending is atomic
        records = os.pread(fd, 8 * _USAGE_RECORDS, 0)
    finally:
        os.close(fd)
    if first or len(records) % 8 or len(records) == 8 * _USAGE_RECORDS:
        return sys.maxsize
    return sum(array("Q", records))


@contextlib.contextmanager
def _locked(directory: int, name: str, patience: float = 0.0) -> Iterator[bool]:
    """Hold the lock of this name; says whether it is held, which another process may do.

    `patience` is in seconds: who holds it may have been stopped. It counts as held where the file system
    has no locks. Raises OSError if it cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, PRIVATE, dir_fd=directory)
    try:
        end = time.monotonic() + patience
        while not (held := _try_to_lock(fd)) and time.monotonic() < end:
            time.sleep(0.002)
        yield held
    finally:
        os.close(fd)


def _try_to_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _remove(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        os.unlink(name, dir_fd=directory)


def _files(directory: int | None) -> Iterator[tuple[str, os.stat_result]]:
    """The cache's own files in its directory: names and status."""
    if directory is None:
        return
    with os.scandir(directory) as found:
        for file in found:
            name = file.name
            if name in (_USAGE, *_LOCKS) or _ENTRY.fullmatch(name) or UNFINISHED.fullmatch(name):
                with contextlib.suppress(FileNotFoundError):
                    yield name, file.stat(follow_symlinks=False)


@functools.cache
def default() -> Cache:
    """The cache that the environment asks for, in the user's cache directory if it says nothing.

    `WASMINE_CACHE=0` switches it off, `WASMINE_CACHE_DIR` names another directory, and
    `WASMINE_CACHE_SIZE` is the bound in bytes, or with K, M or G.
    """
    if os.environ.get("WASMINE_CACHE") == "0":
        return Cache(None, problem="switched off by WASMINE_CACHE")
    try:
        limit = _size(os.environ.get("WASMINE_CACHE_SIZE") or str(DEFAULT_LIMIT))
    except ValueError as error:
        return Cache(None, problem=f"WASMINE_CACHE_SIZE is {error}")
    directory = os.environ.get("WASMINE_CACHE_DIR") or _user_directory()
    if not os.path.isabs(directory):
        return Cache(None, limit, "there is no home directory, and WASMINE_CACHE_DIR names none")
    return Cache(directory, limit)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if found is None:
        raise ValueError(f"{text!r}, which is no size")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def _user_directory() -> str:
    if os.uname().sysname == "Linux":
        # What platformdirs says too, which takes 20 ms to import.
        base = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache")
        return os.path.join(base, "wasmine")
    import platformdirs

    return platformdirs.user_cache_dir("wasmine", appauthor=False)


NO_CACHE: Final = Cache(None, problem="switched off by the engine")


def of_option(option: object) -> Cache:
    """The cache that the option of an engine means. Raises TypeError for anything else."""
    if option is True:
        return default()
    if option is False:
        return NO_CACHE
    if isinstance(option, str | os.PathLike):
        return Cache(os.path.abspath(os.fsdecode(option)), default().limit)
    raise TypeError(f"cache is True, False or the path of a directory, not {option!r}")
