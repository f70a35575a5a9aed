"""Runs a plug-in that misbehaves: every fault is a Python exception, and the host goes on.

Run it with `python examples/sandbox/sandbox.py`.
"""

from pathlib import Path

from wasmine import Instance, Module, Trap

ATTEMPTS = (
    ("total", (100,)),
    ("divide", (7, 2)),
    ("divide", (7, 0)),
    ("peek", (-1,)),
    ("recurse", (10,)),
    ("recurse", (-1,)),
    ("give_up", ()),
    ("total", (1000,)),
)


def attempt(instance: Instance, name: str, arguments: tuple[int, ...]) -> str:
    """Calls an export; what it returned, or why it could not."""
    try:
        return f"returned {getattr(instance.exports, name)(*arguments)}"
    except Trap as trap:
        return f"trapped: {trap.message}"


def main() -> None:
    """Tries everything in one instance, in order."""
    instance = Instance(Module(Path(__file__).with_suffix(".wasm")))
    for name, arguments in ATTEMPTS:
        call = f"{name}({', '.join(map(str, arguments))})"
        print(f"{call:14} {attempt(instance, name, arguments)}")


if __name__ == "__main__":
    main()
