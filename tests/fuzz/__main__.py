"""The command line: `python -m tests.fuzz --count 1000 --seed 0`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import get_args

from .campaign import TIERS, Source, Tally, campaign, module, work


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--source", choices=get_args(Source), default="smith")
    parser.add_argument("--tiers", choices=TIERS, nargs="+", default=TIERS, help="which to compare")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write the modules with findings")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 1 if anything was found."""
    arguments = _arguments()
    if arguments.work:
        work(arguments.seed, arguments.count, arguments.source, arguments.tiers)
        return 0
    began, total, findings = time.monotonic(), Tally(), 0
    results = campaign(arguments.seed, arguments.count, arguments.source, arguments.tiers)
    for so_far, found in results:
        total = so_far
        for finding in found:
            findings += 1
            _say(f"--- seed {finding.seed}\n{finding.text}")
            wasm = module(finding.seed, arguments.source)
            if arguments.save is not None and wasm is not None:
                arguments.save.mkdir(parents=True, exist_ok=True)
                (arguments.save / f"{finding.seed}.wasm").write_bytes(wasm)
    _say(
        f"{total.modules} modules, {total.calls} calls, {total.replaced} functions replaced, "
        f"{total.taken_over} loops taken over, {total.damaged} damaged modules, "
        f"{findings} findings in {time.monotonic() - began:.0f} s"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
