"""Ships a module as machine code: compiled in one process, run by another that loads no compiler.

Run it with `python examples/shipping/shipping.py`. The file belongs to this version of wasmine and this kind
of processor, and is to be trusted as any program is: make it where you make the rest of what you ship.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from wasmine import DeserializeError, Engine, Module
from wasmine.wasi import Environment

SOURCE = Path(__file__).parent.parent / "hello" / "hello.wasm"


def build(path: Path) -> None:
    """What the maker of a program does: all code is optimised, which the users do not wait for."""
    path.write_bytes(Module(SOURCE, engine=Engine(opt_level="O2")).serialize())


def start(path: Path) -> None:
    """What its users do."""
    environment = Environment(["hello"], {"USER_NAME": "Ada"}, stdin=b"one\ntwo\n")
    environment.start(environment.instantiate(Module.deserialize_file(path)))
    print("LLVM was loaded:", "llvmlite" in sys.modules)


def main() -> None:
    """Builds, starts another Python that runs what was built, and damages it."""
    if len(sys.argv) > 1:
        start(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hello.native")
        build(path)
        print("compiled")
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, str(path)], check=True)
        content = path.read_bytes()
        try:
            Module.deserialize(content[:-1])
        except DeserializeError as error:
            print("damaged:", error)


if __name__ == "__main__":
    main()
