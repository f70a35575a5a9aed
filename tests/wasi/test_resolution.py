"""Random paths through random trees, against an oracle that knows no file system."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from wasmine.wasi import Errno, HostDirectory
from wasmine.wasi.abi import ErrnoError, Rights

from .guest import ROOT, Guest
from .host import use_walk

# More links than this are refused by all, fewer than MOST_LINKS by none; between, each may decide.
MOST_LINKS = 40
ENDLESS = 300

Node = dict[str, "Node"] | str | None
"""A directory, the target of a link, or a file."""


class Stop(Exception):
    """How a walk ends early."""

    def __init__(self, errno: Errno) -> None:
        self.errno = errno


class Oracle:
    """Walks a tree of dictionaries, by the rules and in no hurry."""

    def __init__(self, root: dict[str, Node]) -> None:
        self.root = root
        self.links = 0

    def walk(self, path: str, follow: bool) -> tuple[str, Node]:
        """The place that a path names, as one path without links, and what is there."""
        if path.startswith("/"):
            raise Stop(Errno.ENOTCAPABLE)
        pending = [name for name in reversed(path.split("/")) if name not in ("", ".")]
        must_be_directory = path.split("/")[-1] in ("", ".", "..")
        trail: list[tuple[str, dict[str, Node]]] = [(".", self.root)]
        while pending:
            name = pending.pop()
            if name == "..":
                trail.pop()
                if not trail:
                    raise Stop(Errno.ENOTCAPABLE)
                continue
            where, here = trail[-1]
            if name not in here:
                raise Stop(Errno.ENOENT)
            node = here[name]
            last = not pending and not must_be_directory
            if isinstance(node, str) and (follow or not last):
                self.links += 1
                if self.links > ENDLESS:
                    raise Stop(Errno.ELOOP)
                if node.startswith("/"):
                    raise Stop(Errno.ENOTCAPABLE)
                pending += [part for part in reversed(node.split("/")) if part not in ("", ".")]
                if last and node.split("/")[-1] in ("", ".", ".."):
                    must_be_directory = True
            elif isinstance(node, dict):
                trail.append((f"{where}/{name}", node))
            elif last:
                return f"{where}/{name}", node
            else:
                raise Stop(Errno.ENOTDIR)
        return trail[-1]


def random_tree(numbers: random.Random, depth: int = 0) -> dict[str, Node]:
    tree: dict[str, Node] = {}
    for name in numbers.sample("abcd", numbers.randint(1, 4)):
        kind = numbers.random()
        if kind < 0.4 and depth < 3:
            tree[name] = random_tree(numbers, depth + 1)
        elif kind < 0.75:
            tree[name] = random_path(numbers, 4)
        else:
            tree[name] = None
    return tree


def random_path(numbers: random.Random, most: int) -> str:
    parts = numbers.choices(["a", "b", "c", "d", "..", ".", ""], [5, 5, 5, 5, 5, 1, 1], k=most)
    path = "/".join(parts[: numbers.randint(1, most)])
    return path or "."


def build(tree: dict[str, Node], place: Path) -> None:
    place.mkdir()
    for name, node in tree.items():
        if isinstance(node, dict):
            build(node, place / name)
        elif node is None:
            (place / name).touch()
        else:
            (place / name).symlink_to(node)


def expected(tree: dict[str, Node], path: str, question: str) -> tuple[Errno | str, int]:
    """The errno, or the place that is reached, and how many links were followed to get there."""
    oracle = Oracle(tree)
    try:
        place, node = oracle.walk(path, follow=question in ("status", "open"))
    except Stop as stop:
        return stop.errno, oracle.links
    if question == "read a link" and not isinstance(node, str):
        return Errno.EINVAL, oracle.links
    if question == "open the link" and isinstance(node, str):
        return Errno.ELOOP, oracle.links
    if question == "read a link" and isinstance(node, str) and node.startswith("/"):
        return Errno.ENOTCAPABLE, oracle.links
    return place, oracle.links


def observed(guest: Guest, path: bytes, question: str) -> Errno | int | bytes:
    try:
        if question.startswith("status"):
            return guest.status(path, follow=question == "status").inode
        if question == "read a link":
            target: bytes = guest.ask("path_readlink", ROOT, path, 100)
            return target
        fd = guest.open(
            path, rights=Rights.FD_READ | Rights.FD_FILESTAT_GET, follow=question == "open"
        )
        inode = guest.fd_status(fd).inode
        guest.ask("fd_close", fd)
        return inode
    except ErrnoError as error:
        return error.errno


QUESTIONS = ("status", "status of the link", "open", "open the link", "read a link")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("walk", ["openat2", "steps"])
def test_random_paths(
    walk: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_walk(monkeypatch, walk)
    numbers = random.Random(seed)
    tree = random_tree(numbers)
    root = tmp_path / "root"
    build(tree, root)
    with Guest(dirs={"/": HostDirectory(root)}) as guest:
        for _ in range(250):
            path = random_path(numbers, 7)
            for question in QUESTIONS:
                wanted, links = expected(tree, path, question)
                seen = observed(guest, os.fsencode(path), question)
                if links > MOST_LINKS and seen is Errno.ELOOP:
                    continue
                if isinstance(wanted, Errno):
                    assert seen is wanted, (path, question, tree)
                elif question == "read a link":
                    assert seen == os.fsencode(os.readlink(root / wanted)), (path, tree)
                else:
                    assert seen == (root / wanted).lstat().st_ino, (path, question, tree)


def test_the_oracle_meets_everything() -> None:
    """Else the comparison would say little."""
    met: set[object] = set()
    for seed in range(12):
        numbers = random.Random(seed)
        tree = random_tree(numbers)
        for _ in range(250):
            path = random_path(numbers, 7)
            for question in QUESTIONS:
                wanted, links = expected(tree, path, question)
                met.add(wanted if isinstance(wanted, Errno) else (question, links > 0))
    errnos = {Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP, Errno.EINVAL, Errno.ENOTCAPABLE}
    assert met >= errnos | {(question, True) for question in QUESTIONS}
