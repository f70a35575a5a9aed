"""Exchanges two names as fast as can be: python exchange.py FIRST SECOND

Says so when it has begun, and ends, with both names as they were, when its input ends.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_AT_ONCE = 200


def main() -> None:
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    first, second = map(os.fsencode, sys.argv[1:])
    if rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")
    rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(_AT_ONCE):
            rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)


if __name__ == "__main__":
    main()
