"""Filters an image in a module's memory: bytes, a bytearray, a memoryview or a NumPy array.

Run it with `python examples/image/image.py`.

The image is drawn here, so that nothing but wasmine is needed; `filtered` takes an array of shape
(height, width, 3) and type uint8 just as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wasmine import Instance, Module

if TYPE_CHECKING:
    from typing_extensions import Buffer

WIDTH, HEIGHT = 48, 20
SHADES = " .:-=+*#%@"


def filtered(image: Buffer, width: int, height: int, radius: int) -> bytes:
    """The image in grey and blurred, one byte per pixel."""
    exports = Instance(Module(Path(__file__).with_suffix(".wasm"))).exports
    data = memoryview(image).cast("B")
    if len(data) != 3 * width * height or width * height > exports.capacity():
        raise ValueError(f"not an RGB image of {width} x {height} pixels")
    exports.memory.write(exports.pixels(), data)
    exports.to_grey(width * height)
    return bytes(exports.memory.read(exports.blur(width, height, radius), width * height))


def draw() -> bytearray:
    """A bright ring, redder to the left and bluer to the right, on black."""
    image = bytearray()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            square = (x - WIDTH / 2) ** 2 / 4 + (y - HEIGHT / 2) ** 2
            lit = 255 if 30 < square < 90 else 0
            image += bytes((lit * (WIDTH - x) // WIDTH, lit * 3 // 4, lit * x // WIDTH))
    return image


def main() -> None:
    """Blurs the drawing and prints it as characters."""
    result = filtered(draw(), WIDTH, HEIGHT, radius=1)
    for start in range(0, len(result), WIDTH):
        row = result[start : start + WIDTH]
        print("".join(SHADES[value * len(SHADES) // 256] for value in row).rstrip())


if __name__ == "__main__":
    main()
