"""Limits that Python code gives for its own memories and tables; those of modules are validated."""

from __future__ import annotations

from wasmine.types import Limits


def check_limits(kind: str, limits: object) -> None:
    """Raises TypeError unless these are Limits of integers, ValueError if one is negative."""
    if not isinstance(limits, Limits):
        raise TypeError(f"a {kind}'s limits are Limits, not {limits!r}")
    given = [limits.minimum] if limits.maximum is None else [limits.minimum, limits.maximum]
    for bound in given:
        if not isinstance(bound, int):
            raise TypeError(f"a {kind}'s limits are integers, not {bound!r}")
        if bound < 0:
            raise ValueError(f"a {kind}'s limits are not negative: {bound}")
