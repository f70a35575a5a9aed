"""An interpreter whose instructions call each other: tail calls keep the stack as it is.

Run it with `python examples/tail_calls/tail_calls.py`.

Programs are assembled here and run there, on a machine with registers a, b and c.
"""

from __future__ import annotations

import struct
from pathlib import Path

from wasmine import Instance, Module

INSTRUCTIONS = (
    *("halt", "set_a", "set_b", "set_c", "swap", "add"),
    *("multiply", "decrement", "jump", "jump_unless_c"),
)

FIBONACCI = """
        set_a 0
        set_b 1
    next:
        jump_unless_c end
        add
        swap
        decrement
        jump next
    end:
        halt
"""
POWER = """
        set_a 1
        set_b 7
    next:
        jump_unless_c end
        multiply
        decrement
        jump next
    end:
        halt
"""


def assembled(source: str) -> bytes:
    """The program in the machine's language; names of places become offsets."""
    lines = [line.split() for line in source.splitlines() if line.strip()]
    places: dict[str, int] = {}
    instructions: list[list[str]] = []
    for words in lines:
        if words[0].endswith(":"):
            places[words[0][:-1]] = 8 * len(instructions)
        else:
            instructions.append(words)
    return b"".join(
        struct.pack("<ii", INSTRUCTIONS.index(name), places[arg] if arg in places else int(arg))
        for name, arg in ((words[0], words[1] if words[1:] else "0") for words in instructions)
    )


class Machine:
    """Runs programs."""

    def __init__(self) -> None:
        self._exports = Instance(Module(Path(__file__).with_suffix(".wat"))).exports

    def run(self, program: str, c: int) -> int:
        """What is in register a when the program halts; c is what it begins with in that register."""
        self._exports.memory.write(0, assembled(program))
        result: int = self._exports.run(0, 0, 0, c)
        return result & (1 << 64) - 1


def main() -> None:
    """Runs a short program, and a long one that a stack would not survive."""
    machine = Machine()
    print("Fibonacci number 90:", machine.run(FIBONACCI, 90))
    print("7 to the 20th:      ", machine.run(POWER, 20), "as in Python:", 7**20)
    # Forty million instructions, each a chain of calls that never return.
    print("7 to the 10,000,000th, lowest 64 bits:", machine.run(POWER, 10_000_000))
    print("as in Python:", machine.run(POWER, 10_000_000) == pow(7, 10_000_000, 1 << 64))


if __name__ == "__main__":
    main()
