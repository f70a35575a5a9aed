"""The command `wasmine`: run, validate, inspect and dump WebAssembly modules.

Exit codes: 0 all is well; 1 the module is invalid, a file cannot be read, or an import is missing;
2 the command line is wrong; 130 interrupted; 134 the program trapped. What `run` starts ends with
its own exit code. Errors are one line on standard error, a trap is followed by its backtrace.
"""

from wasmine.cli.main import main, run

__all__ = ["main", "run"]
