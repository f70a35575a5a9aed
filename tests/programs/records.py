"""What a row of the table says about a program."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Ignored(NamedTuple):
    """What may differ from run to run, in streams and files."""

    pattern: str
    """A regular expression of bytes; what it matches is not compared."""
    reason: str


@dataclass(frozen=True)
class Step:
    """One process."""

    module: str
    """Below the program's root."""
    command: str
    """The arguments, the program's name first, as a shell splits them."""
    stdin: str = ""
    """One of our input files, or nothing."""
    exit_code: int = 0

    @property
    def argv(self) -> list[str]:
        """What the program is given."""
        return shlex.split(self.command)


@dataclass(frozen=True)
class Case:
    """Processes one after the other in one directory, which has our input files at first.

    Compared are the exit code and the streams of each, and the directory's files at the end.
    """

    name: str
    steps: tuple[Step, ...]
    outputs: tuple[str, ...] = ()
    """Files that have to be there at the end, not empty."""
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True)
class Program:
    """A package, and what is run of it."""

    name: str
    """Also the directory in `inputs` whose files the program finds."""
    source: str
    """See `packages.fetch`."""
    root: str
    """The directory in the package that other paths are relative to."""
    cases: tuple[Case, ...]
    work: str = "/"
    """The path in the guest of the directory that it works in; /tmp is another, not compared."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Other directories, read-only: path in the guest and below the root."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Files below the root that have to have another path too: that path, and where they are."""
    env: Mapping[str, str] = field(default_factory=dict)
    scenario: str = "command"
    """See `bench/starters/scenarios.py`."""
    fast: bool = False
    """One of those that continuous integration runs."""
