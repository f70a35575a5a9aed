"""The path_ functions: what can be done with names below an open directory."""

from __future__ import annotations

import errno
from typing import Final

from wasmine.wasi.abi import Errno, ErrnoError, FdFlags, FileType, LookupFlags, OFlags, Rights
from wasmine.wasi.context import Context
from wasmine.wasi.descriptors import Descriptor
from wasmine.wasi.directories import OpenDirectory, require_directory
from wasmine.wasi.files import new_times
from wasmine.wasi.filesystem import Directory, Opening, Place, Status, failure, resolve
from wasmine.wasi.preview1 import handler

# Plain numbers, for Python's flags take longer than the host does.
_FOLLOW: Final = LookupFlags.SYMLINK_FOLLOW.value
_CREAT, _DIRECTORY, _EXCL, _TRUNC = (flag.value for flag in OFlags)
_SYNC: Final = FdFlags.SYNC.value
_WRITE: Final = Rights.FD_WRITE.value
_READ_OR_WRITE: Final = (Rights.FD_READ | Rights.FD_WRITE).value
_READ_OR_LIST: Final = (Rights.FD_READ | Rights.FD_READDIR).value
_PATH_OPEN: Final = Rights.PATH_OPEN.value
_PATH_CREATE_FILE: Final = Rights.PATH_CREATE_FILE.value
_PATH_SET_SIZE: Final = Rights.PATH_FILESTAT_SET_SIZE.value


@handler("path_open")
def path_open(
    wasi: Context,
    fd: int,
    dirflags: int,
    path: bytes,
    oflags: int,
    base: int,
    inheriting: int,
    fdflags: int,
) -> int:
    """Programs ask for more rights than they need: they get those that the directory passes on."""
    root = require_directory(wasi, fd, _rights_to_open(oflags))
    passed_on = root.inheriting.value
    if base & _READ_OR_WRITE & ~passed_on:
        raise ErrnoError(Errno.ENOTCAPABLE)
    opening = _opening(oflags, base, fdflags)

    def open_place(place: Place) -> Descriptor | Directory:
        if place.slashed:
            _found(place, 0)
        return place.directory.open(place.name, opening)

    def open_itself(directory: Directory) -> Directory:
        if opening.create and opening.exclusive:
            raise ErrnoError(Errno.EEXIST)
        if opening.write or opening.truncate or opening.create:
            raise ErrnoError(Errno.EISDIR)
        return directory.reopen()

    follow = bool(dirflags & _FOLLOW) or path.endswith(b"/")
    opened = resolve(root.directory, path, open_place, itself=open_itself, follow=follow)
    descriptor = OpenDirectory(opened) if isinstance(opened, Directory) else opened
    descriptor.rights = Rights(base & passed_on & descriptor.ability.value)
    descriptor.inheriting = Rights(descriptor.inheriting.value & inheriting & passed_on)
    try:
        return wasi.descriptors.add(descriptor)
    except ErrnoError:
        descriptor.close()
        raise


def _rights_to_open(oflags: int) -> int:
    rights = _PATH_OPEN
    if oflags & _CREAT:
        rights |= _PATH_CREATE_FILE
    if oflags & _TRUNC:
        rights |= _PATH_SET_SIZE
    return rights


def _opening(oflags: int, base: int, fdflags: int) -> Opening:
    """How the file is opened. Raises ErrnoError(EINVAL) for what has no meaning."""
    if oflags >= _TRUNC << 1 or fdflags >= _SYNC << 1:
        raise ErrnoError(Errno.EINVAL)
    if oflags & _DIRECTORY and oflags != _DIRECTORY:
        raise ErrnoError(Errno.EINVAL)
    return Opening(
        read=bool(base & _READ_OR_LIST),
        write=bool(base & _WRITE),
        create=bool(oflags & _CREAT),
        exclusive=bool(oflags & _EXCL),
        truncate=bool(oflags & _TRUNC),
        directory=bool(oflags & _DIRECTORY),
        flags=fdflags,
    )


@handler("path_filestat_get")
def path_filestat_get(wasi: Context, fd: int, flags: int, path: bytes) -> Status:
    root = require_directory(wasi, fd, Rights.PATH_FILESTAT_GET)
    return resolve(
        root.directory,
        path,
        lambda place: _found(place, flags),
        itself=lambda directory: directory.status(),
        follow=_follows(flags, path),
    )


@handler("path_filestat_set_times")
def path_filestat_set_times(
    wasi: Context, fd: int, flags: int, path: bytes, atim: int, mtim: int, fst_flags: int
) -> None:
    root = require_directory(wasi, fd, Rights.PATH_FILESTAT_SET_TIMES)
    times = new_times(wasi, atim, mtim, fst_flags)

    def set_times(place: Place) -> None:
        _found(place, flags)
        place.directory.set_times(place.name, times)

    resolve(
        root.directory,
        path,
        set_times,
        itself=lambda directory: directory.set_times(None, times),
        follow=_follows(flags, path),
    )


def _follows(flags: int, path: bytes) -> bool:
    return bool(flags & _FOLLOW) or path.endswith(b"/")


def _found(place: Place, flags: int) -> Status:
    """About what the path leads to. Raises OSError with ELOOP for a link that is to be followed."""
    status = place.directory.status(place.name)
    if status.type is FileType.SYMBOLIC_LINK:
        if place.slashed or flags & _FOLLOW:
            raise failure(errno.ELOOP)
    elif place.slashed and status.type is not FileType.DIRECTORY:
        raise ErrnoError(Errno.ENOTDIR)
    return status


def _check_directory(place: Place) -> None:
    """Raises OSError unless a directory has the name, or ErrnoError(ENOTDIR)."""
    if place.directory.status(place.name).type is not FileType.DIRECTORY:
        raise ErrnoError(Errno.ENOTDIR)


def _check_free(place: Place) -> None:
    """Raises what making something that is no directory at a path with a slash at its end does."""
    place.directory.status(place.name)
    raise ErrnoError(Errno.EEXIST)


@handler("path_create_directory")
def path_create_directory(wasi: Context, fd: int, path: bytes) -> None:
    root = require_directory(wasi, fd, Rights.PATH_CREATE_DIRECTORY)
    resolve(
        root.directory,
        path,
        lambda place: place.directory.make_directory(place.name),
        itself=Errno.EEXIST,
    )


@handler("path_remove_directory")
def path_remove_directory(wasi: Context, fd: int, path: bytes) -> None:
    root = require_directory(wasi, fd, Rights.PATH_REMOVE_DIRECTORY)
    resolve(
        root.directory,
        path,
        lambda place: place.directory.remove_directory(place.name),
        itself=Errno.EINVAL,
    )


@handler("path_unlink_file")
def path_unlink_file(wasi: Context, fd: int, path: bytes) -> None:
    root = require_directory(wasi, fd, Rights.PATH_UNLINK_FILE)

    def remove(place: Place) -> None:
        if place.slashed:
            _check_directory(place)
        place.directory.remove_file(place.name)

    resolve(root.directory, path, remove, itself=Errno.EISDIR)


@handler("path_readlink")
def path_readlink(wasi: Context, fd: int, path: bytes, buf: memoryview) -> int:
    """As much of the target as there is room for. One outside of the directory is not told."""
    root = require_directory(wasi, fd, Rights.PATH_READLINK)

    def read(place: Place) -> bytes:
        if place.slashed:
            _found(place, 0)
        return place.directory.read_link(place.name)

    follow = path.endswith(b"/")
    target = resolve(root.directory, path, read, itself=Errno.EINVAL, follow=follow)
    if target.startswith(b"/"):
        raise ErrnoError(Errno.ENOTCAPABLE)
    data = target[: len(buf)]
    buf[: len(data)] = data
    return len(data)


@handler("path_symlink")
def path_symlink(wasi: Context, old_path: bytes, fd: int, new_path: bytes) -> None:
    """Links to absolute paths are not made: the guest could not follow them, others would."""
    root = require_directory(wasi, fd, Rights.PATH_SYMLINK)
    if not old_path:
        raise ErrnoError(Errno.ENOENT)
    if old_path.startswith(b"/"):
        raise ErrnoError(Errno.ENOTCAPABLE)

    def make(place: Place) -> None:
        if place.slashed:
            _check_free(place)
        place.directory.make_link(place.name, old_path)

    resolve(root.directory, new_path, make, itself=Errno.EEXIST)


@handler("path_link")
def path_link(
    wasi: Context, old_fd: int, old_flags: int, old_path: bytes, new_fd: int, new_path: bytes
) -> None:
    old_root = require_directory(wasi, old_fd, Rights.PATH_LINK_SOURCE)
    new_root = require_directory(wasi, new_fd, Rights.PATH_LINK_TARGET)

    def link(old: Place, new: Place) -> None:
        if new.slashed:
            _check_free(new)
        old.directory.link(old.name, new.directory, new.name)

    def link_old(old: Place) -> None:
        _found(old, old_flags)
        resolve(new_root.directory, new_path, lambda new: link(old, new), itself=Errno.EEXIST)

    follow = _follows(old_flags, old_path)
    resolve(old_root.directory, old_path, link_old, itself=Errno.EPERM, follow=follow)


@handler("path_rename")
def path_rename(wasi: Context, fd: int, old_path: bytes, new_fd: int, new_path: bytes) -> None:
    old_root = require_directory(wasi, fd, Rights.PATH_RENAME_SOURCE)
    new_root = require_directory(wasi, new_fd, Rights.PATH_RENAME_TARGET)

    def rename(old: Place, new: Place) -> None:
        if old.slashed or new.slashed:
            _check_directory(old)
        old.directory.rename(old.name, new.directory, new.name)

    def rename_old(old: Place) -> None:
        resolve(new_root.directory, new_path, lambda new: rename(old, new), itself=Errno.EBUSY)

    resolve(old_root.directory, old_path, rename_old, itself=Errno.EBUSY)
