"""Calls a function of a WebAssembly module like a function of Python.

Run it with `python examples/add/add.py`.
"""

from pathlib import Path

from wasmine import Instance, Module


def main() -> None:
    """Compiles the module, instantiates it and calls its export."""
    module = Module(Path(__file__).with_suffix(".wasm"))
    add = Instance(module).exports.add
    print("2 + 40 =", add(2, 40))
    print("i32 wraps:", add(2**31 - 1, 1))


if __name__ == "__main__":
    main()
