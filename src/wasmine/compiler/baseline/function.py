"""The walk over a decoded body: each instruction to its stencil, or to what handles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from wasmine.abi.baseline import CompiledFunction
from wasmine.compiler.baseline.context import BaselineContext
from wasmine.compiler.baseline.state import FunctionState
from wasmine.wasm.body import Body

Handler: TypeAlias = Callable[[FunctionState, int, Any], bool | None]
"""Compiles one instruction: (state, position in the body, immediate). True if nothing behind it in its
block can be reached."""


def compile_function(context: BaselineContext, local_index: int, body: Body) -> CompiledFunction:
    """Machine code for a validated body of a function, counted from the first that is not imported."""
    raise NotImplementedError
