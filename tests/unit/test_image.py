"""Images: look-ups, and a serialised form in which no flipped bit stays unnoticed."""

from __future__ import annotations

import pytest

from wasmine.abi.image import HEADER_SIZE, FunctionExtent, Image
from wasmine.abi.linetable import LineProgram, pack_line_programs, read_line_programs
from wasmine.abi.unwind import FrameRow, FrameTable
from wasmine.errors import DeserializeError, InternalError

# Of the standard opcodes 1 to 12, as LLVM declares them.
OPERAND_COUNTS = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])


def set_address(address: int) -> bytes:
    return b"\0\x09\x02" + address.to_bytes(8, "little")


END = b"\0\x01\x01"
LINES = LineProgram(
    -5,
    14,
    1,
    OPERAND_COUNTS,
    # Each line: what comes before the row, then the opcode that makes the row.
    set_address(0x40)
    + b"\x03\xe4\x00"  # line 1 + 100
    + b"\x01"  # a row at 0x40
    + b"\x05\x07\x0a\x06"  # column 7, end of the prologue, not a statement
    + bytes([13 + 5 + 14 * 4 + 1])  # 4 bytes and a line on: 0x44, 102
    + b"\x03\x9a\x7f"  # line 102 - 102
    + b"\x08"  # 17 bytes on
    + b"\x01"  # 0x55, 0
    + b"\x02\x80\x01\x09\x10\x00"  # 128 and 16 bytes on
    + b"\x03\xff\xff\xff\xff\x0f"  # the largest line there is
    + b"\x01"  # 0xe5
    + b"\x02\x03"
    + END  # 0xe8
    + set_address(0x10)
    + b"\x03\x08\x01"  # 0x10, 9
    + b"\x02\x30"
    + END,  # 0x40, where the other begins
)
IMAGE = Image(
    machine=62,
    page=4096,
    code=bytes(range(256)) * 20,
    text_size=5000,
    functions=(
        FunctionExtent("first", 0, 16, 8),
        FunctionExtent("second", 0x10, 0x30, 0),
        FunctionExtent("übrig", 0x50, 100, 4096),
    ),
    slots=("memcpy", "floor"),
    frames=FrameTable(
        [
            FrameRow(0, 9, 0, 0),
            FrameRow(0x50, 9, 0, 7),
            FrameRow(0x52, 17, 0xA0, 7),
            FrameRow(0xB4, 0, 0, 0),
        ],
        bytes([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1]),
    ).pack(),
    lines=pack_line_programs([LINES]),
)


def test_functions_by_offset_and_by_name() -> None:
    names = {offset: IMAGE.function_at(offset) for offset in (0, 15, 16, 0x3F, 0x40, 0x50, 0xB3)}
    assert {offset: found and found.name for offset, found in names.items()} == {
        0: "first",
        15: "first",
        16: "second",
        0x3F: "second",
        0x40: None,
        0x50: "übrig",
        0xB3: "übrig",
    }
    assert IMAGE.function_at(-1) is None
    assert IMAGE.function_at(0xB4) is None
    assert IMAGE.extent("übrig").start == 0x50
    assert "first" in IMAGE
    assert "third" not in IMAGE
    with pytest.raises(InternalError, match="the image has no function 'third'"):
        IMAGE.extent("third")


def test_the_address_table_is_on_the_page_behind_the_code() -> None:
    assert IMAGE.table_offset == 8192
    assert IMAGE.table_size == 16
    assert IMAGE.replace(code=bytes(4096)).table_offset == 4096
    assert IMAGE.replace(code=b"").table_offset == 0


def test_lines() -> None:
    expected = {
        0x0F: None,
        0x10: 9,
        0x3F: 9,
        0x40: 101,
        0x43: 101,
        0x44: 102,
        0x54: 102,
        0x55: None,
        0xE4: None,
        0xE5: 0xFFFFFFFF,
        0xE7: 0xFFFFFFFF,
        0xE8: None,
        0x10000: None,
    }
    assert {offset: IMAGE.wasm_offset(offset) for offset in expected} == expected
    assert len(read_line_programs(pack_line_programs([]))) == 0


def test_instruction_sizes_scale_the_advances_of_lines() -> None:
    instructions = (
        set_address(0x100) + b"\x03\x07\x01" + bytes([13 + 5 + 14 * 2]) + b"\x02\x03" + END
    )
    table = read_line_programs(
        pack_line_programs([LineProgram(-5, 14, 4, OPERAND_COUNTS, instructions)])
    )
    found = [table.find(offset) for offset in (0xFF, 0x100, 0x107, 0x108, 0x113, 0x114)]
    assert found == [0, 8, 8, 8, 8, 0]
    assert len(table) == 3


def test_frame_sizes() -> None:
    sizes = {offset: IMAGE.frame_size_at(offset) for offset in (0, 0x51, 0x52, 0xB3, 0xB4)}
    assert sizes == {0: 8, 0x51: 8, 0x52: 16, 0xB3: 16, 0xB4: None}


@pytest.mark.parametrize(
    "image",
    [
        IMAGE,
        IMAGE.replace(machine=183, page=65536),
        IMAGE.replace(code=b"", text_size=0, functions=(), slots=()),
        IMAGE.replace(slots=()),
        IMAGE.replace(code=bytes(4096), functions=()),
    ],
    ids=["full", "large pages", "empty", "no slots", "one page"],
)
def test_round_trip(image: Image) -> None:
    data = image.to_bytes()
    assert Image.from_bytes(data) == image
    assert Image.from_bytes(memoryview(data), verify=False) == image
    assert Image.from_bytes(data).to_bytes() == data


def test_code_is_page_aligned_and_not_copied_from_a_view() -> None:
    data = IMAGE.to_bytes()
    assert data.index(IMAGE.code) == 4096
    code = Image.from_bytes(memoryview(data)).code
    assert isinstance(code, memoryview)
    assert code.obj is data


def test_every_flipped_byte_is_found() -> None:
    data = bytearray(IMAGE.to_bytes())
    for position in range(len(data)):
        data[position] ^= 0x10
        with pytest.raises(DeserializeError):
            Image.from_bytes(memoryview(data))
        data[position] ^= 0x10
    assert Image.from_bytes(memoryview(data)) == IMAGE


def test_every_truncation_is_found() -> None:
    data = IMAGE.to_bytes()
    for size in (*range(HEADER_SIZE + 1), 300, 4095, 4096, 12287, 12288, len(data) - 1):
        with pytest.raises(DeserializeError, match="truncated"):
            Image.from_bytes(data[:size])


def test_without_verification_only_header_and_names_are_checked() -> None:
    data = bytearray(IMAGE.to_bytes())
    data[5000] ^= 1
    assert Image.from_bytes(memoryview(data), verify=False).functions == IMAGE.functions
    data[HEADER_SIZE] ^= 1
    with pytest.raises(DeserializeError, match="header does not match its checksum"):
        Image.from_bytes(memoryview(data), verify=False)


def test_errors_say_what_is_wrong() -> None:
    data = IMAGE.to_bytes()
    for wrong, message in (
        (b"\0asm" + data[4:], "not a compiled module: the magic number is missing"),
        (data[:8] + b"\x63\0\0\0" + data[12:], "compiled by another version: image format 99"),
        (data[:-1] + b"\0", "corrupt: the code does not match its checksum"),
        (data + b"\0", "corrupt: 12[0-9]* bytes where 12[0-9]* are expected"),
        (data[:5000], "truncated: 5000 bytes where 12[0-9]* are expected"),
    ):
        with pytest.raises(DeserializeError, match=message):
            Image.from_bytes(wrong)
