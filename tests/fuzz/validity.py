"""Whether both engines take the same modules for valid."""

from __future__ import annotations

import functools
from contextlib import suppress
from random import Random
from typing import Final

import wasmtime

import wasmine
from wasmine.wasm.validator import validate

from .generate import altered, damaged, everything

COPIES: Final = 20
"""Damaged copies of each module, and of one that uses every proposal."""


@functools.cache
def _engine() -> wasmtime.Engine:
    """wasmtime with the proposals that wasmine has."""
    config = wasmtime.Config()
    config.wasm_wide_arithmetic = False
    return wasmtime.Engine(config)


def _ours(wasm: bytes) -> str:
    try:
        info = validate(wasm)
    except wasmine.CompileError as error:
        return f"{type(error).__name__}: {error}"
    # Custom sections may hold anything, without harm.
    assert info.names is not None
    assert info.producers is not None
    return ""


def _theirs(wasm: bytes) -> str:
    try:
        wasmtime.Module.validate(_engine(), wasm)
    except wasmtime.WasmtimeError as error:
        return str(error)
    return ""


def disagreement(wasm: bytes) -> str | None:
    """What the engines say about a module, where only one of them takes it."""
    ours, theirs = _ours(wasm), _theirs(wasm)
    if bool(ours) == bool(theirs):
        return None
    return f"wasmine: {ours or 'valid'}\nwasmtime: {theirs or 'valid'}\n{wasm.hex()}"


def disagreements(wasm: bytes, seed: int) -> list[str]:
    """Disagreements about damaged copies of a module; those that are valid must also compile."""
    random = Random(seed)
    found = []
    for source in filter(None, (wasm, everything(seed))):
        for _ in range(COPIES):
            copy = random.choice((damaged, altered))(source, random)
            text = disagreement(copy)
            if text is not None:
                found.append(text)
            elif not _ours(copy) and random.random() < 0.25:
                with suppress(wasmine.UnsupportedFeature):
                    wasmine.Module(copy, engine=wasmine.Engine(opt_level="none"))
    return found
