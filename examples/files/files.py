"""Gives a WASI program directories: one of the host's to read, one in memory to write to.

Run it with `python examples/files/files.py`.
"""

from pathlib import Path

from wasmine import wasi

HERE = Path(__file__).parent


def main() -> None:
    """Has the words of some texts counted; nothing is written to the disk."""
    results = wasi.MemoryDirectory()
    result = wasi.run(
        HERE / "files.wasm",
        dirs={"/in": wasi.HostDirectory(HERE / "texts", read_only=True), "/out": results},
    )
    print(result.stdout.decode(), end="")
    print(results["words.csv"].decode(), end="")


if __name__ == "__main__":
    main()
