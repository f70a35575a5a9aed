"""Mixes sound with vector instructions (SIMD), and compares the speed with Python's own.

Run it with `python examples/simd/simd.py`.
"""

from __future__ import annotations

import math
import time
from array import array
from pathlib import Path

from wasmine import Instance, Module

RATE = 44_100


def tone(frequency: float, seconds: float) -> array[int]:
    """A sound of 16-bit samples."""
    step = 2 * math.pi * frequency / RATE
    return array("h", (int(32_767 * math.sin(step * i)) for i in range(int(RATE * seconds))))


class Mixer:
    """The module, with samples in and out."""

    def __init__(self) -> None:
        self._exports = Instance(Module(Path(__file__).with_suffix(".wasm"))).exports

    def mixed(self, tracks: tuple[array[int], array[int]], volumes: tuple[int, int]) -> array[int]:
        """The sum of both tracks, each at its volume of 32768; what is too loud is clipped."""
        exports = self._exports
        count = min(map(len, tracks))
        if count > exports.capacity():
            raise ValueError(f"more than {exports.capacity()} samples")
        for number, track in enumerate(tracks):
            exports.memory.write(exports.track(number), track[:count])
        exports.mix(count, *volumes)
        return array("h", exports.memory.read(exports.track(2), 2 * count))

    def peak(self, count: int) -> int:
        """The loudest sample of the result. Vectors are 16 bytes in Python: here, eight samples."""
        vector: bytes = self._exports.loudest(count)
        return max(array("h", vector))


def mixed_by_python(tracks: tuple[array[int], array[int]], volumes: tuple[int, int]) -> array[int]:
    """The same, one sample after the other."""
    a, b = volumes
    return array(
        "h",
        (
            max(-32_768, min(32_767, (x * a + 16_384 >> 15) + (y * b + 16_384 >> 15)))
            for x, y in zip(*tracks, strict=True)
        ),
    )


def main() -> None:
    """Mixes ten seconds both ways."""
    tracks = tone(440, 10), tone(554.37, 10)
    volumes = 20_000, 24_000
    mixer = Mixer()

    start = time.perf_counter()
    result = mixer.mixed(tracks, volumes)
    fast = time.perf_counter() - start
    start = time.perf_counter()
    expected = mixed_by_python(tracks, volumes)
    slow = time.perf_counter() - start

    print(len(result), "samples, the same:", result == expected)
    print(
        "clipped:",
        sum(abs(sample) >= 32_767 for sample in result),
        "peak:",
        mixer.peak(len(result)),
    )
    print("at least 20 times as fast as Python:", slow > 20 * fast)


if __name__ == "__main__":
    main()
