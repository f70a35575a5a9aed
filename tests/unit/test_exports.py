"""The public names: sorted, complete, and called `wasmine.X` wherever Python shows them."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest

import wasmine


def order(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions: how isort and ruff order names."""
    return (not name.isupper(), not name[0].isupper(), name)


def public_names() -> set[str]:
    return {
        name
        for name in dir(wasmine)
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(getattr(wasmine, name), ModuleType)
    }


def test_all_is_sorted_and_without_repetitions() -> None:
    assert list(wasmine.__all__) == sorted(set(wasmine.__all__), key=order)


def test_all_is_complete() -> None:
    assert {name for name in wasmine.__all__ if not name.startswith("_")} == public_names()


@pytest.mark.parametrize("name", wasmine.__all__)
def test_names_say_wasmine(name: str) -> None:
    value = getattr(wasmine, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        assert value.__module__ == "wasmine"
        assert value.__qualname__ == name


def test_type_checkers_see_the_same_names_in_the_same_places() -> None:
    (block,) = (
        node
        for node in ast.parse(inspect.getsource(wasmine)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    homes = {
        name: f"wasmine.{home}" for home, names in wasmine._HOMES.items() for name in names.split()
    }
    assert seen == homes
    assert set(homes) == set(wasmine.__all__)


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Modul'"):
        wasmine.Modul  # noqa: B018
    assert wasmine.errors.Trap is wasmine.Trap
