"""How the definition of a public name says so."""

from __future__ import annotations

from typing import TypeVar

_Thing = TypeVar("_Thing")


def public(thing: _Thing) -> _Thing:
    """A class or function that users find in the package itself: tracebacks, pickles and documentation
    name it by that place, and not by the file where it is written."""
    thing.__module__ = "wasmine"
    return thing
