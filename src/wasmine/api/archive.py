"""The form in which a compiled module is stored and shipped: the module itself and its Image.

- magic: 16 bytes
- lengths of the key, of the wasm module and of the image: 3 x u64, little-endian
- checksum of all that follows: u32 (CRC-32), and u32 zero
- key: text of version, processor and options; code is only good for the same
- wasm: the module's bytes
- zeros up to a multiple of ALIGNMENT
- image: what Image.to_bytes gives, so placed that its code can be mapped
"""

from __future__ import annotations

import mmap
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from wasmine.abi.image import Image, round_up
from wasmine.api.engine import Engine
from wasmine.errors import DeserializeError
from wasmine.frozen import Frozen
from wasmine.version import __version__
from wasmine.vm import processor
from wasmine.wasm.features import Features

if TYPE_CHECKING:
    from wasmine.compiler.module import MemoryStyle

MAGIC: Final = b"\0wasmine-module\0"
ALIGNMENT: Final = mmap.PAGESIZE
_HEADER: Final = Struct("<16s3QII")


class Options(NamedTuple):
    """What compiled code depends on besides the module: it must be equal to be used."""

    version: str
    processor: str
    opt_level: str
    memory: str
    features: str

    @classmethod
    def of(cls, engine: Engine) -> Options:
        """What an engine compiles with, here and now."""
        features = " ".join(engine.features)
        return cls(__version__, processor.identity(), engine.opt_level, engine.memory, features)


class Archive(Frozen):
    """A compiled module as it lies in its bytes."""

    options: Options
    wasm: bytes
    image: memoryview
    image_offset: int


def pack(wasm: bytes, image: Image, engine: Engine) -> bytes:
    """The bytes for a compiled module."""
    key = "\n".join(Options.of(engine)).encode()
    start = _HEADER.size + len(key) + len(wasm)
    padding = bytes(round_up(start, ALIGNMENT) - start)
    code = image.to_bytes()
    content = b"".join((key, wasm, padding, code))
    header = _HEADER.pack(MAGIC, len(key), len(wasm), len(code), crc32(content), 0)
    return header + content


def unpack(data: memoryview) -> Archive:
    """What `pack` has put together, undamaged; the image is a part of `data`.

    Raises DeserializeError with the reason for bytes that `pack` did not give, or not for this
    version and processor.
    """
    if len(data) < _HEADER.size or bytes(data[: len(MAGIC)]) != MAGIC:
        raise DeserializeError("the bytes are not a compiled module of wasmine")
    _, key_length, wasm_length, image_length, checksum, zero = _HEADER.unpack_from(data)
    wasm_start = _HEADER.size + key_length
    start = round_up(wasm_start + wasm_length, ALIGNMENT)
    if len(data) != start + image_length:
        raise DeserializeError("the compiled module is truncated or has bytes behind its end")
    if zero or crc32(data[_HEADER.size :]) != checksum:
        raise DeserializeError("the compiled module is damaged: its checksum does not match")
    fields = bytes(data[_HEADER.size : wasm_start]).decode(errors="replace").split("\n")
    if fields[0] != __version__:
        raise _other("version", fields[0], __version__)
    if len(fields) != len(Options._fields):
        raise DeserializeError("the compiled module is damaged: its options cannot be read")
    options = Options(*fields)
    if options.processor != processor.identity():
        raise DeserializeError(
            "the module was compiled for something else: another processor, or one with other features"
        )
    wasm = bytes(data[wasm_start : wasm_start + wasm_length])
    return Archive(options, wasm, data[start:], start)


def check(found: Options, engine: Engine) -> None:
    """Raise DeserializeError, with what differs, for code that an engine would not have made."""
    wanted = Options.of(engine)
    for name, theirs, ours in zip(Options._fields, found, wanted, strict=True):
        if theirs != ours:
            raise _other(name, theirs, ours)


def engine_for(found: Options) -> Engine:
    """An engine with these options. Raises DeserializeError if there is no such engine."""
    memory: MemoryStyle = "dynamic" if found.memory == "dynamic" else "static"
    try:
        features = Features.of(found.features.split())
        return Engine(opt_level=found.opt_level, memory=memory, features=features)
    except ValueError as error:
        raise DeserializeError(f"the compiled module is damaged: {error}") from None


def _other(name: str, theirs: str, ours: str) -> DeserializeError:
    text = f"the module was compiled for something else: {name} {theirs!r} instead of {ours!r}"
    return DeserializeError(text)
