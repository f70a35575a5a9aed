"""Modules from text and what they are made into, for all tests that need them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wasmtime import wat2wasm

import wasmine
from wasmine import Engine, Instance, Module, Store

SOURCE = Path(wasmine.__file__).parents[1]
"""What a new process needs on its path to find the package under test."""


@cache
def assemble(text: str) -> bytes:
    """The binary form of a module in text."""
    return bytes(wat2wasm(text))


@cache
def module(text: str, engine: Engine | None = None) -> Module:
    """A module from text."""
    return Module(assemble(text), engine=engine)


def instance(
    text: str,
    imports: Mapping[str, Any] | None = None,
    *,
    engine: Engine | None = None,
    store: Store | None = None,
) -> Instance:
    """An instance of a module in text."""
    return Instance(module(text, engine), imports, store=store)
