"""Threads of Python that work on one shared memory, all processors at the same time.

Run it with `python examples/threads/threads.py`.

Each thread has an instance of its own, in a store of its own; what they have in common is the
memory. WebAssembly code runs without the interpreter lock.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wasmine import Instance, Limits, Memory, MemoryType, Module

WIDTH, HEIGHT = 1200, 800
PICTURE = 64
SECOND = 1_000_000_000
SHADES = " .:-=+*#%@"


def main() -> None:
    """Draws with four threads, watches them from a fifth, and prints a small copy."""
    module = Module(Path(__file__).with_suffix(".wat"))
    memory = Memory(MemoryType(Limits(20, 100), shared=True))

    def work() -> int:
        exports = Instance(module, {"host": {"memory": memory}}).exports
        rows: int = exports.draw(WIDTH, HEIGHT)
        return rows

    with ThreadPoolExecutor(4) as pool:
        rows = [pool.submit(work) for _ in range(4)]
        watcher = Instance(module, {"host": {"memory": memory}}).exports
        drawn = 0
        while drawn < HEIGHT:
            drawn = watcher.progress(drawn, 10 * SECOND)
    print("rows drawn:", sum(task.result() for task in rows), "by 4 threads, each once:", drawn)

    for row in range(0, HEIGHT, 40):
        start = PICTURE + row * WIDTH
        line = memory[start : start + WIDTH : 20]
        print("".join(SHADES[min(steps, 99) // 10] for steps in line).rstrip())


if __name__ == "__main__":
    main()
