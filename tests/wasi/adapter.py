"""wasmine for the runner of the official WASI test suite, which loads this file:

    ./run-tests --runtime-adapter .../wasmine/tests/wasi/adapter.py

WASMINE is the command, `wasmine` where that is not set.
"""

import os
import shlex
import subprocess

COMMAND = shlex.split(os.environ.get("WASMINE", "wasmine"))


def get_name() -> str:
    return "wasmine"


def get_version() -> str:
    told = subprocess.run(
        [*COMMAND, "--version"], capture_output=True, check=True, encoding="UTF-8"
    )
    return told.stdout.split()[1]


def get_wasi_versions() -> list[str]:
    return ["wasm32-wasip1"]


def get_wasi_worlds() -> list[str]:
    return ["wasi:cli/command"]


def get_timeout_seconds() -> float:
    """The first program also makes wasmine's native runtime, where there is no cache yet."""
    return 60


def compute_argv(
    test_path: str,
    args_env_root: tuple[list[str], dict[str, str], str | None],
    proposals: list[str],
    wasi_world: str,
    wasi_version: str,
) -> list[str]:
    args, env, root = args_env_root
    command = [*COMMAND, "run"]
    for name, value in env.items():
        command += ("--env", f"{name}={value}")
    if root:
        command += ("--dir", f"{root}::/")
    return [*command, test_path, *args]
