"""Scripts of the official test suite (.wast): commands on modules, and what has to come of them.

Written against the public API alone, like any other user of it. What the commands mean is in the
README of WebAssembly/spec, interpreter, "Scripts".
"""

from wasmine.script.report import Outcome, Report
from wasmine.script.runner import run_script

__all__ = ["Outcome", "Report", "run_script"]
