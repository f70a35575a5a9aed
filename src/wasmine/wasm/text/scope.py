"""What identifiers mean inside a function: its locals and labels."""

from __future__ import annotations

from wasmine.wasm.text.context import Parser, Space
from wasmine.wasm.text.cursor import Cursor
from wasmine.wasm.text.lexer import Tokens


class Labels:
    """The labels of the blocks that are open."""

    def __init__(self) -> None:
        self._depth = 0
        self._depths: dict[str, list[int]] = {}
        self._count = 0
        self.names: dict[int, str] = {}
        """For the name section: by number of the block in the function."""

    def enter(self, label: str | None) -> None:
        """Opens a block."""
        self._depth += 1
        if label is not None:
            self._depths.setdefault(label, []).append(self._depth)
            self.names[self._count] = label[1:]
        self._count += 1

    def leave(self, label: str | None) -> None:
        """Closes the innermost block, which has this label."""
        self._depth -= 1
        if label is not None:
            self._depths[label].pop()

    def read(self, parser: Cursor) -> int:
        """Reads a label: the number of blocks outward."""
        position = parser.position
        label = parser.identifier()
        if label is None:
            return parser.unsigned()
        depths = self._depths.get(label)
        if not depths:
            raise parser.error(f"unknown label {label}", position)
        return self._depth - depths[-1]


class CodeParser(Parser):
    """A parser with the locals and labels of the function or expression that it is in."""

    def __init__(self, tokens: Tokens, position: int, memory64: bool) -> None:
        super().__init__(tokens, position, memory64)
        self.locals = Space("local")
        self.labels = Labels()
        self.literals: dict[tuple[str, str], bytes] = {}
        """Constant instructions that have been encoded already, by mnemonic and literal."""

    def begin_scope(self) -> None:
        """Forgets locals and labels: another function or expression begins."""
        self.locals = Space("local")
        self.labels = Labels()
