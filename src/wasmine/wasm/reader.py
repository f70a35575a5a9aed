"""A cursor over the bytes of a module: integers in LEB128, names, vectors.

It knows the binary format's primitives and at which offset it stands, and nothing of modules.
"""

from __future__ import annotations

from typing import Final

from wasmine.errors import MalformedModule

UNEXPECTED_END: Final = "unexpected end of section or function"
TOO_LONG: Final = "integer representation too long"
TOO_LARGE: Final = "integer too large"


class IntegerError(ValueError):
    """An integer that is not LEB128 of its width; the text is the specification's phrase."""


def read_unsigned(data: bytes, position: int, bits: int) -> tuple[int, int]:
    """The LEB128 integer at `position` and the position after it.

    Raises IntegerError if it does not fit `bits`, IndexError if the data ends within it.
    """
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= bits:
            raise IntegerError(TOO_LONG)
    if result >> bits:
        raise IntegerError(TOO_LARGE)
    return result, position


def read_signed(data: bytes, position: int, bits: int) -> tuple[int, int]:
    """Like `read_unsigned`, for two's complement."""
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= bits:
            raise IntegerError(TOO_LONG)
    if byte & 0x40:
        result -= 1 << shift
    if not -1 << (bits - 1) <= result < 1 << (bits - 1):
        raise IntegerError(TOO_LARGE)
    return result, position


class Reader:
    """Reads `data` from its start; `base` is the offset of that start in the module.

    Every method raises MalformedModule if the data ends before what it reads does.
    """

    __slots__ = ("base", "data", "position")

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self.base = base
        self.position = 0

    @property
    def offset(self) -> int:
        """Where in the module the next byte is."""
        return self.base + self.position

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.position >= len(self.data)

    def error(self, message: str, back: int = 0) -> MalformedModule:
        """An error that points at the byte `back` bytes before the next one."""
        return MalformedModule(message, self.offset - back)

    def byte(self) -> int:
        """The next byte."""
        try:
            byte = self.data[self.position]
        except IndexError:
            raise self.error(UNEXPECTED_END) from None
        self.position += 1
        return byte

    def skip(self, length: int) -> None:
        """Passes over the next `length` bytes."""
        if length > len(self.data) - self.position:
            raise self.error(UNEXPECTED_END)
        self.position += length

    def bytes(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self.position
        self.skip(length)
        return self.data[start : self.position]

    def part(self, length: int) -> Reader:
        """A reader of the next `length` bytes only."""
        base = self.offset
        return Reader(self.bytes(length), base)

    def unsigned(self, bits: int) -> int:
        """An unsigned integer of at most `bits` bits."""
        try:
            value, self.position = read_unsigned(self.data, self.position, bits)
        except IntegerError as error:
            raise self.error(str(error)) from None
        except IndexError:
            raise MalformedModule(UNEXPECTED_END, self.base + len(self.data)) from None
        return value

    def signed(self, bits: int) -> int:
        """A signed integer of at most `bits` bits."""
        try:
            value, self.position = read_signed(self.data, self.position, bits)
        except IntegerError as error:
            raise self.error(str(error)) from None
        except IndexError:
            raise MalformedModule(UNEXPECTED_END, self.base + len(self.data)) from None
        return value

    def u32(self) -> int:
        """An unsigned integer of 32 bits: an index, a size or a count."""
        try:
            byte = self.data[self.position]
        except IndexError:
            raise self.error(UNEXPECTED_END) from None
        if byte < 0x80:
            self.position += 1
            return byte
        return self.unsigned(32)

    def u32s(self, count: int) -> tuple[list[int], list[int]]:
        """So many of them one after the other, and the position of each."""
        data, position = self.data, self.position
        values: list[int] = []
        positions: list[int] = []
        add_value, add_position = values.append, positions.append
        try:
            for _ in range(count):
                add_position(position)
                value = data[position]
                position += 1
                if value >= 0x80:
                    byte = data[position]
                    position += 1
                    value += (byte << 7) - 0x80
                    if byte >= 0x80:
                        value, position = read_unsigned(data, position - 2, 32)
                add_value(value)
        except IntegerError as error:
            raise MalformedModule(str(error), self.base + positions[-1]) from None
        except IndexError:
            raise MalformedModule(UNEXPECTED_END, self.base + len(data)) from None
        self.position = position
        return values, positions

    def count(self, limit: int, what: str) -> int:
        """The length of a vector of at most `limit` elements, which the message calls `what`."""
        offset = self.offset
        count = self.u32()
        if count > limit:
            raise MalformedModule(f"too many {what}: {count} are more than {limit}", offset)
        return count

    def name(self, limit: int, what: str) -> str:
        """A name in UTF-8 of at most `limit` bytes."""
        length = self.u32()
        offset = self.offset
        if length > len(self.data) - self.position:
            raise self.error("length out of bounds")
        if length > limit:
            raise self.error(f"{what} too long: {length} bytes are more than {limit}")
        encoded = self.bytes(length)
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedModule("malformed UTF-8 encoding", offset + error.start) from None
