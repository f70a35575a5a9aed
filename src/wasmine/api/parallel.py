"""Compiling a whole module in several processes. The Image is the one that a single process makes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from wasmine.api import pipeline
from wasmine.api.worker import Job
from wasmine.api.workers import Pool, Source, processors
from wasmine.compiler import linker
from wasmine.errors import CompileError
from wasmine.wasm.validator import checked_body

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.compiler.module import MemoryStyle
    from wasmine.wasm.module import ModuleInfo

WORTHWHILE: Final = 2
"""From so many units on another process gains more than it takes to start."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many bytes of code are compiled, and of how many."""


def compile_parallel(
    info: ModuleInfo,
    styles: tuple[MemoryStyle, ...],
    opt_level: str,
    progress: Progress | None = None,
    *,
    processes: int | None = None,
) -> Image:
    """What `pipeline.compile_module` gives, the same bytes, in about a part of the time.

    `processes` counts this one, which compiles as well; without it there is one for each processor that
    this program may use. Where processes cannot be started this one does everything. `progress`
    is called in this thread. Raises CompileError.
    """
    units = pipeline.units(info)
    count = min(processes or processors(), len(units))
    assembly = _Assembly(info, styles, opt_level, units)
    if count < WORTHWHILE:
        return assembly.run(progress)
    pool = Pool(count - 1, niceness=0)
    try:
        assembly.share(pool, count - 1)
        return assembly.run(progress)
    finally:
        pool.close()


class _Assembly:
    """The units of a module on their way to objects."""

    def __init__(
        self,
        info: ModuleInfo,
        styles: tuple[MemoryStyle, ...],
        opt_level: str,
        units: list[range],
    ) -> None:
        self._info = info
        self._styles = styles
        self._options = pipeline.options_for(styles)
        self._opt_level = opt_level
        self._units = units
        self._objects: list[bytes | None] = [None] * len(units)
        self._left = deque(range(len(units)))
        """Units that nobody has begun."""
        self._changed = threading.Condition()

    def share(self, pool: Pool, workers: int) -> None:
        """Let workers take units, one at a time each."""
        source = Source(self._info.data)

        def take() -> None:
            with self._changed:
                if not self._left:
                    return
                # This process begins at the front: what is invalid is found in order, mostly.
                number = self._left.pop()
            unit = tuple(self._units[number])
            features = self._info.features
            job = Job(0, features, self._styles, self._opt_level, unit, linked=False)

            def done(result: bytes | None) -> None:
                with self._changed:
                    if result is None:
                        # The error is what this process finds.
                        self._left.appendleft(number)
                    else:
                        self._objects[number] = result
                    self._changed.notify_all()
                if result is not None:
                    take()

            if not pool.submit(source, job, done):
                with self._changed:
                    self._left.append(number)

        for _ in range(workers):
            take()

    def run(self, progress: Progress | None) -> Image:
        """Compile what is left, and link everything."""
        sizes = [self._size(unit) for unit in self._units]
        total = sum(sizes)
        while True:
            if progress is not None:
                made = zip(sizes, self._objects, strict=True)
                progress(sum(size for size, object_ in made if object_ is not None), total)
            with self._changed:
                if self._left:
                    number = self._left.popleft()
                elif None in self._objects:
                    self._changed.wait()
                    continue
                else:
                    break
            self._objects[number] = self._compile(number)
        return linker.link([object_ for object_ in self._objects if object_ is not None])

    def _compile(self, number: int) -> bytes:
        unit = self._units[number]
        try:
            return pipeline.compile_object(self._info, unit, self._options, self._opt_level)
        except CompileError:
            # Of several errors the first one is told, whoever was how fast.
            for index in range(unit.start):
                if index >= self._info.imported_functions:
                    checked_body(self._info, index - self._info.imported_functions)
            raise

    def _size(self, unit: range) -> int:
        first = self._info.imported_functions
        bodies = self._info.bodies[unit.start - first : unit.stop - first]
        return sum(body.end - body.start for body in bodies)
