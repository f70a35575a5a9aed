"""A data structure of garbage-collected objects, made in WebAssembly and read in Python.

Run it with `python examples/objects/objects.py`.

The map is persistent: inserting gives a new version, and old ones stay as they were, like commits
of a repository. Python holds the roots; nodes that no version needs any more are freed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wasmine import Instance, Module, Struct

INSTANCE = Instance(Module(Path(__file__).with_suffix(".wat")))
KEY, VALUE, LEFT, RIGHT = range(4)


class Version:
    """A version of a map from integers to any objects of Python."""

    def __init__(self, root: Struct | None = None) -> None:
        self.root = root

    def inserted(self, key: int, value: object) -> Version:
        """The next version, where this key has this value."""
        return Version(INSTANCE.exports.insert(self.root, key, value))

    def __getitem__(self, key: int) -> Any:
        node = INSTANCE.exports.find(self.root, key)
        if node is None:
            raise KeyError(key)
        return node[VALUE]

    def __iter__(self) -> Iterator[int]:
        """The keys in order. The nodes are Structs, and Python can walk them without a call."""
        path: list[Struct] = []
        node = self.root
        while path or node is not None:
            while node is not None:
                path.append(node)
                node = node[LEFT]
            node = path.pop()
            yield node[KEY]
            node = node[RIGHT]


def addresses(node: Struct | None) -> set[int]:
    """Where the nodes of a tree lie in the heap."""
    if node is None:
        return set()
    return {node.address} | addresses(node[LEFT]) | addresses(node[RIGHT])


def main() -> None:
    """Makes versions, compares them, and lets them go."""
    first = Version()
    for key, word in enumerate(["pear", "apple", "fig", "quince", "plum", "cherry"]):
        first = first.inserted(7 * key % 11, word)
    second = first.inserted(5, ["any", "object"])
    print("first: ", *(f"{key}={first[key]}" for key in first))
    print("second:", *(f"{key}={second[key]}" for key in second))
    shared = addresses(first.root) & addresses(second.root)
    print("nodes in common:", len(shared), "of", len(addresses(second.root)))

    many = Version()
    for key in range(10_000):
        many = many.inserted(key, key * key)
    print("a large one:", sum(many), many[9_999])

    store = INSTANCE.store
    store.collect()
    held = store.heap.live  # bytes
    del many
    store.collect()
    print("freed with it, bytes per key:", (held - store.heap.live) // 10_000)
    print("the first is as it was:", *(first[key] for key in first))


if __name__ == "__main__":
    main()
