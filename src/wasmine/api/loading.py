"""Native code by way of the cache: mapped from there, or made and put there."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from wasmine.api.cachekeys import content_digest, make_key
from wasmine.errors import DeserializeError, InternalError
from wasmine.vm.code import Code
from wasmine.wasm.decoder import decode
from wasmine.wasm.module import DataSegments

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.api.cache import Cache
    from wasmine.api.cachefile import Key
    from wasmine.api.engine import Engine
    from wasmine.compiler.module import MemoryStyle
    from wasmine.wasm.module import ModuleInfo

Resolve = Callable[[str], int]
"""Gives the address of what code refers to by name."""


def load(cache: Cache, key: Key, resolve: Resolve) -> Code | None:
    """The code of the image in an entry, mapped from the file; None if there is none."""
    entry = cache.get(key)
    if entry is None:
        return None
    with entry:
        try:
            return Code.map_file(entry.fd, entry.offset(0), resolve, verify=False)
        except (DeserializeError, InternalError):  # it needs a name that this process has not
            return None


def load_or_make(cache: Cache, key: Key, make: Callable[[], Image], resolve: Resolve) -> Code:
    """The code of an image, mapped from the cache, or else made and put there."""
    code = load(cache, key, resolve)
    if code is None:
        image = make()
        cache.put(key, [image.to_bytes()])
        code = Code(image, resolve)
    return code


def decode_module(data: bytes, engine: Engine) -> ModuleInfo:
    """Read the sections of a module. Where many data segments are is kept in the cache.

    Raises what `decode` raises.
    """
    digest = key = None
    known: DataSegments | None = None

    def find_data() -> DataSegments | None:
        nonlocal digest, key, known
        digest = content_digest(data)
        key = make_key("segments", digest, " ".join(engine.features))
        entry = engine.cache.get(key)
        if entry is not None:
            known = DataSegments()
            with entry:
                for place, column in enumerate(known.columns):
                    column.frombytes(entry.part(place))
        return known

    info = decode(data, engine.features, find_data=find_data)
    if digest is not None and key is not None:
        _digests[info] = digest
        if known is None and not info.data_segments.others:
            engine.cache.put(key, [column.tobytes() for column in info.data_segments.columns])
    return info


def module_key(
    info: ModuleInfo, styles: tuple[MemoryStyle, ...], engine: Engine, kind: str = "module"
) -> Key:
    """The key of what is compiled from a module for memories of these styles.

    Features count, because code is stored after validation only.
    """
    features = " ".join(engine.features)
    # Code of first calls counts, or does not.
    option = engine.tier if kind == "baseline" else engine.opt_level
    return make_key(kind, _digest(info), " ".join(styles), features, option)


_digests: Final[weakref.WeakKeyDictionary[ModuleInfo, bytes]] = weakref.WeakKeyDictionary()


def _digest(info: ModuleInfo) -> bytes:
    """The digest of a module's bytes, which for a large one takes a while."""
    digest = _digests.get(info)
    if digest is None:
        digest = _digests[info] = content_digest(info.data)
    return digest
