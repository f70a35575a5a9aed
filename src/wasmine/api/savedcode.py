"""Code that was compiled when it was first called, kept in the cache for the next process.

An entry has all code of a module that processes have needed so far: three parts, which are a snapshot of
the code space, its constants, and how many functions there are. A process begins with that, appends what it
needs besides, and stores the result if it has more than the entry by then: when the module is no longer
used, when the program ends, and now and then while functions are being compiled.
"""

from __future__ import annotations

import atexit
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from wasmine.errors import DeserializeError
from wasmine.vm.artifact import Artifact
from wasmine.vm.codespace import CodeSpace, FunctionCompiler

if TYPE_CHECKING:
    from wasmine.abi.baseline import CompiledFunction
    from wasmine.abi.image import Image
    from wasmine.api.cache import Cache
    from wasmine.api.cachefile import Buffer, Entry, Key
    from wasmine.wasm.module import ModuleInfo

SAVING_INTERVAL: Final = 10.0
"""Seconds between two times that a program in the middle of its work waits for new code to be stored."""

_COUNT_SIZE: Final = 8


class SavedCode:
    """Compiles the functions of a module that the cache has not got; a FunctionCompiler."""

    def __init__(
        self,
        cache: Cache,
        key: Key,
        make_compiler: Callable[[], FunctionCompiler],
        compile_alone: Callable[[int], Image],
    ) -> None:
        """`make_compiler` is called when code is needed that the cache has not got; `compile_alone` gives
        code that needs no constants."""
        self._cache = cache
        self._key = key
        self._make_compiler = make_compiler
        self._compile_alone = compile_alone
        self._compiler: FunctionCompiler | None = None
        self._entry: Entry | None = cache.get(key)
        self.found: Final = self._entry is not None
        """Whether the cache has code of the module, which is valid then."""
        self._count = 0 if self._entry is None else _count(self._entry)
        self._new = 0
        """How many functions were compiled since code was stored."""
        self._saved_at = time.monotonic()
        self._artifact: weakref.ref[SavedArtifact] | None = None
        self._constants = None if self._entry is None else bytes(self._entry.part(1))

    @property
    def constants(self) -> bytes:
        """The pool of constants that code refers to."""
        if self._constants is None:
            self._constants = self._load_compiler().constants
        return self._constants

    def _load_compiler(self) -> FunctionCompiler:
        if self._compiler is None:
            self._compiler = self._make_compiler()
        return self._compiler

    def __call__(self, local: int, /) -> CompiledFunction | Image:
        """The code of a function, by its index without imports."""
        compiler = self._load_compiler()
        if compiler.constants != self.constants:
            # Its stencils are not those that the entry's code was made of.
            return self._compile_alone(local)
        if self._new and time.monotonic() - self._saved_at > SAVING_INTERVAL:
            self.save()
        compiled = compiler(local)
        self._new += 1
        return compiled

    def begin(self, artifact: SavedArtifact) -> None:
        """Give an artifact that has no code yet the entry's code, and store what it gets."""
        entry, self._entry = self._entry, None
        if entry is not None:
            with entry:
                try:
                    artifact.space.restore(entry.part(0), entry.fd, entry.offset(0))
                except DeserializeError:  # it will be replaced
                    self._count = 0
        self._artifact = weakref.ref(artifact)
        _open.add(self)

    def save(self) -> None:
        """Store the code, if the cache has less."""
        artifact = None if self._artifact is None else self._artifact()
        if artifact is not None:
            self.save_space(artifact.space)

    def save_space(self, space: CodeSpace) -> None:
        """Store the code of a space, if the cache has less."""
        if not self._new:
            return
        new, self._new = self._new, 0
        self._saved_at = time.monotonic()
        self._count += new
        count = self._count

        def merge(entry: Entry | None) -> list[Buffer] | None:
            if entry is not None and _count(entry) >= count:
                return None
            return [space.snapshot(), self.constants, count.to_bytes(_COUNT_SIZE, "little")]

        self._cache.update(self._key, merge)


def _count(entry: Entry) -> int:
    return int.from_bytes(entry.part(2), "little")


class SavedArtifact(Artifact):
    """An artifact whose code is stored when nobody uses it any more."""

    def __init__(self, info: ModuleInfo, code: CodeSpace) -> None:
        super().__init__(info, code)
        self.space: Final = code
        self._saved_code: SavedCode | None = None

    @classmethod
    def of(cls, info: ModuleInfo, code: SavedCode, counter_start: int = 0) -> SavedArtifact:
        """The artifact of a module that begins with what the cache has."""
        self = cls.lazy(info, code, counter_start=counter_start)
        code.begin(self)
        self._saved_code = code
        return self

    def __del__(self) -> None:
        # Not without `of` having returned; and not when the interpreter ends: all is stored by then.
        saved = getattr(self, "_saved_code", None)
        if saved is not None and not _ended:
            saved.save_space(self.space)


_open: Final[weakref.WeakSet[SavedCode]] = weakref.WeakSet()
_ended: Final[list[bool]] = []


def _save_all() -> None:
    for code in list(_open):
        code.save()
    _ended.append(True)


atexit.register(_save_all)
