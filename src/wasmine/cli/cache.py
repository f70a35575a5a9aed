"""`wasmine cache`: what is in the cache of native code, and clearing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TextIO

from wasmine.api.cache import default
from wasmine.cli.common import OK, Arguments, Command, write

if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="ACTION", choices=("info", "clear"), help="info or clear")


def _cache(arguments: Arguments, stdout: TextIO, _stderr: TextIO) -> int:
    cache = default()
    if arguments.action == "clear":
        cache.clear()
        return OK
    info = cache.info()
    rows = [("directory", info.directory or "none")]
    if info.problem is not None:
        rows.append(("not used", info.problem))
    rows.append(("size", f"{_size(info.size)} of {_size(info.limit)}"))
    for kind, (count, size) in sorted(info.entries.items()):
        rows.append((kind, f"{count} {'entry' if count == 1 else 'entries'}, {_size(size)}"))
    write(stdout, [f"{name:<10} {value}" for name, value in rows])
    return OK


def _size(size: int) -> str:
    """Bytes, for people."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


CACHE: Final = Command("cache", "Show what is in the cache, or clear it.", _arguments, _cache)
