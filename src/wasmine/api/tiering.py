"""Better code for what runs often: what is asked for when, and what becomes of it.

Baseline code counts calls and the rounds of loops, and comes here when a counter has run out. What is hot is
compiled by a worker process, together with the warm functions that it calls. What comes back is installed by
the pool's thread while the program runs on: the next call of a function gets the new code; a loop
that goes round comes here once more, and is told where to go on.

All of this needs the interpreter lock, which is the only lock there is: nothing here waits.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import time
import weakref
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmine.abi.image import Image
from wasmine.api.hottypes import HotTypes
from wasmine.api.importing import import_apart
from wasmine.api.loading import module_key
from wasmine.api.thunks import THUNKS
from wasmine.errors import DeserializeError, InternalError, ResourceError
from wasmine.frozen import Frozen
from wasmine.vm.code import Code
from wasmine.vm.process import current
from wasmine.vm.signals import held_back

if TYPE_CHECKING:
    import random

    from wasmine.api.cache import Cache
    from wasmine.api.cachefile import Entry, Key
    from wasmine.api.engine import Engine
    from wasmine.api.worker import Job
    from wasmine.api.workers import Pool, Source
    from wasmine.compiler.module import MemoryStyle
    from wasmine.vm.codespace import CodeSpace
    from wasmine.wasm.module import ModuleInfo


class Policy(Frozen):
    """When code is hot. Counts are calls of a function, or rounds of a loop."""

    first: int = 4000
    """What counters begin with."""
    growth: int = 8
    """Each time that a counter runs out too early it begins anew with so many times more."""
    polling: int = 1 << 18
    """The largest count: so often code asks whether better code has come."""
    patience: float = 0.1
    """CPU seconds that code has to be hot for: about what it costs to start a process that compiles, so
    that a program which ends before is better off without."""
    warm: int = 200
    """A function that has been called so often is compiled together with those that call it."""
    outer: float = 0.02
    """CPU seconds in which a loop has to come round for being entered in place of one inside it ..."""
    outermost: float = 0.5
    """... and after which, at the latest, the one inside is entered."""
    releases: float = 1.0
    """Seconds between two times that the memory of replaced code is given back."""
    at_once: random.Random | None = None
    """For tests: code is compiled in this process, without waiting, or, as this says, somewhat later."""


policy = Policy()

Hot: TypeAlias = tuple[int, int]
"""A function, and the offset in the module of a loop that it is to be taken over at, or -1."""

MAXIMUM_WORKERS: Final = 4
BETWEEN_STORES: Final = 2.0
"""Seconds."""
LARGE: Final = 1 << 15
"""Bytes of a function that takes LLVM many seconds; smaller ones are compiled together up to that."""
KEPT_IMAGES: Final = 64
"""How many pieces of a module's optimised code the cache has at most: each is mapped by itself."""


@functools.cache
def _pool() -> Pool:
    # Short programs never have one.
    import_apart("wasmine.api.workers")
    from wasmine.api.workers import Pool, processors

    # With two a large function does not keep the others waiting.
    return Pool(max(2, min(processors() - 1, MAXIMUM_WORKERS)))


class Tiers:
    """What is hot in the functions of a CodeSpace, which keeps this."""

    def __init__(
        self, info: ModuleInfo, styles: tuple[MemoryStyle, ...], engine: Engine, space: CodeSpace
    ) -> None:
        """Put what earlier runs have made, if the cache has it, where calls find it."""
        self._info = info
        self._styles = styles
        self._opt_level = engine.opt_level
        self._space = weakref.ref(space)
        self._policy = policy
        self._since = 0.0
        """When the first counter ran out, in CPU seconds of the process."""
        self._counts: dict[tuple[int, int], int] = {}
        """What counters began with last, by function and loop, of those that have run out."""
        self._places: dict[tuple[int, int], tuple[int, int]] = {}
        """The numbers of such counters, and the offsets in the module of their loops, or -1."""
        self._outer: dict[tuple[int, int], tuple[float, list[int]]] = {}
        """When a loop could first be entered, by function and loop, and the counters of those in front."""
        self._takeovers: dict[tuple[int, int], int] = {}
        """Where to go on: by function and the offset of a loop."""
        self._optimised: set[int] = set()
        self._requested: set[Hot] = set()
        """What has been asked for, and may have failed."""
        self._waiting: deque[Hot] = deque()
        self._large: deque[Hot] = deque()
        """What no worker has yet, small and large functions."""
        self._sent: dict[object, int] = {}
        """Jobs that workers are at, with the size of their first function."""
        self._failed = False
        """Whether a job for several functions has had no result."""
        self._replaced = False
        """Whether code may have been replaced since memory was last given back."""
        self._released = 0.0
        self._kept = _Kept(engine.cache, module_key(info, styles, engine, "tier"))
        for code in self._kept.load():
            self._install(space, code)
        _all.add(self)

    # --- counters --------------------------------------------------------------------------------

    def on_count(self, local: int, loop: int) -> int:
        """A counter has run out: where to go on, or 0; see CodeSpace.on_count."""
        space = self._space()
        if space is None:
            raise InternalError("code counts that is gone")
        number, offset = self._place(space, local, loop)
        address = self._takeovers.get((local, offset), 0)
        if address and loop > 0 and self._outer_comes(space, local, loop):
            address = 0
        elif not address and self._is_hot(local, loop):
            address = self._ask(space, local, offset)
        if self._replaced and time.monotonic() - self._released >= self._policy.releases:
            self._replaced = False
            self._released = time.monotonic()
            space.release_replaced()
        space.set_counter(number, self._next_count(local, loop))
        return address

    def _is_hot(self, local: int, loop: int) -> bool:
        rules = self._policy
        if rules.at_once is not None:
            return rules.at_once.random() < 0.5
        now = time.process_time()
        if not self._since:
            self._since = now
        return (local, loop) in self._counts and now - self._since >= rules.patience

    def _outer_comes(self, space: CodeSpace, local: int, loop: int) -> bool:
        """Whether to go on until a loop in front of this one, which may be around it, comes round again.

        Entered at an inner loop, those around it have two entries each, and LLVM does less for them.
        """
        rules = self._policy
        if rules.at_once is not None:
            return False
        now = time.process_time()
        numbers = [space.counter_of(local, outer) for outer in range(loop)]
        counts = [space.counter(number) for number in numbers]
        began, before = self._outer.setdefault((local, loop), (now, counts))
        if now - began >= rules.outermost:
            return False
        for outer, number in enumerate(numbers):
            if counts[outer] != before[outer]:
                offset = space.loops(local)[outer]
                if (local, offset) in self._takeovers:
                    space.set_counter(number, 0)
                else:
                    self._ask(space, local, offset)
                return True
        return now - began < rules.outer

    def _next_count(self, local: int, loop: int) -> int:
        rules, key = self._policy, (local, loop)
        if rules.at_once is not None:
            count = rules.at_once.randrange(2 * rules.first + 1)
        else:
            count = min(self._counts.get(key, rules.first) * rules.growth, rules.polling)
        self._counts[key] = count
        return count

    def _place(self, space: CodeSpace, local: int, loop: int) -> tuple[int, int]:
        key = (local, loop)
        place = self._places.get(key)
        if place is None:
            offset = space.loops(local)[loop] if loop >= 0 else -1
            place = self._places[key] = (space.counter_of(local, loop), offset)
        return place

    # --- asking ----------------------------------------------------------------------------------

    def _ask(self, space: CodeSpace, local: int, offset: int) -> int:
        """Have a function compiled, and code that takes it over at a loop; where that is already."""
        if (local, offset) in self._requested or (offset < 0 and local in self._optimised):
            return 0
        self._requested.add((local, offset))
        if self._policy.at_once is not None:
            import_apart("wasmine.api.pipeline")
            from wasmine.api.worker import compile_hot

            self._install(space, compile_hot(self._info, self._job(space, [(local, offset)])))
            return self._takeovers.get((local, offset), 0)
        self._queue((local, offset))
        if self._alone(local, offset) and local not in self._optimised:
            self._requested.add((local, -1))
            self._queue((local, -1))
        held_back(self._send, space)
        return 0

    def _alone(self, local: int, offset: int) -> bool:
        """Whether a function is not compiled with what takes it over at a loop: it has better code, or is
        so large that the loop would wait for twice the work."""
        large = self._size((local, -1)) >= LARGE
        return offset >= 0 and (large or local in self._optimised)

    def _send(self, space: CodeSpace) -> None:
        """Give what waits to workers, unless they have enough to do: then it gets more company."""
        token = object()
        # With no descriptor left neither modules nor sockets can be opened.
        with contextlib.suppress(ImportError, OSError):
            pool = _pool()
            while len(self._sent) < pool.limit and (hot := self._take()):
                self._sent[token] = self._size(hot[0])
                done = functools.partial(_arrived, weakref.ref(self), token, hot)
                if not pool.submit(self._source, self._job(space, hot), done):
                    break
                token = object()
        # The last one, if it has not been sent.
        self._sent.pop(token, None)

    def _take(self) -> list[Hot]:
        """What is compiled next: one large function at a time, and small ones first."""
        hot: list[Hot] = []
        room = LARGE
        with contextlib.suppress(IndexError):  # another thread may take some too
            while self._waiting and room > 0 and (not hot or not self._failed):
                hot.append(self._waiting.popleft())
                room -= self._size(hot[-1])
            if not hot and self._large and max(self._sent.values(), default=0) < LARGE:
                hot.append(self._large.popleft())
        return hot

    def _size(self, hot: Hot) -> int:
        body = self._info.bodies[hot[0]]
        return body.end - body.start

    def _queue(self, hot: Hot) -> None:
        (self._large if self._size(hot) >= LARGE else self._waiting).append(hot)

    @functools.cached_property
    def _source(self) -> Source:
        import_apart("wasmine.api.workers")
        from wasmine.api.workers import Source

        return Source(self._info.data)

    def _job(self, space: CodeSpace, hot: list[Hot]) -> Job:
        first = self._info.imported_functions
        from wasmine.api.worker import Job

        return Job(
            0,
            self._info.features,
            self._styles,
            self._opt_level,
            tuple(sorted({first + local for local, at in hot if not self._alone(local, at)})),
            loops=tuple((first + local, offset) for local, offset in hot if offset >= 0),
            warm=tuple(first + each for each in self._warm(space)),
        )

    def _warm(self, space: CodeSpace) -> Iterator[int]:
        """Functions that have been called often, and have no better code yet."""
        rules = self._policy
        for local in space.compiled_functions():
            called = rules.first - space.counter(local) >= rules.warm or (local, -1) in self._counts
            if called and local not in self._optimised:
                yield local

    # --- installing ------------------------------------------------------------------------------

    def arrived(self, token: object, hot: list[Hot], result: bytes | None) -> None:
        """A worker has made an Image, or could not. Called in the pool's thread."""
        self._sent.pop(token, None)
        space = self._space()
        if space is None:
            return
        if result is not None:
            self._install(space, Image.from_bytes(result))
            self._kept.add(result)
        elif len(hot) > 1:
            # One of them is to blame. From now on each is alone.
            self._failed = True
            self._waiting += hot
        self._send(space)

    def _install(self, space: CodeSpace, image: Image | Code) -> None:
        try:
            code = space.install(image)
        except ResourceError:
            return
        first = self._info.imported_functions
        for extent in code.image.functions:
            index, loop, place = extent.name.removeprefix("f").partition("_loop")
            if loop:
                self._takeovers[int(index) - first, int(place)] = code.address(extent.name)
            elif index.isdecimal():
                self._optimised.add(int(index) - first)
        self._replaced = True
        # A loop that goes round notices now, or else when it has run through its count.
        for (local, _), (number, offset) in list(self._places.items()):
            if (local, offset) in self._takeovers:
                space.set_counter(number, 0)

    def keep(self) -> None:
        """Put what workers have made into the cache."""
        self._kept.store()

    def forget_requests(self) -> None:
        """Ask anew: the workers are those of the parent process."""
        self._requested.clear()
        self._waiting.clear()
        self._large.clear()
        self._sent.clear()


class _Kept:
    """What workers have made for a module, in the cache and on its way there."""

    def __init__(self, cache: Cache, key: Key) -> None:
        self._cache = cache
        self._key = key
        self._new: list[bytes] = []
        self._stored = time.monotonic()

    def load(self) -> list[Code]:
        """The code that the cache has, mapped."""
        entry = self._cache.get(self._key)
        codes: list[Code] = []
        if entry is not None:
            with entry, contextlib.suppress(DeserializeError, InternalError, ResourceError):
                for number in range(len(entry)):
                    offset, resolve = entry.offset(number), current().resolve
                    codes.append(Code.map_file(entry.fd, offset, resolve, verify=False))
        return codes

    def add(self, image: bytes) -> None:
        """Store a serialised Image sooner or later."""
        self._new.append(image)
        if time.monotonic() - self._stored >= BETWEEN_STORES:
            self.store()

    def store(self) -> None:
        """Put everything that is new into the cache."""
        new, self._new = self._new, []
        self._stored = time.monotonic()
        if new:
            self._cache.update(self._key, functools.partial(_merged, new))


def _merged(new: list[bytes], entry: Entry | None) -> list[bytes]:
    """The images that an entry has, and those that have something which none of them has."""
    images = [] if entry is None else [bytes(entry.part(number)) for number in range(len(entry))]
    known: set[str] = set()
    for image in images:
        known |= _names(image)
    for image in new:
        names = _names(image)
        if not names <= known and len(images) < KEPT_IMAGES:
            known |= names
            images.append(image)
    return images


def _names(image: bytes) -> set[str]:
    """The functions of a serialised Image."""
    return {extent.name for extent in Image.from_bytes(image, verify=False).functions}


def attach(
    info: ModuleInfo, styles: tuple[MemoryStyle, ...], engine: Engine, space: CodeSpace
) -> None:
    """Let functions of a CodeSpace that run often get better code."""
    space.on_count = Tiers(info, styles, engine, space).on_count
    THUNKS.on_hot = _hot_types.on_hot


def _arrived(
    tiers: weakref.ref[Tiers], token: object, hot: list[Hot], result: bytes | None
) -> None:
    found = tiers()
    if found is not None:
        found.arrived(token, hot, result)


_all: Final[weakref.WeakSet[Tiers]] = weakref.WeakSet()


_hot_types: Final = HotTypes(_pool)


def _after_fork() -> None:
    _hot_types.forget()
    for tiers in list(_all):
        tiers.forget_requests()


def _at_exit() -> None:
    for tiers in list(_all):
        tiers.keep()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
