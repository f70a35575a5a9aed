"""The form in which a compiled module is stored and shipped: the module itself and its Image.

- magic: 16 bytes
- lengths of the key, of the wasm module and of the image: 3 x u64, little-endian
- digest of all that follows: 32 bytes (BLAKE2b)
- key: text of version, CPU and options; code is only good for the same
- wasm: the module's bytes
- image: what Image.to_bytes gives
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from wasmine.abi.image import Image
from wasmine.errors import DeserializeError
from wasmine.version import __version__

if TYPE_CHECKING:
    from wasmine.api.engine import Engine

MAGIC: Final = b"\0wasmine-module\0"
_HEADER: Final = Struct("<16s3Q32s")


def key(engine: Engine) -> str:
    """What compiled code depends on besides the module: it must be equal to be used."""
    machine = engine.machine
    return "\n".join(
        (
            __version__,
            machine.triple,
            machine.cpu,
            machine.features,
            engine.opt_level,
            engine.memory,
            " ".join(engine.features),
        )
    )


def _digest(*parts: bytes | memoryview) -> bytes:
    from hashlib import blake2b  # takes longer to import than most modules to read

    digest = blake2b(digest_size=32)
    for part in parts:
        digest.update(part)
    return digest.digest()


def pack(wasm: bytes, image: Image, engine: Engine) -> bytes:
    """The bytes for a compiled module."""
    parts = (key(engine).encode(), wasm, image.to_bytes())
    header = _HEADER.pack(MAGIC, *map(len, parts), _digest(*parts))
    return b"".join((header, *parts))


def unpack(data: bytes, engine: Engine) -> tuple[bytes, Image]:
    """The module's bytes and its Image.

    Raises DeserializeError with the reason for bytes that `pack` did not give, or not for this
    version, processor and engine.
    """
    if len(data) < _HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise DeserializeError("the bytes are not a compiled module of wasmine")
    _, key_length, wasm_length, image_length, digest = _HEADER.unpack_from(data)
    if len(data) != _HEADER.size + key_length + wasm_length + image_length:
        raise DeserializeError("the compiled module is truncated or has bytes behind its end")
    content = memoryview(data)[_HEADER.size :]
    if _digest(content) != digest:
        raise DeserializeError("the compiled module is damaged: its checksum does not match")
    found = bytes(content[:key_length]).decode(errors="replace")
    if found != key(engine):
        raise DeserializeError(
            f"the module was compiled for something else: {_difference(found, key(engine))}"
        )
    wasm = bytes(content[key_length : key_length + wasm_length])
    return wasm, Image.from_bytes(bytes(content[key_length + wasm_length :]))


_FIELDS: Final = (
    *("version", "system", "processor", "processor features"),
    *("opt_level", "memory", "features"),
)


def _difference(found: str, wanted: str) -> str:
    """Which parts of two keys differ, for people."""
    return ", ".join(
        f"{name} {theirs!r} instead of {ours!r}"
        for name, theirs, ours in zip(_FIELDS, found.split("\n"), wanted.split("\n"), strict=False)
        if theirs != ours
    )
