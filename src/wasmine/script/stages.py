"""Where an engine stopped, and with what words: what scripts tell apart of exceptions."""

from __future__ import annotations

from typing import Final

from wasmine import (
    CompileError,
    InvalidModule,
    LinkError,
    MalformedModule,
    Trap,
    TrapCode,
    UnsupportedFeature,
    WasmException,
    WasmineError,
)

MALFORMED: Final = "malformed module"
INVALID: Final = "invalid module"
LINK: Final = "link error"
TRAP: Final = "trap"
EXHAUSTION: Final = "exhaustion"
EXCEPTION: Final = "WebAssembly exception"

_STAGES: Final[dict[type[BaseException], str]] = {
    MalformedModule: MALFORMED,
    InvalidModule: INVALID,
    UnsupportedFeature: "unsupported feature",
    LinkError: LINK,
    Trap: TRAP,
    WasmException: EXCEPTION,
}


def stage_of(error: Exception) -> str:
    """The stage that an exception belongs to; the name of its class if it is none of them."""
    if isinstance(error, Trap) and error.code is TrapCode.STACK_OVERFLOW:
        return EXHAUSTION
    found = (_STAGES[kind] for kind in type(error).__mro__ if kind in _STAGES)
    return next(found, type(error).__name__)


def _message(error: Exception) -> str:
    """The text of an exception without places."""
    if isinstance(error, Trap | CompileError):
        return error.message
    return str(error) if isinstance(error, WasmineError) else repr(error)


def describe(error: Exception) -> str:
    """An exception in one line: its stage and its text."""
    return f"{stage_of(error)}: {_message(error)}".replace("\n", "; ")


def says(error: Exception, text: str) -> bool:
    """Whether an exception has the text that a script expects: its own begins with it.

    A trap's code may stand for two texts of the specification at once ("undefined element: out of
    bounds table access"), and never has the operand that a single script adds to one.
    """
    message = _message(error)
    if isinstance(error, Trap):
        parts = (message, *message.split(": "))
        return any(part.startswith(text) or text.startswith(part) for part in parts)
    return message.startswith(text)
