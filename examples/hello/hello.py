"""Runs a WASI program with arguments, environment and standard input, and captures its output.

Run it with `python examples/hello/hello.py`.
"""

from pathlib import Path

from wasmine import Module, wasi


def main() -> None:
    """Runs the program twice; without input it complains and fails."""
    module = Module(Path(__file__).with_suffix(".wasm"))
    for stdin in (b"one\ntwo\nthree\n", b""):
        result = wasi.run(
            module,
            argv=["hello", "--greet", "world"],
            env={"USER_NAME": "Ada"},
            stdin=stdin,
            capture=True,
        )
        print(result.stdout.decode(), end="")
        print(result.stderr.decode(), end="")
        print("exit code:", result.exit_code)


if __name__ == "__main__":
    main()
