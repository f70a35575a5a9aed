"""Passes bytes to a module through its memory: SHA-256 of a bytes object.

Run it with `python examples/sha256/sha256.py`.
"""

import hashlib
from pathlib import Path

from wasmine import Instance, Module

DIGEST_SIZE = 32


class Hasher:
    """The module, with its addresses hidden behind bytes in and bytes out."""

    def __init__(self) -> None:
        module = Module(Path(__file__).with_suffix(".wasm"))
        self._exports = Instance(module).exports

    def digest(self, data: bytes) -> bytes:
        """Copies data in, hashes it there, and copies the digest out."""
        exports = self._exports
        address = exports.buffer(len(data))
        if address == 0:
            raise MemoryError(f"the module has no room for {len(data)} bytes")
        exports.memory.write(address, data)
        return bytes(exports.memory.read(exports.sha256(address, len(data)), DIGEST_SIZE))


def main() -> None:
    """Hashes a few messages and checks each against hashlib."""
    hasher = Hasher()
    for message in (b"", b"abc", b"WebAssembly " * 10, bytes(1_000_000)):
        digest = hasher.digest(message)
        verdict = "ok" if digest == hashlib.sha256(message).digest() else "WRONG"
        print(f"{len(message):7} bytes  {digest.hex()}  {verdict}")


if __name__ == "__main__":
    main()
