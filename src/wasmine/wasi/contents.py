"""The bytes of a file that is held in memory."""

from __future__ import annotations

from typing import Final

# So long a file is moved when it grows, and so much of a hole is not there.
PIECE: Final = 1 << 18


class Content:
    """Bytes in pieces, of which what was never written is not held and reads as zeros.

    `size` in bytes. Nobody outside gets a view of a piece: a piece with views cannot grow.
    """

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self.size = 0
        # By number. A piece ends after the last byte that was written in it; zeros follow.
        self._pieces: dict[int, bytearray] = {}

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fills the buffer from an offset on, as far as there are bytes; returns how many."""
        count = max(0, min(len(buffer), self.size - offset))
        done = 0
        while done < count:
            number, start = divmod(offset + done, PIECE)
            length = min(count - done, PIECE - start)
            with memoryview(self._pieces.get(number, b"")) as piece:
                held = max(0, min(length, len(piece) - start))
                buffer[done : done + held] = piece[start : start + held]
            if held < length:
                buffer[done + held : done + length] = bytes(length - held)
            done += length
        return count

    def write(self, data: memoryview, offset: int) -> None:
        """Puts bytes at an offset; the file grows if it is shorter."""
        while data:
            number, start = divmod(offset, PIECE)
            part = data[: PIECE - start]
            self._put(number, start, part)
            offset += len(part)
            self.size = max(self.size, offset)
            data = data[len(part) :]

    def _put(self, number: int, start: int, part: memoryview) -> None:
        piece = self._pieces.setdefault(number, bytearray())
        if len(piece) < start:
            piece += bytes(start - len(piece))
        inside = min(len(part), len(piece) - start)
        if inside:
            with memoryview(piece) as view:
                view[start : start + inside] = part[:inside]
        if inside < len(part):
            piece += part[inside:]

    def resize(self, size: int) -> None:
        """Cuts the file off, or lets zeros follow."""
        if size < self.size:
            last, length = divmod(size, PIECE)
            # Made anew: a dictionary that has lost its items is as large as before.
            kept = range(last + bool(length))
            self._pieces = {
                number: self._pieces[number] for number in self._pieces if number in kept
            }
            if last in self._pieces:
                del self._pieces[last][length:]
        self.size = size

    def pieces(self) -> list[int]:
        """The numbers of those that are held; the others are nothing but zeros."""
        return sorted(self._pieces)

    def piece(self, number: int) -> bytes:
        """A copy of a piece, without the zeros that follow what was written in it."""
        return bytes(self._pieces.get(number, b""))

    def __bytes__(self) -> bytes:
        return b"".join(self._padded(number) for number in range(-(-self.size // PIECE)))

    def _padded(self, number: int) -> bytes | bytearray:
        length = min(PIECE, self.size - number * PIECE)
        piece = self._pieces.get(number, b"")
        return piece if len(piece) == length else piece.ljust(length, b"\0")
