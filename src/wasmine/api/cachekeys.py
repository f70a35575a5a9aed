"""What native code is made from, as keys of the cache; nothing of it needs LLVM to be loaded.

Every key covers the version of wasmine and of its sources, LLVM, the processor and the size of
pages. Code that knows CPython's structures adds PYTHON.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import Final

from wasmine.abi.digest import blake2b
from wasmine.api.cachefile import ALIGNMENT, Buffer, Key
from wasmine.version import __version__
from wasmine.vm import processor

PYTHON: Final = f"{sys.implementation.cache_tag} {sys.abiflags} {sys.hexversion >> 16:x}"
"""The interpreter, as far as its structures and functions in C depend on it."""

_LARGE: Final = 1 << 20
"""From here on OpenSSL's SHA-256 is worth being loaded: with the instructions that processors have for
it, it takes 59 ms for 100 MB, and BLAKE2b 113 ms."""
_INSTALLED: Final = ("site-packages", "dist-packages")


def content_digest(content: Buffer) -> bytes:
    """The digest by which bytes are known."""
    if len(content) < _LARGE:
        return blake2b(content, digest_size=32).digest()
    from hashlib import sha256

    return sha256(content).digest()


def make_key(kind: str, *facts: str | bytes) -> Key:
    """The key for what is made from these facts, in this environment."""
    digest = blake2b(_environment(), digest_size=32)
    for fact in facts:
        content = fact.encode() if isinstance(fact, str) else fact
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return Key(kind, digest.digest())


@functools.cache
def _environment() -> bytes:
    """What all code depends on."""
    facts = (__version__, _sources(), _llvm(), processor.identity(), str(ALIGNMENT))
    return "\0".join(facts).encode()


def _sources() -> str:
    """Text that changes with the files of the package.

    An installed package is replaced as a whole, so that one file stands for all; a source tree changes
    file by file, and its version says nothing.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    try:
        if os.path.basename(os.path.dirname(package)) in _INSTALLED:
            return _file_facts(os.path.join(package, "version.py"))
        return "\n".join(sorted(_python_files(package)))
    except OSError:  # it is in an archive
        return ""


def _python_files(directory: str) -> Iterator[str]:
    with os.scandir(directory) as found:
        for file in found:
            if file.name.endswith(".py"):
                yield _file_facts(file.path)
            elif file.is_dir() and file.name != "__pycache__":
                yield from _python_files(file.path)


def _llvm() -> str:
    """Which LLVM there is: the library is described, not loaded."""
    # Unlike importlib.util this does not look at sys.modules, which may say what is not so.
    spec = PathFinder.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return "none"
    directory = os.path.dirname(spec.origin)
    try:
        return _file_facts(os.path.join(directory, "binding", "libllvmlite.so"))
    except OSError:
        return _file_facts(spec.origin)


def _file_facts(path: str) -> str:
    status = os.stat(path)
    return f"{os.path.basename(path)} {status.st_size} {status.st_mtime_ns}"
