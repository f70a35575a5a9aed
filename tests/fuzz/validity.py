"""Whether both engines take the same modules for valid."""

from __future__ import annotations

import functools
from contextlib import suppress
from random import Random
from typing import Final
from unittest import mock

import wasmtime

import wasmine
from wasmine.api import module
from wasmine.compiler.module import MemoryStyle
from wasmine.vm.codespace import CodeSpace
from wasmine.wasm.validator import validate

from .generate import altered, damaged, everything

COPIES: Final = 20
"""Damaged copies of each module, and of one that uses every proposal."""
_OPTIMIZED: Final = wasmine.Engine(tier="optimized", opt_level="none", cache=False)
_BASELINE: Final = wasmine.Engine(tier="baseline", cache=False)


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
            text = disagreement(copy) or _late_disagreement(copy)
            if text is not None:
                found.append(text)
            elif not _ours(copy) and random.random() < 0.25:
                with suppress(wasmine.UnsupportedFeature):
                    wasmine.Module(copy, engine=_OPTIMIZED)
    return found


def _late_disagreement(wasm: bytes) -> str | None:
    """What is said about a body when it is first called, if that is not what validation says.

    All bodies are compiled then, in order, by the compiler that is used for first calls.
    """
    expected, said = _ours(wasm), ""
    try:
        with mock.patch.object(module, "VALIDATED_AT_ONCE", 0):
            made = wasmine.Module(wasm, engine=_BASELINE)
            styles: list[MemoryStyle] = ["static"] * made.info.imported_memories
            code = made.artifact(styles, "static").code
        if isinstance(code, CodeSpace):
            for local in range(len(made.info.bodies)):
                code.ensure(local)
    except wasmine.UnsupportedFeature:
        return None
    except wasmine.CompileError as error:
        said = f"{type(error).__name__}: {error}"
    if said == expected:
        return None
    return f"when called: {said or 'valid'}\notherwise: {expected or 'valid'}\n{wasm.hex()}"
