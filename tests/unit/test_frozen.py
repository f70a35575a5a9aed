"""Immutable records."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from wasmine.frozen import Frozen


class Point(Frozen):
    x: int
    y: int = 0


class Point3(Point):
    z: int = 7


class Named(Frozen, kw_only=True):
    on: bool = False


class Own(Frozen, eq=False, weakref=True):
    x: int


class Checked(Frozen):
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


def test_fields_and_defaults() -> None:
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Point3(1, z=3)) == "Point3(x=1, y=0, z=3)"
    assert repr(Named(on=True)) == "Named(on=True)"
    assert Point(1, 2).replace(y=5) == Point(1, 5)
    match Point(3, 4):
        case Point(x, y):
            assert (x, y) == (3, 4)


def test_equality() -> None:
    assert Point(1, 2) == Point(x=1, y=2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 0) != Point3(1, 0, 7)
    assert Own(1) != Own(1)
    assert len({Own(1), Own(1)}) == 2


@pytest.mark.parametrize("thing", [Point(1, 2), Point3(1), Named(on=True)], ids=repr)
def test_copies_are_equal(thing: Frozen) -> None:
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert copy.deepcopy(thing) == thing


@pytest.mark.parametrize(
    ("cls", "values", "named"),
    [
        (Point, (), {}),
        (Point, (1, 2, 3), {}),
        (Point, (1,), {"x": 1}),
        (Point, (1,), {"z": 1}),
        (Named, (True,), {}),
    ],
)
def test_wrong_arguments(cls: Any, values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=cls.__name__):
        cls(*values, **named)


def test_nothing_changes() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.other = 1
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)
