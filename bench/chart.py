"""Draws what run.py measured: time relative to native code, by category of kernels, as SVG.

    python bench/chart.py results.json docs/speed.svg

The picture has no background and uses colours that can be read on white and on black.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import geometric_mean
from typing import Any

Measured = Mapping[str, Any]
"""A kernel in the JSON of run.py."""

NATIVE = "native"
COLOURS = {"wasmine": "#8250df", "wasmtime": "#8c959f"}
TEXT, RULE = "#768390", "#768390"
FONT = "font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

WIDTH, LEFT, RIGHT = 760, 110, 60
TOP, BOTTOM = 64, 34
BAR, GAP = 13, 14
STEP = 0.5


def ratio(kernel: Measured, engine: str) -> float:
    """How many times as long as native code an engine takes, best of the rounds."""
    timings = kernel["timings"]
    return float(min(timings[engine]["rounds"]) / min(timings[NATIVE]["rounds"]))


def groups(kernels: Sequence[Measured]) -> Iterator[tuple[str, list[Measured]]]:
    """All kernels, then each category."""
    yield f"all {len(kernels)}", list(kernels)
    for category in dict.fromkeys(kernel["category"] for kernel in kernels):
        yield category, [kernel for kernel in kernels if kernel["category"] == category]


def text(x: float, y: float, content: str, *, anchor: str = "start", weight: int = 400) -> str:
    """A line of text; y is its baseline."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{TEXT}">{escape(content)}</text>'
    )


def bar(y: float, value: float, scale: float, colour: str) -> str:
    """A bar from the left edge, with its value behind it, or behind the line of native code."""
    length = value * scale
    label = LEFT + (scale if length < scale < length + 36 else length) + 6
    return (
        f'<rect x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>\n'
        + text(label, y + BAR - 2, f"{value:.2f}")
    )


def legend(engines: Sequence[str]) -> Iterator[str]:
    """Which colour is which engine."""
    x = LEFT
    for engine in engines:
        yield f'<rect x="{x}" y="38" width="{BAR}" height="{BAR}" rx="2" fill="{COLOURS[engine]}"/>'
        yield text(x + BAR + 6, 49, engine)
        x += 110


def axis(top: float, bottom: float, scale: float, longest: float) -> Iterator[str]:
    """Vertical lines at multiples of STEP; that of native code is the one to look at."""
    for number in range(int(longest / STEP) + 1):
        value, x = number * STEP, LEFT + number * STEP * scale
        native = value == 1
        style = 'stroke-width="1.5"' if native else 'stroke-width="0.5" stroke-opacity="0.4"'
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="{RULE}" {style}/>'
        label = "native = 1" if native else f"{value:g}"
        yield text(x, bottom + 17, label, anchor="middle", weight=600 if native else 400)


def draw(kernels: Sequence[Measured]) -> str:
    """The picture. Raises SystemExit if native code was not measured."""
    measured = kernels[0]["timings"] if kernels else {}
    engines = [engine for engine in COLOURS if engine in measured]
    if NATIVE not in measured or not engines:
        raise SystemExit("run.py has to measure native code and another engine")
    rows = [
        (title, [geometric_mean(ratio(kernel, engine) for kernel in members) for engine in engines])
        for title, members in groups(kernels)
    ]
    longest = max(value for _, values in rows for value in values)
    scale = (WIDTH - LEFT - RIGHT) / longest
    row_height = BAR * len(engines) + GAP
    bottom = TOP + row_height * len(rows)
    title = "Time relative to native code of the same C programs; shorter is better"
    parts = [
        text(LEFT, 20, title, weight=600),
        *legend(engines),
        *axis(TOP, bottom, scale, longest),
    ]
    for number, (name, values) in enumerate(rows):
        y = TOP + GAP / 2 + number * row_height
        middle = y + BAR * len(engines) / 2 + 4
        parts.append(text(LEFT - 10, middle, name, anchor="end", weight=400 if number else 600))
        for place, (engine, value) in enumerate(zip(engines, values, strict=True)):
            parts.append(bar(y + place * BAR, value, scale, COLOURS[engine]))
    height = bottom + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" font-size="13" style="{FONT}">'
    )
    return "\n".join((head, f"<title>{title}</title>", *parts, "</svg>", ""))


def main() -> None:
    """The command line."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python bench/chart.py RESULTS.json PICTURE.svg")
    measured = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["kernels"]
    kernels = [kernel for kernel in measured if kernel["category"] != "SIMD"]
    picture = Path(sys.argv[2])
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(kernels), encoding="utf-8")


if __name__ == "__main__":
    main()
