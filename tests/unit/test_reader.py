"""The binary format's primitives: integers, names, and where they end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmine.errors import MalformedModule
from wasmine.wasm.reader import TOO_LARGE, TOO_LONG, UNEXPECTED_END, Reader

from .binary import unsigned


def signed(value: int) -> bytes:
    """LEB128 of two's complement in the fewest bytes."""
    rest = value >> 7
    if -64 <= value < 64:
        return bytes([value & 0x7F])
    return bytes([value & 0x7F | 0x80]) + signed(rest)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_integers_come_back(value: int) -> None:
    reader = Reader(unsigned(value) + b"\xff")
    assert reader.unsigned(64) == value
    assert reader.bytes(1) == b"\xff"


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_integers_come_back(value: int) -> None:
    reader = Reader(signed(value))
    assert reader.signed(64) == value
    assert reader.at_end


@given(st.integers(0, 2**32 - 1))
def test_indices_come_back(value: int) -> None:
    assert Reader(unsigned(value)).u32() == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x80\x80\x80\x80\x00", 0),
        (b"\x83\x00", 3),
        (b"\xff\xff\xff\xff\x0f", 2**32 - 1),
    ],
)
def test_longer_forms_within_the_width_are_accepted(data: bytes, value: int) -> None:
    assert Reader(data).u32() == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x80\x80\x80\x80\x00", TOO_LONG),
        (b"\xff\xff\xff\xff\xff", TOO_LONG),
        (b"\xff\xff\xff\xff\x1f", TOO_LARGE),
        (b"\x80\x80\x80\x80\x70", TOO_LARGE),
        (b"\x80\x80", UNEXPECTED_END),
        (b"", UNEXPECTED_END),
    ],
)
def test_wrong_unsigned_integers(data: bytes, message: str) -> None:
    with pytest.raises(MalformedModule, match=message):
        Reader(data).u32()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x80\x80\x80\x80\x00", TOO_LONG),
        (b"\x80\x80\x80\x80\x0f", TOO_LARGE),
        (b"\xff\xff\xff\xff\x4f", TOO_LARGE),
        (b"\xff", UNEXPECTED_END),
    ],
)
def test_wrong_signed_integers(data: bytes, message: str) -> None:
    with pytest.raises(MalformedModule, match=message):
        Reader(data).signed(32)


@pytest.mark.parametrize(
    ("data", "value"), [(b"\x80\x80\x80\x80\x78", -(2**31)), (b"\xff\xff\xff\xff\x07", 2**31 - 1)]
)
def test_the_extremes_of_signed_integers(data: bytes, value: int) -> None:
    assert Reader(data).signed(32) == value


def test_errors_tell_the_offset_in_the_module() -> None:
    reader = Reader(b"\x01\x02", base=100)
    reader.skip(2)
    with pytest.raises(MalformedModule, match=r"unexpected end .* \(offset 0x66\)"):
        reader.byte()


def test_a_part_ends_before_the_whole() -> None:
    reader = Reader(b"\x01\x02\x03", base=8)
    reader.byte()
    part = reader.part(1)
    assert (part.offset, part.byte(), part.at_end) == (9, 2, True)
    with pytest.raises(MalformedModule, match=UNEXPECTED_END):
        part.byte()
    assert reader.byte() == 3


def test_names_are_utf8() -> None:
    assert Reader(b"\x05\xc3\xa4\xe2\x82\xac").name(10, "name") == "ä€"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x02\xc3\x28", "malformed UTF-8 encoding"),
        (b"\x03\xed\xa0\x80", "malformed UTF-8 encoding"),
        (b"\x04abc", "length out of bounds"),
        (b"\x0babcdefghijk", "name too long: 11 bytes are more than 10"),
    ],
)
def test_wrong_names(data: bytes, message: str) -> None:
    with pytest.raises(MalformedModule, match=message):
        Reader(data).name(10, "name")


def test_counts_are_limited() -> None:
    assert Reader(b"\x0a").count(10, "things") == 10
    with pytest.raises(MalformedModule, match="too many things: 11 are more than 10"):
        Reader(b"\x0b").count(10, "things")


@given(st.binary(max_size=24), st.integers(0, 6))
def test_many_integers_are_read_as_one_by_one(data: bytes, count: int) -> None:
    def one_by_one(reader: Reader) -> object:
        offsets, values = [], []
        for _ in range(count):
            offsets.append(reader.offset)
            values.append(reader.u32())
        return values, offsets, reader.position

    def at_once(reader: Reader) -> object:
        values, offsets = reader.u32s(count)
        return values, offsets, reader.position

    def outcome(read: Callable[[Reader], object]) -> object:
        try:
            return read(Reader(data))
        except MalformedModule as error:
            return str(error)

    assert outcome(at_once) == outcome(one_by_one)


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_many_large_integers(values: list[int]) -> None:
    assert Reader(b"".join(map(unsigned, values))).u32s(len(values))[0] == values
