"""Whether both engines take the same modules for valid."""

from __future__ import annotations

import re
from random import Random
from typing import Final

import wasmtime

import wasmine
from wasmine.wasm.validator import validate

from .engines import wasmtime_engine
from .generate import damaged

COPIES: Final = 20
"""Damaged copies of each module."""

_TOLERATED: Final[tuple[tuple[str, str], ...]] = ()
"""Pairs of patterns, for what wasmine says and what wasmtime says ("" is: valid), that may differ."""


def _ours(wasm: bytes) -> str:
    try:
        validate(wasm)
    except wasmine.CompileError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _theirs(wasm: bytes) -> str:
    try:
        wasmtime.Module.validate(wasmtime_engine(), wasm)
    except wasmtime.WasmtimeError as error:
        return str(error)
    return ""


def _tolerated(ours: str, theirs: str) -> bool:
    return any(
        re.search(mine, ours) and re.search(other, theirs) if mine and other
        else re.search(mine, ours) and not theirs if mine
        else not ours and re.search(other, theirs)
        for mine, other in _TOLERATED
    )


def disagreement(wasm: bytes) -> str | None:
    """What the engines say about a module, where only one of them takes it."""
    ours, theirs = _ours(wasm), _theirs(wasm)
    if bool(ours) == bool(theirs) or _tolerated(ours, theirs):
        return None
    return f"wasmine: {ours or 'valid'}\nwasmtime: {theirs or 'valid'}\n{wasm.hex()}"


def disagreements(wasm: bytes, seed: int) -> list[str]:
    """Disagreements about damaged copies of a module; those that are valid must also compile."""
    random = Random(seed)
    found = []
    for _ in range(COPIES):
        copy = damaged(wasm, random)
        text = disagreement(copy)
        if text is not None:
            found.append(text)
        elif not _ours(copy) and random.random() < 0.25:
            wasmine.Module(copy, engine=wasmine.Engine(opt_level="none"))
    return found
