"""Row G01: typed access to globals, and what they refuse."""

from __future__ import annotations

import ctypes
import gc
import math

import pytest

from wasmine.errors import WasmineError
from wasmine.types import EXTERNREF, F32, F64, FUNCREF, I32, I64, V128, GlobalType, ValType
from wasmine.vm.globals import GlobalCell, GlobalError
from wasmine.vm.table import Uncounted


def cell(type_: ValType, mutable: bool = True) -> GlobalCell:
    return GlobalCell(GlobalType(type_, mutable))


@pytest.mark.parametrize(
    ("type_", "value", "bits", "back"),
    [
        (I32, -1, 0xFFFF_FFFF, -1),
        (I32, 0xFFFF_FFFF, 0xFFFF_FFFF, -1),
        (I32, -(1 << 31), 1 << 31, -(1 << 31)),
        (I32, True, 1, 1),
        (I64, (1 << 64) - 2, (1 << 64) - 2, -2),
        (I64, -(1 << 63), 1 << 63, -(1 << 63)),
        (F32, 1.5, 0x3FC0_0000, 1.5),
        (F32, 0.1, 0x3DCC_CCCD, 0.10000000149011612),
        (F32, 3, 0x4040_0000, 3.0),
        (F32, 1e300, 0x7F80_0000, math.inf),
        (F64, -0.0, 1 << 63, -0.0),
        (V128, (1 << 128) - 1, (1 << 128) - 1, (1 << 128) - 1),
        (FUNCREF, 0x7000_1234_5678, 0x7000_1234_5678, 0x7000_1234_5678),
    ],
)
def test_values_and_bits(type_: ValType, value: float, bits: int, back: float) -> None:
    own = cell(type_)
    assert (own.get(), own.get_bits()) == (0, 0)
    own.set(value)
    assert own.get_bits() == bits
    assert str(own.get()) == str(back)
    other = cell(type_)
    other.set_bits(bits, type_)
    assert str(other.get()) == str(back)


def test_nan_payloads_are_kept() -> None:
    for type_, bits in ((F32, 0x7FA0_0001), (F64, 0x7FF4_0000_0000_0001)):
        own = cell(type_)
        own.set_bits(bits, type_)
        assert math.isnan(own.get())
        assert own.get_bits() == bits


def test_immutable() -> None:
    constant = cell(I32, mutable=False)
    constant.initialize(7)
    message = "^Attempted to set an immutable global"
    with pytest.raises(GlobalError, match=message):
        constant.set(8)
    with pytest.raises(GlobalError, match=message):
        constant.set_bits(8, I32)
    assert constant.get() == 7
    assert issubclass(GlobalError, WasmineError)
    assert issubclass(GlobalError, TypeError)


def test_another_type() -> None:
    own = cell(I32)
    message = "^Attempted to operate on a global of type i32 as a global of type f64"
    with pytest.raises(GlobalError, match=message):
        own.set_bits(0, F64)
    assert own.get() == 0


@pytest.mark.parametrize(
    ("type_", "value"),
    [(I32, 1 << 32), (I32, -(1 << 31) - 1), (I64, 1 << 64), (V128, 1 << 128), (FUNCREF, 1 << 64)],
)
def test_what_does_not_fit(type_: ValType, value: int) -> None:
    own = cell(type_)
    with pytest.raises(OverflowError, match=f"^{value} does not fit in {type_}"):
        own.set(value)
    assert own.get_bits() == 0


def test_what_is_no_number() -> None:
    for type_, value in ((I32, 1.0), (I32, "1"), (F32, "1"), (F64, None)):
        with pytest.raises(TypeError):
            cell(type_).set(value)  # type: ignore[arg-type]


def test_the_address_is_aligned_and_stays() -> None:
    cells = [cell(I64) for _ in range(10)]
    addresses = [own.definition_address for own in cells]
    assert {address % 16 for address in addresses} == {0}
    for own in cells:
        own.set(-5)
    gc.collect()
    assert [own.definition_address for own in cells] == addresses
    assert ctypes.c_int64.from_address(addresses[0]).value == -5


def test_storage_in_a_vmcontext() -> None:
    context = ctypes.create_string_buffer(64)
    address = (ctypes.addressof(context) + 15) & -16
    own = GlobalCell(GlobalType(I32, True), address, context)
    own.set(0x0102_0304)
    assert ctypes.string_at(address, 8) == b"\x04\x03\x02\x01\0\0\0\0"
    ctypes.c_int32.from_address(address).value = -9
    assert own.get() == -9
    with pytest.raises(ValueError, match="is not aligned"):
        GlobalCell(GlobalType(I32, True), address + 8, context)


def test_externrefs_are_counted() -> None:
    log: list[tuple[str, int]] = []

    class Log(Uncounted):
        def retain(self, raw: int) -> None:
            log.append(("retain", raw))

        def release(self, raw: int) -> None:
            log.append(("release", raw))

    own = GlobalCell(GlobalType(EXTERNREF, True), references=Log())
    own.initialize(5)
    own.set(5)
    own.set_bits(6, EXTERNREF)
    assert log == [
        ("retain", 5), ("retain", 5), ("release", 5), ("retain", 6), ("release", 5),
    ]  # fmt: skip
    del log[:]
    own.close()
    own.close()
    assert log == [("release", 6)]
    assert own.get_bits() == 0
    del log[:]
    function = GlobalCell(GlobalType(FUNCREF, True), references=Log())
    function.set(7)
    function.close()
    assert log == []
