"""Calls functions of one module, which are compiled when they are first called.

The arguments are numbers of functions to call, or words for what else to do. Prints what the calls
return, and then whether the compiler was needed.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

import wasmine

COUNT = 20
MODULE = "".join(
    f'(func (export "{n}") (param i64) (result i64) (local i64)'
    f" (loop $again (local.set 1 (i64.add (i64.add (local.get 1) (i64.const {n})) (local.get 0)))"
    " (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))"
    f" (if (i64.eqz (local.get 1)) (then (unreachable))) (local.get 1))"
    for n in range(COUNT)
)


def main(words: list[str]) -> None:
    """Do what the words say, in order."""
    engine = wasmine.Engine(tier="baseline")
    module = wasmine.Module(f"(module {MODULE})", engine=engine)
    exports = wasmine.Instance(module).exports
    for word in words:
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "late":
            # Run after the cache's own handler: nothing is stored then.
            atexit.register(lambda: exports["19"](3))
        elif word == "fork":
            child = os.fork()
            if child:
                os.waitpid(child, 0)
        else:
            print(exports[word](5), exports[word](1))


main(sys.argv[1:])
print("wasmine.compiler.baseline.function" in sys.modules)
