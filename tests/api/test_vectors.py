"""v128 between Python and WebAssembly: parameters, results, globals, host functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.harness import instance
from wasmine import I32, V128, Function, FunctionType, Global, GlobalType, Instance, Store

BYTES = bytes(range(1, 17))
NUMBER = int.from_bytes(BYTES, "little")
HIGH = b"\0" * 15 + b"\x80"

TEXT = """(module
  (import "host" "swap" (func $swap (param v128 i32 v128) (result v128 v128)))
  (import "host" "same" (func $same (param v128) (result v128)))
  (global $kept (export "kept") (mut v128) (v128.const i64x2 5 6))
  (global (export "fixed") v128 (v128.const i64x2 7 8))
  (func (export "same") (param v128) (result v128) (local.get 0))
  (func (export "low") (param i32 v128 f64) (result i64) (i64x2.extract_lane 0 (local.get 1)))
  (func (export "both") (param v128 v128) (result v128 i32 v128)
    (local.get 1) (i32.const 9) (local.get 0))
  (func (export "many") (param v128 v128 v128 v128 v128 v128 v128 v128 v128 v128) (result v128)
    (i8x16.add (local.get 8) (local.get 9)))
  (func (export "host swap") (param v128 v128) (result v128 v128)
    (call $swap (local.get 0) (i32.const 3) (local.get 1)))
  (func (export "host same") (param v128) (result v128) (call $same (local.get 0)))
  (func (export "keep") (param v128) (result v128) (global.get $kept) (global.set $kept (local.get 0)))
  (func (export "block") (param v128 i32) (result v128)
    (local.get 0)
    (block (param v128) (result v128)
      (br_if 0 (local.get 1))
      (i8x16.neg)))
  (func (export "select") (param v128 v128 i32) (result v128)
    (select (local.get 0) (local.get 1) (local.get 2))))"""


def made(host: Any = None, same: Any = None) -> Instance:
    store = Store()
    imports = {
        "swap": Function(
            host or (lambda a, _, b: (b, a)),
            FunctionType((V128, I32, V128), (V128, V128)),
            store=store,
        ),
        "same": Function(
            same or (lambda a: a), FunctionType((V128,), (V128,)), store=store, name="same"
        ),
    }
    return instance(TEXT, {"host": imports}, store=store)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (BYTES, BYTES),
        (bytearray(BYTES), BYTES),
        (memoryview(BYTES), BYTES),
        (memoryview(BYTES).cast("i"), BYTES),
        (np.frombuffer(BYTES, "<f4"), BYTES),
        (np.frombuffer(BYTES, "<u8").reshape(1, 2), BYTES),
        (np.int64(-1), b"\xff" * 16),
        (NUMBER, BYTES),
        (0, bytes(16)),
        (-1, b"\xff" * 16),
        ((1 << 128) - 1, b"\xff" * 16),
        (-1 << 127, HIGH),
        (1 << 127, HIGH),
    ],
)
def test_a_vector_is_sixteen_bytes_or_an_integer(given: object, expected: bytes) -> None:
    exports = made().exports
    assert exports.same(given) == expected
    assert exports["host same"](given) == expected
    assert exports.many(*[b"?" * 16] * 8, given, 0) == expected


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (b"short", TypeError, "v128 takes 16 bytes, not 5"),
        (BYTES + b"!", TypeError, "v128 takes 16 bytes, not 17"),
        (np.zeros(4), TypeError, "v128 takes 16 bytes, not 32"),
        ("sixteen letters!", TypeError, "v128 takes 16 bytes or an int, not str"),
        (1.0, TypeError, "v128 takes 16 bytes or an int, not float"),
        (None, TypeError, "v128 takes 16 bytes or an int, not NoneType"),
        (1 << 128, OverflowError, "does not fit in 128 bits"),
        ((-1 << 127) - 1, OverflowError, "does not fit in 128 bits"),
    ],
)
def test_what_is_no_vector_is_named(given: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=rf"low\(\) parameter 1 \(v128\): .*{text}"):
        made().exports.low(1, given, 2.0)
    with pytest.raises(error, match=rf"same\(\) result 0 \(v128\): .*{text}"):
        made(same=lambda _: given).exports["host same"](BYTES)


def test_several_results() -> None:
    exports = made().exports
    assert exports.both(BYTES, NUMBER + 1) == (b"\x02" + BYTES[1:], 9, BYTES)
    assert exports["host swap"](BYTES, HIGH) == (HIGH, BYTES)
    wide = made(host=lambda a, number, b: [number, 1 << 127]).exports
    assert wide["host swap"](BYTES, BYTES) == (b"\x03" + bytes(15), HIGH)


def test_host_functions_get_bytes() -> None:
    seen: list[object] = []

    def keep(value: bytes) -> bytes:
        seen.append(value)
        return value

    made(same=keep).exports["host same"](NUMBER)
    assert seen == [BYTES]


@pytest.mark.parametrize("bits", [0, 1, NUMBER, 1 << 64, (1 << 128) - 1])
def test_bits_are_integers(bits: int) -> None:
    exports = made().exports
    assert exports.same.call_raw(bits) == (bits,)
    assert exports.both.call_raw(bits, 2) == (2, 9, bits)


@pytest.mark.parametrize(
    ("bits", "error", "text"),
    [
        ("1", TypeError, "bits are an integer, not str"),
        (-1, OverflowError, "-1 is not 128 bits"),
        (1 << 128, OverflowError, "is not 128 bits"),
    ],
)
def test_what_is_not_128_bits(bits: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=rf"same\(\) parameter 0 \(v128\): .*{text}"):
        made().exports.same.call_raw(bits)


def test_globals() -> None:
    exports = made().exports
    five = (5).to_bytes(8, "little") + (6).to_bytes(8, "little")
    assert exports.kept.value == five
    assert exports.keep(BYTES) == five
    assert exports.kept.value == BYTES
    exports.kept.value = -1
    assert exports.keep(0) == b"\xff" * 16
    assert exports.fixed.value == (7).to_bytes(8, "little") + (8).to_bytes(8, "little")
    assert Global(GlobalType(V128, mutable=True), NUMBER).value == BYTES


def test_blocks_and_select() -> None:
    exports = made().exports
    assert exports.block(BYTES, 1) == BYTES
    assert exports.block(BYTES, 0) == bytes(256 - byte for byte in BYTES)
    assert exports.select(BYTES, HIGH, 1) == BYTES
    assert exports.select(BYTES, HIGH, 0) == HIGH


def test_annotations() -> None:
    def plain(value: bytes, _other: "v128") -> bytes:  # type: ignore[name-defined]  # noqa: F821, UP037
        return value

    function = Function(plain)
    assert function.type == FunctionType((V128, V128), (V128,))
    assert function(BYTES, 0) == BYTES


def test_a_constant_nan_in_every_lane_keeps_its_bits() -> None:
    text = '(module (func (export "f") (result v128) (f32x4.splat (f32.const -nan:0x200001))))'
    assert instance(text).exports.f() == bytes.fromhex("010 0a0ff".replace(" ", "")) * 4
