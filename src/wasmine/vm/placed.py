"""What is known of the code in a CodeSpace: whose it is, where it came from, its frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from functools import cached_property

from wasmine.abi.snapshot import PlacedFunction, Snapshot
from wasmine.vm.frames import GrowingFrames


class PlacedCode:
    """Functions in the order of their code; places are in bytes from the space's stubs.

    `starts`, `functions`, `latest` and `frames` are added to together, by CodeSpace.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.functions: list[PlacedFunction] = []
        self.latest: dict[int, PlacedFunction] = {}
        """The last one of each function, by its index among the module's own."""
        self.frames = GrowingFrames()
        self._restored: Snapshot | None = None
        self._released: set[int] = set()
        """Where functions began whose code is there no longer."""

    def restore(self, snapshot: Snapshot) -> None:
        """Begin with what a snapshot has."""
        self._restored = snapshot
        self.frames.load(snapshot.frames)

    def at(self, place: int) -> PlacedFunction | None:
        """The function whose code is at a place."""
        restored, starts = self._restored, self.starts
        if restored is not None and (not starts or place < starts[0]):
            position = bisect_right(restored.starts, place) - 1
            placed = restored.function(position) if position >= 0 else None
        else:
            position = bisect_right(starts, place) - 1
            placed = self.functions[position] if position >= 0 else None
        inside = placed is not None and place < placed.start + placed.size
        return placed if inside else None

    def wasm_offset(self, place: int) -> int | None:
        """The offset in the module of the instruction that code comes from."""
        placed = self.at(place)
        if placed is None:
            return None
        lines, offset = placed.lines, place - placed.start
        row = bisect_right(range(len(lines) // 2), offset, key=lambda row: lines[2 * row]) - 1
        return lines[2 * row + 1] or None if row >= 0 else None

    def frame_size_at(self, place: int) -> int | None:
        """Bytes from the stack pointer to the canonical frame address, None where that is unknown."""
        row = self.frames.find(place)
        return row.size - 1 if row is not None and row.size else None

    def present(self) -> list[PlacedFunction]:
        """The functions whose code has not been given back, in its order."""
        count = 0 if self._restored is None else len(self._restored)
        restored = self._restored
        first = [] if restored is None else [restored.function(place) for place in range(count)]
        own = [placed for placed in self.functions if placed.start not in self._released]
        return [*first, *own]

    def last_of(self, local: int) -> PlacedFunction | None:
        """The code of a function that was placed last."""
        placed = self.latest.get(local)
        if placed is None and self._restored is not None:
            place = self._places.get(local)
            return None if place is None else self._restored.function(place)
        return placed

    def locals(self) -> list[int]:
        """The functions that there has been code of."""
        first = [] if self._restored is None else list(self._restored.locals)
        return first + [placed.local for placed in self.functions]

    @cached_property
    def _places(self) -> dict[int, int]:
        """Where a function is among those of the snapshot."""
        locals_ = () if self._restored is None else self._restored.locals
        return {local: place for place, local in enumerate(locals_)}

    def replaced(
        self, is_current: Callable[[PlacedFunction], bool], used: Collection[int]
    ) -> list[list[PlacedFunction]]:
        """Runs of functions next to each other that are not current and have none of these places.

        What a snapshot had is not among them.
        """
        runs: list[list[PlacedFunction]] = [[]]
        # A call that does not return may be the last instruction of its function.
        found = [self.at(each) for place in used for each in (place - 1, place)]
        inside = {placed.start for placed in found if placed is not None}
        for placed in self.functions:
            if is_current(placed) or placed.start in inside:
                runs.append([])
            elif placed.start not in self._released:
                runs[-1].append(placed)
        return [run for run in runs if run]

    def release(self, run: list[PlacedFunction]) -> None:
        """The code of these functions is there no longer."""
        self._released.update(placed.start for placed in run)
